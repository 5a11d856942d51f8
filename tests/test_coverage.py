"""The ledger: no field of the registry goes without a place or a reason."""

from __future__ import annotations

import json
from copy import copy
from dataclasses import replace

import pytest

from fhirtrial.errors import UsageError
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.report.coverage import WIDTH, Row, coverage, of_whole_lists, render_coverage, summary
from fhirtrial.schema import Leaf


@pytest.fixture(scope="module")
def mapper() -> Mapper:
    return Mapper()


def test_no_field_is_unexplained(mapper: Mapper) -> None:
    """Every field of the registry's schema is read back from an element, or left out for a reason; each stands once."""
    rows = coverage(mapper)

    assert [row.path for row in rows if not row.is_explained] == []
    assert [row.path for row in rows] == [leaf.path for leaf in mapper.mapping.schema.leaves()]
    assert sum(bool(row.two_way) for row in rows) == 190


def test_only_results_and_browse_trees_are_left_out(mapper: Mapper) -> None:
    """What is left out are the results and what the registry recomputes from MeSH; nothing else."""
    left_out = {
        row.path.split(".")[0] if row.path.startswith("results") else row.path
        for row in coverage(mapper)
        if row.left_out
    }

    assert {path for path in left_out if not path.startswith(("resultsSection", "derivedSection"))} == set()
    assert all(
        "rowse" in path and not path.endswith(("meshes[].id", "meshes[].term"))
        for path in left_out
        if path.startswith("derivedSection")
    )


def test_a_field_names_element_file_and_line(mapper: Mapper) -> None:
    """The row of a field says where it is read back, with file and line, and where it is copied to."""
    (row,) = [row for row in coverage(mapper) if row.path.endswith("briefTitle")]
    (place,) = row.two_way

    assert place.element == "ResearchStudy.title"
    assert place.line.file == "ctgov/study.yaml"
    assert [place.element for place in row.copies] == ["PlanDefinition.title"]


def test_fields_under_conditions_name_each_place(mapper: Mapper) -> None:
    """A number that goes to one element or another, by its type, has all of them."""
    (row,) = [row for row in coverage(mapper) if row.path.endswith("enrollmentInfo.count")]

    assert {place.element for place in row.two_way} >= {
        "ResearchStudy.recruitment.targetNumber",
        "ResearchStudy.recruitment.actualNumber",
    }
    assert {place.way for place in row.two_way} == {"when"}


def test_nothing_of_the_mapping_is_left_unsaid(mapper: Mapper) -> None:
    """Each line of the mapping that writes a field stands at that field, or among those that take whole lists."""
    said = {place for row in coverage(mapper) for place in (*row.two_way, *row.copies)}
    whole = of_whole_lists(mapper)

    assert said | set(whole) == set(mapper.mapping.places)
    assert not said & set(whole)
    assert {place.element for place in whole} == {"ResearchStudy.region", "PlanDefinition.action"}
    assert {place.way for place in whole} == {"copy"}


def test_entries_of_a_list_are_told_apart(mapper: Mapper) -> None:
    """Where FHIR keeps several fields in one list, the element says which entry it is: by name, use or code."""
    elements = {
        row.name: [place.element for place in row.two_way]
        for row in coverage(mapper)
        if row.module in ("protocolSection.statusModule", "protocolSection.identificationModule")
    }

    assert elements["nctId"] == ["ResearchStudy.identifier[official].value"]
    assert elements["acronym"] == ["ResearchStudy.label[acronym].value"]
    assert elements["startDateStruct.type"] == ["ResearchStudy.progressStatus[start].actual"]
    assert elements["resultsWaived"] == [
        "ResearchStudy.classifier[results-waived]",
        "ResearchStudy.classifier[results-not-waived]",
    ]
    (element,) = elements["resultsFirstSubmitDate"]
    assert element.startswith("ResearchStudy.extension[researchStudy-studyRegistration: results-submission].extension")


def test_no_two_fields_share_an_element(mapper: Mapper) -> None:
    """Fields that are read back name elements of their own, but where one element says two things."""
    owners: dict[str, set[str]] = {}
    for row in coverage(mapper):
        for place in row.two_way:
            owners.setdefault(place.element, set()).add(row.name)
    shared = {element: names for element, names in owners.items() if len(names) > 1}

    # The name of an organization is that of any party that a person belongs to.
    assert len(shared.pop("Organization.name")) == 3
    assert shared == {
        "ResearchStudy.recruitment.targetNumber": {"enrollmentInfo.count", "enrollmentInfo.type"},
        "ResearchStudy.recruitment.actualNumber": {"enrollmentInfo.count", "enrollmentInfo.type"},
        "Group.characteristic": {"minimumAge", "maximumAge"},
    }


def test_the_table_fits_its_columns(mapper: Mapper) -> None:
    """No line of the table is wider than it may be, and a long element goes on below where it began."""
    lines = render_coverage(mapper).splitlines()

    assert max(map(len, lines)) <= WIDTH
    (first,) = [number for number, line in enumerate(lines) if line.strip().startswith("overallStatus ")]
    assert lines[first].split()[-1] == "ResearchStudy.progressStatus[status].state.coding.code"
    continued = [number for number, line in enumerate(lines) if line.strip() == ".valueUri"]
    assert continued
    for number in continued:
        assert lines[number].index(".valueUri") == lines[number - 1].index("ResearchStudy.")


def test_modules_stand_once_in_the_registrys_order(mapper: Mapper) -> None:
    """Fields are grouped by module; each module has one heading in each format."""
    modules = list(dict.fromkeys(row.module for row in coverage(mapper)))
    table = [line for line in render_coverage(mapper).splitlines() if line in modules]
    markdown = [line[3:] for line in render_coverage(mapper, "markdown").splitlines() if line.startswith("## ")]

    assert table == modules
    assert markdown == [*modules, "Made of whole lists"]


def test_an_unexplained_field_is_printed(mapper: Mapper) -> None:
    """A field that no line reads back is UNEXPLAINED in the table and in Markdown, also if it is copied somewhere."""
    lossy = copy(mapper)
    kept = tuple(
        place for place in mapper.mapping.places if place.way == "copy" or not place.path.endswith("briefTitle")
    )
    lossy.mapping = replace(mapper.mapping, places=kept)

    assert [row.path for row in coverage(lossy) if not row.is_explained] == [
        "protocolSection.identificationModule.briefTitle"
    ]
    for format in ("table", "markdown"):
        text = render_coverage(lossy, format)  # type: ignore[arg-type]
        assert text.count("UNEXPLAINED") == 1
        assert "189 carried both ways, 157 left out with a reason, 1 unexplained" in text


def test_markdown_tables_are_whole(mapper: Mapper) -> None:
    """Every line of a table in Markdown has as many cells as its head, whatever a reason says."""
    odd = copy(mapper)
    schema = copy(mapper.mapping.schema)
    leaves = [Leaf(path="a.b.c", type="text", left_out="this | or that")]
    schema.leaves = lambda: leaves  # type: ignore[method-assign]
    odd.mapping = replace(mapper.mapping, schema=schema, places=())

    assert "|  | – | left out: this \\| or that |  |" in render_coverage(odd, "markdown").replace("text", "")
    for line in render_coverage(mapper, "markdown").splitlines():
        if line.startswith("|"):
            assert line.count("|") in (5, 6)


def test_formats_say_the_same(mapper: Mapper) -> None:
    """Table, Markdown and JSON hold every field and every line; the first two end with the count."""
    rows = coverage(mapper)
    tree = json.loads(render_coverage(mapper, "json"))

    assert [item["path"] for item in tree] == [row.path for row in rows]
    for format in ("table", "markdown"):
        text = render_coverage(mapper, format)  # type: ignore[arg-type]
        assert text.endswith(f"\n{summary(rows)}\n")
        assert all(str(place.line) in text for row in rows for place in row.two_way)
    assert summary(rows).endswith("0 unexplained")


def test_an_unexplained_field_shows() -> None:
    """A field with neither place nor reason is counted, so that the first test can fail."""
    row = Row(path="a.b.c", type="text", two_way=(), copies=(), left_out="")

    assert not row.is_explained
    assert summary([row]) == "1 fields: 0 carried both ways, 0 left out with a reason, 1 unexplained"


def test_unknown_format(mapper: Mapper) -> None:
    """Another format is refused, and the nearest known one is named."""
    with pytest.raises(UsageError) as error:
        render_coverage(mapper, "markdwn")  # type: ignore[arg-type]

    assert str(error.value) == "'markdwn' is no format; did you mean markdown?"
