"""
Changes to the good resources that the validator must judge: most are wrong, and it must say so by the right rule.

Each is of some releases, of a good resource, what is changed in it, the rule that must be named, and words that must
stand in the place or in the message of that finding. Without a rule the change is right, and nothing may be found.
"""

from __future__ import annotations

from typing import Any

from tests.conformance.samples import REMOVED

from .good import HL7, NCI, OURS, R5_ELEMENT, REGISTRATION, STUDY_URN, THO, UCUM, concept, extension, quantity

Change = tuple[str, str, dict[str, Any], str, str]

ALL, R4S, R5 = "R4 R4B R5", "R4 R4B", "R5"
MINIMUM, MAXIMUM = "Validation_VAL_Profile_Minimum", "Validation_VAL_Profile_Maximum"
NOT_IN_SET, NO_CODE = "Terminology_TX_NoValid_16", "Terminology_PassThrough_TX_Message"
OUTSIDE, OUTSIDE_REQUIRED = "Terminology_TX_NoValid_2_CC", "Terminology_TX_NoValid_1_CC"
TARGET, LITERAL_TARGET = "Reference_REF_BadTargetType", "Reference_REF_CantMatchType"
TYPE, SUB_EXTENSION, CONTEXT = (
    "Extension_EXT_Type",
    "Extension_EXT_SubExtension_Invalid",
    "Extension_EXTP_Context_Wrong",
)
NOT_IN_SET_CODING = "Terminology_TX_NoValid_12"
ALONE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race#us-core-23"
UNKNOWN_RACE = {"url": "ombCategory", "valueCoding": {"system": f"{THO}v3-NullFlavor", "code": "UNK"}}
UNKNOWN_EXTENSION, NOT_OF_R5 = "Extension_EXT_Unknown_NotHere", "Extension_EXT_Version_Invalid"

PURPOSE = f"{THO}research-study-prim-purp-type"
STATES = f"{THO}research-subject-state"
SCRIPT = '<div xmlns="http://www.w3.org/1999/xhtml"><script>x</script></div>'


def state(system: str, code: str) -> dict[str, Any]:
    """A study's state as R4 carries it."""
    url = f"{R5_ELEMENT}ResearchStudy.progressStatus"
    return {"extension[5]": extension(url, state={"valueCodeableConcept": concept(system, code)})}


def element(name: str, **value: Any) -> dict[str, Any]:
    """The cross-version extension of an R5 element as the one extension of a resource."""
    return {"extension": [{"url": f"{R5_ELEMENT}{name}"} | value]}


CHANGES: list[Change] = [
    # what must be there, and what may not
    (R4S, "study", {"status": REMOVED, "_status": REMOVED}, MINIMUM, "ResearchStudy.status"),
    (R5, "study", {"status": REMOVED}, MINIMUM, "ResearchStudy.status"),
    (ALL, "plan", {"status": REMOVED}, MINIMUM, "PlanDefinition.status"),
    (ALL, "provenance", {"agent": REMOVED}, MINIMUM, "Provenance.agent"),
    (ALL, "provenance", {"target": REMOVED}, MINIMUM, "Provenance.target"),
    (R4S, "provenance", {"recorded": REMOVED}, MINIMUM, "Provenance.recorded"),
    (ALL, "location", {"position.latitude": REMOVED}, MINIMUM, "Location.position.latitude"),
    (ALL, "patient", {"link": [{"other": {"reference": "Patient/2"}}]}, MINIMUM, "Patient.link.type"),
    (ALL, "group", {"characteristic[0].exclude": REMOVED}, MINIMUM, "Group.characteristic.exclude"),
    (ALL, "subject", {"study": REMOVED}, MINIMUM, "ResearchSubject.study"),
    (ALL, "bundle", {"entry[0].resource.status": REMOVED}, MINIMUM, "ResearchStudy.status"),
    (R4S, "study", {"arm[0].name": REMOVED}, MINIMUM, "ResearchStudy.arm.name"),
    (R4S, "group", {"actual": REMOVED}, MINIMUM, "Group.actual"),
    (R4S, "administration", {"effectivePeriod": REMOVED}, MINIMUM, "MedicationAdministration.effective[x]"),
    (R4S, "medication", {"ingredient[0].itemCodeableConcept": REMOVED}, MINIMUM, "Medication.ingredient.item[x]"),
    (R4S, "plan", {"action[0].relatedAction": [{"actionId": "x"}]}, MINIMUM, "relatedAction.relationship"),
    ("R4", "variable", {"characteristic": REMOVED}, MINIMUM, "EvidenceVariable.characteristic"),
    (R4S, "variable", {"characteristic[0].definitionCodeableConcept": REMOVED}, MINIMUM, "characteristic.definition[x]"),
    (R5, "study", {"progressStatus[0].state": REMOVED}, MINIMUM, "ResearchStudy.progressStatus.state"),
    (R5, "study", {"associatedParty[0].role": REMOVED}, MINIMUM, "ResearchStudy.associatedParty.role"),
    (R5, "group", {"membership": REMOVED}, MINIMUM, "Group.membership"),
    (R5, "medication", {"ingredient[0].item": REMOVED, "ingredient[0].isActive": True}, MINIMUM, "ingredient.item"),
    (R4S, "encounter", {"class": REMOVED}, MINIMUM, "Encounter.class"),
    (R4S, "consent", {"scope": REMOVED}, MINIMUM, "Consent.scope"),
    (ALL, "group", {"characteristic[0].valueRange.low.comparator": ">"}, MAXIMUM, "Quantity.comparator"),
    (R4S, "study", {"progressStatus": [{"state": {"text": "x"}}]}, "json", "Unrecognized property 'progressStatus'"),
    (R4S, "administration", {"effectiveDateTime": "2020"}, "json", "Unrecognized property 'effectiveDateTime'"),
    (R4S, "administration", {"occurenceDateTime": "2020"}, "json", "Unrecognized property 'occurenceDateTime'"),
    (R4S, "group", {"description": "x"}, "json", "Unrecognized property 'description'"),
    (R5, "study", {"sponsor": {"display": "x"}}, "json", "Unrecognized property 'sponsor'"),
    (R5, "group", {"actual": False}, "json", "Unrecognized property 'actual'"),
    (R5, "medication", {"form": {"text": "x"}}, "json", "Unrecognized property 'form'"),
    (R5, "administration", {"occurrencePeriod": {"start": "2020"}}, "json", "Unrecognized property 'occurrencePeriod'"),
    (ALL, "activity", {"subjectString": "x"}, "json", "Unrecognized property 'subjectString'"),
    (ALL, "study", {"foo": "bar"}, "json", "Unrecognized property 'foo'"),
    # what is no FHIR in JSON
    (ALL, "study", {"keyword": {"text": "x"}}, "json", "must be a JSON Array"),
    (ALL, "study", {"title": ["x"]}, "json", "not an Array"),
    (ALL, "study", {"keyword": []}, "json", "Array cannot be empty"),
    (ALL, "study", {"keyword": [{}]}, "json", "Object must have some content"),
    (ALL, "study", {"title": 5}, "json", "must be a string"),
    (R5, "study", {"progressStatus[0].actual": "true"}, "json", "must be a boolean"),
    (ALL, "study", {"title": ""}, "Element#ele-1", "ResearchStudy.title"),
    # formats
    (ALL, "study", {"title": "a\u0001b"}, "UNICODE_XML_BAD_CHARS", "ResearchStudy.title"),
    (ALL, "study", {"title": " a"}, "Type_Specific_Checks_DT_String_WS", "ResearchStudy.title"),
    (ALL, "study", {"id": "bad_id!"}, "Resource_RES_ID_Malformed_Chars", "bad_id!"),
    (ALL, "study", {"period": {"start": "2020-13"}}, "Type_Specific_Checks_DT_DateTime_Valid", "2020-13"),
    (ALL, "provenance", {"recorded": "2021-01-01"}, "Type_Specific_Checks_DT_DateTime_Regex", "2021-01-01"),
    (ALL, "patient", {"birthDate": "1970-02-30"}, "Type_Specific_Checks_DT_Date_Valid", "1970-02-30"),
    (ALL, "patient", {"birthDate": "1970-01-01T00:00:00Z"}, "Type_Specific_Checks_DT_Date_Valid", "Patient.birthDate"),
    (R5, "study", {"comparisonGroup[0].linkId": "arm 1"}, "Type_Specific_Checks_DT_ID_Valid", "arm 1"),
    (ALL, "bundle", {"entry[0].fullUrl": "urn:uuid:NOT-A-UUID"}, "Type_Specific_Checks_DT_UUID_Valid", "fullUrl"),
    (ALL, "study", {"text.div": SCRIPT}, "Narrative#txt-1", "ResearchStudy.text.div"),
    (ALL, "study", {"relatedArtifact[1].document.contentType": "no type"}, "media-type", "no type"),
    (ALL, "study", {"relatedArtifact[1].document.contentType": "text/plain"}, "", ""),
    # codes
    (ALL, "study", {"status": "recruiting"}, NOT_IN_SET, "'recruiting'"),
    (R5, "study", {"status": "completed"}, NOT_IN_SET, "'completed'"),
    (R4S, "subject", {"status": "enrolled"}, NOT_IN_SET, "'enrolled'"),
    (ALL, "administration", {"status": "finished"}, NOT_IN_SET, "'finished'"),
    (R4S, "encounter", {"status": "completed"}, NOT_IN_SET, "'completed'"),
    (R5, "encounter", {"status": "finished"}, NOT_IN_SET, "'finished'"),
    (R5, "consent", {"status": "rejected"}, NOT_IN_SET, "'rejected'"),
    (ALL, "group", {"type": "people"}, NOT_IN_SET, "'people'"),
    (R4S, "group", {"type": "careteam"}, NOT_IN_SET, "'careteam'"),
    (ALL, "activity", {"kind": "Pill"}, NOT_IN_SET, "'Pill'"),
    (ALL, "provenance", {"entity[0].role": "origin"}, NOT_IN_SET, "'origin'"),
    (ALL, "practitioner", {"gender": "F"}, NOT_IN_SET, "'F'"),
    (ALL, "location", {"mode": "place"}, NOT_IN_SET, "'place'"),
    (ALL, "plan", {"action[0].timingTiming.repeat.periodUnit": "weeks"}, NOT_IN_SET, "'weeks'"),
    (ALL, "plan", {"action[0].condition": [{"kind": "sometimes"}]}, NOT_IN_SET, "'sometimes'"),
    ("R4B R5", "variable", {"handling": "loud"}, NOT_IN_SET, "'loud'"),
    (ALL, "plan", {"type": concept(f"{THO}plan-definition-type", "trial-plan")}, NO_CODE, "#trial-plan"),
    (ALL, "organization", {"type[0].coding[0].code": "sponsor"}, NO_CODE, "#sponsor"),
    (R4S, "study", {"phase.coding[0].code": "phase-9"}, NO_CODE, "#phase-9"),
    (R5, "study", {"phase.coding[0].code": "phase-9"}, NO_CODE, "#phase-9"),
    (R5, "study", {"phase": concept(f"{THO}research-study-phase", "phase-9")}, NO_CODE, "#phase-9"),
    (R5, "study", {"phase": concept(f"{THO}research-study-phase", "phase-2")}, "", ""),
    (R4S, "study", {"phase": concept(f"{HL7}research-study-phase", "phase-2")}, NO_CODE, "CodeSystem is unknown"),
    (ALL, "study", {"primaryPurposeType": concept(PURPOSE, "cure")}, NO_CODE, "#cure"),
    (R4S, "study", {"primaryPurposeType": concept(NCI, "C49656")}, OUTSIDE, "ResearchStudy.primaryPurposeType"),
    (R4S, "study", {"primaryPurposeType.coding[0].display": "Cure"}, NO_CODE, 'Display "Cure" does not match'),
    (R4S, "study", {"primaryPurposeType.coding[1]": {"system": NCI, "code": "C49656"}}, "", ""),
    (R4S, "study", {"primaryPurposeType.coding[1]": {"system": PURPOSE, "code": "cure"}}, "further-coding", "#cure"),
    (R4S, "study", {"arm[0].type.coding[0].code": "drug"}, NO_CODE, "#drug"),
    (R4S, "study", {"location": [concept("urn:iso:std:iso:3166", "QQQ")]}, NO_CODE, "QQQ"),
    (R5, "study", {"region": [concept("urn:iso:std:iso:3166", "QQQ")]}, NO_CODE, "QQQ"),
    (R5, "study", {"studyDesign": [concept(f"{HL7}study-design", "SEVCO:99999")]}, NO_CODE, "#SEVCO:99999"),
    (R5, "study", {"progressStatus[0].state.coding[0].code": "halted"}, NO_CODE, "#halted"),
    (R5, "study", {"progressStatus[0].state": concept("urn:x:y", "RECRUITING")}, NO_CODE, "CodeSystem is unknown"),
    (R5, "study", {"progressStatus[0].state": concept(f"{THO}research-study-status", "recruiting")}, OUTSIDE, "state"),
    (R5, "study", {"associatedParty[0].role": concept(NCI, "C1")}, OUTSIDE, "associatedParty[0].role"),
    (R5, "subject", {"progress[0].subjectState.coding[0].code": "away"}, OUTSIDE_REQUIRED, "#away"),
    (R5, "subject", {"progress[0].subjectState.coding[0].system": "urn:x:y"}, OUTSIDE_REQUIRED, "urn:x:y"),
    (R5, "subject", {"progress[0].subjectState": {"text": "x"}}, "Terminology_TX_Code_ValueSet", "subjectState"),
    (R5, "subject", {"progress[0].subjectState.coding[1]": {"system": NCI, "code": "C1"}}, "", ""),
    (ALL, "study", {"language": "English (US)"}, NO_CODE, "English (US)"),
    (ALL, "location", {"language": "en-US"}, "", ""),
    (R4S, "administration", {"dosage.dose.code": "mgs"}, NO_CODE, "mgs"),
    (R4S, "administration", {"dosage.dose": quantity(1, "{tbl}")}, "", ""),
    (ALL, "group", {"characteristic[0].valueRange.low.code": "years"}, NO_CODE, "years"),
    # extensions
    (ALL, "study", {"extension[0]": {"url": "urn:x:y", "valueString": "x"}}, UNKNOWN_EXTENSION, "urn:x:y"),
    (ALL, "activity", {"extension[0].url": f"{OURS}arm-labels"}, UNKNOWN_EXTENSION, "arm-labels"),
    (ALL, "activity", {"extension[0]": {"url": f"{OURS}arm-label", "valueInteger": 1}}, TYPE, "arm-label"),
    (ALL, "study", {"extension[0]": {"url": f"{OURS}arm-label", "valueString": "x"}}, CONTEXT, "arm-label"),
    (ALL, "activity", {"extension[0].extension": [{"url": f"{OURS}verbatim", "valueBase64Binary": "YQ=="}]}, "Extension#ext-1", "extension[0]"),
    (ALL, "study", {"relatedArtifact[1].extension[0].valueCode": "icfs"}, NOT_IN_SET, "'icfs'"),
    (ALL, "study", {"relatedArtifact[0].extension[0].extension[0].url": "note"}, SUB_EXTENSION, "'note'"),
    (ALL, "study", {"relatedArtifact[0].extension[0].extension[2]": {"url": "source", "valueString": "x"}}, MAXIMUM, "Extension.extension:source"),
    (ALL, "study", {"extension[0]": {"url": f"{OURS}enrollment-type"}}, MINIMUM, "Extension.value[x]"),
    (ALL, "study", {"extension[0].extension[0]": {"url": "activity", "valueString": "x"}}, "Extension_PROF_Type", REGISTRATION),
    (R4S, "study", element("ResearchStudy.recruitment.targetNumber", valueString="120"), TYPE, "targetNumber"),
    (R4S, "study", element("ResearchStudy.nonsense", valueString="x"), NOT_OF_R5, "nonsense"),
    (R4S, "administration", element("MedicationAdministration.occurrence", valueString="x"), NOT_OF_R5, "occurrence"),
    (R4S, "administration", element("MedicationAdministration.occurence", valueTiming={"repeat": {"frequency": 2, "period": 1, "periodUnit": "d"}}), "", ""),
    (R4S, "group", element("ResearchStudy.recruitment.targetNumber", valueUnsignedInt=1), CONTEXT, "targetNumber"),
    (R4S, "study", {"extension[3].extension[0].url": "kind"}, SUB_EXTENSION, "'kind'"),
    (R4S, "study", {"extension[4].extension": [{"url": "name", "valueString": "x"}]}, f"{MINIMUM}_SLICE", "Extension.extension:role"),
    (R4S, "study", {"extension[4].extension[1].valueCodeableConcept.coding[0].code": "boss"}, NO_CODE, "#boss"),
    (R4S, "study", {"_status.extension[0].valueCode": "completed"}, NOT_IN_SET, "'completed'"),
    (R4S, "study", state(f"{HL7}research-study-status", "recruiting"), NO_CODE, "#recruiting"),
    (R4S, "study", state(f"{THO}research-study-status", "recruiting"), "", ""),
    (R4S, "subject", {"extension": [extension(f"{R5_ELEMENT}ResearchSubject.progress", subjectState={"valueCodeableConcept": concept(STATES, "away")})]}, OUTSIDE_REQUIRED, "#away"),
    (R4S, "encounter", element("Encounter.plannedStartDate", valueString="x"), TYPE, "plannedStartDate"),
    (R4S, "encounter", element("Consent.period", valuePeriod={"start": "2020"}), CONTEXT, "Consent.period"),
    (R4S, "consent", element("Consent.decision", valueCode="permit"), "Extension_EXT_Modifier_N", "decision"),
    (R5, "study", element("ResearchStudy.descriptionSummary", valueMarkdown="x"), NOT_OF_R5, "descriptionSummary"),
    (ALL, "study", {"meta": {"profile": ["https://example.org/none"]}}, "VALIDATION_VAL_PROFILE_UNKNOWN_NOT_POLICY", "none"),
    (ALL, "us-patient", {"extension[0].extension[1]": REMOVED}, f"{MINIMUM}_SLICE", "Extension.extension:text"),
    (ALL, "us-patient", {"extension[0].extension[0].valueCoding.code": "2135-2"}, NOT_IN_SET_CODING, "2135-2"),
    (ALL, "us-patient", {"extension[0].extension[2]": UNKNOWN_RACE}, ALONE, "OMB race categories"),
    # definitions
    (ALL, "definition", {"status": "done"}, NOT_IN_SET, "'done'"),
    (ALL, "definition", {"context[0].expression": "Group.nonsense"}, "SD_CONTEXT_SHOULD_ELEMENT_NOT_FOUND", "Group.nonsense"),
    (ALL, "definition", {"context": REMOVED}, "StructureDefinition#sdf-5", "context"),
    (ALL, "definition", {"type": "Text"}, "SD_TYPE_NOT_LOCAL", "Text"),
    (ALL, "definition", {"baseDefinition": "https://example.org/none"}, "Unable_to_find_base__for_", "none"),
    (ALL, "definition", {"differential.element[1].path": "Extension.nonsense"}, "json", "don't have a matching element"),
    (ALL, "definition", {"differential.element[3].type[0].code": "text"}, "ERROR_GENERATING_SNAPSHOT", "invalid constrained type text"),
    # references
    (ALL, "provenance", {"agent[0].who": {"reference": "Location/place"}}, LITERAL_TARGET, "Location/place"),
    (ALL, "provenance", {"agent[0].who": {"reference": "Location/place"}}, TARGET, "Found Location"),
    (ALL, "organization", {"partOf": {"reference": "Location/place"}}, TARGET, "Found Location"),
    (ALL, "role", {"practitioner.reference": "Patient/patient"}, TARGET, "Found Patient"),
    (ALL, "role", {"practitioner.reference": "https://example.org/fhir/Patient/patient"}, TARGET, "Found Patient"),
    (ALL, "role", {"practitioner": {"type": "Patient", "display": "x"}}, "reference-target", "a Patient"),
    (ALL, "subject", {"study.reference": "Group/group"}, TARGET, "Found Group"),
    (R4S, "subject", {"individual.reference": "Group/group"}, TARGET, "Found Group"),
    (R5, "subject", {"subject.reference": "Organization/organization"}, TARGET, "Found Organization"),
    (R4S, "study", {"sponsor.reference": "Patient/patient"}, TARGET, "Found Patient"),
    (R4S, "study", {"contained": [{"resourceType": "Patient", "id": "c"}], "sponsor.reference": "#c"}, TARGET, "Found Patient"),
    (R4S, "study", {"sponsor.reference": "#none"}, "Reference_REF_CantResolve", "#none"),
    (R4S, "administration", {"medicationCodeableConcept": REMOVED, "medicationReference": {"reference": "Substance/x"}}, TARGET, "Found Substance"),
    (R5, "study", {"associatedParty[0].party.reference": "Patient/patient"}, TARGET, "Found Patient"),
    (R5, "group", {"membership": "enumerated", "member": [{"entity": {"reference": "Medication/medication"}}]}, TARGET, "Found Medication"),
    (R5, "administration", {"medication": {"reference": {"reference": "Substance/x"}}}, "reference-target", "a Substance"),
    (R5, "study", {"focus": [{"reference": {"type": "Patient", "display": "x"}}]}, "reference-target", "a Patient"),
    (ALL, "bundle", {"entry[1].resource": {"resourceType": "Patient"}}, TARGET, "Found Patient"),
    (ALL, "bundle", {"entry[1]": REMOVED}, "Bundle_BUNDLE_Not_Local", "urn:uuid"),
    # invariants
    (ALL, "study", {"period": {"start": "2021-05-01", "end": "2020-01-01"}}, "Period#per-1", "ResearchStudy.period"),
    (ALL, "study", {"contained": [{"resourceType": "Organization", "id": "c", "name": "x"}]}, "CONTAINED_ORPHAN_DOM3", "contained[0]"),
    (R4S, "consent", {"policy": REMOVED}, "Consent#ppc-1", "Consent"),
    (R5, "encounter", {"participant[0].actor": REMOVED, "participant[0].period": {"start": "2020"}}, "Encounter#enc-1", "participant"),
    (R4S, "administration", {"dosage.dose": REMOVED}, "MedicationAdministration#mad-1", "dosage"),
    (R5, "administration", {"dosage": {"site": {"text": "arm"}}}, "MedicationAdministration#mad-1", "dosage"),
    (R4S, "administration", {"dosage.dose": {"value": 1, "code": "mg"}}, "Quantity#qty-3", "dosage.dose"),
    (R5, "administration", {"occurencePeriod": REMOVED, "occurenceTiming": {"repeat": {"frequency": 2, "period": 1}}}, "Timing#tim-2", "repeat"),
    (R4S, "medication", {"ingredient[0].strength.denominator": REMOVED}, "Ratio#rat-1", "strength"),
    (R4S, "group", {"member": [{"entity": {"reference": "Patient/patient"}}]}, "Group#grp-1", "Group"),
    (R5, "group", {"member": [{"entity": {"reference": "Patient/patient"}}]}, "grp-1", "Group"),
    (ALL, "group", {"characteristic[0].valueRange.low.value": 70}, "Range#rng-2", "Range"),
    (ALL, "group", {"characteristic[0].valueRange.low": {"value": 1, "unit": "Year", "system": UCUM, "code": "a"}}, "Range#rng-2", "Range"),
    (ALL, "organization", {"name": REMOVED}, "Organization#org-1", "Organization"),
    (ALL, "practitioner", {"telecom[0].system": REMOVED}, "ContactPoint#cpt-2", "telecom"),
    ("R4", "plan", {"name": "a plan"}, "PlanDefinition#pdf-0", "PlanDefinition"),
    ("R4B R5", "plan", {"name": "a plan"}, "PlanDefinition#cnl-0", "PlanDefinition"),
    (R5, "plan", {"action[0].goalId": ["none"]}, "PlanDefinition#pld-3", "PlanDefinition"),
    (R5, "plan", {"action[0].relatedAction": [{"targetId": "none", "relationship": "after"}]}, "PlanDefinition#pld-4", "PlanDefinition"),
    (R5, "variable", {"characteristic[0].definitionCanonical": "https://example.org/x"}, "EvidenceVariable#evv-1", "characteristic"),
    (ALL, "bundle", {"total": 1}, "Bundle#bdl-1", "Bundle"),
    (R4S, "bundle", {"entry[0].request": REMOVED}, "Bundle#bdl-3", "Bundle"),
    (R5, "bundle", {"entry[0].request": REMOVED}, "Bundle#bdl-3c", "Bundle"),
    (ALL, "bundle", {"entry[1].fullUrl": STUDY_URN}, "Bundle#bdl-7", "Bundle"),
]  # fmt: skip
