"""How large bundles are: as large as the target takes them quickly."""

from __future__ import annotations

import threading

from fhirtrial.loading.plan import Limits

SLOW = 10.0
"""Seconds after which a bundle was too large: databases and proxies give up after some more."""
QUICK = 2.0
"""Seconds within which a larger bundle may be tried."""


class Pace:
    """
    The size of bundles, which follows from how long they took, and from what was refused as too large or too much.

    >>> pace = Pace(Limits(entries=200, size=1000), entries=100)
    >>> pace.took(12.0, 100)
    >>> pace.limits.entries
    50
    >>> pace.took(0.5, 50)
    >>> pace.limits.entries
    63
    >>> pace.throttled(63)
    >>> pace.limits.entries
    31
    """

    def __init__(self, most: Limits, *, entries: int) -> None:
        self._most = most
        self._entries = min(entries, most.entries)
        self._size = most.size
        self._lock = threading.Lock()

    @property
    def limits(self) -> Limits:
        """What a bundle may hold now."""
        return Limits(entries=self._entries, size=self._size)

    def took(self, seconds: float, entries: int) -> None:
        """Takes notice of how long a bundle took."""
        with self._lock:
            if seconds > SLOW:
                self._entries = max(1, min(self._entries, entries // 2))
            elif seconds < QUICK and entries >= self._entries:
                self._entries = min(self._most.entries, self._entries * 5 // 4 + 1)

    def throttled(self, entries: int) -> None:
        """Takes notice of a bundle for which the target wanted fewer at once, though it may have taken it then."""
        with self._lock:
            self._entries = max(1, min(self._entries, entries // 2))

    def too_large(self, entries: int, size: int) -> None:
        """Takes notice of a bundle that was refused for its size."""
        with self._lock:
            self._entries = max(1, min(self._entries, entries // 2))
            self._size = max(1, min(self._size, size // 2))
