"""Loads into a folder that end in the middle, and what somebody edits meanwhile: nothing of either is lost."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhirtrial.errors import UsageError
from fhirtrial.loading.folder_store import FolderStore
from fhirtrial.loading.folder_target import MEMORY, FolderTarget
from fhirtrial.loading.item import item_of
from fhirtrial.loading.run import load_all
from fhirtrial.loading.summary import LoadSummary
from fhirtrial.loading.target import Way, Write
from fhirtrial.pipelines.output import File
from tests.test_convert import study
from tests.test_load import STUDIES, Json, edited
from tests.test_load_folder import Load


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return Load(tmp_path)


def many(count: int, sponsors: int = 40) -> list[Json]:
    """Studies enough for several waves."""
    return [study(number, f"Sponsor {number % sponsors}") for number in range(count)]


def test_a_killed_load_is_finished_by_the_next(load: Load) -> None:
    """Killed at any moment, a load leaves whole files, and the next run ends as an undisturbed one; nothing is left."""
    studies = many(600)
    undisturbed = Load(load.source.parent / "undisturbed")
    undisturbed.folder.parent.mkdir()
    undisturbed.run(studies)
    before = load.run(studies[:50]).total("created")
    load.source.write_bytes(undisturbed.source.read_bytes())
    command = [sys.executable, "-m", "fhirtrial", "load", str(load.source), "--folder", str(load.folder)]
    chance, caught, memory = random.Random(5), 0, load.folder / MEMORY
    for _ in range(3):
        # Killed when it has taken in some more: when that is, differs from machine to machine.
        size = memory.stat().st_size + chance.randrange(0, 1 << 19)
        loader = subprocess.Popen([*command, "--issues", os.devnull], stderr=subprocess.DEVNULL)
        while loader.poll() is None and memory.stat().st_size <= size:
            time.sleep(0.001)
        caught += loader.poll() is None
        loader.kill()
        loader.wait()
        assert all(data.endswith(b"\n") for data in load.files().values())
    kept = load.run(studies).total("unchanged")

    assert caught > 1, "the loads are too small to be killed"
    assert kept > before, "nothing of the killed loads was kept"
    assert load.files() == undisturbed.files()
    assert {file.name for file in load.folder.iterdir()} == {MEMORY, *load.files()}
    assert load.run(studies).written == 0


def put(folder: Path, title: str, *kinds: str) -> None:
    """Takes a resource of each type in, without a registry's record."""
    target = FolderTarget(folder, release="R5")
    target.open(None, mapping="1")
    try:
        writes = []
        for kind in kinds:
            text = orjson.dumps({"resourceType": kind, "id": "a", "title": title})
            item = item_of(text)
            (held,) = target.find([item.identity]).get(item.identity, [None])
            way: Way = "update" if held else "create"
            writes.append(Write(item=item, way=way, text=text, id="a", version=held.version if held else ""))
        target.write(writes)
    finally:
        target.close()


@pytest.mark.parametrize("moment", range(8))
def test_an_exchange_that_was_begun_is_completed(load: Load, moment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the exchange of the files ends, before, between and behind the renamings, the next load completes it."""
    put(load.folder, "Old", "Group", "Location", "Patient")
    steps = iter(range(100))

    class KilledError(BaseException):
        pass

    def step(method: Any) -> Any:
        def stepped(*given: Any, **named: Any) -> Any:
            if next(steps) == moment:
                raise KilledError
            return method(*given, **named)

        return stepped

    with monkeypatch.context() as patched:
        patched.setattr(File, "discard", lambda file: file._file.close())  # nobody tidies up after a kill
        for place, name in ((File, "complete"), (Path, "replace"), (FolderStore, "exchanged")):
            patched.setattr(place, name, step(getattr(place, name)))
        if moment < 7:
            with pytest.raises(KilledError):
                put(load.folder, "New", "Group", "Location", "Patient")
        else:
            put(load.folder, "New", "Group", "Location", "Patient")
    put(load.folder, "New")
    assert [load.lines(kind)[0]["title"] for kind in ("Group", "Location", "Patient")] == ["New"] * 3
    assert {file.name for file in load.folder.iterdir()} == {MEMORY, *load.files()}


def test_what_is_edited_before_an_exchange_is_completed_stays(load: Load) -> None:
    """A killed load has taken in changes; what somebody edits in the files until the next run is not overwritten."""
    load.run(STUDIES)
    changed = [edited(each, "Ours") for each in STUDIES]

    def killed(_: LoadSummary) -> None:
        raise KeyboardInterrupt

    target = FolderTarget(load.folder, release="R5")
    target._publish = lambda: None  # type: ignore[method-assign]
    load.source.write_bytes(b"\n".join(map(orjson.dumps, changed)))
    with pytest.raises(KeyboardInterrupt):
        load_all([str(load.source)], target, progress=killed)
    first, second, third = load.lines("ResearchStudy")
    load.rewrite("ResearchStudy", [{**first, "title": "Theirs"}, third])
    summary = load.run(changed)

    assert [each["title"] for each in load.lines("ResearchStudy")] == ["Theirs", "Ours", "Ours"]
    assert summary.outcomes["ResearchStudy"] == {"edited": 1, "created": 1, "unchanged": 1}
    assert second["id"] in load.lines("ResearchStudy")[1]["id"]


def test_what_is_edited_while_a_load_runs_stays(load: Load) -> None:
    """A file that somebody changes while a load runs is left, and said so; the next load goes on from both."""
    load.run(STUDIES)
    changed = [edited(each, "Ours") for each in STUDIES]
    first, *others = load.lines("ResearchStudy")

    def meddle(_: LoadSummary) -> None:
        load.rewrite("ResearchStudy", [{**first, "title": "Theirs"}, *others])

    with pytest.raises(UsageError) as caught:
        load.run(changed, progress=meddle)
    file = load.folder / "ResearchStudy.ndjson"
    assert str(caught.value) == f"{file}: changed by somebody while it was loaded, and left: load once more"
    summary = load.run(changed)
    assert summary.outcomes["ResearchStudy"] == {"edited": 1, "unchanged": 2}
    assert [each["title"] for each in load.lines("ResearchStudy")] == ["Theirs", "Ours", "Ours"]


def test_a_load_that_is_stopped_shows_what_it_has(load: Load) -> None:
    """Ctrl-C in the middle: the files have what was taken in until then, and the same command goes on."""
    studies = many(400)

    def stop(summary: LoadSummary) -> None:
        if summary.written:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load.run(studies, progress=stop)
    kept = len(load.lines("ResearchStudy"))
    assert 0 < kept < 400
    assert load.run(studies).outcomes["ResearchStudy"] == {"unchanged": kept, "created": 400 - kept}


def test_what_a_killed_run_has_left_is_cleared_away(load: Load) -> None:
    """Half files of runs that were killed are deleted."""
    load.run(STUDIES)
    (load.folder / ".Location.ndjson.4711.part").write_bytes(b"{")
    load.run(STUDIES)
    assert {file.name for file in load.folder.iterdir()} == {MEMORY, *load.files()}
