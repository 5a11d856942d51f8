"""Every use of our own extensions in the output obeys its definition, and every defined extension is used."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from fhirtrial.mapping.mapper import Mapper
from fhirtrial.release_names import RELEASES, ReleaseName
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release

from .defined_extensions import BASE, DEFINED, Json
from .extension_faults import faults, used
from .golden_update import mapper_of
from .records import SHARED, golden, golden_subjects, record_of, shared, trees

MAPPER = Mapper()


@pytest.mark.parametrize("release", RELEASES)
def test_golden_output_obeys_the_definitions(release: ReleaseName) -> None:
    """In the output of the golden records every extension is used as defined, and every defined one is used."""
    seen: set[str] = set()
    step = Release(release)
    lone_type = {
        "designModule": {"enrollmentInfo": {"type": "ACTUAL"}},
        "identificationModule": {"nctId": "NCT00000102"},
    }
    cases = [*golden(), *golden_subjects(), ("a type without a count", record_of({"protocolSection": lone_type}))]
    for name, record in cases:
        for resource in released(mapper_of(record.registry).convert(record), step).resources:
            assert list(faults(resource, DEFINED[release])) == [], name
            seen |= used(resource)

    # Only resources that others made have these.
    names = ("release-difference", "earlier-difference")
    elsewhere = DEFINED[release].keys() & {f"{BASE}StructureDefinition/{name}" for name in names}
    assert seen == DEFINED[release].keys() - elsewhere


@pytest.mark.parametrize("release", ["R4", "R4B"])
def test_what_only_the_release_step_writes_obeys_its_definition(release: ReleaseName) -> None:
    """The arm of a subject, its status, and what R4 or R5 has no place for, are as their definitions say."""
    step = Release(release)
    study = {"resourceType": "ResearchStudy", "status": "active", "comparisonGroup": [{"linkId": "a", "name": "Arm"}]}
    subject = {
        "resourceType": "ResearchSubject",
        "status": "active",
        "study": {"reference": "ResearchStudy/1"},
        "subject": {"reference": "Patient/1"},
        "assignedComparisonGroup": "a",
        "actualComparisonGroup": "a",
    }
    plan = {"resourceType": "PlanDefinition", "status": "active", "actor": [{"title": "A nurse", "option": [{}]}]}
    made = [step.down(subject, find={"ResearchStudy/1": study}.get), step.down(plan, check=True)]

    assert [list(faults(each.resource, DEFINED[release])) for each in made] == [[], []]
    names = {url.rpartition("/")[2] for each in made for url in used(each.resource)}
    assert names == {"comparison-group", "status-inexact", "release-difference"}

    medicine = {"resourceType": "Medication", "amount": {"numerator": {"value": 10}, "denominator": {"value": 2}}}
    raised = step.up(medicine, check=True).resource
    assert list(faults(raised)) == []
    assert {url.rpartition("/")[2] for url in used(raised)} == {"earlier-difference"}


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared records is not beside the checkout")
def test_shared_output_obeys_the_definitions() -> None:
    """So it is in the output of all real records."""
    r4 = Release("R4")
    for record in shared():
        conversion = MAPPER.convert(record)
        for resource in conversion.resources:
            assert list(faults(resource)) == [], record.id
        for resource in released(conversion, r4).resources:
            assert list(faults(resource, DEFINED["R4"])) == [], record.id


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees())
def test_any_output_obeys_the_definitions(tree: Json) -> None:
    """So it is in the output of invented records with odd values: what FHIR cannot hold stands in the value, too."""
    conversion = MAPPER.convert(record_of(tree))
    for release, defined in DEFINED.items():
        for resource in released(conversion, Release(release)).resources:
            assert list(faults(resource, defined)) == []


@pytest.mark.parametrize(
    ("extension", "fault"),
    [
        ({"url": "other-name", "valueString": "x"}, "may stand on"),
        ({"url": "study-populations", "valueMarkdown": "x"}, "is not defined"),
        ({"url": "masking-description", "valueString": "x"}, "holds valueString, not a markdown"),
        ({"url": "masking-description"}, "holds nothing"),
        ({"url": "masking-description", "extension": [{"url": "x", "valueString": "x"}]}, "no part x"),
        ({"url": "last-known-status", "extension": [{"url": "x", "valueString": "x"}]}, "holds nothing"),
        ({"url": "last-known-status", "valueCodeableConcept": {"coding": [{"system": "x"}]}}, "has no code of"),
        ({"url": "ipd-sharing", "valueString": "x"}, "holds a value"),
        ({"url": "ipd-sharing", "extension": [{"url": "plans", "valueString": "x"}]}, "has no part plans"),
        ({"url": "ipd-sharing", "extension": [{"url": "url", "valueString": "x"}] * 2}, "url stands 2 times"),
        ({"url": "ipd-sharing", "extension": [{"url": "url"}]}, "holds nothing"),
        (
            {"url": "expanded-access", "extension": [{"url": "study", "valueReference": {"type": "Group"}}]},
            "refers to a Group",
        ),
    ],
)
def test_the_check_itself_finds_faults(extension: Json, fault: str) -> None:
    """A wrong place, name, type, code, target or number of parts is found: the tests above can fail."""
    extension = {**extension, "url": f"{BASE}StructureDefinition/{extension['url']}"}
    found = list(faults({"resourceType": "ResearchStudy", "extension": [extension]}))

    assert found
    assert fault in found[0]


def test_the_check_counts_and_reads_codes() -> None:
    """The same extension twice is found where it may stand once, and so is a code outside a closed choice."""
    twice = {"url": f"{BASE}StructureDefinition/masking-description", "valueMarkdown": "x"}
    lacks = {"url": f"{BASE}StructureDefinition/document-lacks", "valueCode": "icf"}
    study = {"resourceType": "ResearchStudy"}

    assert len(list(faults({**study, "extension": [twice, twice]}))) == 1
    assert list(faults({**study, "relatedArtifact": [{"extension": [lacks, lacks]}]})) == []
    assert len(list(faults({**study, "relatedArtifact": [{"extension": [{**lacks, "valueCode": "x"}]}]}))) == 1
