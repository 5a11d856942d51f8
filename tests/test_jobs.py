"""Work in several processes gives the same bytes, issues and errors as in one."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import pytest

from fhirtrial.errors import FhirtrialError
from fhirtrial.issue import Issue
from fhirtrial.pipelines import jobs as jobs_module
from fhirtrial.pipelines.convert import convert_all
from fhirtrial.pipelines.converter import Chunk, Converter, Options
from fhirtrial.pipelines.jobs import Jobs
from fhirtrial.pipelines.slot import Slot
from fhirtrial.readers import find
from fhirtrial.readers.source import Limits

from .test_convert import BAD, SHARED, STUDIES, many, with_duplicates

ROOT = Path(__file__).resolve().parents[1]


def run(sources: list[Any], jobs: int, **options: Any) -> tuple[bytes, list[Issue], str]:
    """What a run writes, its issues and its summary."""
    out, noticed = BytesIO(), []
    summary = convert_all(sources, out, jobs=jobs, noticed=noticed.append, **options)
    return out.getvalue(), noticed, str(summary)


def big_array() -> bytes:
    """The same as an array, from which the reader gives parsed trees."""
    return b"[" + b",\n".join(many(150).splitlines()) + b"]"


@pytest.mark.parametrize("source", [many, with_duplicates, big_array, BAD.read_bytes], ids=lambda made: made.__name__)
@pytest.mark.parametrize("options", [{}, {"format": "bundle"}, {"verify": True}], ids=str)
def test_any_number_of_jobs_gives_the_same(source: Callable[[], bytes], options: dict[str, Any]) -> None:
    """Bytes, issues in their order, and the summary."""
    one = run([source(), STUDIES], 1, **options)
    assert one[0]
    assert run([source(), STUDIES], 2, **options) == one
    assert run([source(), STUDIES], 4, **options) == one


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_any_way_to_start_processes(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker needs travels by fork and by pickle."""
    monkeypatch.setattr(jobs_module, "start_method", lambda: method)
    assert run([many(80)], 2) == run([many(80)], 1)


def test_files_are_the_same(tmp_path: Path) -> None:
    """Folders, too, file by file."""
    for jobs in (1, 2):
        convert_all([many(), STUDIES], f"{tmp_path}/{jobs}/", jobs=jobs)
    first = {path.name: path.read_bytes() for path in (tmp_path / "1").iterdir()}
    assert len(first) > 3
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "2").iterdir()}


def test_chunks_and_results_travel_unchanged() -> None:
    """What comes out of a slot is what went in, apart from trees, which are made again."""
    work = Converter(Options())
    chunk = Chunk(3, list(find(BAD, None, Limits())))
    slot = Slot()
    again = slot.take(slot.put(chunk))
    assert (again.number, again.found) == (chunk.number, chunk.found)
    results = work(chunk)
    assert slot.take(slot.put(results)) == results
    slot.close()
    assert pickle.loads(pickle.dumps(work)).options == work.options


def slow_first(number: int) -> int:
    """Takes longest for the first chunk."""
    time.sleep(0.2 if number == 0 else 0)
    return number * 2


def fails(number: int) -> int:
    """Raises for the third."""
    if number == 3:
        raise ValueError(f"{number} is bad")
    return number


def dies(number: int) -> int:
    """Ends its process, if that is a worker."""
    if parent_process() is not None:
        os._exit(9)
    return number


def test_results_come_in_order() -> None:
    """Whatever is ready first."""
    with Jobs(slow_first, 2) as pool:
        assert list(pool.run(range(50))) == [(number, number * 2) for number in range(50)]


def test_errors_of_workers_are_raised_here() -> None:
    """After the results that come before."""
    with Jobs(fails, 2) as pool:
        results = pool.run(range(10))
        assert [next(results) for _ in range(3)] == [(0, 0), (1, 1), (2, 2)]
        with pytest.raises(ValueError, match="3 is bad"):
            next(results)


def test_a_worker_that_dies_is_an_error() -> None:
    """A process that the system ends, for lack of memory say, neither hangs the run nor loses records in silence."""
    with Jobs(dies, 2) as pool, pytest.raises(FhirtrialError, match=r"^a worker process ended before its work did"):
        list(pool.run(range(10)))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_run_that_is_stopped_leaves_no_half_files_and_no_processes(tmp_path: Path, number: int, code: int) -> None:
    """Ctrl-C and SIGTERM end the run in order; after SIGKILL at least no file has its final name."""
    source = tmp_path / "endless"
    os.mkfifo(source)
    command = [sys.executable, "-m", "fhirtrial", "convert", str(source), "-o", f"{tmp_path}/out/", "--jobs", "2"]
    running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True)
    with source.open("wb") as feed:
        feed.write(many(1000))
        feed.flush()
        wait_until(lambda: list((tmp_path / "out").glob(".*.part")))
        workers = children(running.pid)
        assert len(workers) == 2
        # Ctrl-C reaches every process of the terminal's group.
        (os.killpg if number == signal.SIGINT else os.kill)(running.pid, number)
        _, errors = running.communicate(timeout=20)
    assert running.returncode == code
    assert b"Traceback" not in errors
    assert not list((tmp_path / "out").glob("*.ndjson"))
    if number != signal.SIGKILL:
        assert not list((tmp_path / "out").glob(".*"))
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def wait_until(true: Callable[[], object]) -> None:
    """Waits at most ten seconds."""
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within ten seconds")


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared records is not beside the checkout")
def test_shared_records() -> None:
    """All real records: one process, two and four."""
    one = run([SHARED], 1)
    assert run([SHARED], 2) == one
    assert run([SHARED], 4) == one
