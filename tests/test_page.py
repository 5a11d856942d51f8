"""The reader of a study's page text: what it takes over, what it reports, and that no text breaks it."""

from __future__ import annotations

import gzip
import itertools
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.readers.page import read_page
from fhirtrial.record import Origin
from fhirtrial.schema import Schema
from tests.page_writer import SENTENCES, write_page

DATA = Path(__file__).parent / "data" / "page"
SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"
ROOT = Path(__file__).resolve().parents[1]
SEED = (DATA / "NCT05143125.page.txt").read_text(encoding="utf-8")
PAGES = sorted(DATA.glob("*.txt"))
TITLES = ["Study Results", *SENTENCES]


def read(text: str) -> tuple[dict[str, Any], list[Issue]]:
    """The page's record and issues, as if it were in page.txt."""
    return read_page(text, Origin(file="page.txt"))


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All values of a tree with their paths."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from leaves(value, f"{path}.{name}" if path else name)
    elif isinstance(tree, list):
        for at, value in enumerate(tree):
            yield from leaves(value, f"{path}[{at}]")
    else:
        yield path, tree


def odd(issues: list[Issue]) -> list[str]:
    """The codes of the warnings, without the hidden e-mail address that the seed page has."""
    return [issue.code for issue in issues if issue.severity != "information" and issue.code != "masked-value"]


def blocks_of(text: str) -> tuple[str, dict[str, str]]:
    """A page cut by hand: the lines above the first block, and each block's text."""
    parts = re.split(
        rf"(?m)^({'|'.join(TITLES)})\n(?=\n(?:{'|'.join(map(re.escape, SENTENCES.values()))}|Results))", text
    )
    return parts[0], {title: f"{title}\n{body}" for title, body in zip(parts[1::2], parts[2::2], strict=True)}


HEAD, BLOCKS = blocks_of(SEED)

LEAVES_OF_BLOCK = {
    "Study Results": r"hasResults",
    "Basic Information": r".*(overallStatus|phases\[\d\]|enrollmentInfo\.count|studyType|startDateStruct.*|completionDate.*)",
    "Brief Summary": r".*briefSummary",
    "Detailed Description": r".*detailedDescription",
    "Conditions": r".*conditionsModule.*",
    "Study Design": r".*designInfo.*",
    "Study Groups": r".*(armGroups|armGroupLabels).*",
    "Interventions": r"nothing: the groups say the same",
    "Eligibility Criteria": r".*eligibilityModule.*",
    "Sponsors": r".*leadSponsor.*",
    "Responsible Party": r".*responsibleParty.*",
    "Principal Investigators": r".*overallOfficials.*",
    "Locations": r".*locations.*",
    "Countries": r"nothing: the sites say the same",
    "Central Contacts": r".*centralContacts.*",
    "Facility Contacts": r".*locations\[0\]\.contacts.*",
    "Other Identifiers": r".*orgStudyIdInfo.*",
}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_every_leaf_of_a_page_is_as_written_by_hand(file: Path) -> None:
    """Each page gives exactly the values, and exactly the issues, of the expected file beside it."""
    expected = json.loads(file.with_suffix(".expected.json").read_text(encoding="utf-8"))
    data, issues = read_page(file.read_bytes().decode(), Origin(file=file.name))
    assert dict(leaves(data)) == expected["leaves"]
    assert [str(issue) for issue in issues] == expected["issues"]


def test_the_example_is_the_seed_page() -> None:
    """The page in the examples is, byte for byte, the one that is tested here."""
    assert (ROOT / "examples" / "NCT05143125.page.txt").read_bytes() == (DATA / "NCT05143125.page.txt").read_bytes()


def test_the_seed_page_says_what_the_registry_would() -> None:
    """The facts of the page stand where the registry has them, in the registry's words."""
    data, _ = read(SEED)
    protocol = data["protocolSection"]
    assert protocol["designModule"]["phases"] == ["PHASE1", "PHASE2"]
    assert protocol["designModule"]["enrollmentInfo"] == {"count": 60}
    assert protocol["eligibilityModule"]["healthyVolunteers"] is False
    arms = protocol["armsInterventionsModule"]
    assert [arm["interventionNames"] for arm in arms["armGroups"]] == [
        ["Biological: Decitabine combined with NK cell infusion"]
    ]
    assert [found["armGroupLabels"] for found in arms["interventions"]] == [["Treatment group"]]
    criteria = protocol["eligibilityModule"]["eligibilityCriteria"]
    assert criteria.startswith("Inclusion Criteria:\n\n1. Male or female patients aged 18-70")
    assert "follows the research treatment plan and visit plan.\n\nExclusion Criteria:\n\n1. The patients" in criteria
    assert criteria.endswith("not suitable for enrollment.")
    assert data["hasResults"] is False


@pytest.mark.parametrize("title", TITLES)
def test_a_missing_block_takes_only_its_own_values_away(title: str) -> None:
    """Without one block, exactly its values are missing; only contacts of a site then have no place."""
    whole = dict(leaves(read(SEED)[0]))
    data, issues = read(HEAD + "".join(body for name, body in BLOCKS.items() if name != title))
    gone = {path for path in whole if re.fullmatch(LEAVES_OF_BLOCK[title], path)}
    assert dict(leaves(data)) == {path: value for path, value in whole.items() if path not in gone}
    assert gone or "nothing" in LEAVES_OF_BLOCK[title]
    assert odd(issues) == (["contradiction", "no-place"] if title == "Locations" else [])


@pytest.mark.parametrize("title", TITLES)
def test_a_block_alone_gives_its_values(title: str) -> None:
    """A block on its own gives the values that it gives within the page, without the ones it only completes."""
    whole = dict(leaves(read(SEED)[0]))
    data, _ = read(BLOCKS[title])
    alone = dict(leaves(data))
    assert alone.items() <= whole.items()
    if title not in ("Countries", "Facility Contacts"):
        assert alone


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_the_blocks_means_nothing(seed: int) -> None:
    """Blocks in another order give the same record."""
    bodies = [body.rstrip("\n") + "\n\n" for body in BLOCKS.values()]
    random.Random(seed).shuffle(bodies)
    data, issues = read(HEAD + "".join(bodies))
    assert data == read(SEED)[0]
    assert odd(issues) == []


@pytest.mark.parametrize("after", range(len(BLOCKS) + 1))
def test_an_unknown_block_is_reported_and_nothing_else_changes(after: int) -> None:
    """A block that the mapping file does not name is one issue with its title and line, wherever it stands."""
    bodies = [HEAD, *(body.rstrip("\n") + "\n\n" for body in BLOCKS.values())]
    before = "".join(bodies[: after + 1])
    block = "Outcome Measures\n\nReview the endpoints that this study measures.\n\nOverall survival\n\nTwo years\n\n"
    data, issues = read(before + block + "".join(bodies[after + 1 :]))
    assert data == read(SEED)[0]
    assert odd(issues) == ["unknown-block"]
    issue = next(issue for issue in issues if issue.code == "unknown-block")
    assert issue.place == f"page.txt:{before.count(chr(10)) + 1}"
    assert "'Outcome Measures'" in issue.message
    assert issue.record == "NCT05143125"


@pytest.mark.parametrize("title", ["Conditions", "Study Design", "Sponsors", "Locations", "Basic Information"])
def test_an_unknown_block_with_an_unusual_sentence_is_reported(title: str) -> None:
    """Below short values, any title with a sentence is a block, also one that no page has begun like that before."""
    block = "Funding Sources\n\nWho pays for this trial.\n\nA bank\n\n"
    data, issues = read(SEED.replace(BLOCKS[title], BLOCKS[title].rstrip("\n") + "\n\n" + block))
    assert data == read(SEED)[0]
    assert odd(issues) == ["unknown-block"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: "\n\n \n" + text + "\n\n \t\n",
        lambda text: re.sub(r"(?m)$", "  ", text),
        lambda text: re.sub(r"(?m)^(?=.)", "    ", text),
        lambda text: text.replace("\n\n", "\n\n\n\n"),
        lambda text: text.replace("\n\n", "\n"),
    ],
    ids=["CRLF", "CR", "BOM", "around", "trailing", "indented", "doubled", "single"],
)
def test_line_ends_and_blanks_mean_nothing(change: Any) -> None:
    """The same record comes from every way to end, indent and space lines."""
    data, issues = read(change(SEED))
    assert data == read(SEED)[0]
    assert odd(issues) == []


def test_a_page_cut_after_any_line_keeps_what_was_before() -> None:
    """Every beginning of the page is read; it holds no value that the whole page does not hold, or the begin of one."""
    whole = dict(leaves(read(SEED)[0]))
    lines = SEED.split("\n")
    last = 0
    for count in range(len(lines) + 1):
        found = dict(leaves(read("\n".join(lines[:count]))[0]))
        for path, value in found.items():
            assert value == whole[path] or (isinstance(value, str) and whole[path].startswith(value)), path
        assert len(found) >= last - 1, count
        last = len(found)
    assert last == len(whole)


def test_a_page_cut_within_a_line_is_read() -> None:
    """A page may end anywhere: no cut raises, and each gives a record that the registry's schema takes."""
    schema = Schema.load(MappingFiles())
    for end in range(0, len(SEED), 37):
        data, _ = read(SEED[:end])
        assert not [issue for issue in schema.check(data)[1] if issue.severity == "error"]


@pytest.mark.parametrize(
    ("old", "new", "path", "value", "code"),
    [
        ("\nUNKNOWN\n", "\nRECRUTING\n", "statusModule.overallStatus", "RECRUTING", "unknown-value"),
        ("PHASE1/PHASE2", "PHASE1/PHASE9", "designModule.phases", ["PHASE1", "PHASE9"], "unknown-value"),
        ("PHASE1/PHASE2", "PHASE1/", "designModule.phases", ["PHASE1"], "unknown-value"),
        ("60 participants", "sixty participants", "designModule.enrollmentInfo", None, "unknown-value"),
        ("60 participants", "60 sites", "designModule.enrollmentInfo", None, "unknown-value"),
        ("60 participants", "-60 participants", "designModule.enrollmentInfo", None, "unknown-value"),
        ("2021-02-05", "2021-02-30", "statusModule.startDateStruct.date", "2021-02-30", "impossible-date"),
        ("2021-02-05", "in spring", "statusModule.startDateStruct.date", "in spring", "wrong-shape"),
        ("\nNo\n", "\nMaybe\n", "eligibilityModule.healthyVolunteers", None, "unknown-value"),
        ("18 Years", "eighteen", "eligibilityModule.minimumAge", "eighteen", "wrong-shape"),
        ("\nALL\n", "\nBOTH\n", "eligibilityModule.sex", "BOTH", "unknown-value"),
        ("Sponsor Role lead", "Sponsor Role payer", "sponsorCollaboratorsModule.leadSponsor", None, "no-place"),
        ("Site Status RECRUITING", "Site Status", "contactsLocationsModule.locations.0.status", None, ""),
        (
            "Shenzhen, Guangdong, China",
            "A, B, C, China",
            "contactsLocationsModule.locations.0.city",
            None,
            "ambiguous-lines",
        ),
        ("Results pending", "Results maybe", "", None, "unknown-line"),
        ("NCT ID: NCT05143125", "", "identificationModule.nctId", None, ""),
    ],
)
def test_a_value_that_cannot_be_read_is_an_issue(old: str, new: str, path: str, value: Any, code: str) -> None:
    """What the schema can hold stays as written, all else is left out; both are reported with the line."""
    assert old in SEED
    text = SEED.replace(old, new, 1)
    data, issues = read(text)
    found: Any = data["protocolSection"]
    for name in path.split(".") if path else ():
        found = found[int(name)] if isinstance(found, list) else found.get(name, {})
    assert (found or None) == value or not path
    assert (code in odd(issues)) if code else odd(issues) == []
    if code and new.strip():
        line = text[: text.index(new.strip())].count("\n") + 1
        shown = [issue for issue in issues if issue.code == code]
        assert any(abs(int(issue.place.rpartition(":")[2]) - line) <= 4 for issue in shown)
        assert all(re.fullmatch(r"ctgov/page\.yaml:\d+", issue.mapping) for issue in shown)


def test_the_nearest_right_value_is_named() -> None:
    """A value with a slip of the pen, or the registry's label for it, comes with the value that may be meant."""
    for wrong, right in (("RECRUTING", "RECRUITING"), ("Not yet recruiting", "NOT_YET_RECRUITING")):
        _, issues = read(SEED.replace("\nUNKNOWN\n", f"\n{wrong}\n"))
        assert f"did you mean {right}?" in [issue.hint for issue in issues]


def test_a_hidden_address_is_no_address() -> None:
    """What the page shows instead of an e-mail address is left out and reported; a real one is taken."""
    data, issues = read(SEED)
    contact = data["protocolSection"]["contactsLocationsModule"]["centralContacts"][0]
    assert contact == {"name": "Li Yu, Dr", "role": "CONTACT", "phone": "+8675521839178"}
    assert [issue.path for issue in issues if issue.code == "masked-value"] == [
        "protocolSection.contactsLocationsModule.centralContacts[0].email"
    ]
    data, issues = read(SEED.replace("[email\xa0protected]", "li@example.org"))
    assert data["protocolSection"]["contactsLocationsModule"]["centralContacts"][0]["email"] == "li@example.org"
    assert "masked-value" not in [issue.code for issue in issues]


def test_what_the_page_made_up_is_told() -> None:
    """The last day of a month may stand for the month, and one of two dates of update is meant: both are said."""
    _, issues = read(SEED)
    told = {issue.path.rsplit(".", 2)[1]: issue.code for issue in issues if issue.severity == "information"}
    assert told == {"lastUpdatePostDateStruct": "uncertain-field", "completionDateStruct": "uncertain-day"}


@pytest.mark.parametrize("title", SENTENCES)
def test_a_changed_sentence_is_no_content(title: str) -> None:
    """A sentence in slightly other words is reported, not read; a missing one is reported and the block read."""
    whole = read(SEED)[0]
    data, issues = read(SEED.replace(SENTENCES[title], SENTENCES[title].replace("the", "those", 1).rstrip(".") + "!"))
    assert data == whole
    assert odd(issues) == ["changed-sentence"]
    data, issues = read(SEED.replace(SENTENCES[title] + "\n", ""))
    assert data == whole
    assert odd(issues) == ["missing-sentence"]


def test_a_title_within_a_text_is_text() -> None:
    """A line that only looks like a title stays in the text if the page has that block elsewhere."""
    text = SEED.replace("Natural killer cells", "Interventions\n\nNatural killer cells", 1)
    data, issues = read(text)
    summary = data["protocolSection"]["descriptionModule"]["briefSummary"]
    assert summary.startswith("Interventions\n\nNatural killer cells")
    assert len(data["protocolSection"]["armsInterventionsModule"]["interventions"]) == 1
    assert odd(issues) == []


def test_what_the_page_writes_for_nothing_is_nothing() -> None:
    """A dash, and N/A for an age, are no values and no loss: the record lacks them, and no issue is made."""
    data, issues = read(SEED.replace("70 Years", "N/A").replace("\nALL\n", "\n-\n"))
    assert data["protocolSection"]["eligibilityModule"].keys() == {
        "eligibilityCriteria",
        "minimumAge",
        "healthyVolunteers",
    }
    assert odd(issues) == []


def test_paragraphs_and_indents_of_a_text_stay() -> None:
    """A text keeps its blank lines and the indents of nested lists."""
    wanted = "One.\n\n* a\n\n  1. b\n\nTwo."
    text = f"T\nNCT ID: NCT00000102\n\nBrief Summary\n\n{SENTENCES['Brief Summary']}\n\n{wanted}\n\n"
    assert read(text)[0]["protocolSection"]["descriptionModule"] == {"briefSummary": wanted}


def test_a_block_or_value_that_comes_again_is_reported() -> None:
    """The first of two equal titles counts; nothing is merged, and the second is reported."""
    data, issues = read(SEED + "\n\n" + BLOCKS["Conditions"].replace("Malignancy", "Asthma"))
    assert data == read(SEED)[0]
    assert odd(issues) == ["repeated-block"]
    _, issues = read(SEED.replace("NCT ID: NCT05143125", "NCT ID: NCT05143125\nNCT ID: NCT00000102"))
    assert odd(issues) == ["second-value"]


def test_countries_that_differ_from_the_sites_are_reported() -> None:
    """The list of countries is compared with the sites, both ways."""
    _, issues = read(SEED.replace("\nChina\n", "\nFrance\n"))
    assert [issue.message for issue in issues if issue.code == "contradiction"] == [
        "China: the country of a site, but not listed here",
        "'France' is the country of no site, and is left out",
    ]


def test_contacts_of_one_of_several_sites_have_no_place() -> None:
    """With two sites nothing says whose contact it is: reported, not guessed."""
    site = "Other Hospital\n\nSeoul, Korea, Republic of\n\nSite Status WITHDRAWN\n\n"
    data, issues = read(
        SEED.replace("Countries\n\n", site + "Countries\n\n").replace("\nChina\n", "\nChina\n\nKorea, Republic of\n")
    )
    sites = data["protocolSection"]["contactsLocationsModule"]["locations"]
    assert sites[1] == {
        "facility": "Other Hospital",
        "city": "Seoul",
        "country": "Korea, Republic of",
        "status": "WITHDRAWN",
    }
    assert not any("contacts" in found for found in sites)
    assert odd(issues) == ["no-place"]


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


@pytest.mark.parametrize(
    ("title", "lines", "path", "expected", "codes"),
    [
        (
            "Central Contacts",
            ["A", "Role: CONTACT", "B", "Phone: 1", "C", "Role: CONTACT", "Email: c@example.org"],
            "contactsLocationsModule.centralContacts",
            [
                {"name": "A", "role": "CONTACT"},
                {"name": "B", "phone": "1"},
                {"name": "C", "role": "CONTACT", "email": "c@example.org"},
            ],
            [],
        ),
        (
            "Principal Investigators",
            ["A", "Role: STUDY_CHAIR", "B", "Role: STUDY_DIRECTOR", "of B", "C", "Role: STUDY_CHAIR", "of C"],
            "contactsLocationsModule.overallOfficials",
            [
                {"name": "A", "role": "STUDY_CHAIR"},
                {"name": "B", "role": "STUDY_DIRECTOR", "affiliation": "of B"},
                {"name": "C", "role": "STUDY_CHAIR", "affiliation": "of C"},
            ],
            [],
        ),
        (
            "Sponsors",
            [
                "A",
                "NIH",
                "Sponsor Role lead",
                "B",
                "Sponsor Role collaborator",
                "C",
                "FED",
                "Sponsor Role collaborator",
            ],
            "sponsorCollaboratorsModule",
            {
                "leadSponsor": {"name": "A", "class": "NIH"},
                "collaborators": [{"name": "B"}, {"name": "C", "class": "FED"}],
            },
            [],
        ),
        (
            "Sponsors",
            ["A", "NIH", "Sponsor Role lead", "B", "FED", "Sponsor Role lead"],
            "sponsorCollaboratorsModule",
            {"leadSponsor": {"name": "A", "class": "NIH"}},
            ["second-value"],
        ),
        (
            "Locations",
            [
                "Berlin, Germany",
                "Site Status COMPLETED",
                "Clinic",
                "Boston, Massachusetts, United States",
                "Site Status -",
            ],
            "contactsLocationsModule.locations",
            [
                {"city": "Berlin", "country": "Germany", "status": "COMPLETED"},
                {"facility": "Clinic", "city": "Boston", "state": "Massachusetts", "country": "United States"},
            ],
            [],
        ),
        (
            "Locations",
            ["A", "Berlin, Germany", "B", "Paris, France", "Site Status COMPLETED"],
            "contactsLocationsModule.locations",
            [
                {"facility": "A", "city": "Berlin", "country": "Germany"},
                {"facility": "B", "city": "Paris", "country": "France", "status": "COMPLETED"},
            ],
            ["missing-label"],
        ),
        (
            "Locations",
            ["A", "Berlin, Germany", "Floor 2", "B", "Paris, France", "Site Status COMPLETED"],
            "contactsLocationsModule.locations",
            [{"facility": "B", "city": "Paris", "country": "France", "status": "COMPLETED"}],
            ["unknown-line"] * 3,
        ),
        (
            "Other Identifiers",
            [
                "1",
                "Identifier Type: -",
                "Identifier Source: org_study_id",
                "2",
                "Identifier Type: REGISTRY",
                "Identifier Source: secondary_id",
                "3",
                "Identifier Source: ISRCTN",
            ],
            "identificationModule",
            {
                "briefTitle": "T",
                "nctId": "NCT00000102",
                "orgStudyIdInfo": {"id": "1"},
                "secondaryIdInfos": [{"id": "2", "type": "REGISTRY"}, {"id": "3", "domain": "ISRCTN"}],
            },
            [],
        ),
        (
            "Responsible Party",
            ["Responsibility Role SPONSOR"],
            "sponsorCollaboratorsModule.responsibleParty",
            {"type": "SPONSOR"},
            [],
        ),
    ],
)
def test_entries_are_told_apart(title: str, lines: list[str], path: str, expected: Any, codes: list[str]) -> None:
    """Where one entry ends and the next begins is read from the labelled lines, also where some are missing."""
    body = "\n\n".join([title, SENTENCES[title], *lines])
    data, issues = read(f"T\nNCT ID: NCT00000102\n\n{body}\n")
    found = data["protocolSection"]
    for name in path.split("."):
        found = found[name]
    assert found == expected
    assert odd(issues) == codes


def test_a_record_with_everything_comes_back_from_its_page() -> None:
    """A record that holds all a page shows, written as a page, is read back the same."""
    record = json.loads((DATA / "invented.record.json").read_text(encoding="utf-8"))
    data, issues = read(write_page(record))
    assert data == record
    assert odd(issues) == []


def arms(groups: str, interventions: str | None) -> tuple[dict[str, Any], list[str]]:
    """The module of a page with only these groups and interventions, and the codes of its warnings."""
    text = f"T\nNCT ID: NCT00000102\n\nStudy Groups\n\n{SENTENCES['Study Groups']}\n\n{groups}\n\n"
    if interventions is not None:
        text += f"Interventions\n\n{SENTENCES['Interventions']}\n\n{interventions}\n"
    data, issues = read(text)
    return data["protocolSection"]["armsInterventionsModule"], odd(issues)


def test_every_line_counts() -> None:
    """No line of a page is dropped in silence: without it, the record or the issues are different."""
    data, issues = read(SEED)
    plain = [(issue.code, issue.message) for issue in issues]
    lines = SEED.split("\n")
    silent = set()
    for at, line in enumerate(lines):
        if not line.strip():
            continue
        other, found = read("\n".join(itertools.chain(lines[:at], lines[at + 1 :])))
        if other == data and [(issue.code, issue.message) for issue in found] == plain:
            silent.add(line)
    assert silent == {
        *(line for line in lines if line.startswith("The study team has not published")),
        "Identifier Type: -",
        # The group repeats the description that stands in the list of interventions.
        "Decitabine combined with NK cell infusion",
    }


def test_an_added_line_counts() -> None:
    """A line put in anywhere is in the record or in an issue."""
    lines = SEED.split("\n")
    for at in range(len(lines) + 1):
        data, issues = read("\n".join([*lines[:at], "zzyzx", *lines[at:]]))
        assert "zzyzx" in json.dumps(data) or any("zzyzx" in issue.message for issue in issues), (at, lines[at - 1])


@settings(max_examples=150, deadline=None)
@given(st.text())
def test_any_text_gives_a_record_and_issues(text: str) -> None:
    """No text raises."""
    data, issues = read(text)
    assert isinstance(data, dict)
    assert all(isinstance(issue, Issue) for issue in issues)


@settings(max_examples=250, deadline=None)
@given(
    st.lists(
        st.sampled_from([line for line in SEED.split("\n") if len(line) < 200]) | st.text(max_size=20), max_size=60
    )
)
def test_any_mixture_of_lines_gives_a_record_that_the_schema_takes(lines: list[str]) -> None:
    """Lines of a page in any order, with others between, never raise and never give a record of wrong types."""
    data, issues = read("\n".join(lines))
    clean, found = SCHEMA.check(data)
    assert clean == data
    assert not [issue for issue in found if issue.severity == "error"]
    assert [issue.place for issue in issues] == sorted(
        (issue.place for issue in issues), key=lambda place: int(place.rpartition(":")[2])
    )
    assert read("\n".join(lines)) == (data, issues)


SCHEMA = Schema.load(MappingFiles())


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_the_record_is_one_of_the_registry(file: Path) -> None:
    """The registry's schema has nothing to say about the record of a page: fields, types, code values."""
    data, _ = read(file.read_text(encoding="utf-8"))
    assert SCHEMA.check(data) == (data, ())


def test_an_issue_without_a_file_still_names_the_line() -> None:
    """A page that comes from nowhere has lines all the same."""
    _, issues = read_page(SEED, Origin())
    assert issues[0].place == "line 5"


PAGE_YAML = MappingFiles().read_bytes("ctgov/page.yaml").decode()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "statusModule.overallStatus}",
            "statusModule.overalStatus}",
            "did you mean protocolSection.statusModule.overallStatus?",
        ),
        ("kind: list", "kind: lists", "'lists' is no kind of block; did you mean list?"),
        ("    path: protocolSection.descriptionModule.briefSummary\n", "", "needs 'path'"),
        ("split: /", "splitt: /", "unknown word 'splitt'; did you mean split?"),
        (", words: {'Yes': true, 'No': false}", "", "needs 'words' or 'value'"),
        ("    chooses: Sponsor Role\n", "", "'chooses' and 'goes'"),
        ("blocks:", "blocs:", "unknown word 'blocs'; did you mean blocks?"),
        ("  Conditions:\n", "  Brief Summary:\n", "stands twice"),
        ("unit: [participants, participant]", "unit: participants", "'unit' must be a list of texts"),
        ("{'Yes': true, 'No': false}", "{'Yes': 1, 'No': 0}", "'words' must be true or false"),
        ("value: false", "value: no", "'value' must be true or false"),
        ("[city, state, country]", "[city, country]", "city, state and country"),
        ("{Site Status: {path: status}}", "Site Status", "'labels' must be things with a name each"),
        ("{Site Status: {path: status}}", "{Site Status: status}", "expected words with values"),
        ("chooses: Sponsor Role", "chooses: Sponsor Roll", "none of the labels"),
        (", path: domain}", "}", "'otherwise' needs 'to' and 'path'"),
    ],
)
def test_a_wrong_mapping_file_is_refused_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    """A mapping file that says what cannot be meant is an error before any page is read."""
    assert old in PAGE_YAML
    (tmp_path / "ctgov").mkdir()
    (tmp_path / "ctgov" / "page.yaml").write_text(PAGE_YAML.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(MappingError, match=re.escape(message)) as caught:
        read_page(SEED, Origin(), MappingFiles(tmp_path))
    assert caught.value.line


def test_an_own_mapping_file_teaches_a_new_block(tmp_path: Path) -> None:
    """A block with another title is read as soon as a mapping file names it."""
    own = PAGE_YAML.replace(
        "  Conditions:\n",
        "  Keywords:\n    kind: list\n    sentence: Browse the keywords.\n"
        "    path: protocolSection.conditionsModule.keywords[]\n\n  Conditions:\n",
    )
    (tmp_path / "ctgov").mkdir()
    (tmp_path / "ctgov" / "page.yaml").write_text(own, encoding="utf-8")
    data, issues = read_page(
        SEED + "\n\nKeywords\n\nBrowse the keywords.\n\nNK cell\n", Origin(), MappingFiles(tmp_path)
    )
    assert data["protocolSection"]["conditionsModule"] == {"conditions": ["Malignancy"], "keywords": ["NK cell"]}
    assert odd(issues) == []


NOT_ON_A_PAGE = {
    "otherNames",
    "stdAges",
    "genderBased",
    "genderDescription",
    "studyPopulation",
    "samplingMethod",
    "zip",
    "geoPoint",
    "countryCode",
    "phoneExt",
    "domain",
    "link",
    "investigatorAffiliation",
    "oldNameTitle",
    "oldOrganization",
}
SHOWN = [
    "identificationModule.nctId",
    "identificationModule.briefTitle",
    "identificationModule.orgStudyIdInfo",
    "identificationModule.secondaryIdInfos",
    "statusModule.overallStatus",
    "statusModule.startDateStruct.date",
    "statusModule.completionDateStruct.date",
    "statusModule.lastUpdatePostDateStruct.date",
    "descriptionModule",
    "conditionsModule.conditions",
    "designModule.phases",
    "designModule.studyType",
    "designModule.enrollmentInfo.count",
    "armsInterventionsModule",
    "eligibilityModule",
    "sponsorCollaboratorsModule",
    "contactsLocationsModule.overallOfficials",
    "contactsLocationsModule.centralContacts",
    "contactsLocationsModule.locations",
]


def test_real_records_come_back_from_their_pages() -> None:
    """
    Records written as pages come back with all that a page shows; where one does not, the reader has said so.

    Not on a page: which comma of a place parts city and state, and whether the criteria's titles had a colon.
    """
    file = SHARED / "corpus" / "ctgov" / "studies.jsonl.gz"
    if not file.is_file():
        pytest.skip("the corpus of registry records is not here")
    silent = []
    with gzip.open(file) as lines:
        for line in itertools.islice(lines, 0, None, 4):
            record = json.loads(line)
            data, issues = read(write_page(record))
            told = bool(odd(issues))
            for path in SHOWN:
                wanted, found = shown(record["protocolSection"], path), shown(data["protocolSection"], path)
                if wanted != found and not told:
                    silent.append((data["protocolSection"]["identificationModule"]["nctId"], path))
            assert "unknown-block" not in [issue.code for issue in issues]
    assert silent == []


def shown(protocol: dict[str, Any], path: str) -> Any:
    """The part of a record that a page can show, in one form."""
    found: Any = protocol
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if path.endswith("locations") and found:
        several = len(found) > 1
        found = [
            {
                name: value
                for name, value in site.items()
                if name not in ("city", "state") and not (several and name == "contacts")
            }
            | {"place": ", ".join(site[name] for name in ("city", "state") if name in site)}
            for site in found
        ]
    return comparable(found)


def comparable(value: Any, name: str = "") -> Any:
    """A value without what pages lack, and without differences that pages cannot show."""
    if isinstance(value, dict):
        made = {key: comparable(inner, key) for key, inner in value.items() if key not in NOT_ON_A_PAGE}
        return {key: inner for key, inner in made.items() if inner} or None
    if isinstance(value, list):
        made_list = [comparable(inner) for inner in value]
        return sorted(made_list) if name == "armGroupLabels" else made_list
    if name == "eligibilityCriteria":
        return re.sub(r"\s+", " ", re.sub(r"(?m)^(Inclusion|Exclusion) Criteria:?$", r"\1 Criteria", value)).strip()
    return value.strip() if isinstance(value, str) else value
