"""Good resources of each type and release, for the validator to be judged by: none of them may be found wrong."""

from __future__ import annotations

from typing import Any

from .extension_definition import extension_definition
from .us_core import CDCREC, US_CORE

Json = dict[str, Any]

HL7 = "http://hl7.org/fhir/"
THO = "http://terminology.hl7.org/CodeSystem/"
OURS = "https://fhirtrial.org/StructureDefinition/"
R5_ELEMENT = f"{HL7}5.0/StructureDefinition/extension-"
REGISTRATION = f"{HL7}StructureDefinition/researchStudy-studyRegistration"
NCI = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
UCUM = "http://unitsofmeasure.org"
DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>A trial.</p></div>'
STUDY_URN = "urn:uuid:0f0f0f0f-0000-4000-8000-000000000001"
SPONSOR_URN = "urn:uuid:0f0f0f0f-0000-4000-8000-000000000002"


def concept(system: str, code: str, display: str | None = None) -> Json:
    """A CodeableConcept of one coding."""
    return {"coding": [{"system": system, "code": code} | ({"display": display} if display else {})]}


def extension(url: str, **parts: Json) -> Json:
    """An extension of parts: each is the name of the value and the value."""
    return {"url": url, "extension": [{"url": name} | value for name, value in parts.items()]}


def quantity(value: float, code: str, unit: str | None = None) -> Json:
    """A quantity with its unit as code."""
    return {"value": value, "unit": unit or code, "system": UCUM, "code": code}


def entry(url: str, resource: Json) -> Json:
    """An entry of a transaction."""
    return {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}


def bundle(study: Json) -> Json:
    """A transaction of a study and its sponsor."""
    entries = [entry(STUDY_URN, study), entry(SPONSOR_URN, {"resourceType": "Organization", "name": "Sponsor"})]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


REGISTERED = extension(
    REGISTRATION,
    activity={"valueCodeableConcept": concept(f"{HL7}research-study-registration-activity", "results-posting")},
    actual={"valueBoolean": True},
)
RETRACTED = extension(
    f"{OURS}retraction", notice={"valueUri": "https://example.org/1"}, source={"valueString": "A journal"}
)
LACKS = {"url": f"{OURS}document-lacks", "valueCode": "sap"}
TARGET_DURATION = {"url": f"{OURS}target-duration", "valueDuration": quantity(1, "a", "Year")}

STUDY: Json = {
    "resourceType": "ResearchStudy",
    "id": "study",
    "text": {"status": "generated", "div": DIV},
    "identifier": [{"use": "official", "type": concept(NCI, "C172240"), "system": "urn:x:y", "value": "NCT00000001"}],
    "title": "A study",
    "status": "active",
    "condition": [concept("https://www.nlm.nih.gov/mesh", "D003920", "Diabetes Mellitus")],
    "keyword": [{"text": "Diabetes"}],
    "period": {"start": "2020-01", "end": "2021-06-30"},
    "site": [{"reference": "Location/place"}],
    "description": "What is studied",
    "relatedArtifact": [
        {"type": "citation", "citation": "Smith 2020", "extension": [RETRACTED]},
        {"type": "documentation", "document": {"contentType": "application/pdf"}, "extension": [LACKS]},
    ],
}

ACTION = {
    "title": "Visit",
    "timingTiming": {"repeat": {"frequency": 1, "period": 2, "periodUnit": "wk"}},
    "definitionCanonical": "https://example.org/ActivityDefinition/drug",
}

RACE = {"url": f"{US_CORE}StructureDefinition/us-core-race"}
WHITE = {"url": "ombCategory", "valueCoding": {"system": CDCREC, "code": "2106-3", "display": "White"}}

EVERYWHERE: dict[str, Json] = {
    "us-patient": {
        "resourceType": "Patient",
        "id": "us-patient",
        "extension": [RACE | {"extension": [WHITE, {"url": "text", "valueString": "White"}]}],
    },
    "plan": {
        "resourceType": "PlanDefinition",
        "id": "plan",
        "url": "https://example.org/PlanDefinition/plan",
        "name": "Plan",
        "status": "active",
        "type": concept(f"{THO}plan-definition-type", "clinical-protocol"),
        "action": [ACTION],
    },
    "activity": {
        "resourceType": "ActivityDefinition",
        "id": "drug",
        "extension": [{"url": f"{OURS}arm-label", "valueString": "Arm A"}],
        "url": "https://example.org/ActivityDefinition/drug",
        "name": "Drug",
        "status": "active",
        "kind": "MedicationRequest",
        "productCodeableConcept": {"text": "Drug"},
    },
    "variable": {
        "resourceType": "EvidenceVariable",
        "id": "variable",
        "name": "Variable",
        "status": "active",
        "characteristic": [{"description": "drug", "definitionCodeableConcept": {"text": "Drug"}}],
    },
    "provenance": {
        "resourceType": "Provenance",
        "id": "provenance",
        "target": [{"reference": "ResearchStudy/study"}],
        "recorded": "2021-01-01T00:00:00Z",
        "agent": [{"type": concept(f"{THO}provenance-participant-type", "assembler"), "who": {"display": "fhirtrial"}}],
        "entity": [{"role": "source", "what": {"identifier": {"system": "urn:x:y", "value": "NCT00000001"}}}],
    },
    "organization": {
        "resourceType": "Organization",
        "id": "organization",
        "name": "Sponsor",
        "type": [concept(f"{THO}organization-type", "crs")],
    },
    "practitioner": {
        "resourceType": "Practitioner",
        "id": "person",
        "name": [{"text": "Dr Ada", "family": "Ada"}],
        "telecom": [{"system": "email", "value": "a@example.org"}],
        "gender": "female",
    },
    "role": {
        "resourceType": "PractitionerRole",
        "id": "role",
        "practitioner": {"reference": "Practitioner/person"},
        "organization": {"reference": "Organization/organization"},
    },
    "location": {
        "resourceType": "Location",
        "id": "place",
        "status": "active",
        "name": "Site",
        "mode": "instance",
        "address": {"city": "Ulm", "country": "DE"},
        "position": {"longitude": 9.99, "latitude": 48.4},
    },
    "patient": {
        "resourceType": "Patient",
        "id": "patient",
        "identifier": [{"system": "urn:x:y", "value": "S-001"}],
        "gender": "female",
        "birthDate": "1970",
    },
}

GROUP: Json = {
    "resourceType": "Group",
    "id": "group",
    "extension": [
        {"url": f"{OURS}gender-based", "valueBoolean": True},
        extension(f"{OURS}bmi-limits", minimum={"valueDecimal": 18.5}, maximum={"valueDecimal": 30}),
    ],
    "type": "person",
    "name": "Eligibility",
    "characteristic": [
        {
            "code": {"text": "Age"},
            "valueRange": {"low": quantity(18, "a"), "high": quantity(65, "a")},
            "exclude": False,
        }
    ],
}

STUDY_R4 = STUDY | {
    "extension": [
        REGISTERED,
        {"url": f"{R5_ELEMENT}ResearchStudy.recruitment.targetNumber", "valueUnsignedInt": 120},
        {"url": f"{R5_ELEMENT}ResearchStudy.descriptionSummary", "valueMarkdown": "A *summary*"},
        extension(
            f"{R5_ELEMENT}ResearchStudy.label",
            type={"valueCodeableConcept": concept(f"{HL7}title-type", "official")},
            value={"valueString": "Official title"},
        ),
        extension(
            f"{R5_ELEMENT}ResearchStudy.associatedParty",
            name={"valueString": "Sponsor"},
            role={"valueCodeableConcept": concept(f"{HL7}research-study-party-role", "lead-sponsor")},
        ),
        extension(
            f"{R5_ELEMENT}ResearchStudy.progressStatus",
            state={"valueCodeableConcept": concept(f"{HL7}research-study-status", "completed")},
            actual={"valueBoolean": True},
        ),
        TARGET_DURATION,
    ],
    "_status": {"extension": [{"url": f"{R5_ELEMENT}ResearchStudy.status", "valueCode": "active"}]},
    "primaryPurposeType": concept(f"{THO}research-study-prim-purp-type", "treatment", "Treatment"),
    "phase": concept(f"{THO}research-study-phase", "phase-2", "Phase 2"),
    "focus": [{"text": "Drug"}],
    "location": [concept("urn:iso:std:iso:3166", "US")],
    "enrollment": [{"reference": "Group/group"}],
    "sponsor": {"reference": "Organization/organization"},
    "principalInvestigator": {"reference": "Practitioner/person"},
    "arm": [
        {
            "extension": [{"url": f"{R5_ELEMENT}ResearchStudy.comparisonGroup.linkId", "valueId": "arm-1"}],
            "name": "Arm A",
            "type": concept(f"{HL7}research-study-arm-type", "experimental"),
        }
    ],
}

R4: dict[str, Json] = EVERYWHERE | {
    "study": STUDY_R4,
    "subject": {
        "resourceType": "ResearchSubject",
        "id": "subject",
        "status": "on-study",
        "study": {"reference": "ResearchStudy/study"},
        "individual": {"reference": "Patient/patient"},
        "assignedArm": "Arm A",
    },
    "administration": {
        "resourceType": "MedicationAdministration",
        "id": "administration",
        "status": "completed",
        "medicationCodeableConcept": {"text": "Drug"},
        "subject": {"reference": "Patient/patient"},
        "effectivePeriod": {"start": "2020-01-01", "end": "2020-01-02"},
        "dosage": {"text": "5 mg", "dose": quantity(5, "mg")},
    },
    "encounter": {
        "resourceType": "Encounter",
        "id": "encounter",
        "extension": [{"url": f"{R5_ELEMENT}Encounter.plannedStartDate", "valueDateTime": "2020-01-01"}],
        "status": "finished",
        "class": {"system": f"{THO}v3-ActCode", "code": "VR"},
        "subject": {"reference": "Patient/patient"},
        "period": {"start": "2020-01"},
        "reasonCode": [{"text": "planned"}],
    },
    "consent": {
        "resourceType": "Consent",
        "id": "consent",
        "modifierExtension": [{"url": f"{R5_ELEMENT}Consent.decision", "valueCode": "permit"}],
        "status": "active",
        "scope": concept(f"{THO}consentscope", "research"),
        "category": [concept(f"{THO}consentcategorycodes", "research")],
        "patient": {"reference": "Patient/patient"},
        "dateTime": "2020-01",
        "policy": [{"uri": "https://example.org/policy"}],
    },
    "group": GROUP | {"actual": False},
    "medication": {
        "resourceType": "Medication",
        "id": "medication",
        "code": {"text": "Drug"},
        "form": {"text": "tablet"},
        "ingredient": [{"itemCodeableConcept": {"text": "x"}, "strength": {"numerator": quantity(5, "mg"), "denominator": {"value": 1}}}],
    },
    "bundle": bundle({"resourceType": "ResearchStudy", "status": "active", "sponsor": {"reference": SPONSOR_URN}}),
}  # fmt: skip

PARTY = {"name": "Sponsor", "role": concept(f"{HL7}research-study-party-role", "lead-sponsor")}

R5: dict[str, Json] = EVERYWHERE | {
    "study": STUDY
    | {
        "extension": [REGISTERED, TARGET_DURATION],
        "url": "https://example.org/ResearchStudy/study",
        "label": [{"type": concept(f"{HL7}title-type", "official"), "value": "Official title"}],
        "primaryPurposeType": concept(f"{HL7}research-study-prim-purp-type", "treatment", "Treatment"),
        "phase": concept(f"{HL7}research-study-phase", "phase-2", "Phase 2"),
        "studyDesign": [concept(f"{HL7}study-design", "SEVCO:01003")],
        "focus": [{"concept": {"text": "Drug"}}],
        "region": [concept("urn:iso:std:iso:3166", "US")],
        "associatedParty": [PARTY | {"party": {"reference": "Organization/organization"}}],
        "progressStatus": [{"state": concept(f"{HL7}research-study-status", "completed"), "actual": True}],
        "recruitment": {"targetNumber": 120, "eligibility": {"reference": "Group/group"}},
        "comparisonGroup": [
            {"linkId": "arm-1", "name": "Arm A", "type": concept(f"{HL7}research-study-arm-type", "experimental")}
        ],
        "outcomeMeasure": [
            {"name": "Survival", "type": [concept(f"{HL7}research-study-objective-type", "primary")]}
        ],
    },
    "subject": {
        "resourceType": "ResearchSubject",
        "id": "subject",
        "status": "active",
        "study": {"reference": "ResearchStudy/study"},
        "subject": {"reference": "Group/group"},
        "assignedComparisonGroup": "arm-1",
        "progress": [{"subjectState": concept(f"{THO}research-subject-state", "on-study"), "startDate": "2020-01"}],
    },
    "administration": {
        "resourceType": "MedicationAdministration",
        "id": "administration",
        "status": "completed",
        "medication": {"concept": {"text": "Drug"}},
        "subject": {"reference": "Patient/patient"},
        "occurencePeriod": {"start": "2020-01-01", "end": "2020-01-02"},
        "dosage": {"text": "5 mg"},
    },
    "encounter": {
        "resourceType": "Encounter",
        "id": "encounter",
        "status": "completed",
        "subject": {"reference": "Patient/patient"},
        "participant": [{"actor": {"reference": "Practitioner/practitioner"}}],
        "actualPeriod": {"start": "2020-01"},
        "reason": [{"value": [{"concept": {"text": "planned"}}]}],
    },
    "consent": {
        "resourceType": "Consent",
        "id": "consent",
        "status": "active",
        "category": [concept(f"{THO}consentscope", "research")],
        "subject": {"reference": "Patient/patient"},
        "date": "2020-01",
    },
    "group": GROUP | {"membership": "definitional", "description": "Everybody"},
    "medication": {
        "resourceType": "Medication",
        "id": "medication",
        "code": {"text": "Drug"},
        "doseForm": {"text": "tablet"},
        "ingredient": [{"item": {"concept": {"text": "x"}}}],
    },
    "bundle": bundle(
        {"resourceType": "ResearchStudy", "status": "active", "associatedParty": [PARTY | {"party": {"reference": SPONSOR_URN}}]}
    ),
}  # fmt: skip

GOOD: dict[str, dict[str, Json]] = {
    release: {**made, "definition": extension_definition(f"{OURS}new", ["string"], release=release, context="Group")}
    for release, made in (("R4", R4), ("R4B", R4), ("R5", R5))
}
