"""Codes that somebody edited on a server: FHIR's code wins over the registry's own, and a difference is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from fhirtrial.codes import Table, load_tables
from fhirtrial.files import MappingFiles
from fhirtrial.record import Record

from .edits import DEVICE, DRUG, MAPPER, RARE, SITES, Json, P, Server, codes, extension

SPECIAL = {"phase-combination", "phase", "sex", "country", "outcome-measure-type", "responsible-party-type"}
"""Tables of codes that have a test of their own, or that only mark what kind of entry it is."""
STATUS = "http://hl7.org/fhir/research-study-status"
OWN = "https://fhirtrial.org/CodeSystem/ctgov-Status"
STATUS_PATH = f"{P}statusModule.overallStatus"


def with_status(*codings: tuple[str, str]) -> Server:
    """A terminated study with another state."""
    server = Server()
    entry = next(found for found in server.study["progressStatus"] if "TERMINATED" in codes(found["state"]))
    entry["state"] = {"coding": [{"system": system, "code": code} for system, code in codings]}
    return server


def test_status_both_codings() -> None:
    """FHIR code and own code edited together: the record has the new value, in silence."""
    server = with_status((STATUS, "recruiting"), (OWN, "RECRUITING"))
    assert server.changes() == {STATUS_PATH: ("TERMINATED", "RECRUITING")}
    assert [code for code, _ in server.told(verify=False)] == []


def test_status_fhir_code_only() -> None:
    """The FHIR code edited: it wins over the own code, and one issue names both."""
    server = with_status((STATUS, "recruiting"), (OWN, "TERMINATED"))
    assert server.changes() == {STATUS_PATH: ("TERMINATED", "RECRUITING")}
    (issue,) = server.restored(verify=False).issues
    assert (issue.code, issue.path) == ("disagreement", STATUS_PATH)
    assert issue.message == (
        "the FHIR code 'recruiting' (RECRUITING) was edited and wins over the registry's own 'TERMINATED'"
    )
    assert re.fullmatch(r"ctgov/study\.yaml:\d+", issue.mapping)


def test_status_own_code_only() -> None:
    """
    The own code edited: the FHIR code, which disagrees and leads to one row, wins.

    Nobody but this library writes the own code, so what the record gets is the FHIR code's; the issue names both.
    """
    fhir = next(iter(codes({"coding": MAPPER.convert(DRUG).resources[0]["progressStatus"][0]["state"]["coding"]})))
    server = with_status((STATUS, fhir), (OWN, "RECRUITING"))
    assert server.changes() == {}
    (issue,) = server.restored(verify=False).issues
    assert issue.code == "disagreement"
    assert "'RECRUITING'" in issue.message
    assert fhir in issue.message


def test_status_fhir_code_alone() -> None:
    """The concept replaced by the FHIR code alone: it is the value, if it has exactly one way back."""
    server = with_status((STATUS, "recruiting"))
    assert server.changes() == {STATUS_PATH: ("TERMINATED", "RECRUITING")}


def test_status_fhir_code_without_a_way_back() -> None:
    """A FHIR code that stands for no value of the registry is not guessed: the entry is told as not carried."""
    server = with_status((STATUS, "in-review"))
    assert server.changes() == {STATUS_PATH: ("TERMINATED", None)}
    assert any("in-review" in message for message in server.messages())


def test_own_code_that_fhir_does_not_know() -> None:
    """An own code without a FHIR code beside it is the value."""
    server = with_status((OWN, "WITHHELD"))
    assert server.changes() == {STATUS_PATH: ("TERMINATED", "WITHHELD")}


def test_unknown_own_code() -> None:
    """An own code that no table has is the value all the same: registries add codes."""
    server = with_status((OWN, "PAUSED"))
    assert server.changes() == {STATUS_PATH: ("TERMINATED", "PAUSED")}


def test_site_status() -> None:
    """A site's status by its FHIR code."""
    server = Server(RARE)
    concept = extension(server.study["site"][0], "site-status")["valueCodeableConcept"]
    concept["coding"] = [{"system": STATUS, "code": "recruiting"}]
    changes = server.changes()
    assert changes == {f"{P}contactsLocationsModule.locations[0].status": ("AVAILABLE", "RECRUITING")}


def test_class_to_an_ambiguous_code() -> None:
    """A FHIR code that two classes lead to cannot be read back: the own code stays, and an issue names both."""
    server = Server(RARE)
    codings = server.party("lead-sponsor")["classifier"][0]["coding"]
    assert codings[0]["code"] == "industry"
    codings[0]["code"] = "government"
    codings[0].pop("display", None)
    assert server.changes() == {}
    told = [issue for issue in server.restored(verify=False).issues if issue.code == "disagreement"]
    assert [issue.path for issue in told] == [f"{P}sponsorCollaboratorsModule.leadSponsor.class"]
    assert "'government'" in told[0].message
    assert "'INDUSTRY'" in told[0].message


def test_class_alone_and_ambiguous() -> None:
    """The ambiguous code without the own one: the value is missing, and an issue says why."""
    server = Server(RARE)
    concept = server.party("lead-sponsor")["classifier"][0]
    concept["coding"] = [{**concept["coding"][0], "code": "government"}]
    assert server.changes() == {f"{P}sponsorCollaboratorsModule.leadSponsor.class": ("INDUSTRY", None)}
    assert any("'government'" in message for message in server.messages()), server.messages()


def test_phase_by_fhir_code() -> None:
    """The FHIR phase edited: the record has the phases that it stands for."""
    server = Server()
    assert DRUG.data["protocolSection"]["designModule"]["phases"] == ["PHASE4"]
    server.study["phase"]["coding"][0].update(code="phase-1-phase-2")
    server.study["phase"]["coding"][0].pop("display", None)
    assert server.changes() == {
        f"{P}designModule.phases[0]": ("PHASE4", "PHASE1"),
        f"{P}designModule.phases[1]": (None, "PHASE2"),
    }
    assert [code for code, _ in server.told(verify=False)] == ["disagreement"]


def test_sex_by_fhir_code_only() -> None:
    """The administrative gender edited, our own code left: the FHIR code wins, as ever, and an issue says so."""
    server = Server(RARE)
    characteristic = next(
        found for found in server.of("Group")[0]["characteristic"] if "46098-0" in codes(found["code"])
    )
    characteristic["valueCodeableConcept"]["coding"][0] = {
        "system": "http://hl7.org/fhir/administrative-gender",
        "code": "male",
    }
    assert server.changes() == {f"{P}eligibilityModule.sex": ("FEMALE", "MALE")}


def test_study_design_by_fhir_code_alone() -> None:
    """One of several design entries replaced by its FHIR code alone still belongs to its field."""
    server = Server(DEVICE)
    entry = next(found for found in server.study["studyDesign"] if "PARALLEL" in codes(found))
    entry["coding"] = [{"system": "http://hl7.org/fhir/study-design", "code": "SEVCO:01012"}]
    assert server.changes() == {f"{P}designModule.designInfo.interventionModel": ("PARALLEL", "CROSSOVER")}


def coded(resources: list[Json]) -> Iterator[tuple[str, list[Json], Table]]:
    """Every list of codings that holds a FHIR code and the registry's own, with its table; its way first."""

    def walk(node: Any, way: str) -> Iterator[tuple[str, list[Json], Table]]:
        if isinstance(node, list):
            for place, item in enumerate(node):
                yield from walk(item, f"{way}[{place}]")
        elif isinstance(node, dict):
            for key, value in node.items():
                if key == "coding" and len(value) > 1 and value[-1]["system"] in TABLES:
                    table = TABLES[value[-1]["system"]]
                    if value[0]["system"] in table.systems:
                        yield way, value, table
                yield from walk(value, f"{way}.{key}")

    for found in resources:
        yield from walk(found, f"{found['resourceType']}")


TABLES = {table.own: table for name, table in load_tables(MappingFiles()).items() if name not in SPECIAL}
CODED = [
    (record, way) for record in (DRUG, RARE, SITES, DEVICE) for way, _, _ in coded(MAPPER.convert(record).resources)
]


def at_way(server: Server, way: str) -> tuple[list[Json], Table]:
    """The codings at a way, and their table."""
    return next((codings, table) for found, codings, table in coded(server.resources) if found == way)


@pytest.mark.parametrize(("record", "way"), CODED, ids=[f"{record.id}-{way}" for record, way in CODED])
def test_any_fhir_code_edited(record: Record, way: str) -> None:
    """Wherever two codings stand, another FHIR code beside the old own one changes that value and nothing else."""
    server = Server(record)
    codings, table = at_way(server, way)
    before = codings[-1]["code"]
    (system, code), after = next((pair, own) for pair, own in table.unique.items() if own != before)
    codings[0] = {"system": system, "code": code}
    assert list(server.changes().values()) == [(before, after)]
    assert "disagreement" in [found for found, _ in server.told(verify=False)]


@pytest.mark.parametrize(("record", "way"), CODED, ids=[f"{record.id}-{way}" for record, way in CODED])
def test_any_fhir_code_alone(record: Record, way: str) -> None:
    """Wherever two codings stand, another FHIR code instead of both changes that value and nothing else."""
    server = Server(record)
    codings, table = at_way(server, way)
    before = codings[-1]["code"]
    (system, code), after = next((pair, own) for pair, own in table.unique.items() if own != before)
    codings[0] = {"system": system, "code": code}
    del codings[-1]
    assert list(server.changes().values()) == [(before, after)]


def test_words_for_people_do_not_count() -> None:
    """The display of a mark, and the text beside it, can be reworded or dropped: the entry stays what it is."""
    server = Server(RARE)
    for outcome in server.study["outcomeMeasure"]:
        for concept in outcome["type"]:
            concept["text"] = "reworded"
            for coding in concept["coding"]:
                coding["display"] = "reworded"
    for party in server.study["associatedParty"]:
        for coding in party["role"]["coding"]:
            coding.pop("display", None)
    assert server.changes() == {}
