"""What a client counts of its exchanges: which answers came, and what had to be sent again."""

from __future__ import annotations

import threading
from collections import Counter

NO_ANSWER = "no answer"


class Tally:
    """
    Counts of exchanges; several threads may count at once.

    ``statuses`` has how often which HTTP status came (``no answer`` where none did), ``again`` how often something was
    sent again, by the status or the reason.

    >>> tally = Tally()
    >>> tally.answered(503)
    >>> tally.resent("503")
    >>> before = tally.copy()
    >>> tally.answered(200)
    >>> tally.since(before).statuses, tally.again
    (Counter({'200': 1}), Counter({'503': 1}))
    """

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.again: Counter[str] = Counter()
        self._lock = threading.Lock()

    def answered(self, status: int | None) -> None:
        """Counts an answer; None: there was none."""
        with self._lock:
            self.statuses[NO_ANSWER if status is None else str(status)] += 1

    def resent(self, reason: str) -> None:
        """Counts what is sent again."""
        with self._lock:
            self.again[reason or NO_ANSWER] += 1

    def copy(self) -> Tally:
        """The counts as they are now."""
        copied = Tally()
        with self._lock:
            copied.statuses.update(self.statuses)
            copied.again.update(self.again)
        return copied

    def since(self, earlier: Tally) -> Tally:
        """What was counted after an earlier copy was made."""
        now = self.copy()
        now.statuses -= earlier.statuses
        now.again -= earlier.again
        return now
