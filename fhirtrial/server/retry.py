"""Whether a request is sent again, and when: a decision, without sending or waiting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from fhirtrial.server.outcome import TRANSIENT, Outcome

Repeat = Literal["always", "if-not-done"]
"""
``always``: doing it twice is doing it once (reads, updates by id or condition, conditional creates, deletes).
``if-not-done``: it may be sent again only where it is certain that the server has not done it.
"""

Trouble = Literal["unreached", "untrusted", "lost"]
"""
``unreached``: no connection, nothing was sent.
``untrusted``: the certificate is not accepted, nothing was sent.
``lost``: something was sent, and no whole answer came: it may have been done.
"""

ROLLED_BACK = frozenset(
    {"HAPI-0549", "HAPI-0550", "HAPI-0823", "HAPI-0824", "HAPI-0825", "HAPI-0826", "HAPI-0827", "HAPI-2745"}
)
"""
HAPI's codes, with status 409, of a whole transaction that lost a race and was rolled back. Not all of them pass (0550
is said of any violated constraint), so they are tried a few times only. 2745 is the guard of conditional creates.
https://github.com/hapifhir/hapi-fhir: HapiTransactionService, HapiFhirHibernateJpaDialect
"""


STAYS = frozenset({"HAPI-0515", "HAPI-0821", "HAPI-0961", "HAPI-0974", "HAPI-0989", "HAPI-1093"})
"""
HAPI's codes of conflicts that trying again does not change, which may stand within HAPI-0550: the version is not the
newest, others refer to it, another has the unique value.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """
    How often and how long a request is tried.

    Args:
        attempts: sendings at most, the first included; 1 never sends again.
        conflicts: sendings at most where transactions stood in each other's way (409).
        faults: sendings at most where the server says that it is broken (500).
        first_wait: seconds before the second sending; each further wait is twice as long.
        longest_wait: seconds of one wait at most. Where the server asks for more, it is not waited at all.
        longest_total: seconds from the first sending on, after which nothing is sent again.

    """

    attempts: int = 6
    conflicts: int = 5
    faults: int = 2
    first_wait: float = 0.5
    longest_wait: float = 60.0
    longest_total: float = 600.0

    def wait(self, failure: Failure, *, repeat: Repeat, divisible: bool = False, chance: float = 0.5) -> float | None:
        """
        Seconds to wait before the request is sent again; None if it is not.

        Args:
            failure: what happened.
            repeat: whether the request may be done twice.
            divisible: whether the request is a bundle of several entries, which can be made smaller.
            chance: a random number from 0 to 1, so that many clients do not come back at the same moment.

        """
        if failure.attempt >= self._allowed(failure, repeat=repeat, divisible=divisible):
            return None
        grown = min(self.longest_wait, self.first_wait * 2 ** min(failure.attempt - 1, 30))
        seconds = grown * (0.5 + chance / 2)
        if failure.retry_after is not None:
            if failure.retry_after > self.longest_wait:
                return None
            seconds = max(seconds, failure.retry_after + self.first_wait * chance)
        return seconds if failure.elapsed + seconds <= self.longest_total else None

    def _allowed(self, failure: Failure, *, repeat: Repeat, divisible: bool) -> int:
        """How many sendings such a failure is worth."""
        often, once = self.attempts, 1
        twice_is_once = repeat == "always"
        match failure.trouble or failure.status:
            case "unreached" | 429:
                # Nothing was done, whatever it is: https://www.rfc-editor.org/rfc/rfc6585#section-4
                return often
            case "lost" | 502 | 503 | 504:
                return often if twice_is_once else once
            case 408:
                return often if twice_is_once and not divisible else once
            case 409 if failure.outcome and not STAYS.isdisjoint(failure.outcome.server_codes):
                return once
            case 409 if failure.outcome and not ROLLED_BACK.isdisjoint(failure.outcome.server_codes):
                return min(often, self.conflicts)
            case 409 if failure.outcome and failure.outcome.kinds & TRANSIENT:
                return min(often, self.conflicts) if twice_is_once else once
            case 500:
                # H2 and others say so of a lock that was not had in time; mostly it is a defect that stays.
                return min(often, self.faults) if twice_is_once else once
            case _:
                return once


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """
    What happened to a request: either ``trouble`` on the way or a ``status``.

    ``attempt`` counts the sendings so far, ``elapsed`` the seconds since the first, ``retry_after`` is what the server
    asked for in seconds.
    """

    attempt: int
    elapsed: float = 0.0
    trouble: Trouble | None = None
    status: int | None = None
    outcome: Outcome | None = None
    retry_after: float | None = None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """
    The seconds that an answer asks to wait; None if it does not say.

    A date is read against the answer's own ``Date``, so that a clock which is wrong does no harm; ``now`` is used
    where there is none. https://www.rfc-editor.org/rfc/rfc9110#field.retry-after; Azure also sends
    ``x-ms-retry-after-ms``.

    >>> retry_after({"retry-after": "120"}, 0)
    120.0
    >>> retry_after({"retry-after": "Mon, 01 Jan 2024 00:00:10 GMT", "date": "Mon, 01 Jan 2024 00:00:00 GMT"}, 0)
    10.0
    """
    milliseconds = headers.get("x-ms-retry-after-ms", "").strip()
    if milliseconds.isascii() and milliseconds.isdigit():
        return int(milliseconds[:12]) / 1000
    told = headers.get("retry-after", "").strip()
    if not told:
        return None
    if told.isascii() and told.isdigit():
        return float(told[:12])
    until, since = _moment(told), _moment(headers.get("date", ""))
    return None if until is None else max(0.0, until - (now if since is None else since))


def _moment(text: str) -> float | None:
    """The seconds since the epoch that an HTTP date means; None if it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
