"""Participants on a real HAPI server: loaded once, left as they are by a repeat, and given back as tables."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from fhirtrial.loading.summary import LoadSummary
from fhirtrial.pipelines.participants import Participants
from fhirtrial.server.client import FhirClient
from tests.hapi.server import HapiServer
from tests.load_hapi import BOTH, dangling, everything, history, load
from tests.tables import DATA
from tests.test_participants import record


@BOTH
def test_subjects_arrive_once(hapi: HapiServer, tmp_path: Path) -> None:
    """
    Subjects arrive with their study, every reference leads somewhere, and a repeat writes no new version.

    Not with the state, not without, not from another machine. One changed dose makes a second version of that
    administration, found by its identifier, and of nothing else; what somebody has edited is left.
    """
    tables = shutil.copytree(DATA / "csv", tmp_path / "tables")
    told, state = Participants(study=record(tmp_path)), tmp_path / "state"

    def loaded(state: Path | None = None, issues: list[str] | None = None) -> LoadSummary:
        return load(hapi.base_url, tables, state=state, participants=told, issues=issues)

    first = loaded(state)
    held = everything(hapi.base_url)
    assert first.total("failed", "edited", "updated") == first.refused == 0
    assert first.total("created") == len(held)
    counted = Counter(each["resourceType"] for each in held.values())
    wanted = {"ResearchStudy": 1, "ResearchSubject": 4, "Patient": 4, "MedicationAdministration": 5, "Medication": 4}
    assert {kind: counted[kind] for kind in wanted} == wanted
    assert history(hapi.base_url) == sorted(f"{name} 1" for name in held)
    assert dangling(held) == []
    for again in (loaded(state), loaded(), loaded(tmp_path / "another")):
        assert (again.total("unchanged"), again.written) == (len(held), 0)
    assert history(hapi.base_url) == sorted(f"{name} 1" for name in held)

    rows = (tables / "ex.csv").read_text()
    (tables / "ex.csv").write_text(rows.replace("10.8", "10.9"))
    assert loaded(state).outcomes["MedicationAdministration"] == {"updated": 1, "unchanged": 4}
    second = [name for name, each in everything(hapi.base_url).items() if each["meta"]["versionId"] != "1"]
    assert len(second) == 1
    with FhirClient(hapi.base_url) as client:
        changed = client.read(*second[0].split("/"))
        assert changed["dosage"]["dose"]["value"] == 10.9
        (token,) = [f"{each['system']}|{each['value']}" for each in changed["identifier"]]
        assert [each["id"] for each in client.search("MedicationAdministration", {"identifier": token})] == [
            changed["id"]
        ]

        client.update({**changed, "note": [{"text": "Theirs"}]})
        (tables / "ex.csv").write_text(rows)
        issues: list[str] = []
        assert loaded(state, issues).outcomes["MedicationAdministration"] == {"edited": 1, "unchanged": 4}
        assert issues.count("edited") == 1
        assert client.read("MedicationAdministration", changed["id"])["note"] == [{"text": "Theirs"}]
