"""Loading into a real HAPI server: once, whatever happens on the way, and a repeat writes nothing."""

from __future__ import annotations

import copy
import gzip
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhirtrial import Mapper
from fhirtrial.loading.fetch import Fetch
from fhirtrial.loading.loader import Options
from fhirtrial.loading.run import load_all
from fhirtrial.loading.server_target import ServerTarget
from fhirtrial.loading.summary import LoadSummary
from fhirtrial.releases.release import Release
from fhirtrial.releases.view import as_r5
from fhirtrial.resources import Resources
from fhirtrial.server.client import FhirClient
from fhirtrial.server.retry import Retry
from tests.hapi.faults import randomly
from tests.hapi.proxy import FaultyProxy
from tests.hapi.server import HapiServer
from tests.load_target import references
from tests.test_convert import study

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parent
SHARED = ROOT.parents[1] / "shared" / "corpus" / "ctgov" / "studies.jsonl.gz"
LONG = bool(os.environ.get("FHIRTRIAL_LONG"))
SYSTEM = "https://clinicaltrials.gov/nctid"
GOLDEN = [orjson.loads(file.read_bytes()) for file in sorted((ROOT / "golden").glob("*/input.json"))]
KINDS = (
    "ResearchStudy",
    "Group",
    "PlanDefinition",
    "ActivityDefinition",
    "Provenance",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Location",
)
BOTH = pytest.mark.parametrize("hapi", ["R4", "R5"], indirect=True)


def number_of(study: Json) -> str:
    """The number of a study."""
    found: str = study["protocolSection"]["identificationModule"]["nctId"]
    return found


def written(folder: Path, studies: list[Json]) -> Path:
    """A file of studies."""
    file = folder / "studies.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, studies)))
    return file


def load(
    url: str, source: Path, *, state: Path | None = None, retry: Retry | None = None, **options: Any
) -> LoadSummary:
    """What a load did."""
    with FhirClient(url, retry=retry) as client:
        return load_all([str(source)], ServerTarget(client), state=state, options=Options(**options))


def everything(url: str) -> dict[str, Json]:
    """All that a server holds, by reference."""
    with FhirClient(url) as client:
        found = [each for kind in KINDS for each in client.search(kind, {"_count": "500"})]
    return {f"{each['resourceType']}/{each['id']}": each for each in found}


def versions(held: dict[str, Json]) -> set[str]:
    """All versions that resources are in."""
    return {each["meta"]["versionId"] for each in held.values()}


def edited(study: Json, title: str = "Another title") -> Json:
    """The study with another title."""
    copy: Json = orjson.loads(orjson.dumps(study))
    copy["protocolSection"]["identificationModule"]["briefTitle"] = title
    return copy


@BOTH
def test_studies_arrive_once_and_come_back_equal(hapi: HapiServer, tmp_path: Path) -> None:
    """
    Every identity is there once, in its first version; every reference resolves; the records come back equal.

    A second load writes no new version: not with the state, not without, not from another machine's state.
    """
    source, state = written(tmp_path, GOLDEN), tmp_path / "state"
    first = load(hapi.base_url, source, state=state)
    held = everything(hapi.base_url)

    assert first.total("failed", "edited", "updated") == first.refused == 0
    assert first.total("created") == len(held)
    assert versions(held) == {"1"}
    assert all(name in held for each in held.values() for name in references(each))

    assert load(hapi.base_url, source, state=state).total("unchanged") == len(held)
    assert load(hapi.base_url, source).total("unchanged") == len(held)
    assert load(hapi.base_url, source, state=tmp_path / "another").total("unchanged") == len(held)
    assert versions(everything(hapi.base_url)) == {"1"}

    mapper, release = Mapper(), Release(hapi.release)
    restored = {}
    with FhirClient(hapi.base_url) as client:
        for resources in Fetch(client, system=SYSTEM).everything():
            index, _ = as_r5(Resources(resources), release)
            restored |= {record.id: record.data for record in mapper.restore_all(index)}
    wanted = {number_of(study): mapper.mapping.schema.wanted(study) for study in GOLDEN}
    assert {number: mapper.mapping.schema.wanted(data) for number, data in restored.items()} == wanted


@BOTH
def test_one_changed_field_makes_a_version_of_what_changed(hapi: HapiServer, tmp_path: Path) -> None:
    """Exactly the resources that hold the field get version 2."""
    state = tmp_path / "state"
    load(hapi.base_url, written(tmp_path, GOLDEN[:4]), state=state)
    load(hapi.base_url, written(tmp_path, [edited(GOLDEN[0]), *GOLDEN[1:4]]), state=state)

    second = {name for name, each in everything(hapi.base_url).items() if each["meta"]["versionId"] == "2"}
    number = number_of(GOLDEN[0])
    assert second == {f"ResearchStudy/{number}", f"PlanDefinition/{number}-protocol"}


def test_edits_on_the_server_survive_and_are_overwritten_on_demand(hapi: HapiServer, tmp_path: Path) -> None:
    """What somebody has edited on the server is reported and left; ``force`` overwrites it."""
    state, number = tmp_path / "state", number_of(GOLDEN[0])
    load(hapi.base_url, written(tmp_path, GOLDEN[:1]), state=state)
    with FhirClient(hapi.base_url) as client:
        theirs = client.read("ResearchStudy", number)
        client.update({**theirs, "title": "Theirs"})
        source = written(tmp_path, [edited(GOLDEN[0])])

        assert load(hapi.base_url, source, state=state).outcomes["ResearchStudy"] == {"edited": 1}
        assert client.read("ResearchStudy", number)["title"] == "Theirs"
        assert load(hapi.base_url, source, state=state, force=True).outcomes["ResearchStudy"] == {"updated": 1}
        assert client.read("ResearchStudy", number)["title"] == "Another title"


def test_a_hospitals_own_study_is_adopted_and_two_are_left_alone(hapi: HapiServer, tmp_path: Path) -> None:
    """A study that has the number under another id is updated there; of two with one number neither is touched."""
    one, two = number_of(GOLDEN[0]), number_of(GOLDEN[1])
    with FhirClient(hapi.base_url) as client:
        for identity, number in (("own-one", one), ("own-two", two), ("own-three", two)):
            identifier = [{"system": SYSTEM, "value": number}]
            client.update(
                {"resourceType": "ResearchStudy", "id": identity, "status": "active", "identifier": identifier}
            )
        summary = load(hapi.base_url, written(tmp_path, GOLDEN[:3]))

        held = everything(hapi.base_url)
        assert summary.refused == 1
        assert held["ResearchStudy/own-one"]["title"]
        assert held[f"Provenance/{one}-provenance"]["target"] == [{"reference": "ResearchStudy/own-one"}]
        assert held["ResearchStudy/own-two"]["meta"]["versionId"] == "1"
        assert f"ResearchStudy/{one}" not in held


def test_an_edit_of_an_adopted_study_survives_a_lost_state(hapi: HapiServer, tmp_path: Path) -> None:
    """A hospital's own study is adopted, whatever its version; edited since, it is left, though the state is lost."""
    number = number_of(GOLDEN[0])
    own = {"resourceType": "ResearchStudy", "id": "own", "identifier": [{"system": SYSTEM, "value": number}]}
    with FhirClient(hapi.base_url) as client:
        for status in ("active", "completed"):
            client.update({**own, "status": status})
        assert load(hapi.base_url, written(tmp_path, GOLDEN[:1])).outcomes["ResearchStudy"] == {"updated": 1}
        client.update({**client.read("ResearchStudy", "own"), "title": "Theirs"})
        source = written(tmp_path, [edited(GOLDEN[0])])

        assert load(hapi.base_url, source).outcomes["ResearchStudy"] == {"edited": 1}
        assert client.read("ResearchStudy", "own")["title"] == "Theirs"
        assert load(hapi.base_url, source, force=True).outcomes["ResearchStudy"] == {"updated": 1}


def test_what_a_record_has_no_longer_is_pruned(hapi: HapiServer, tmp_path: Path) -> None:
    """An intervention that left the record is deleted on the server, and nothing else."""
    study = next(
        each
        for each in GOLDEN
        if len(each["protocolSection"].get("armsInterventionsModule", {}).get("interventions", ())) > 1
    )
    state = tmp_path / "state"
    load(hapi.base_url, written(tmp_path, [study]), state=state)
    before = everything(hapi.base_url).keys()
    fewer: Json = orjson.loads(orjson.dumps(study))
    fewer["protocolSection"]["armsInterventionsModule"]["interventions"].pop()

    summary = load(hapi.base_url, written(tmp_path, [fewer]), state=state, prune=True)

    gone = before - everything(hapi.base_url).keys()
    assert summary.total("deleted") == 1
    assert {name.partition("/")[0] for name in gone} == {"ActivityDefinition"}


@BOTH
def test_what_others_refer_to_is_not_pruned(hapi: HapiServer, tmp_path: Path) -> None:
    """A party that somebody's own study refers to stays, though neither searches nor the server see that reference."""
    state = tmp_path / "state"
    load(hapi.base_url, written(tmp_path, [study(1, "Used"), study(2, "Lonely")]), state=state)
    names = {each["name"]: each["id"] for each in everything(hapi.base_url).values() if "name" in each}
    used = {"reference": f"Organization/{names['Used']}"}
    extension = [{"url": "https://hospital.example/funder", "valueReference": used}]
    with FhirClient(hapi.base_url) as client:
        client.update({"resourceType": "ResearchStudy", "id": "own", "status": "active", "extension": extension})
    summary = load(hapi.base_url, written(tmp_path, [study(1), study(2)]), state=state, prune=True)

    left = {each.get("name") for each in everything(hapi.base_url).values()}
    assert "Used" in left
    assert "Lonely" not in left
    assert summary.issues["not-pruned"] == 1


def _load_in_process(url: str, source: str, seed: int) -> None:
    studies = GOLDEN.copy()
    random.Random(seed).shuffle(studies)
    file = Path(source).with_name(f"studies-{seed}.jsonl")
    file.write_bytes(b"\n".join(map(orjson.dumps, studies)))
    summary = load(url, file)
    if summary.refused or summary.total("failed"):
        raise SystemExit(1)


def test_four_who_load_at_once_make_no_duplicate(hapi: HapiServer, tmp_path: Path) -> None:
    """Four processes that load the same studies at once all succeed, and no identity is there twice."""
    source = written(tmp_path, GOLDEN)
    context = multiprocessing.get_context("spawn")
    loaders = [context.Process(target=_load_in_process, args=(hapi.base_url, str(source), seed)) for seed in range(4)]
    for loader in loaders:
        loader.start()
    for loader in loaders:
        loader.join()

    assert [loader.exitcode for loader in loaders] == [0, 0, 0, 0]
    held = everything(hapi.base_url)
    named = Counter(
        (each["resourceType"], identifier["system"], identifier["value"])
        for each in held.values()
        for identifier in each.get("identifier", ())
        if each["resourceType"] != "ResearchStudy" and "system" in identifier
    )
    assert set(named.values()) == {1}
    assert sum(name.startswith("ResearchStudy/") for name in held) == len(GOLDEN)


@pytest.mark.parametrize("seed", [1, 2])
def test_faults_on_the_way_change_nothing(hapi: HapiServer, tmp_path: Path, seed: int) -> None:
    """With one of ten exchanges harmed in every way there is, everything is loaded, once."""
    plan = randomly(seed, share=0.1)
    retry = Retry(attempts=12, conflicts=12, faults=12, first_wait=0.05, longest_wait=0.2)
    with FaultyProxy(hapi.base_url, plan) as proxy:
        for _ in range(3):
            summary = load(proxy.base_url, written(tmp_path, GOLDEN), retry=retry)
            if not summary.refused:
                break
        assert proxy.counts
    held = everything(hapi.base_url)
    again = load(hapi.base_url, written(tmp_path, GOLDEN))
    assert again.total("unchanged") == len(held)
    assert again.refused == 0


def renumbered(count: int) -> list[Json]:
    """The golden records, each so many times, under numbers of their own."""
    studies = []
    for number in range(count * len(GOLDEN)):
        study = copy.deepcopy(GOLDEN[number % len(GOLDEN)])
        study["protocolSection"]["identificationModule"]["nctId"] = f"NCT{99_000_000 + number}"
        studies.append(study)
    return studies


def test_a_killed_load_is_finished_by_the_next(hapi: HapiServer, tmp_path: Path) -> None:
    """Killed at any moment and started again, a load ends as an undisturbed one: nothing twice, nothing lost."""
    source, state = written(tmp_path, renumbered(40 if LONG else 20)), tmp_path / "state"
    command = [sys.executable, "-m", "fhirtrial", "load", str(source), "--server", hapi.base_url, "--state", str(state)]
    chance, kills, caught = random.Random(7), 20 if LONG else 6, 0
    for _ in range(kills):
        loader = subprocess.Popen([*command, "--issues", str(tmp_path / "issues")], stderr=subprocess.DEVNULL)
        time.sleep(1 + 2 * chance.random())
        caught += loader.poll() is None
        loader.kill()
        loader.wait()
    assert caught > kills / 2, "the loads are too small to be killed"
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    held = everything(hapi.base_url)
    assert versions(held) == {"1"}
    assert load(hapi.base_url, source).total("unchanged") == len(held)


def test_a_server_that_is_killed_loses_and_doubles_nothing(own_hapi: HapiServer, tmp_path: Path) -> None:
    """A server killed in the middle of loads and started again holds, after the next load, everything once."""
    source, state = written(tmp_path, renumbered(10)), tmp_path / "state"
    command = [sys.executable, "-m", "fhirtrial", "load", str(source), "--server", own_hapi.base_url]
    caught = 0
    for seconds in (1.5, 2.0, 2.5, 3.0, 3.5) if LONG else (2.0, 3.5):
        loader = subprocess.Popen([*command, "--state", str(state)], stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        caught += loader.poll() is None
        own_hapi.kill()
        loader.kill()
        loader.wait()
        own_hapi.restart()
    assert caught, "the loads are too small for the server to be killed in"
    summary = load(own_hapi.base_url, source, state=state, verify=True)

    held = everything(own_hapi.base_url)
    assert summary.refused == summary.total("edited") == 0
    assert versions(held) == {"1"}
    assert all(name in held for each in held.values() for name in references(each))
    assert load(own_hapi.base_url, source).total("unchanged") == len(held)


@BOTH
@pytest.mark.skipif(not LONG, reason="FHIRTRIAL_LONG is not set")
@pytest.mark.skipif(not SHARED.exists(), reason="the shared records are not beside the checkout")
def test_all_shared_records(hapi: HapiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All shared records load without a failure, come back equal, and a second load writes nothing; with figures."""
    studies = [orjson.loads(line) for line in gzip.decompress(SHARED.read_bytes()).splitlines()]
    state = tmp_path / "state"
    begun, used = time.perf_counter(), time.process_time()
    first = load(hapi.base_url, SHARED, state=state)
    took, cpu = time.perf_counter() - begun, time.process_time() - used
    begun = time.perf_counter()
    again = load(hapi.base_url, SHARED, state=state)
    replay = time.perf_counter() - begun
    unremembered = load(hapi.base_url, SHARED)

    assert first.total("failed", "edited", "updated") == first.refused == 0
    assert again.written == unremembered.written == 0
    with FhirClient(hapi.base_url) as client:
        assert {kind: total(client, kind) for kind in KINDS} == {
            kind: first.outcomes[kind]["created"] for kind in KINDS
        }
        mapper, release, restored = Mapper(), Release(hapi.release), {}
        for resources in Fetch(client, system=SYSTEM).everything():
            index, _ = as_r5(Resources(resources), release)
            restored |= {record.id: mapper.mapping.schema.wanted(record.data) for record in mapper.restore_all(index)}
    assert restored == {number_of(study): mapper.mapping.schema.wanted(study) for study in studies}
    with capsys.disabled():
        rate, created = first.total("created") / took, first.total("created")
        print(f"\n{hapi.release}: {created:,} resources in {took:.0f} s ({rate:.0f}/s), loader CPU {cpu / took:.0%}")
        print(f"replay {replay:.1f} s ({replay / took:.1%}); {first.bundles} bundles, slowest {first.slowest[0]}")


def total(client: FhirClient, kind: str) -> int:
    """How many resources of a type a server holds."""
    found: int = next(client.search_pages(kind, {"_summary": "count"}))["total"]
    return found
