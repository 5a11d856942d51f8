"""
What a server, or the way to it, can do wrong. The tree is drawn in `fhirtrial.errors`.

Every error keeps its facts as attributes; its text is made from them. None of them holds credentials, the body of a
request, or the values of a query.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhirtrial.errors import FhirtrialError
from fhirtrial.server.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """
    What is known about a request that failed.

    ``what`` says for people what was wanted, ``server`` is the base address. ``status`` is HTTP's, None if there was
    no answer. ``request_id`` is what the server's log knows the request by. ``entry`` counts the bundle's entries
    from 0, ``study`` is the name that was given to the request or to that entry. ``attempts`` counts all sendings,
    ``retry_after`` are the seconds that the server asked to wait.
    """

    what: str = ""
    server: str = ""
    status: int | None = None
    outcome: Outcome = field(default_factory=Outcome)
    request_id: str = ""
    entry: int | None = None
    study: str = ""
    attempts: int = 1
    retry_after: float | None = None


class ServerError(FhirtrialError):
    """
    The base of all errors around a server.

    ``facts`` is what is known about the request; `status`, `outcome`, `server_code`, `request_id`, `entry` and `study`
    are short ways to the most wanted of them.
    """

    def __init__(self, message: str, facts: Facts | None = None) -> None:
        self.message = message
        self.facts = facts or Facts()
        super().__init__(_text(message, self.facts))

    def __reduce__(self) -> tuple[Any, ...]:
        """So that it comes back whole from another process."""
        return type(self), (self.message, self.facts)

    @property
    def status(self) -> int | None:
        """The HTTP status; None if there was no answer."""
        return self.facts.status

    @property
    def outcome(self) -> Outcome:
        """What the server said; without issues if it said nothing that is FHIR."""
        return self.facts.outcome

    @property
    def server_code(self) -> str:
        """The server's own code, the outermost (``HAPI-0550``); empty if it has none."""
        return next(iter(self.facts.outcome.server_codes), "")

    @property
    def request_id(self) -> str:
        """What the server's log knows the request by."""
        return self.facts.request_id

    @property
    def entry(self) -> int | None:
        """The entry of the bundle at fault, from 0, if that is known."""
        return self.facts.entry

    @property
    def study(self) -> str:
        """The study that the request, or the entry at fault, is about; empty if that is not known."""
        return self.facts.study


class Unreachable(ServerError):
    """
    No whole answer: not connected, not trusted, too slow, or cut short.

    ``perhaps_done`` says whether the request may have been done all the same.
    """

    def __init__(self, message: str, facts: Facts | None = None, *, perhaps_done: bool = False) -> None:
        super().__init__(message, facts)
        self.perhaps_done = perhaps_done

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.facts), {"perhaps_done": self.perhaps_done}


class AuthError(ServerError):
    """The server, or the one that gives out tokens, does not accept the credentials (401), or not for this (403)."""


class NotFound(ServerError):
    """There is no such thing (404), or no more (410)."""


class Conflict(ServerError):
    """Somebody else was quicker: another version, a lock, or what is referred to (409)."""


class PreconditionFailed(Conflict):
    """More than one resource matches the condition, or the version is not the newest (412)."""


class TooLarge(ServerError):
    """The body is too large (413), or takes the server too long (408): a smaller bundle may go."""


class Throttled(ServerError):
    """The server wants fewer requests (429); ``facts.retry_after`` are the seconds that it asked to wait."""


class Refused(ServerError):
    """The server does not take what was sent: any other status from 400 to 499, or a redirect that is not followed."""


class ServerFault(ServerError):
    """The server is broken, overloaded or down: a status from 500."""


class WrongVersion(ServerError):
    """The server speaks another release of FHIR than the resources are in."""


class ForeignLink(ServerError):
    """A link or a redirect that leads away from the server; nothing was sent there."""


class UnexpectedAnswer(ServerError):
    """
    An answer that is not what FHIR says it is.

    ``answer`` is what could be read of the answer to a bundle (a `BundleAnswer`), so that it is known what was done.
    """

    def __init__(self, message: str, facts: Facts | None = None, *, answer: Any = None) -> None:
        super().__init__(message, facts)
        self.answer = answer

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.facts), {"answer": self.answer}


_BY_STATUS: dict[int, type[ServerError]] = {
    401: AuthError,
    403: AuthError,
    404: NotFound,
    407: AuthError,
    408: TooLarge,
    409: Conflict,
    410: NotFound,
    412: PreconditionFailed,
    413: TooLarge,
    429: Throttled,
}


def error_class(status: int) -> type[ServerError]:
    """
    The class of error that an HTTP status means.

    >>> error_class(422).__name__, error_class(502).__name__
    ('Refused', 'ServerFault')
    """
    return _BY_STATUS.get(status, ServerFault if status >= 500 else Refused)


def _text(message: str, facts: Facts) -> str:
    """The text for people: what was wanted, what happened, and what helps to find it again."""
    notes = [
        facts.study,
        "" if facts.entry is None else f"entry {facts.entry}",
        f"request {facts.request_id}" if facts.request_id else "",
        f"{facts.attempts} attempts" if facts.attempts > 1 else "",
    ]
    told = [note for note in notes if note]
    head = ": ".join(part for part in (facts.what, message) if part)
    return head + (f" ({', '.join(told)})" if told else "")
