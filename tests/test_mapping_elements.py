"""Elements that FHIR does not have, or not as a mapping file writes them, are found when the file is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from .changed_mapping import CODE, GROUP, HEAD, NAME, ORGANIZATION, ROLE, STUDY, Case, check

CASES: dict[str, Case] = {
    "unknown resource": (
        ORGANIZATION,
        HEAD,
        "resource: Organisation\n",
        0,
        "Organisation is no resource that R5's definitions here know",
    ),
    "unknown element": (
        ORGANIZATION,
        NAME,
        "  nam: $.name",
        0,
        "'nam' is no element of Organization; did you mean name?",
    ),
    "list where one is wanted": (
        ORGANIZATION,
        NAME,
        "  name: [$.name]",
        0,
        "Organization.name takes one value, not a list",
    ),
    "one where a list is wanted": (
        ROLE,
        CODE,
        "code: {text: $.title}",
        0,
        "PractitionerRole.code repeats: write a list",
    ),
    "empty list": (ROLE, CODE, "code: []", 0, "PractitionerRole.code must not be empty"),
    "object for a primitive": (
        ORGANIZATION,
        NAME,
        "  name: {text: $.name}",
        0,
        "Organization.name is a string, not an object",
    ),
    "plain value for an object": (
        ROLE,
        CODE,
        "code: [title]",
        0,
        "PractitionerRole.code is a CodeableConcept, not the plain value 'title'",
    ),
    "path for an object": (
        ROLE,
        CODE,
        "code: [$.title]",
        0,
        "PractitionerRole.code is a CodeableConcept, not the text $.title",
    ),
    "value of the wrong format": (
        GROUP,
        "exclude: false",
        "exclude: nope",
        0,
        "'nope' is no boolean, which Group.characteristic.exclude must be",
    ),
    "value outside a required binding": (
        "ctgov/location.yaml",
        "mode: instance",
        "mode: instanc",
        0,
        "'instanc' is not in the required binding of Location.mode; did you mean instance?",
    ),
    "required element": (
        STUDY,
        "body:\n  resourceType: ResearchStudy\n  status: active ",
        "body:\n  resourceType: ResearchStudy\n  # status: active ",
        1,
        "ResearchStudy.status is required by FHIR and has no line here",
    ),
    "required element further in": (
        GROUP,
        "healthy-volunteers, display: Accepts healthy volunteers}]}\n      exclude: false\n",
        "healthy-volunteers, display: Accepts healthy volunteers}]}\n",
        0,
        "Group.characteristic.exclude is required by FHIR and has no line here",
    ),
    "resourceType missing": (
        ORGANIZATION,
        "body:\n  resourceType: Organization\n",
        "body:\n",
        1,
        "`body` must begin with `resourceType: Organization`",
    ),
    "id written": (
        ORGANIZATION,
        "  resourceType: Organization\n",
        "  resourceType: Organization\n  id: x\n",
        0,
        "id: made from `identity`, not written here",
    ),
    "unknown prefix": (
        STUDY,
        "'hl7:title-type', code: official",
        "'hl6:title-type', code: official",
        0,
        "'hl6:title-type' begins with no known prefix; did you mean hl7?",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_line(tmp_path: Path, name: str) -> None:
    """One line changed for the worse: the error names the file and the line, and says what is wrong and what is right."""
    check(tmp_path, name, CASES[name])
