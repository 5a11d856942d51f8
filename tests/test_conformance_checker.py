"""The checker of finished resources finds what is wrong with them, for the right reason, and nothing else."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.conformance import problems
from tests.conformance.resource_rules import RULES
from tests.conformance.rules import NOT_CHECKED, STRUCTURAL
from tests.conformance.scope import INVARIANTS, TYPES

Json = dict[str, Any]
EXAMPLES = Path(__file__).resolve().parents[1] / ".." / "shared" / "fhir" / "examples"
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
    """A good resource with values set or removed at paths like ``entry[0].request``."""
    resource = copy.deepcopy(GOOD[name])
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


AGENT = "agent[0].onBehalfOf"
X = "Organization.extension[0].value"
ENTRY = {"fullUrl": "http://example.org/Organization/org", "resource": GOOD["organization"]}
TIMING = "PlanDefinition.action[0].timingTiming.repeat"
REPEAT = "action[0].timingTiming.repeat"
WRONG: list[tuple[str, dict[str, Any], str]] = [
    # structure
    ("study", {"sponsor": {"display": "x"}}, "ResearchStudy.sponsor: unknown-element"),
    ("study", {"_period": {"id": "x"}}, "ResearchStudy._period: unknown-element"),
    ("study", {"comparisonGroup[0].label": "x"}, "ResearchStudy.comparisonGroup[0].label: unknown-element"),
    ("activity", {"quantity.comparator": "<"}, "ActivityDefinition.quantity.comparator: unknown-element"),
    ("study", {"resourceType": "EvidenceReport"}, "EvidenceReport: unknown-type"),
    (
        "subject",
        {"contained[0].resourceType": "Widget", "subject": {"display": "x"}},
        "ResearchSubject.contained[0]: unknown-type",
    ),
    ("study", {"status": REMOVED}, "ResearchStudy.status: cardinality"),
    ("group", {"characteristic[0].valueRange": REMOVED}, "Group.characteristic[0].value[x]: cardinality"),
    ("provenance", {"agent": REMOVED}, "Provenance.agent: cardinality"),
    ("study", {"comparisonGroup[0].name": REMOVED}, "ResearchStudy.comparisonGroup[0].name: cardinality"),
    ("group", {"characteristic[0].valueBoolean": True}, "Group.characteristic[0]: cardinality"),
    ("study", {"identifier": {"value": "x"}}, "ResearchStudy.identifier: cardinality"),
    ("study", {"period": [{"start": "2020"}]}, "ResearchStudy.period: cardinality"),
    ("study", {"title": ["x"]}, "ResearchStudy.title: type"),
    ("practitioner", {"name[0].given": "A"}, "Practitioner.name[0].given: cardinality"),
    ("practitioner", {"name[0]._given": [None]}, "Practitioner.name[0].given: cardinality"),
    ("study", {"period": "2020"}, "ResearchStudy.period: type"),
    ("study", {"title": {"text": "x"}}, "ResearchStudy.title: type"),
    # nothing where something must be
    ("study", {"title": ""}, "ResearchStudy.title: empty"),
    ("study", {"title": None}, "ResearchStudy.title: empty"),
    ("study", {"period": None}, "ResearchStudy.period: empty"),
    ("study", {"period": {}}, "ResearchStudy.period: empty"),
    ("study", {"condition": []}, "ResearchStudy.condition: cardinality"),
    ("study", {"condition": [None]}, "ResearchStudy.condition[0]: empty"),
    ("practitioner", {"name[0].given": ["A", ""]}, "Practitioner.name[0].given[1]: empty"),
    ("practitioner", {"name[0]._given": [None, None]}, "Practitioner.name[0].given[1]: empty"),
    ("study", {"period": {"id": "x"}}, "ResearchStudy.period: ele-1"),
    # formats
    ("study", {"title": " \n "}, "ResearchStudy.title: format"),
    ("study", {"title": "a\x0bb"}, "ResearchStudy.title: format"),
    ("study", {"title": 3}, "ResearchStudy.title: format"),
    ("study", {"id": "NCT_1"}, "ResearchStudy.id: format"),
    ("study", {"id": "x" * 65}, "ResearchStudy.id: format"),
    ("study", {"period.start": "2019-02-29"}, "ResearchStudy.period.start: format"),
    ("study", {"period.start": "2019-13"}, "ResearchStudy.period.start: format"),
    ("study", {"period.start": "2019-02-01T10:00:00"}, "ResearchStudy.period.start: format"),
    ("study", {"period.start": "0000"}, "ResearchStudy.period.start: format"),
    ("study", {"period.start": "March 2019"}, "ResearchStudy.period.start: format"),
    ("provenance", {"recorded": "2024-01-01"}, "Provenance.recorded: format"),
    ("study", {"recruitment.targetNumber": -1}, "ResearchStudy.recruitment.targetNumber: format"),
    ("study", {"recruitment.targetNumber": 1.0}, "ResearchStudy.recruitment.targetNumber: format"),
    ("study", {"recruitment.targetNumber": True}, "ResearchStudy.recruitment.targetNumber: format"),
    ("study", {"recruitment.targetNumber": "12"}, "ResearchStudy.recruitment.targetNumber: format"),
    ("study", {"relatedArtifact[0].document.size": 12}, "ResearchStudy.relatedArtifact[0].document.size: format"),
    ("study", {"relatedArtifact[0].document.url": "a b"}, "ResearchStudy.relatedArtifact[0].document.url: format"),
    ("location", {"position.latitude": "42"}, "Location.position.latitude: format"),
    ("location", {"position.latitude": float("nan")}, "Location.position.latitude: format"),
    ("patient", {"deceasedBoolean": 1}, "Patient.deceasedBoolean: format"),
    (*extended("Base64Binary", "abc"), f"{X}Base64Binary: format"),
    (*extended("Code", "a  b"), f"{X}Code: format"),
    (*extended("Time", "24:00:00"), f"{X}Time: format"),
    # codes
    ("study", {"status": "completed"}, "ResearchStudy.status: binding"),
    ("group", {"membership": "actual"}, "Group.membership: binding"),
    ("study", {"language": "English (US)"}, "ResearchStudy.language: binding"),
    (
        "subject",
        {"progress[0].subjectState.coding[0].system": "http://example.org/own"},
        "ResearchSubject.progress[0].subjectState: binding",
    ),
    (
        "subject",
        {"progress[0].subjectState": {"text": "on study"}},
        "ResearchSubject.progress[0].subjectState: binding",
    ),
    (
        "study",
        {"status": REMOVED, "_status": {"extension": [{"url": "http://example.org/x", "valueString": "x"}]}},
        "ResearchStudy.status: binding",
    ),
    (
        "study",
        {"associatedParty[0].role.coding[0].code": "sponsored"},
        "ResearchStudy.associatedParty[0].role.coding[0].code: code",
    ),
    (
        "study",
        {"associatedParty[0].role.coding[0].system": f"{HL7}party-role"},
        "ResearchStudy.associatedParty[0].role.coding[0].system: code",
    ),
    (
        "study",
        {"associatedParty[0].role.coding[0].display": "Sponsor"},
        "ResearchStudy.associatedParty[0].role.coding[0].display: display",
    ),
    (
        "study",
        {"associatedParty[0].role.coding[0].system": f"{HL7}ValueSet/research-study-party-role"},
        "ResearchStudy.associatedParty[0].role.coding[0].system: absolute",
    ),
    ("study", {"identifier[0].system": "nctid"}, "ResearchStudy.identifier[0].system: absolute"),
    ("patient", {"_birthDate.extension[0].valueCode": "none"}, "Patient.birthDate(extension).extension[0]: code"),
    ("organization", {"extension[0].url": "x"}, "Organization.extension[0].url: absolute"),
    # targets
    ("study", {"protocol[0].reference": "Group/group"}, "ResearchStudy.protocol[0]: target"),
    ("study", {"protocol[0].reference": "plan"}, "ResearchStudy.protocol[0]: target"),
    ("study", {"protocol[0].reference": "PlanDefinition/none"}, "ResearchStudy.protocol[0]: dangling"),
    ("study", {"protocol[0].reference": "http://a.org/fhir/Group/1"}, "ResearchStudy.protocol[0]: target"),
    ("study", {"protocol[0].type": "Group"}, "ResearchStudy.protocol[0].type: target"),
    ("study", {"protocol": [{"type": "Group", "display": "x"}]}, "ResearchStudy.protocol[0]: target"),
    ("study", {"focus[1].reference.reference": "Group/group"}, "ResearchStudy.focus[1].reference: target"),
    ("study", {"protocol[0].reference": "PlanDefinition?url=x"}, "ResearchStudy.protocol[0]: target"),
    ("subject", {"subject.reference": "Organization/org", "contained": REMOVED}, "ResearchSubject.subject: target"),
    (
        "plan",
        {"action[0].definitionCanonical": "http://example.org/Group/x"},
        "PlanDefinition.action[0].definitionCanonical: target",
    ),
    (
        "plan",
        {"action[0].definitionCanonical": "ActivityDefinition/act"},
        "PlanDefinition.action[0].definitionCanonical: absolute",
    ),
    ("plan", {"action[0].definitionCanonical": "#act"}, "PlanDefinition.action[0].definitionCanonical: dangling"),
    (
        "bundle",
        {"entry[1].resource.organization.reference": f"{URN[:-1]}0"},
        "Bundle.entry[1].resource.PractitionerRole.organization: dangling",
    ),
    (
        "bundle",
        {"entry[1].resource.practitioner.reference": URN},
        "Bundle.entry[1].resource.PractitionerRole.practitioner: target",
    ),
    ("bundle", {"entry[0].resource.nam": "x"}, "Bundle.entry[0].resource.Organization.nam: unknown-element"),
    # invariants of datatypes
    (*extended("Age", {"value": 3, "system": UCUM}), f"{X}Age: age-1"),
    (*extended("Age", ucum(0, "a")), f"{X}Age: age-1"),
    (*extended("Attachment", {"data": "QUJD"}), f"{X}Attachment: att-1"),
    (
        "role",
        {"availability[0].availableTime[0].availableStartTime": "10:00:00"},
        "PractitionerRole.availability[0].availableTime[0]: av-1",
    ),
    (*extended("Count", ucum(1.5, "1")), f"{X}Count: cnt-3"),
    (*extended("Coding", {"system": "urn:x:y", "display": "x"}), f"{X}Coding: cod-1"),
    ("organization", {"contact[0].telecom": [{"value": "1"}]}, "Organization.contact[0].telecom[0]: cpt-2"),
    (*extended("Distance", {"value": 3}), f"{X}Distance: dis-1"),
    ("activity", {"dosage[0].asNeeded": False}, "ActivityDefinition.dosage[0]: dos-1"),
    (
        "plan",
        {"action[0].input[0].requirement.codeFilter[0].searchParam": "code"},
        "PlanDefinition.action[0].input[0].requirement.codeFilter[0]: drq-1",
    ),
    (
        "plan",
        {"action[0].input[0].requirement.dateFilter": [{"valueDateTime": "2020"}]},
        "PlanDefinition.action[0].input[0].requirement.dateFilter[0]: drq-2",
    ),
    (*extended("Duration", {"value": 3, "code": "d", "system": "urn:x:y"}), f"{X}Duration: drt-1"),
    (*extended("Expression", {"language": "text/cql"}), f"{X}Expression: exp-1"),
    (*extended("Expression", {"name": "1", "expression": "1"}), f"{X}Expression: exp-2"),
    ("organization", {"extension[0].valueString": REMOVED}, "Organization.extension[0]: ext-1"),
    (
        "organization",
        {"extension[0].extension": [{"url": "part", "valueString": "x"}]},
        "Organization.extension[0]: ext-1",
    ),
    ("study", {"identifier[0].value": REMOVED}, "ResearchStudy.identifier[0]: ident-1"),
    ("study", {"period.start": "2021"}, "ResearchStudy.period: per-1"),
    ("study", {"period": {"start": "2020-03-02", "end": "2020-03-01"}}, "ResearchStudy.period: per-1"),
    (
        "study",
        {"period": {"start": "2020-03-02T00:30:00+01:00", "end": "2020-03-01T23:00:00Z"}},
        "ResearchStudy.period: per-1",
    ),
    ("activity", {"quantity.system": REMOVED}, "ActivityDefinition.quantity: qty-3"),
    ("administration", {"dosage.rateRatio.numerator": REMOVED}, "MedicationAdministration.dosage.rateRatio: rat-1"),
    (*extended("RatioRange", {"lowNumerator": ucum(1, "mg")}), f"{X}RatioRange: ratrng-1"),
    (
        *extended(
            "RatioRange", {"lowNumerator": {"value": 2}, "highNumerator": {"value": 1}, "denominator": {"value": 1}}
        ),
        f"{X}RatioRange: ratrng-2",
    ),
    ("subject", {"subject.reference": "#q"}, "ResearchSubject.subject: ref-1"),
    ("study", {"protocol[0]": {"type": "PlanDefinition"}}, "ResearchStudy.protocol[0]: ref-2"),
    ("group", {"characteristic[0].valueRange.low.value": 67}, "Group.characteristic[0].valueRange: rng-2"),
    (
        "group",
        {"characteristic[0].valueRange": {"low": ucum(2, "a"), "high": ucum(20, "mo")}},
        "Group.characteristic[0].valueRange: rng-2",
    ),
    (
        "group",
        {"characteristic[0].valueRange": {"low": ucum(6, "mo"), "high": ucum(3, "a")}},
        "Group.characteristic[0].valueRange: rng-2",
    ),
    (
        *extended("SampledData", {"origin": {"value": 1}, "dimensions": 1, "intervalUnit": "s"}),
        f"{X}SampledData: sdd-1",
    ),
    ("plan", {f"{REPEAT}.durationUnit": REMOVED}, f"{TIMING}: tim-1"),
    ("plan", {f"{REPEAT}.periodUnit": REMOVED}, f"{TIMING}: tim-2"),
    ("plan", {f"{REPEAT}.duration": -1}, f"{TIMING}: tim-4"),
    ("plan", {f"{REPEAT}.period": -1}, f"{TIMING}: tim-5"),
    ("plan", {f"{REPEAT}": {"periodMax": 1}}, f"{TIMING}: tim-6"),
    ("plan", {f"{REPEAT}": {"durationMax": 1}}, f"{TIMING}: tim-7"),
    ("plan", {f"{REPEAT}": {"countMax": 1}}, f"{TIMING}: tim-8"),
    ("plan", {f"{REPEAT}": {"offset": 1, "when": ["CM"]}}, f"{TIMING}: tim-9"),
    ("plan", {f"{REPEAT}": {"timeOfDay": ["10:00:00"], "when": ["AC"]}}, f"{TIMING}: tim-10"),
    (
        *extended("TriggerDefinition", {"type": "data-added", "data": [{"type": "Group"}], "timingDate": "2020"}),
        f"{X}TriggerDefinition: trd-1",
    ),
    (
        *extended("TriggerDefinition", {"type": "named-event", "name": "x", "condition": {"expression": "1"}}),
        f"{X}TriggerDefinition: trd-2",
    ),
    (*extended("TriggerDefinition", {"type": "periodic"}), f"{X}TriggerDefinition: trd-3"),
    ("study", {"text.div": DIV.replace("p>", "script>")}, "ResearchStudy.text: txt-1"),
    ("study", {"text.div": "<div>no namespace</div>"}, "ResearchStudy.text: txt-1"),
    ("study", {"text.div": "<div>not closed"}, "ResearchStudy.text: txt-1"),
    ("study", {"text.div": DIV.replace("A trial.", " ")}, "ResearchStudy.text: txt-2"),
    # invariants of resources
    ("plan", {"name": "a plan"}, "PlanDefinition: cnl-0"),
    ("plan", {"url": "http://example.org/a#b"}, "PlanDefinition: cnl-1"),
    (
        "subject",
        {"contained[0].contained": [{"resourceType": "Patient", "managingOrganization": {"reference": "#"}}]},
        "ResearchSubject: dom-2",
    ),
    ("subject", {"contained[1]": {"resourceType": "Patient", "id": "q"}}, "ResearchSubject: dom-3"),
    ("subject", {"contained[0].meta": {"versionId": "1"}}, "ResearchSubject: dom-4"),
    ("subject", {"contained[0].meta": {"security": [{"system": "urn:x:y", "code": "z"}]}}, "ResearchSubject: dom-5"),
    ("administration", {"dosage": {"route": {"text": "oral"}}}, "MedicationAdministration.dosage: mad-1"),
    ("organization", {"name": REMOVED}, "Organization: org-1"),
    ("organization", {"contact[0].telecom[0].use": "home"}, "Organization.contact[0]: org-3"),
    ("organization", {"contact[0].address.use": "home"}, "Organization.contact[0]: org-4"),
    ("patient", {"contact": [{"gender": "other"}]}, "Patient.contact[0]: pat-1"),
    ("plan", {"action[0].goalId": ["other"]}, "PlanDefinition: pld-3"),
    ("plan", {"action[0].action[0].relatedAction[0].targetId": "other"}, "PlanDefinition: pld-4"),
    ("plan", {"action[0].input": [{"title": "x"}]}, "PlanDefinition.action[0].input[0]: pld-0"),
    ("plan", {"action[0].output": [{"title": "x"}]}, "PlanDefinition.action[0].output[0]: pld-1"),
    ("provenance", {f"{AGENT}.reference": "Practitioner/person"}, "Provenance.agent[0]: prov-1"),
    (
        "provenance",
        {"agent[0].who.reference": "PractitionerRole/role", f"{AGENT}.reference": "Practitioner/person"},
        "Provenance.agent[0]: prov-2",
    ),
    (
        "provenance",
        {"agent[0].who.reference": "Organization/org", f"{AGENT}.reference": "PractitionerRole/role"},
        "Provenance.agent[0]: prov-3",
    ),
    # invariants of bundles
    ("bundle", {"total": 2}, "Bundle: bdl-1"),
    ("bundle", {"entry[0].search": {"mode": "match"}}, "Bundle: bdl-2"),
    ("found", {"entry[0].response": {"status": "200"}}, "Bundle: bdl-3a"),
    ("found", {"type": "history", "entry[0].search": REMOVED}, "Bundle: bdl-3b"),
    ("bundle", {"entry[0].request": REMOVED}, "Bundle: bdl-3c"),
    ("bundle", {"entry[0].request.method": "DELETE"}, "Bundle: bdl-3c"),
    ("bundle", {"type": "batch-response"}, "Bundle: bdl-3d"),
    ("bundle", {"entry[2]": {"fullUrl": "http://example.org/x"}, "type": "batch"}, "Bundle.entry[2]: bdl-5"),
    ("found", {"entry[1]": ENTRY}, "Bundle: bdl-7"),
    ("found", {"entry[0].fullUrl": "http://example.org/Organization/org/_history/1"}, "Bundle.entry[0]: bdl-8"),
    (
        "found",
        {"type": "collection", "total": REMOVED, "entry": [{"resource": GOOD["organization"]}]},
        "Bundle: bdl-15",
    ),
    (
        "found",
        {"issues": {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "invalid"}]}},
        "Bundle: bdl-16",
    ),
    ("found", {"link": REMOVED}, "Bundle: bdl-18"),
    ("found", {"type": "message", "total": REMOVED, "entry": [ENTRY]}, "Bundle: bdl-12"),
    ("found", {"type": "subscription-notification", "total": REMOVED, "entry": [ENTRY]}, "Bundle: bdl-13"),
    (
        "bundle",
        {
            "type": "history",
            "entry": [ENTRY | {"request": {"method": "PATCH", "url": "x"}, "response": {"status": "200"}}],
        },
        "Bundle: bdl-14",
    ),
]
DOCUMENT = {"resourceType": "Bundle", "type": "document", "entry": [ENTRY]}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_resource_has_no_problem(name: str) -> None:
    """Hand-made resources of every type pass all checks, warnings and the models of fhir.resources included."""
    assert problems(GOOD[name], KNOWN, warnings=True) == []


@pytest.mark.parametrize(("name", "changes", "expected"), WRONG, ids=[f"{each[2]} {n}" for n, each in enumerate(WRONG)])
def test_a_wrong_resource_is_rejected_for_its_reason_alone(name: str, changes: dict[str, Any], expected: str) -> None:
    """One change to a good resource gives exactly the one problem that it causes, at its place."""
    found = problems(changed(name, changes), KNOWN, model=False, warnings=True)
    assert [text.split(": ")[:2] for text in found] == [expected.split(": ")]


def test_a_document_bundle_keeps_its_own_rules() -> None:
    """A document needs an identifier, a time and a Composition, and has no issues."""
    issues = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "invalid"}]}
    found = problems(DOCUMENT | {"issues": issues}, model=False)
    assert [text.split(": ")[1] for text in found] == ["bdl-9", "bdl-10", "bdl-11", "bdl-17"]


def test_a_simple_quantity_in_a_profile_has_no_comparator() -> None:
    """The comparator of a SimpleQuantity is reported as an element it lacks: its invariant sqty-1 can add nothing."""
    ((key, rule),) = [each for each in RULES["SimpleQuantity"] if each[0] == "sqty-1"]
    assert key == "sqty-1"
    around: Any = None
    assert not rule({"comparator": "<"}, around)
    assert rule({"value": 1}, around)


def test_every_invariant_is_checked_or_left_out_for_a_reason() -> None:
    """No invariant of severity error of the types in use is left out, and no rule is for an invariant that is none."""
    implemented = {key for rules in RULES.values() for key, _ in rules}
    errors = {key for key, each in INVARIANTS.items() if each["severity"] == "error"}
    assert errors <= implemented | set(STRUCTURAL)
    assert set(INVARIANTS) == implemented | set(STRUCTURAL) | set(NOT_CHECKED)


def test_every_rule_stands_at_the_types_that_declare_it() -> None:
    """A rule is tried where HL7 declares its invariant, and nowhere else."""
    for key in INVARIANTS.keys() - STRUCTURAL.keys() - NOT_CHECKED.keys():
        declared = {re.sub(r"\.(url|div)$", "", path) for path in INVARIANTS[key]["on"]}
        assert {name for name, rules in RULES.items() if key in dict(rules)} == declared, key
    for name in RULES.keys() - TYPES.keys():
        owner, _, element = name.rpartition(".")
        assert element in TYPES[owner]["elements"], name


def test_every_rule_has_a_resource_that_breaks_it() -> None:
    """A rule that no wrong resource here breaks may be one that cannot fail."""
    apart = {"bdl-9", "bdl-10", "bdl-11", "bdl-17", "sqty-1"}
    broken = {expected.split(": ")[1] for _, _, expected in WRONG} | apart
    assert INVARIANTS.keys() - broken == NOT_CHECKED.keys()


def test_dangling_references_are_asked_for_only_with_a_set() -> None:
    """Without the set of what exists a relative reference may lead anywhere of the right type."""
    study = GOOD["study"]
    assert problems(study, None, model=False) == []
    places = ["protocol[0]", "associatedParty[0].party", "recruitment.eligibility", "focus[1].reference"]
    expected = [f"ResearchStudy.{place}: dangling" for place in places]
    assert [text.rpartition(": ")[0] for text in problems(study, set(), model=False)] == expected
    assert problems(study, set(KNOWN), model=False) == []


def test_boundaries_of_periods_and_ranges_count() -> None:
    """A month may end a period that starts within it; 18 to 18 is a range, and so is 1 day to 1 year."""
    for start, end in (("2020-03-31", "2020-03"), ("2020", "2020-01"), ("2020-01-01", "2020-01-01")):
        assert problems(changed("study", {"period": {"start": start, "end": end}}), model=False) == []
    for low, high in ((ucum(18, "a"), ucum(18, "a")), (ucum(1, "d"), ucum(1, "a")), (ucum(30, "d"), ucum(30, "a"))):
        value = {"characteristic[0].valueRange": {"low": low, "high": high}}
        assert problems(changed("group", value), model=False) == []


def test_the_models_are_asked_as_well() -> None:
    """What the models of fhir.resources refuse is reported besides, unless they are switched off."""
    wrong = changed("study", {"sponsor": {"display": "x"}})
    assert [text.split(": ")[1] for text in problems(wrong, KNOWN)] == ["unknown-element", "model"]


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="HL7's examples are not beside the checkout")
def test_the_examples_of_hl7_have_only_their_known_faults() -> None:
    """
    HL7's own examples pass, but for their real faults: displays in another case than the code system's, references
    without a type; and the EvidenceVariables in one, which is no type of ours.
    """
    found = {
        (file.stem, text.split(": ")[1])
        for file in EXAMPLES.glob("R5-*.json")
        for text in problems(json.loads(file.read_bytes()), warnings=True)
    }
    assert found == {
        ("R5-researchstudy-example-ctgov-study-record", "display"),
        ("R5-researchstudy-example-ctgov-study-record", "unknown-type"),
        ("R5-researchsubject-example-crossover", "target"),
    }
