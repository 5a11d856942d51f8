"""Loading into a real HAPI server over bad lines, and where loader or server are killed: nothing twice, nothing lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fhirtrial.server.retry import Retry
from tests.hapi.faults import PASSING, Busy, Conflict, Cut, EntriesFail, Fault, Gateway, Lost, Request, Reset, randomly
from tests.hapi.kills import Killer
from tests.hapi.proxy import FaultyProxy
from tests.hapi.server import HapiServer
from tests.load_hapi import (
    BOTH,
    LONG,
    Json,
    dangling,
    everything,
    history,
    load,
    renumbered,
    versions,
    written,
)
from tests.load_target import GOLDEN, edited, number_of

PATIENT = Retry(attempts=12, conflicts=12, faults=12, first_wait=0.05, longest_wait=2.0)


@pytest.mark.parametrize("seed", [1, 2])
def test_faults_on_the_way_change_nothing(hapi: HapiServer, tmp_path: Path, seed: int) -> None:
    """With one of ten exchanges harmed in every way there is, everything is loaded, once."""
    plan = randomly(seed, share=0.1)
    with FaultyProxy(hapi.base_url, plan) as proxy:
        for _ in range(3):
            summary = load(proxy.base_url, written(tmp_path, GOLDEN), retry=PATIENT)
            if not summary.refused:
                break
        assert proxy.counts
    held = everything(hapi.base_url)
    again = load(hapi.base_url, written(tmp_path, GOLDEN))
    assert again.total("unchanged") == len(held)
    assert again.refused == 0


EVERYDAY = [Reset(), Lost(), Cut(), Busy(429, 0), Busy(503), Conflict(), Gateway(504, after=True)]
EVERYDAY += [EntriesFail(429), EntriesFail(500)]
"""One fault of each kind; the others differ by how a connection ends, or by how long is waited."""


@pytest.mark.parametrize("fault", PASSING if LONG else EVERYDAY, ids=str)
def test_each_fault_alone_changes_nothing(hapi: HapiServer, tmp_path: Path, fault: Fault) -> None:
    """With one of ten exchanges harmed in one way, all is loaded at the first go, each resource once."""
    source = written(tmp_path, GOLDEN[:3])
    with FaultyProxy(hapi.base_url, randomly(5, [fault], share=0.1)) as proxy:
        summary = load(proxy.base_url, source, retry=PATIENT, entries=3)
        met = sum(count for name, count in proxy.counts.items() if name)
    held = everything(hapi.base_url)
    assert met > 0
    assert (summary.refused, summary.total("failed")) == (0, 0)
    assert summary.total("created", "unchanged") == len(held)
    assert history(hapi.base_url) == sorted(f"{name} 1" for name in held)
    assert dangling(held) == []


@BOTH
def test_updates_under_faults_make_one_version(hapi: HapiServer, tmp_path: Path) -> None:
    """Changed records that are loaded over a bad line get exactly one new version of each resource that changed."""
    state, bad = tmp_path / "state", threading.Event()
    with FaultyProxy(hapi.base_url, (fault if bad.is_set() else None for fault in randomly(3))) as proxy:
        load(proxy.base_url, written(tmp_path, GOLDEN), state=state)
        before = everything(hapi.base_url)
        bad.set()
        changed = written(tmp_path, [edited(study) for study in GOLDEN[::2]] + GOLDEN[1::2])
        summary = load(proxy.base_url, changed, retry=PATIENT, entries=4, state=state)
        met = sum(count for name, count in proxy.counts.items() if name)
    after = everything(hapi.base_url)
    assert met > 5
    assert (summary.refused, summary.total("edited", "failed")) == (0, 0)
    second = {name for name, each in after.items() if each["meta"]["versionId"] == "2"}
    numbers = [number_of(study) for study in GOLDEN[::2]]
    assert {name for name in second if name.startswith("ResearchStudy/")} == {f"ResearchStudy/{n}" for n in numbers}
    assert second == {name for name, each in after.items() if bare(each) != bare(before[name])}
    assert history(hapi.base_url) == sorted([f"{name} 1" for name in after] + [f"{name} 2" for name in second])
    assert load(hapi.base_url, changed).total("unchanged") == len(after)


def bare(resource: Json) -> Json:
    """A resource without what the server adds."""
    return {name: value for name, value in resource.items() if name not in ("meta", "text")}


def of_bundle(request: Request) -> bool:
    """Whether a request carries a bundle."""
    return request.bundle() is not None


@BOTH
def test_a_killed_load_is_finished_by_the_next(hapi: HapiServer, tmp_path: Path) -> None:
    """Killed at any moment and started again, a load ends as an undisturbed one: nothing twice, nothing lost."""
    source, state = written(tmp_path, renumbered(40 if LONG else 12)), tmp_path / "state"
    chance, killer = random.Random(hapi.release), Killer()
    with FaultyProxy(hapi.base_url, killer, when=of_bundle) as proxy:
        command = [sys.executable, "-m", "fhirtrial", "load", str(source), "--server", proxy.base_url]
        command += ["--state", str(state), "--issues", str(tmp_path / "issues")]
        for _ in range(10 if LONG else 3):
            loader = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            killer.arm(loader.kill, exchange=chance.randint(1, 4), seconds=0.2 * chance.random())
            assert loader.wait() == -signal.SIGKILL, "the load is too small to be killed"
        done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    held = everything(hapi.base_url)
    assert versions(held) == {"1"}
    assert load(hapi.base_url, source).total("unchanged") == len(held)


def test_a_server_that_is_killed_loses_and_doubles_nothing(own_hapi: HapiServer, tmp_path: Path) -> None:
    """A server killed in the middle of loads and started again holds, after the next load, everything once."""
    source, state = written(tmp_path, renumbered(10)), tmp_path / "state"
    chance, killer = random.Random(1), Killer()
    with FaultyProxy(own_hapi.base_url, killer, when=of_bundle) as proxy:
        command = [sys.executable, "-m", "fhirtrial", "load", str(source), "--server", proxy.base_url]
        for _ in range(5 if LONG else 2):
            loader = subprocess.Popen([*command, "--state", str(state)], stderr=subprocess.DEVNULL)
            killer.arm(own_hapi.kill, exchange=chance.randint(1, 4), seconds=0.2 * chance.random())
            assert killer.killed.wait(300), "the load is too small for the server to be killed in"
            assert loader.poll() is None
            loader.kill()
            loader.wait()
            own_hapi.restart()
        summary = load(proxy.base_url, source, state=state, verify=True)

    held = everything(own_hapi.base_url)
    assert summary.refused == summary.total("edited") == 0
    assert versions(held) == {"1"}
    assert dangling(held) == []
    assert load(own_hapi.base_url, source).total("unchanged") == len(held)
