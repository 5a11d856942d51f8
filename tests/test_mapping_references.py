# ruff: noqa: ISC004 (exact texts, as they are read)
"""References from one mapping file to another that cannot be made are found when the files are loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from .changed_mapping import NAME, ORGANIZATION, PLAN, STUDY, Case, check

ELIGIBILITY = "eligibility: {ref: eligibility}"
OLD = "party: {ref: organization, with: {name: $.oldOrganization}}"

CASES: dict[str, Case] = {
    "unknown file": (
        STUDY,
        ELIGIBILITY,
        "eligibility: {ref: eligiblity}",
        0,
        "no mapping file 'eligiblity'; did you mean eligibility?",
    ),
    "canonical outside a canonical": (
        ORGANIZATION,
        NAME,
        "  name: {canonical: plan}",
        0,
        "`canonical` makes a canonical; Organization.name is a string",
    ),
    "canonical of a file without URL": (
        "ctgov/intervention.yaml",
        "canonical: true\n",
        "",
        0,
        "intervention has no URL of its own: its head lacks `canonical: true`",
    ),
    "ref outside a Reference": (
        STUDY,
        "  whyStopped: {",
        "  whyStopped: {ref: eligibility, ",
        0,
        "`ref` makes a Reference; ResearchStudy.whyStopped is a CodeableConcept",
    ),
    "reference to the wrong resource": (
        STUDY,
        "party: {ref: role, with: {name: {also: $.name}, organization: $.affiliation}}",
        "party: {ref: location, with: {facility: {also: $.name}, city: $.affiliation}}",
        0,
        "location makes a Location; here FHIR wants a Practitioner or PractitionerRole or Organization",
    ),
    "with for a file that is not shared": (
        STUDY,
        ELIGIBILITY,
        "eligibility: {ref: eligibility, with: {a: $.hasResults}}",
        0,
        "`with` hands facts to a shared file; eligibility is none",
    ),
    "an unknown fact": (STUDY, OLD, OLD.replace("name:", "nam:"), 0, "organization takes no 'nam'; did you mean name?"),
    "a shared file without facts": (
        STUDY,
        "party: {ref: organization, with: {name: {also: $.fullName}}}",
        "party: {ref: organization}",
        0,
        "organization is a shared file: hand it its facts by `with`",
    ),
    "a file in two places": (
        PLAN,
        "  title: {also: $$",
        "  subjectReference: {ref: eligibility}\n  title: {also: $$",
        0,
        "eligibility is used for protocolSection.armsInterventionsModule here and for the record elsewhere: "
        "only a shared file may be used twice",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_line(tmp_path: Path, name: str) -> None:
    """One line changed for the worse: the error names the file and the line, and says what is wrong and what is right."""
    check(tmp_path, name, CASES[name])
