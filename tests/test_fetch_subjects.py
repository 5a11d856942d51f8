"""Subjects that are read from a server: how often it is asked, and whose doses cannot be found."""

from __future__ import annotations

from typing import Any

import pytest

from fhirtrial.loading.fetch_subjects import subjects_there
from fhirtrial.loading.following import ASKED
from fhirtrial.server.client import FhirClient
from tests.memory_server import MemoryServer
from tests.server.tools import Server, serving

BESIDE, OTHERS = ["MedicationAdministration"], ["Consent", "Patient", "ResearchStudy"]


def subject(identity: str, person: Any) -> dict[str, Any]:
    """A subject on an R4 server, with a consent."""
    return {
        "resourceType": "ResearchSubject",
        "id": identity,
        "study": {"reference": "ResearchStudy/S"},
        "individual": person,
        "consent": {"reference": f"Consent/{identity}"},
    }


def dose(identity: str, person: str) -> dict[str, Any]:
    """What was given to a subject."""
    return {
        "resourceType": "MedicationAdministration",
        "id": f"dose-{identity}",
        "subject": {"reference": person},
        "supportingInformation": [{"reference": f"ResearchSubject/{identity}"}],
    }


def held(*resources: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Resources by their names."""
    return {f"{each['resourceType']}/{each['id']}": each for each in resources}


def there(server: Server, said: list[str]) -> list[str]:
    """The names of all that is read from a server."""
    client = FhirClient(server.base)
    found = subjects_there(client, (), lambda issue: said.append(str(issue)), beside=BESIDE, others=OTHERS)
    return [f"{each.resource['resourceType']}/{each.resource['id']}" for each in found]


@pytest.mark.parametrize("parts", [1, 3])
def test_what_subjects_refer_to_is_asked_for_together(parts: int) -> None:
    """A server is asked in parts of fifty subjects, not once for each."""
    memory = MemoryServer()
    said: list[str] = []
    names = [f"{number:03}" for number in range(parts * ASKED)]
    for name in names:
        person = f"Patient/{name}"
        memory.held |= held(subject(name, {"reference": person}), dose(name, person))
        memory.held |= held({"resourceType": "Patient", "id": name}, {"resourceType": "Consent", "id": name})
    memory.held |= held({"resourceType": "ResearchStudy", "id": "S"})

    with serving(memory.handle) as server:
        found = there(server, said)
        asked = [each.path.partition("?")[0].split("/")[2] for each in server.seen]

    assert (sorted(found), said) == (sorted(memory.held), [])
    assert {kind: asked.count(kind) for kind in asked} == {
        "ResearchSubject": 1,
        "ResearchStudy": 1,
        "Consent": parts,
        "Patient": parts,
        "MedicationAdministration": parts,
    }


def test_persons_who_are_not_on_the_server() -> None:
    """Doses of somebody on another server are found by that address; where no address leads to them, it is told."""
    memory = MemoryServer()
    said: list[str] = []
    other = "http://other/fhir/Patient/1"
    memory.held = held(
        subject("a", {"reference": other}),
        subject("b", {"identifier": {"value": "B"}}),
        subject("c", {"reference": "#c"}),
        dose("a", other),
        *({"resourceType": "Consent", "id": name} for name in "abc"),
        {"resourceType": "ResearchStudy", "id": "S"},
    )

    with serving(memory.handle) as server:
        found = there(server, said)

    assert sorted(found) == sorted(memory.held)
    assert [line.partition("/fhir: ")[2] for line in said] == [
        "http://other/fhir/Patient/1: it is referred to, and on another server [unresolved]",
        (
            "ResearchSubject/b: what was given to 2 of the subjects, and their visits, are not read: they refer to no "
            "person whom a server can look for; this is the first of them [person-not-searchable]"
        ),
    ]


def test_what_a_hospital_gave_is_not_read() -> None:
    """Read is what names the subject or the study; what names only the person is none of the study's."""
    memory = MemoryServer()
    said: list[str] = []
    url = "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy"
    given = {"resourceType": "MedicationAdministration", "subject": {"reference": "Patient/a"}}
    wanted = held(
        subject("a", {"reference": "Patient/a"}),
        *({"resourceType": kind, "id": "a"} for kind in ("Patient", "Consent")),
        {"resourceType": "ResearchStudy", "id": "S"},
        dose("a", "Patient/a"),
        {**given, "id": "2", "extension": [{"url": url, "valueReference": {"reference": "ResearchStudy/S"}}]},
    )
    other = {**given, "id": "4", "extension": [{"url": url, "valueReference": {"reference": "ResearchStudy/T"}}]}
    memory.held = wanted | held({**given, "id": "3"}, other)

    with serving(memory.handle) as server:
        assert (sorted(there(server, said)), said) == (sorted(wanted), [])
