"""Loading into a real HAPI server: once, and a repeat writes nothing; nobody's edits are lost."""

from __future__ import annotations

import multiprocessing
import random
import re
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest

from examples.demo_hapi import show
from fhirtrial.server.client import FhirClient
from tests.hapi.server import HapiServer
from tests.load_hapi import (
    BOTH,
    KINDS,
    LONG,
    SYSTEM,
    Json,
    assert_all_is_there_once,
    everything,
    history,
    load,
    shared_studies,
    written,
)
from tests.load_target import GOLDEN, edited, number_of
from tests.records import SHARED
from tests.test_convert import study


@BOTH
def test_studies_arrive_once_and_come_back_equal(hapi: HapiServer, tmp_path: Path) -> None:
    """
    Every identity is there once, in its first version; every reference resolves; the records come back equal.

    A second load writes no new version: not with the state, not without, not from another machine's state.
    """
    some = GOLDEN + shared_studies()[::21]
    studies = list({number_of(study): study for study in some}.values())
    source, state = written(tmp_path, studies), tmp_path / "state"
    first = load(hapi.base_url, source, state=state)
    assert_all_is_there_once(hapi, first, studies)

    made = history(hapi.base_url)
    assert load(hapi.base_url, source, state=state).total("unchanged") == len(made)
    assert load(hapi.base_url, source).total("unchanged") == len(made)
    assert load(hapi.base_url, source, state=tmp_path / "another").total("unchanged") == len(made)
    assert history(hapi.base_url) == made


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


def test_a_stale_state_overwrites_nothing_in_silence(hapi: HapiServer, tmp_path: Path) -> None:
    """
    A machine whose state is older than the server loses nothing of what another has loaded since.

    What both have is the same and is left; where they differ it is reported, and only ``force`` overwrites.
    """
    number = number_of(GOLDEN[0])
    old, newer = written(tmp_path, GOLDEN[:3]), [edited(GOLDEN[0], "Newer"), *GOLDEN[1:3]]
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    load(hapi.base_url, old, state=mine)
    load(hapi.base_url, old, state=theirs)
    load(hapi.base_url, written(tmp_path, newer), state=theirs)
    made = history(hapi.base_url)
    assert f"ResearchStudy/{number} 2" in made

    def titles() -> str:
        with FhirClient(hapi.base_url) as client:
            return str(client.read("ResearchStudy", number)["title"])

    assert load(hapi.base_url, written(tmp_path, GOLDEN[:3]), state=mine).written == 0
    issues: list[str] = []
    told = load(hapi.base_url, written(tmp_path, GOLDEN[:3]), state=mine, verify=True, issues=issues)
    assert (told.written, told.total("edited"), issues.count("edited")) == (0, 2, 2)
    issues.clear()
    other = [edited(GOLDEN[0], "Mine"), *GOLDEN[1:3]]
    told = load(hapi.base_url, written(tmp_path, other), state=mine, issues=issues)
    assert (told.written, told.total("edited"), issues.count("edited")) == (0, 2, 2)
    assert load(hapi.base_url, written(tmp_path, newer), state=mine).total("edited") == 0
    assert (history(hapi.base_url), titles()) == (made, "Newer")

    assert load(hapi.base_url, written(tmp_path, other), state=mine, force=True).total("updated") == 2
    assert titles() == "Mine"


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


@BOTH
def test_the_demonstration(hapi: HapiServer, capsys: pytest.CaptureFixture[str]) -> None:
    """The example of `make demo-hapi` loads, shows the study and its record from the server, and loads nothing again."""
    assert show(hapi.base_url) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("Loaded: 4 studies, 0 refused; ")
    assert re.fullmatch(r"On the server: .+, status \S+, version 1", told[1])
    assert re.fullmatch(r"The record from there: NCT05143125, \d+ resources, 0 issues", told[2])
    assert told[3:] == ["Loaded again: 0 written"]


@BOTH
@pytest.mark.skipif(not LONG, reason="FHIRTRIAL_LONG is not set")
@pytest.mark.skipif(not SHARED.exists(), reason="the shared records are not beside the checkout")
def test_all_shared_records(hapi: HapiServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All shared records load without a failure, come back equal, and a second load writes nothing; with figures."""
    state = tmp_path / "state"
    begun, used = time.perf_counter(), time.process_time()
    first = load(hapi.base_url, SHARED, state=state)
    took, cpu = time.perf_counter() - begun, time.process_time() - used
    begun = time.perf_counter()
    again = load(hapi.base_url, SHARED, state=state)
    replay = time.perf_counter() - begun
    unremembered = load(hapi.base_url, SHARED)

    assert again.written == unremembered.written == 0
    assert_all_is_there_once(hapi, first, shared_studies())
    with FhirClient(hapi.base_url) as client:
        assert {kind: total(client, kind) for kind in KINDS if kind in first.outcomes} == {
            kind: counts["created"] for kind, counts in first.outcomes.items()
        }
    with capsys.disabled():
        rate, created = first.total("created") / took, first.total("created")
        print(f"\n{hapi.release}: {created:,} resources in {took:.0f} s ({rate:.0f}/s), loader CPU {cpu / took:.0%}")
        print(f"replay {replay:.1f} s ({replay / took:.1%}); {first.bundles} bundles, slowest {first.slowest[0]}")


def total(client: FhirClient, kind: str) -> int:
    """How many resources of a type a server holds."""
    found: int = next(client.search_pages(kind, {"_summary": "count"}))["total"]
    return found
