"""Single elements that R4 has elsewhere or in another form: times, reasons, descriptions, what stands beside a value."""

from __future__ import annotations

from .releases import OURS, X, both, down, study, up


def test_older_addresses_are_read() -> None:
    """HL7's addresses that others write for an element are read, and never written."""
    concept = {"coding": [{"system": "https://x.example", "code": "a"}]}
    there = study(extension=[{"url": f"{X}ResearchStudy.studyDesign", "valueCodeableConcept": concept}])
    back = up(there).resource
    assert back["studyDesign"] == [concept]
    assert down(back).resource["category"] == [concept]
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True}
    old = {**group, "extension": [{"url": f"{X}Group.description", "valueMarkdown": "who"}]}
    assert up(old).resource["description"] == "who"
    (made,) = [each for each in down(up(old).resource).resource["extension"] if "escription" in each["url"]]
    assert made["url"] == "http://hl7.org/fhir/StructureDefinition/artifact-description"


def test_beside_values() -> None:
    """What stands beside a primitive goes where the primitive goes; alone, too."""
    mark = {"extension": [{"url": "https://x.example/why", "valueString": "x"}]}
    made, _ = both(study(version="1", _version=mark, title="T", _title=mark))
    assert made["extension"][0] == {"url": f"{X}ResearchStudy.version", "valueString": "1", "_valueString": mark}
    assert made["_title"] == mark
    made, _ = both(study(_version=mark))
    assert made["extension"][0] == {"url": f"{X}ResearchStudy.version", "_valueString": mark}
    action = {"relatedAction": [{"targetId": "a", "_targetId": mark, "relationship": "before"}]}
    plan = {"resourceType": "PlanDefinition", "id": "p", "status": "draft", "action": [action]}
    assert both(plan)[0]["action"][0]["relatedAction"][0]["_actionId"] == mark


def test_event_of_a_timing() -> None:
    """One event is a time, several are the period from the first to the last, none is a period that says so."""
    base = {"resourceType": "MedicationAdministration", "id": "m", "status": "completed", "subject": {"display": "s"}}
    base["medication"] = {"concept": {"text": "m"}}
    for timing, name, value in (
        ({"event": ["2020-02-03"]}, "effectiveDateTime", "2020-02-03"),
        ({"event": ["2020-02-05", "2020-02-03"]}, "effectivePeriod", {"start": "2020-02-03", "end": "2020-02-05"}),
        ({"repeat": {"count": 1}}, "effectivePeriod", None),
    ):
        made, _ = both({**base, "occurenceTiming": timing})
        assert value is None or made[name] == value
        assert made["extension"] == [{"url": f"{X}MedicationAdministration.occurence", "valueTiming": timing}]
    assert made["effectivePeriod"]["extension"][0]["valueCode"] == "unknown"


def test_recorded() -> None:
    """A Provenance without a time says that it is unknown; one that says so itself keeps its own words."""
    base = {"resourceType": "Provenance", "id": "v", "target": [{"display": "t"}], "agent": [{"who": {"display": "w"}}]}
    assert [each["url"] for each in both(base)[0]["_recorded"]["extension"]][1] == f"{OURS}copy-of"
    own = {"extension": [{"url": "https://x.example/why", "valueString": "lost"}]}
    assert both({**base, "_recorded": own})[0]["_recorded"] == own


def test_reasons() -> None:
    """R4 has two lists: where their order or pairs cannot be made again, HL7's extension holds the whole."""
    base = {"resourceType": "MedicationAdministration", "id": "m", "status": "completed", "subject": {"display": "s"}}
    base |= {"medication": {"concept": {"text": "m"}}, "occurenceDateTime": "2020"}
    concept, reference = {"concept": {"text": "a"}}, {"reference": {"reference": "Condition/c"}}
    for reason, whole in (
        ([concept, concept, reference], False),
        ([concept | reference], True),
        ([reference, concept], True),
    ):
        made, _ = both({**base, "reason": reason})
        assert made["reasonReference"] == [{"reference": "Condition/c"}]
        assert ("extension" in made) == whole
