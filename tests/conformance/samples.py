"""Good resources of every type, and how to change one."""

from __future__ import annotations

import copy
import re
from typing import Any

Json = dict[str, Any]
REMOVED = object()
UCUM = "http://unitsofmeasure.org"
HL7 = "http://hl7.org/fhir/"
ROLE = {"coding": [{"system": f"{HL7}research-study-party-role", "code": "sponsor", "display": "sponsor"}]}
DIV = '<div xmlns="http://www.w3.org/1999/xhtml"><p>A trial.</p></div>'
URN = "urn:uuid:0a0a0a0a-1b1b-4c4c-8d8d-5e5e5e5e5e5e"


def ucum(value: float, code: str) -> Json:
    """A quantity with its unit as code."""
    return {"value": value, "system": UCUM, "code": code}


GOOD: dict[str, Json] = {
    "study": {
        "resourceType": "ResearchStudy",
        "id": "NCT00000001",
        "text": {"status": "generated", "div": DIV},
        "identifier": [{"use": "official", "system": "https://clinicaltrials.gov/nctid", "value": "NCT00000001"}],
        "title": "A trial\nin two lines",
        "protocol": [{"reference": "PlanDefinition/plan"}],
        "status": "active",
        "period": {"start": "2020-03", "end": "2020"},
        "associatedParty": [{"name": "Sponsor", "role": ROLE, "party": {"reference": "Organization/org"}}],
        "recruitment": {"targetNumber": 12, "eligibility": {"reference": "Group/group"}},
        "comparisonGroup": [{"linkId": "arm", "name": "Arm", "intendedExposure": [{"display": "Drug: X"}]}],
        "relatedArtifact": [{"type": "documentation", "document": {"url": "http://example.org/a?b=c", "size": "12"}}],
        "focus": [{"concept": {"text": "Aspirin"}}, {"reference": {"reference": "Medication/med"}}],
    },
    "group": {
        "resourceType": "Group",
        "id": "group",
        "membership": "definitional",
        "type": "person",
        "characteristic": [
            {
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": "424144002"}]},
                "valueRange": {"low": ucum(18, "a"), "high": ucum(65, "a")},
                "exclude": False,
            }
        ],
    },
    "plan": {
        "resourceType": "PlanDefinition",
        "id": "plan",
        "url": "http://example.org/PlanDefinition/plan",
        "name": "Plan_1",
        "status": "active",
        "goal": [{"id": "goal", "description": {"text": "Health"}}],
        "action": [
            {
                "id": "one",
                "goalId": ["goal"],
                "definitionCanonical": "http://example.org/ActivityDefinition/act|1",
                "action": [
                    {"id": "two", "relatedAction": [{"targetId": "one", "relationship": "after"}]},
                ],
                "input": [{"requirement": {"type": "Observation", "codeFilter": [{"path": "code"}]}}],
                "output": [{"relatedData": "one"}],
                "timingTiming": {"repeat": {"period": 3, "periodUnit": "wk", "duration": 1, "durationUnit": "h"}},
            }
        ],
    },
    "activity": {
        "resourceType": "ActivityDefinition",
        "id": "act",
        "url": "http://example.org/ActivityDefinition/act",
        "status": "active",
        "quantity": {"value": 1.5, "unit": "mg", "system": UCUM, "code": "mg"},
        "dosage": [{"asNeeded": True, "asNeededFor": [{"text": "pain"}]}],
    },
    "provenance": {
        "resourceType": "Provenance",
        "id": "prov",
        "target": [{"reference": "ResearchStudy/NCT00000001"}],
        "occurredDateTime": "2024-01-01",
        "recorded": "2024-01-01T00:00:00Z",
        "agent": [{"who": {"reference": "Practitioner/person"}, "onBehalfOf": {"reference": "Organization/org"}}],
        "entity": [{"role": "source", "what": {"identifier": {"value": "NCT00000001"}}}],
    },
    "organization": {
        "resourceType": "Organization",
        "id": "org",
        "name": "Clinic",
        "contact": [{"telecom": [{"system": "phone", "value": "1", "use": "work"}], "address": {"use": "work"}}],
        "extension": [{"url": "http://example.org/x", "valueString": "x"}],
    },
    "practitioner": {
        "resourceType": "Practitioner",
        "id": "person",
        "name": [
            {
                "text": "Ada",
                "given": ["A", None],
                "_given": [None, {"extension": [{"url": "urn:x:y", "valueCode": "z"}]}],
            }
        ],
        "birthDate": "1900-02",
    },
    "role": {
        "resourceType": "PractitionerRole",
        "id": "role",
        "practitioner": {"reference": "Practitioner/person", "type": "Practitioner"},
        "organization": {"reference": "Organization/org"},
        "availability": [{"availableTime": [{"daysOfWeek": ["mon"], "allDay": True}]}],
    },
    "location": {
        "resourceType": "Location",
        "id": "place",
        "name": "Site",
        "position": {"longitude": -71.1, "latitude": 42},
    },
    "subject": {
        "resourceType": "ResearchSubject",
        "id": "subject",
        "status": "active",
        "study": {"reference": "ResearchStudy/NCT00000001"},
        "subject": {"reference": "#p"},
        "contained": [{"resourceType": "Patient", "id": "p", "gender": "other"}],
        "progress": [
            {
                "subjectState": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/research-subject-state",
                            "code": "on-study",
                            "display": "On-study",
                        }
                    ]
                }
            }
        ],
    },
    "administration": {
        "resourceType": "MedicationAdministration",
        "id": "given",
        "status": "completed",
        "medication": {"reference": {"reference": "Medication/med"}},
        "subject": {"reference": "Patient/p"},
        "occurenceDateTime": "2020-02-29T10:00:00+01:00",
        "dosage": {"dose": ucum(5, "mg"), "rateRatio": {"numerator": ucum(1, "mg"), "denominator": ucum(1, "h")}},
    },
    "encounter": {
        "resourceType": "Encounter",
        "id": "visit",
        "status": "completed",
        "participant": [{"type": [{"text": "nurse"}], "actor": {"reference": "Practitioner/person"}}],
    },
    "medication": {"resourceType": "Medication", "id": "med", "code": {"text": "Aspirin"}},
    "patient": {
        "resourceType": "Patient",
        "id": "p",
        "deceasedBoolean": False,
        "contact": [{"name": {"text": "Kin"}}],
        "_birthDate": {
            "extension": [{"url": f"{HL7}StructureDefinition/data-absent-reason", "valueCode": "masked"}],
        },
    },
    "bundle": {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": URN,
                "resource": {"resourceType": "Organization", "id": "org", "name": "Clinic"},
                "request": {"method": "PUT", "url": "Organization/org"},
            },
            {
                "resource": {
                    "resourceType": "PractitionerRole",
                    "practitioner": {"reference": "Practitioner?identifier=urn:x%7C1"},
                    "organization": {"reference": URN},
                },
                "request": {"method": "POST", "url": "PractitionerRole"},
            },
        ],
    },
    "found": {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": 1,
        "link": [{"relation": "self", "url": "http://example.org/Organization"}],
        "entry": [
            {
                "fullUrl": "http://example.org/Organization/org",
                "resource": {"resourceType": "Organization", "id": "org", "name": "Clinic"},
                "search": {"mode": "match"},
            }
        ],
    },
}
KNOWN = {f"{each['resourceType']}/{each['id']}": each for each in GOOD.values() if "id" in each}


def changed(name: str, changes: dict[str, Any]) -> Json:
    """A good resource with changes."""
    return with_changes(GOOD[name], changes)


def with_changes(good: Json, changes: dict[str, Any]) -> Json:
    """A copy of a resource with values set or removed at paths like ``entry[0].request``."""
    resource = copy.deepcopy(good)
    for path, value in changes.items():
        steps = [int(step) if step.isdigit() else step for step in re.findall(r"[^.\[\]]+", path)]
        node: Any = resource
        for step in steps[:-1]:
            node = node.setdefault(step, {}) if isinstance(node, dict) else node[step]
        if value is REMOVED:
            del node[steps[-1]]
        elif isinstance(node, list) and steps[-1] == len(node):
            node.append(value)
        else:
            node[steps[-1]] = value
    return resource


def extended(kind: str, value: object) -> tuple[str, dict[str, Any]]:
    """A change that gives the organization an extension of a type that the resources have no element of."""
    return "organization", {"extension[0]": {"url": "http://example.org/x", f"value{kind}": value}}
