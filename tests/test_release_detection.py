"""Which release a resource was written for is told by what stands in it; where nothing tells, it is not guessed."""

from __future__ import annotations

import pytest

from fhirtrial.releases.detect import release_of, release_of_all

from .releases import OURS, PHASE, Json, X


@pytest.mark.parametrize(
    ("release", "resource"),
    [
        ("R4", {"resourceType": "ResearchStudy", "status": "active", "arm": []}),
        ("R4", {"resourceType": "ResearchStudy", "status": "completed"}),
        ("R5", {"resourceType": "ResearchStudy", "status": "draft"}),
        ("R5", {"resourceType": "ResearchStudy", "status": "active", "comparisonGroup": []}),
        (None, {"resourceType": "ResearchStudy", "status": "active"}),
        ("R4", {"resourceType": "ResearchStudy", "status": "active", "_status": {"extension": [{"url": f"{X}ResearchStudy.status"}]}}),
        ("R4", {"resourceType": "Location", "extension": [{"url": f"{OURS}release-difference"}]}),
        ("R5", {"resourceType": "PlanDefinition", "status": "draft", "action": [{"linkId": "a"}]}),
        ("R4", {"resourceType": "PlanDefinition", "status": "draft", "action": [{"extension": [{"url": f"{X}PlanDefinition.action.linkId"}]}]}),
        ("R4", {"resourceType": "ResearchStudy", "extension": [{"url": f"{OURS}computable-name", "valueString": "N"}]}),
        ("R5", {"resourceType": "Location", "extension": [{"url": f"{OURS}earlier-difference"}]}),
        ("R5", {"resourceType": "Location", "extension": [{"url": "http://hl7.org/fhir/4.0/StructureDefinition/extension-Location.x"}]}),
        (None, {"resourceType": "Location", "extension": [{"url": "https://x.example/StructureDefinition/release-difference"}]}),
        (None, {"resourceType": "Location", "extension": [{"url": "https://x.example/copy-of"}, {"url": 3}]}),
        ("R4", {"resourceType": "ResearchStudy", "status": "active", "phase": {"coding": [{"system": PHASE[1]}]}}),
        ("R5", {"resourceType": "ResearchStudy", "status": "active", "phase": {"coding": [{"system": PHASE[0]}]}}),
        (None, {"resourceType": "ResearchStudy", "status": "active", "phase": {"coding": [{"system": each} for each in PHASE]}}),
        ("R5", {"resourceType": "ResearchStudy", "status": "draft", "phase": {"coding": [{"system": PHASE[1]}]}}),
        (None, {"resourceType": "Observation", "status": "draft"}),
        (None, {"resourceType": "Group", "type": 1, "status": [], "extension": 3}),
    ],
)  # fmt: skip
def test_release_of(release: str | None, resource: Json) -> None:
    """Members, codes and extensions that one release alone has tell it; what both may have does not."""
    assert release_of(resource) == release


def test_release_of_all() -> None:
    """The first resource that shows its release tells that of all; without one nothing is guessed."""
    plain: Json = {"resourceType": "Location", "name": "L"}
    assert release_of_all([plain, {"resourceType": "ResearchStudy", "sponsor": {}}]) == "R4"
    assert release_of_all([plain]) is None
