"""The ledger: no field of the registry goes without a place or a reason."""

from __future__ import annotations

import json

import pytest

from fhirtrial.errors import UsageError
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.report.coverage import Row, coverage, render_coverage, summary


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
    left_out = {row.path.split(".")[0] if row.path.startswith("results") else row.path for row in coverage(mapper) if row.left_out}

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
    assert [copy.element for copy in row.copies] == ["PlanDefinition.title"]


def test_fields_under_conditions_name_each_place(mapper: Mapper) -> None:
    """A number that goes to one element or another, by its type, has all of them."""
    (row,) = [row for row in coverage(mapper) if row.path.endswith("enrollmentInfo.count")]

    assert {place.element for place in row.two_way} >= {
        "ResearchStudy.recruitment.targetNumber",
        "ResearchStudy.recruitment.actualNumber",
    }
    assert {place.way for place in row.two_way} == {"when"}


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
