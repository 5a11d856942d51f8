"""Where elements of R5 are in R4: at which element, in which extension, and the path that finds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhirtrial.definitions import Definitions
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.publish.r4_places import R4Places, split

HL7 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"
FILES = MappingFiles()
PLACES = R4Places.load(FILES)

CONTEXTS = {
    "Element": "Element",
    "ResearchStudy": "ResearchStudy",
    "ResearchStudy.identifier": "ResearchStudy.identifier",
    "ResearchStudy.site": "ResearchStudy.site",
    "ResearchStudy.relatedArtifact": "ResearchStudy.relatedArtifact",
    "ResearchStudy.studyDesign": "ResearchStudy.category",
    "ResearchStudy.comparisonGroup": "ResearchStudy.arm",
    "ResearchStudy.recruitment": "ResearchStudy",
    "ResearchStudy.recruitment.eligibility": "ResearchStudy.enrollment",
    "ResearchStudy.recruitment.targetNumber": f"{HL7}ResearchStudy.recruitment.targetNumber",
    "ResearchStudy.outcomeMeasure": f"{HL7}ResearchStudy.outcomeMeasure",
    "ResearchStudy.status": f"{HL7}ResearchStudy.status",
    "ResearchStudy.comparisonGroup.linkId": f"{HL7}ResearchStudy.comparisonGroup.linkId",
    "RelatedArtifact.classifier": f"{HL7}RelatedArtifact.classifier",
    "Group.description": "http://hl7.org/fhir/StructureDefinition/artifact-description",
    "Location.address": "Location.address",
    "ContactDetail": "ContactDetail",
}
EXPRESSIONS = {
    "ResearchStudy.title": "ResearchStudy.title",
    "ResearchStudy.region": "ResearchStudy.location",
    "ResearchStudy.date": f"ResearchStudy.extension.where(url='{HL7}ResearchStudy.date').value.ofType(dateTime)",
    "ResearchStudy.status": f"ResearchStudy.status.extension.where(url='{HL7}ResearchStudy.status').value.ofType(code)",
    "ResearchStudy.associatedParty": f"ResearchStudy.extension.where(url='{HL7}ResearchStudy.associatedParty')",
    "ResearchStudy.associatedParty.party": (
        f"ResearchStudy.extension.where(url='{HL7}ResearchStudy.associatedParty')"
        ".extension.where(url='party').value.ofType(Reference)"
    ),
    "ResearchStudy.relatedArtifact.classifier": (
        f"ResearchStudy.relatedArtifact.extension.where(url='{HL7}RelatedArtifact.classifier')"
        ".value.ofType(CodeableConcept)"
    ),
    "ResearchStudy.comparisonGroup.linkId": (
        f"ResearchStudy.arm.extension.where(url='{HL7}ResearchStudy.comparisonGroup.linkId').value.ofType(id)"
    ),
    "ResearchStudy.site.extension.where(url='a.b').value": "ResearchStudy.site.extension.where(url='a.b').value",
    "ResearchStudy.region.first()": "ResearchStudy.location.first()",
    "ResearchStudy.focus.concept": "ResearchStudy.focus",
    "ResearchStudy.focus.concept.coding": "ResearchStudy.focus.coding",
    "ResearchStudy.focus.reference": (
        f"ResearchStudy.focus.extension.where(url='{HL7}ResearchStudy.focus')"
        ".extension.where(url='reference').value.ofType(Reference)"
    ),
    "MedicationAdministration.medication.concept": "MedicationAdministration.medication.ofType(CodeableConcept)",
    "MedicationAdministration.performer.actor.reference": "MedicationAdministration.performer.actor",
}
NOWHERE = {
    "ResearchSubject.consent": "ResearchSubject.consent has no one place in R4",
    "ResearchSubject.assignedComparisonGroup": "ResearchSubject.assignedComparisonGroup has no one place in R4",
    "MedicationAdministration.reason": "MedicationAdministration.reason has no one place in R4",
    "PractitionerRole.contact": "PractitionerRole.contact has no one place in R4",
    "ResearchStudy.focus": (
        "ResearchStudy.focus has no one place in R4, which has no CodeableReference: say concept or reference"
    ),
    "Location.virtualService": "Location.virtualService has no one place in R4",
    "ResearchStudy.associatedParty.party.reference": (
        "ResearchStudy.associatedParty.party.reference has no one place in R4"
    ),
    "ResearchStudy.name.x": "ResearchStudy.name.x: R5 has no x there",
    "ResearchStudy.label.where(a).value": (
        "ResearchStudy.label.where(a).value looks into what is an extension in R4: it needs an expression of its own"
    ),
}


@pytest.mark.parametrize("path", CONTEXTS)
def test_what_stands_on_an_element(path: str) -> None:
    """An extension stays on its element, under the name that R4 has for it, or becomes part of HL7's extension."""
    assert PLACES.context(path) == CONTEXTS[path]


@pytest.mark.parametrize("path", EXPRESSIONS)
def test_what_finds_an_element(path: str) -> None:
    """The path of an element leads through extensions where R4 has no element; what follows it stays."""
    assert PLACES.expression(path) == EXPRESSIONS[path]


@pytest.mark.parametrize("path", NOWHERE)
def test_no_place(path: str) -> None:
    """An element that R4 has in two places, by a function or nowhere, is an error that says so."""
    with pytest.raises(MappingError) as error:
        PLACES.expression(path)

    assert str(error.value) == f"releases/r4.yaml: {NOWHERE[path]}"


def test_nothing_stands_on_a_part() -> None:
    """A part of HL7's extension has no further parts."""
    with pytest.raises(MappingError, match=r"^releases/r4.yaml: ResearchStudy.label.value is part of an extension"):
        PLACES.context("ResearchStudy.label.value")


@pytest.mark.parametrize("release", ["r4", "r4b"])
@pytest.mark.parametrize("kind", ["ResearchStudy", "Group", "PlanDefinition", "Location", "Practitioner"])
def test_native_places_are_elements_of_the_release(kind: str, release: str) -> None:
    """For every element of R5 that stays one, R4 and R4B have the element that it becomes."""
    r5, other = Definitions.load(FILES), Definitions.load(FILES, release)
    native = 0
    for name in r5.elements(kind):
        try:
            place = PLACES.context(f"{kind}.{name}")
        except MappingError:
            continue
        if "://" not in place and "." in place:
            assert other.element(kind, place.partition(".")[2]) is not None, place
            native += 1
    assert native > 5


def test_code_systems() -> None:
    """A code system has the address that R4 knows; of a list that was divided it depends on the code."""
    status, phase = "http://hl7.org/fhir/research-study-status", "http://hl7.org/fhir/research-study-phase"

    assert PLACES.code_system(phase, "phase-1") == "http://terminology.hl7.org/CodeSystem/research-study-phase"
    assert PLACES.code_system(status, "recruiting") == "http://terminology.hl7.org/CodeSystem/research-study-status"
    assert PLACES.code_system(status, "completed") == status
    assert PLACES.code_system("http://loinc.org", "x") == "http://loinc.org"


def test_split_leaves_dots_in_addresses_alone() -> None:
    """The path ends where an extension or a function begins, whatever stands in their texts."""
    assert split("A.b.where(c='d.e').f") == ("A.b", "where(c='d.e').f")
    assert split("A.extension.where(url='d.e')") == ("A", "extension.where(url='d.e')")


def test_an_own_table_counts(tmp_path: Path) -> None:
    """Who replaces the table of the release step gets other places."""
    text = FILES.read_bytes("releases/r4.yaml").decode()
    (tmp_path / "releases").mkdir()
    changed = text.replace("region: {to: location}", "region: {extension: hl7}")
    assert changed != text
    (tmp_path / "releases" / "r4.yaml").write_text(changed, "utf-8")

    assert R4Places.load(MappingFiles(tmp_path)).context("ResearchStudy.region") == f"{HL7}ResearchStudy.region"
