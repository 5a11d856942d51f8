"""Kills a loader, or a server, in the middle of a load: by the bundles that come along, not by the clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from .faults import Answer, Forward, Request


class Killer:
    """
    A plan for a proxy in which, once it is armed, one exchange kills.

    The exchanges before and after are passed on as they are. That one is passed on too, and the kill comes at a moment
    of its own choice: before the server has it, while it works on it, or when the client has the answer.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = 0
        self._kill: Callable[[], object] = int
        self._seconds = 0.0
        self.killed = threading.Event()

    def arm(self, kill: Callable[[], object], *, exchange: int, seconds: float) -> None:
        """Lets ``kill`` be called so many seconds after the exchange of this number, counted from 1, has begun."""
        with self._lock:
            self._left, self._kill, self._seconds = exchange, kill, seconds
            self.killed.clear()

    def __iter__(self) -> Iterator[Killer | None]:
        while True:
            with self._lock:
                self._left -= 1
                due = self._left == 0
            yield self if due else None

    def answer(self, request: Request, forward: Forward, stopping: threading.Event) -> Answer:
        """The server's answer."""
        timer = threading.Timer(self._seconds, self._at_last)
        timer.daemon = True
        timer.start()
        return forward(request)

    def _at_last(self) -> None:
        self._kill()
        self.killed.set()
