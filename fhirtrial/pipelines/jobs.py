"""Work on chunks in several processes, with the results in the order of the chunks."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from fhirtrial.errors import FhirtrialError
from fhirtrial.pipelines.slot import SHARING, Slot

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

_AHEAD = 2 if SHARING else 1
"""
How many chunks each process has at a time: the next one is there when one is done. Where chunks and results go through
the pipe it is one: else both ends could write, and wait for the other to read.
"""

_UNDER_WAY = 4
"""How many chunks for each process are under way or done at a time, of which a slow one holds up the others."""

_HELD = {signal.SIGINT, signal.SIGTERM}
"""What stops a run."""

_ENDED = "a worker process ended before its work did: out of memory? try fewer jobs"


class Jobs(Generic[Chunk, Result]):
    """
    Calls ``work`` with chunks, here (one job) or in other processes.

    ``work`` goes to them by fork where that is safe, else by pickle. An exception that it raises is raised here; one
    that cannot go from process to process becomes a FhirtrialError with its text. A run that is not finished ends the
    processes.

    >>> with Jobs(len, 1) as jobs:
    ...     list(jobs.run(["a", "bb"]))
    [('a', 1), ('bb', 2)]
    """

    def __init__(self, work: Callable[[Chunk], Result], jobs: int) -> None:
        self._work = work
        self._workers: list[_Worker] = []
        if jobs > 1:
            context = multiprocessing.get_context(start_method())
            try:
                for _ in range(jobs):
                    self._workers.append(_Worker(work, context))
            except BaseException as error:
                self.__exit__()
                if not isinstance(error, OSError):
                    raise
                raise FhirtrialError(f"{jobs} processes cannot be started: {error.strerror}; try fewer jobs") from error

    def __enter__(self) -> Jobs[Chunk, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        while self._workers:
            self._workers.pop().stop()

    def run(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, Result]]:
        """Each chunk and its result, in order. Raises FhirtrialError if a process ends before its work does."""
        if not self._workers:
            for chunk in chunks:
                yield chunk, self._work(chunk)
            return
        try:
            yield from self._run(iter(chunks))
        except BaseException:
            # What the processes still have must not be taken for what another run asked for.
            self.__exit__()
            raise

    def _run(self, coming: Iterator[Chunk]) -> Iterator[tuple[Chunk, Result]]:
        under_way: deque[_Task] = deque()
        while True:
            self._hand_out(coming, under_way)
            if not under_way:
                return
            busy = {worker.connection: worker for worker in self._workers if worker.tasks}
            for ready in wait(list(busy), timeout=0 if under_way[0].done else None):
                busy[ready].collect()
            self._hand_out(coming, under_way)
            if under_way[0].done:
                task = under_way.popleft()
                yield task.chunk, task.result()

    def _hand_out(self, coming: Iterator[Chunk], under_way: deque[_Task]) -> None:
        """Gives each process as many chunks as it may have, those with fewest first."""
        for tasks in range(_AHEAD):
            for worker in self._workers:
                if len(worker.tasks) == tasks and len(under_way) < _UNDER_WAY * len(self._workers):
                    for chunk in islice(coming, 1):
                        under_way.append(worker.begin(chunk))


class _Task:
    """A chunk in a process, and what has become of it."""

    __slots__ = ("_failed", "_result", "chunk", "done")

    def __init__(self, chunk: Any) -> None:
        self.chunk = chunk
        self.done = False

    def end(self, failed: bool, result: Any) -> None:  # noqa: FBT001
        """Takes the result, or what was raised."""
        self._failed, self._result, self.done = failed, result, True

    def result(self) -> Any:
        """The result. Raises what the work raised."""
        if self._failed:
            raise self._result
        return self._result


class _Worker:
    """A process that works on chunks, one after the other, and its memory for those that are under way."""

    def __init__(self, work: Callable[[Any], Any], context: Any) -> None:
        self._chunks, self._results = ([Slot() for _ in range(_AHEAD)] for _ in range(2))
        self.connection, there = context.Pipe()
        self.tasks: deque[_Task] = deque()
        self._begun = self._ended = 0
        arguments = (work, there, self._chunks, self._results)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        with _signals_held():
            self._process.start()
        # The other end is the process's alone: when that ends, so does the connection.
        there.close()

    def begin(self, chunk: Any) -> _Task:
        """Hands it a chunk. It has no more than ``_AHEAD`` at a time."""
        sign = self._chunks[self._begun % _AHEAD].put(chunk)
        try:
            self.connection.send_bytes(sign)
        except OSError as error:
            raise FhirtrialError(_ENDED) from error
        self._begun += 1
        self.tasks.append(_Task(chunk))
        return self.tasks[-1]

    def collect(self) -> None:
        """Takes the result of its oldest chunk, which is ready."""
        try:
            sign = self.connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise FhirtrialError(_ENDED) from error
        self.tasks.popleft().end(*self._results[self._ended % _AHEAD].take(sign))
        self._ended += 1

    def stop(self) -> None:
        """Ends it, whatever it is at: it holds nothing that needs an end in order, and a signal might be refused."""
        self._process.kill()
        self._process.join()
        self.connection.close()
        for slot in (*self._chunks, *self._results):
            slot.close()


def start_method() -> str:
    """How processes are started: by fork, which shares what is loaded, unless threads or the system forbid it."""
    safe = sys.platform != "darwin" and threading.active_count() == 1
    preferred = ["fork"] * safe + ["forkserver", "spawn"]
    return next(method for method in preferred if method in multiprocessing.get_all_start_methods())


def _serve(work: Callable[[Any], Any], there: Connection, chunks: list[Slot], results: list[Slot]) -> None:
    """What a process does: the parent decides when to stop, and none outlives it."""
    # What is loaded stays: looking at it again and again would also copy the pages that are shared with the parent.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
    threading.Thread(target=_follow_parent, daemon=True).start()
    number = 0
    while True:
        try:
            sign = there.recv_bytes()
        except (EOFError, OSError):
            return
        chunk, result = chunks[number % _AHEAD], results[number % _AHEAD]
        try:
            sign = result.put((False, work(chunk.take(sign))))
        except Exception as error:  # noqa: BLE001  # the parent raises it again
            sign = result.put((True, _portable(error)))
        there.send_bytes(sign)
        number += 1


@contextmanager
def _signals_held() -> Iterator[None]:
    """What stops a run waits until the process that begins has its own way with it: else it would be the parent's."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _portable(error: Exception) -> Exception:
    """An error that another process can raise, with the way to it as a note."""
    try:
        found = pickle.loads(pickle.dumps(error))  # noqa: S301  # what has just been written
        made = error if isinstance(found, type(error)) else FhirtrialError(f"{type(error).__name__}: {error}")
    except Exception:  # noqa: BLE001  # whatever its pickling raises
        made = FhirtrialError(f"{type(error).__name__}: {error}")
    made.add_note("".join(traceback.format_exception(error)))
    return made


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
