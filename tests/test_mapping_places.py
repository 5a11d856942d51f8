# ruff: noqa: ISC004 (exact texts, as they are read)
"""A field is read back in one place, or there is a reason why not: a mapping that leaves this open is an error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .changed_mapping import GROUP, STUDY, TITLE, Case, changed, check, error_of, line_of_entry

FACT = "{when: {$.hasResults: true},"

CASES: dict[str, Case] = {
    "two places": (
        STUDY,
        TITLE,
        TITLE + "  version: $.protocolSection.descriptionModule.briefSummary\n",
        4,
        "protocolSection.descriptionModule.briefSummary is read back here and in line {first} (ctgov/study.yaml:{first}): "
        "one of them must be `also`",
    ),
    "entries that nothing tells apart": (
        STUDY,
        "code: acronym, display: Acronym",
        "code: official, display: Acronym",
        0,
        "nothing tells this entry from the one in line {before} (ctgov/study.yaml:{before}): give one of them a constant "
        "that the other does not have (a code of its own, a `use`, a `url`), not beside a value that may be missing",
    ),
    "a value that only some entries of a kind have": (
        STUDY,
        "our:CodeSystem/artifact', code: available-data",
        "our:CodeSystem/artifact', code: see-also",
        -1,
        "nothing tells this entry from the one in line {seealso} (ctgov/study.yaml:{seealso}): give one of them a constant "
        "that the other does not have (a code of its own, a `use`, a `url`), not beside a value that may be missing",
    ),
    "when without otherwise": (
        GROUP,
        "    - otherwise: $.protocolSection.eligibilityModule.sex\n"
        "      make: {url: 'our:StructureDefinition/sex', valueCoding: "
        "{coded: $.protocolSection.eligibilityModule.sex, by: sex}}\n",
        "",
        -14,
        "protocolSection.eligibilityModule.sex is read under `when` only: a value that none of them names would be lost; "
        "add an `otherwise`",
    ),
    "otherwise without when": (
        STUDY,
        "    - otherwise: $.protocolSection.designModule.enrollmentInfo.type ",
        "    - otherwise: $.protocolSection.statusModule.overallStatus ",
        0,
        "`otherwise` needs a `when` of the same path in the same file",
    ),
    "when with two paths": (
        STUDY,
        FACT,
        "{when: {$.hasResults: true, $.documentSection.largeDocumentModule.noSap: true},",
        0,
        "`when` takes one path and one constant",
    ),
    "when with a list": (STUDY, FACT, "{when: {$.hasResults: [true]},", 0, "`when` compares with one plain value"),
    "when without an object": (STUDY, FACT, "{when: $.hasResults,", 0, "`when` must be an object"),
    "when with a value that the field cannot have": (
        STUDY,
        "when: {$.type: PRINCIPAL_INVESTIGATOR}",
        "when: {$.type: PRINCIPAL_INVESTIGATR}",
        0,
        "'PRINCIPAL_INVESTIGATR' is no ResponsiblePartyType; did you mean PRINCIPAL_INVESTIGATOR?",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_line(tmp_path: Path, name: str) -> None:
    """One line changed for the worse: the error names the file and the line, and says what is wrong and what is right."""
    check(tmp_path, name, CASES[name])


def test_a_field_without_a_place(tmp_path: Path) -> None:
    """A field that no line reads back is named; the error points at the head of the mapping, not at a file by chance."""
    changed(tmp_path, STUDY, "  whyStopped: {text: $.protocolSection.statusModule.whyStopped}\n", "")
    error = error_of(tmp_path)
    assert error.message == (
        "no line reads protocolSection.statusModule.whyStopped back: map it, or say in left-out.yaml why not"
    )
    assert error.file in (STUDY, "ctgov/left-out.yaml", "ctgov/mapping.yaml")


def test_two_places_name_both_lines(tmp_path: Path) -> None:
    """The error of a field with two places stands at the second and names the first."""
    line = changed(tmp_path, STUDY, TITLE, TITLE + "  version: $.protocolSection.descriptionModule.briefSummary\n")
    error = error_of(tmp_path)
    found = re.search(r"ctgov/study\.yaml:(\d+)\)", error.message)
    assert found is not None
    assert {error.line, int(found[1])} == {
        line + 1,
        line_of_entry((tmp_path / STUDY).read_text(), "descriptionSummary:"),
    }


def test_left_out_and_mapped(tmp_path: Path) -> None:
    """A field that is mapped cannot be declared left out as well."""
    path = "ctgov/left-out.yaml"
    changed(tmp_path, path, "resultsSection:", "protocolSection.outcomesModule: not wanted\nresultsSection:")
    assert "protocolSection.outcomesModule" in str(error_of(tmp_path))
