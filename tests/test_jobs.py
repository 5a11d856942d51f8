"""Work in several processes gives the same bytes, issues and errors as in one."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from io import BytesIO
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import pytest

from fhirtrial.errors import FhirtrialError, MappingError
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


class Stubborn(Exception):
    """An error that pickle can write and not read, as one with an argument that must be named."""

    def __init__(self, *, told: str) -> None:
        super().__init__(told)


class Bound(Exception):
    """An error that pickle cannot write."""

    def __init__(self) -> None:
        super().__init__("bound")
        self.lock = threading.Lock()


def refuses(number: int) -> int:
    """Raises what cannot go from process to process."""
    raise Stubborn(told="stubborn") if number == 1 else Bound()


def bad_mapping(_: int) -> int:
    """Raises what the library says of mapping files."""
    raise MappingError("x is no element", file="roster/subject.yaml", line=4)


def test_errors_that_do_not_travel() -> None:
    """They come as their text; those of the library come as they are."""
    for number, text in ((1, "Stubborn: stubborn"), (2, "Bound: bound")):
        with Jobs(refuses, 2) as pool, pytest.raises(FhirtrialError) as told:
            list(pool.run([number]))
        assert str(told.value) == text
    with Jobs(bad_mapping, 2) as pool, pytest.raises(MappingError, match=r"^roster/subject\.yaml:4: x is no") as raised:
        list(pool.run([1]))
    assert (raised.value.file, raised.value.line, raised.value.message) == ("roster/subject.yaml", 4, "x is no element")


def test_a_run_that_is_not_finished_leaves_nothing_to_the_next() -> None:
    """Neither its results nor its processes: the next one works here."""
    with Jobs(slow_first, 2) as pool:
        first = pool.run(range(1, 50))
        assert next(first) == (1, 2)
        first.close()
        assert list(pool.run(range(60, 70))) == [(number, number * 2) for number in range(60, 70)]
    with Jobs(fails, 2) as pool:
        with pytest.raises(ValueError, match="3 is bad"):
            list(pool.run(range(10)))
        assert list(pool.run([7, 8])) == [(7, 7), (8, 8)]


SIGNALS = """
import signal, sys
from fhirtrial.pipelines.jobs import Jobs
{setting}
for _ in range(20):
    with Jobs(len, 3) as pool:
        assert list(pool.run(["a", "bc"])) == [("a", 1), ("bc", 2)]
    with Jobs(len, 2) as pool:
        assert list(pool.run([])) == []
print("ended")
"""


@pytest.mark.parametrize(
    "setting",
    [
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "signal.signal(signal.SIGTERM, lambda *_: None)",
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])",
    ],
)
def test_processes_end_whatever_the_program_does_with_signals(setting: str) -> None:
    """A program that ignores SIGTERM, or holds it, does not wait for ever for processes that do the same."""
    done = subprocess.run(
        [sys.executable, "-c", SIGNALS.format(setting=setting)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "ended\n", done.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_as_it_begins(tmp_path: Path, number: int, code: int) -> None:
    """However early the signal comes, the run ends, and says nothing of what went on within."""
    source = tmp_path / "studies.jsonl"
    source.write_bytes(many(2000))
    command = [sys.executable, "-m", "fhirtrial", "convert", str(source), "-o", f"{tmp_path}/out/", "--jobs", "2"]
    for wait in range(8):
        running = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True)
        wait_until(lambda: running.poll() is not None or children(running.pid))  # noqa: B023
        time.sleep(wait / 2000)
        os.killpg(running.pid, number)
        _, errors = running.communicate(timeout=20)
        assert running.returncode == code
        assert b"Traceback" not in errors, errors.decode()


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
