"""The study groups of a page and their interventions: which line says what, and what the two blocks say together."""

from __future__ import annotations

from typing import Any

from .page_texts import odd, read
from .page_writer import SENTENCES


def arms(groups: str, interventions: str | None) -> tuple[dict[str, Any], list[str]]:
    """The module of a page with only these groups and interventions, and the codes of its warnings."""
    text = f"T\nNCT ID: NCT00000102\n\nStudy Groups\n\n{SENTENCES['Study Groups']}\n\n{groups}\n\n"
    if interventions is not None:
        text += f"Interventions\n\n{SENTENCES['Interventions']}\n\n{interventions}\n"
    data, issues = read(text)
    return data["protocolSection"]["armsInterventionsModule"], odd(issues)


def test_groups_share_interventions() -> None:
    """An intervention of two groups is listed once, and names both; texts between labels find their owners."""
    found = arms(
        "A\n\nFirst.\n\nSecond.\n\nGroup Type EXPERIMENTAL\n\nDrug X\n\nIntervention Type DRUG\n\nOf X.\n\nY\n\n"
        "Intervention Type DIETARY_SUPPLEMENT\n\nB\n\nGroup Type NO_INTERVENTION\n\nC\n\nOf C.\n\n"
        "Group Type PLACEBO_COMPARATOR\n\nDrug X\n\nIntervention Type DRUG\n\nOf X.",
        "Drug X\n\nOf X.\n\nIntervention Type DRUG\n\nY\n\nIntervention Type DIETARY_SUPPLEMENT",
    )
    assert found == (
        {
            "armGroups": [
                {
                    "label": "A",
                    "type": "EXPERIMENTAL",
                    "description": "First.\n\nSecond.",
                    "interventionNames": ["Drug: Drug X", "Dietary Supplement: Y"],
                },
                {"label": "B", "type": "NO_INTERVENTION"},
                {
                    "label": "C",
                    "type": "PLACEBO_COMPARATOR",
                    "description": "Of C.",
                    "interventionNames": ["Drug: Drug X"],
                },
            ],
            "interventions": [
                {"name": "Drug X", "type": "DRUG", "description": "Of X.", "armGroupLabels": ["A", "C"]},
                {"name": "Y", "type": "DIETARY_SUPPLEMENT", "armGroupLabels": ["A"]},
            ],
        },
        [],
    )


def test_namesakes_are_told_apart_by_their_descriptions() -> None:
    """Two interventions of one type and name stay two; where their descriptions are equal too, it is reported."""
    groups = (
        "A\n\nGroup Type OTHER\n\nX\n\nIntervention Type DRUG\n\nonce\n\n"
        "B\n\nGroup Type OTHER\n\nX\n\nIntervention Type DRUG\n\ntwice"
    )
    found, codes = arms(groups, "X\n\nonce\n\nIntervention Type DRUG\n\nX\n\ntwice\n\nIntervention Type DRUG")
    assert [entry["armGroupLabels"] for entry in found["interventions"]] == [["A"], ["B"]]
    assert codes == []
    same = groups.replace("twice", "once")
    found, codes = arms(same, "X\n\nonce\n\nIntervention Type DRUG\n\nX\n\nonce\n\nIntervention Type DRUG")
    assert not any("armGroupLabels" in entry for entry in found["interventions"])
    assert codes == ["ambiguous-lines", "ambiguous-lines"]


def test_lines_that_may_be_either_are_left_out() -> None:
    """Without the list of interventions, nothing tells a description from the next group's label: reported."""
    found, codes = arms(
        "A\n\nGroup Type OTHER\n\nX\n\nIntervention Type DRUG\n\nof X\n\nB\n\nof B\n\nGroup Type OTHER", None
    )
    assert found["armGroups"] == [
        {"label": "A", "type": "OTHER", "interventionNames": ["Drug: X"]},
        {"type": "OTHER"},
    ]
    assert codes == ["ambiguous-lines", "missing-value"]


def test_groups_and_list_that_contradict_are_reported() -> None:
    """An intervention that is not listed is added, a description that differs is left out; both are reported."""
    found, codes = arms("A\n\nGroup Type OTHER\n\nZ\n\nIntervention Type DRUG\n\nof Z", "X\n\nIntervention Type DRUG")
    assert [entry["name"] for entry in found["interventions"]] == ["X", "Z"]
    assert codes == ["contradiction"]
    found, codes = arms(
        "A\n\nGroup Type OTHER\n\nX\n\nIntervention Type DRUG\n\nother", "X\n\nof X\n\nIntervention Type DRUG"
    )
    assert found["interventions"] == [{"name": "X", "type": "DRUG", "description": "of X", "armGroupLabels": ["A"]}]
    assert codes == ["contradiction"]


def test_a_group_may_name_an_intervention_twice() -> None:
    """A name that stands twice in a group stays twice there; the intervention names the group once."""
    twice = "X\n\nIntervention Type DRUG\n\n"
    found, codes = arms(f"A\n\nGroup Type OTHER\n\n{twice}{twice}", twice)
    assert found["armGroups"][0]["interventionNames"] == ["Drug: X", "Drug: X"]
    assert found["interventions"] == [{"name": "X", "type": "DRUG", "armGroupLabels": ["A"]}]
    assert codes == []


def test_what_follows_an_intervention_without_description_is_the_next_group() -> None:
    """The list of interventions says that there is no description, so label and description are the group's."""
    used = "X\n\nIntervention Type DRUG\n\n"
    found, codes = arms(f"A\n\nGroup Type OTHER\n\n{used}B\n\nOf B.\n\nGroup Type OTHER\n\n{used}", used)
    assert [(group["label"], group.get("description")) for group in found["armGroups"]] == [("A", None), ("B", "Of B.")]
    assert codes == []


def test_groups_without_a_type_are_reported() -> None:
    """Where a group's label is not followed by its type, nothing shows its end: read as one group, and reported."""
    found, codes = arms("A\n\nOf A.\n\nX\n\nIntervention Type DRUG", "X\n\nIntervention Type DRUG")
    assert found["armGroups"] == [{"label": "A", "description": "Of A.", "interventionNames": ["Drug: X"]}]
    assert codes == ["missing-label"]
