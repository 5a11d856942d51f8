"""Work on chunks in several processes, with the results in the order of the chunks."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Generic, TypeVar

from fhirtrial.errors import FhirtrialError

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

_AHEAD = 2
"""How many chunks for each process are under way at a time: enough that none waits, few enough to hold."""


class Jobs(Generic[Chunk, Result]):
    """
    Calls ``work`` with chunks, here (one job) or in other processes.

    ``work`` goes to them by fork where that is safe, else by pickle. An exception that it raises is raised here.

    >>> with Jobs(len, 1) as jobs:
    ...     list(jobs.run(["a", "bb"]))
    [('a', 1), ('bb', 2)]
    """

    def __init__(self, work: Callable[[Chunk], Result], jobs: int) -> None:
        self._work = work
        self._ahead = _AHEAD * jobs
        self._pool: ProcessPoolExecutor | None = None
        if jobs > 1:
            context = multiprocessing.get_context(start_method())
            self._pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(work,))

    def __enter__(self) -> Jobs[Chunk, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def run(self, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, Result]]:
        """Each chunk and its result, in order. Raises FhirtrialError if a process ends before its work does."""
        if self._pool is None:
            for chunk in chunks:
                yield chunk, self._work(chunk)
            return
        waiting: deque[tuple[Chunk, Future[Result]]] = deque()
        try:
            for chunk in chunks:
                waiting.append((chunk, self._pool.submit(_work, chunk)))
                if len(waiting) > self._ahead:
                    first, result = waiting.popleft()
                    yield first, result.result()
            while waiting:
                first, result = waiting.popleft()
                yield first, result.result()
        except BrokenProcessPool as error:
            raise FhirtrialError("a worker process ended before its work did: out of memory? try fewer jobs") from error


def start_method() -> str:
    """How processes are started: by fork, which shares what is loaded, unless threads or the system forbid it."""
    safe = sys.platform != "darwin" and threading.active_count() == 1
    preferred = ["fork"] * safe + ["forkserver", "spawn"]
    return next(method for method in preferred if method in multiprocessing.get_all_start_methods())


_here: list[Callable[[Any], Any]] = []
"""The work of this process."""


def _start(work: Callable[[Any], Any]) -> None:
    """Makes a process ready: the parent decides when to stop, and none outlives it."""
    _here[:] = [work]
    # What is loaded stays: looking at it again and again would also copy the pages that are shared with the parent.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(chunk: Any) -> Any:
    return _here[0](chunk)
