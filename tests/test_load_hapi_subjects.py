"""Participants on a real HAPI server: loaded once, left as they are by a repeat, and given back as tables."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest

from fhirtrial import read
from fhirtrial.loading.summary import LoadSummary
from fhirtrial.pipelines.participants import Participants
from fhirtrial.server.client import FhirClient
from tests.hapi.server import HapiServer
from tests.load_hapi import BOTH, LONG, dangling, everything, history, load
from tests.tables import DATA, SHARED
from tests.test_participants import PAGE, ROSTER, record, run


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


@BOTH
def test_tables_and_figures_come_from_the_server_as_from_files(hapi: HapiServer, tmp_path: Path) -> None:
    """
    The tables that are restored from a server are those that are restored from files, and so are the figures.

    What a hospital has given to the same people is none of the study's; of two studies one can be asked for.
    """
    source, out = record(tmp_path), tmp_path / "out"
    assert run("convert", DATA / "csv", "--study", source, "--to", hapi.release, "-o", f"{out}/").exit_code == 0
    assert run("load", DATA / "csv", "--study", source, "--server", hapi.base_url).exit_code == 0
    files, there = tmp_path / "files", tmp_path / "there"
    assert run("restore", out, "--format", "sdtm", "-o", files).exit_code == 0
    with FhirClient(hapi.base_url) as client:
        given = next(client.search("MedicationAdministration", {"_count": "1"}))
        # What only a study says is left out: which subject it was, which study, which row.
        ours = ("id", "meta", "identifier", "supportingInformation", "extension")
        own = {name: given[name] for name in given if name not in ours}
        client.create(own)
    assert run("load", ROSTER, "--study", PAGE, "--server", hapi.base_url).exit_code == 0

    done = run("restore", "--server", hapi.base_url, "NCT00000777", "--format", "sdtm", "-o", there)

    assert (done.exit_code, read_files(there)) == (0, read_files(files)), done.output
    assert {"dm.csv", "ds.csv", "ex.csv", "ec.csv", "suppdm.csv", "suppex.csv"} <= read_files(there).keys()
    wanted = run("subjects", out, "--json")
    assert run("subjects", "--server", hapi.base_url, "NCT00000777", "--json").stdout == wanted.stdout
    both = orjson.loads(run("subjects", "--server", hapi.base_url, "--all", "--json").stdout)
    assert len(both["studies"]) == 2
    roster = run("restore", "--server", hapi.base_url, "NCT05143125", "--format", "roster", "-o", tmp_path / "roster")
    assert roster.exit_code == 0, roster.output
    assert [each.data for each in read(tmp_path / "roster")] == [each.data for each in read(ROSTER, refused=print)]


def test_subjects_without_a_study_are_asked_for_by_its_number(hapi: HapiServer, tmp_path: Path) -> None:
    """A number that no study on the server has may be that of subjects; one that nobody has is an error."""
    assert run("load", DATA / "csv", "--server", hapi.base_url).exit_code == 0

    done = run("restore", "--server", hapi.base_url, "SYN-01", "SYN-02", "--format", "sdtm", "-o", tmp_path / "there")

    said = f"error: {hapi.base_url}: SYN-02: the server has no subject of the study SYN-02 [not-on-server]\n"
    assert (done.exit_code, said in done.stderr) == (1, True), done.stderr
    subjects = [each for each in read(tmp_path / "there") if each.registry == "sdtm"]
    assert [each.id for each in subjects] == ["SYN-01-001", "SYN-01-002", "SYN-01-003", "SYN-01-004"]


def read_files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@BOTH
@pytest.mark.skipif(not LONG, reason="FHIRTRIAL_LONG is not set")
@pytest.mark.parametrize("name", ["cdisc_sample", "pharmaversesdtm"])
def test_shared_subjects(hapi: HapiServer, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The shared subjects load without a failure; a repeat writes nothing; tables from the server are those of files."""
    if not (SHARED / name).is_dir():
        pytest.skip("the shared data are not beside the checkout")
    tables = tmp_path / "tables"
    tables.mkdir()
    for file in (SHARED / name).iterdir():
        if file.suffix in (".csv", ".ndjson"):  # one of its forms
            shutil.copy(file, tables)
    begun = time.perf_counter()
    first = load(hapi.base_url, tables, state=tmp_path / "state")
    took = time.perf_counter() - begun
    assert first.total("failed", "edited", "updated") == 0
    again = [load(hapi.base_url, tables, state=state) for state in (tmp_path / "state", None)]
    assert [each.written for each in again] == [0, 0]
    held = everything(hapi.base_url)
    assert history(hapi.base_url) == sorted(f"{each} 1" for each in held)
    assert dangling(held) == []

    run("convert", tables, "--to", hapi.release, "-o", tmp_path / "made.ndjson")
    run("restore", tmp_path / "made.ndjson", "--format", "sdtm", "-o", tmp_path / "files")
    begun = time.perf_counter()
    done = run("restore", "--server", hapi.base_url, "--all", "--format", "sdtm", "-o", tmp_path / "there")
    back = time.perf_counter() - begun
    assert done.exit_code == 0, done.output
    assert sorted_rows(tmp_path / "there") == sorted_rows(tmp_path / "files")
    figures = [
        run("subjects", *way, "--json").stdout
        for way in ((tmp_path / "made.ndjson",), ("--server", hapi.base_url, "--all"))
    ]
    assert figures[0] == figures[1]
    with capsys.disabled():
        print(
            f"\n{hapi.release} {name}: {first.subjects} subjects, {len(held):,} resources in {took:.0f} s, back in {back:.0f} s"
        )


def sorted_rows(folder: Path) -> dict[str, list[bytes]]:
    """The rows of all files of a folder: subjects come from a server in the order of their identifiers."""
    return {name: sorted(text.splitlines()) for name, text in read_files(folder).items()}
