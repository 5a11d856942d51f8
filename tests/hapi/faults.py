"""What networks, gateways and busy servers do to an exchange: each fault is a class, to be put into a plan."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Protocol

import orjson

Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What a client asked for; ``path`` is what stands behind the base URL."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def bundle(self) -> Json | None:
        """The bundle in it, if it is one."""
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        return found if isinstance(found, dict) and found.get("resourceType") == "Bundle" else None


@dataclass(frozen=True)
class Answer:
    """
    What goes back to the client.

    Only the first ``sent`` bytes of the body are sent, though all are announced, and the connection is closed then.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent: int | None = None


Forward = Callable[[Request], Answer]
"""Asks the server."""


class Dropped(Exception):
    """There is no answer: the connection is closed, or reset."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


class Fault(Protocol):
    """Does harm to an exchange: gives an answer in place of the server's, or Dropped, with or without asking it."""

    def answer(self, request: Request, forward: Forward, stopping: threading.Event) -> Answer:
        """What the client gets."""


@dataclass(frozen=True)
class Delay:
    """The answer comes late."""

    seconds: float

    def answer(self, request: Request, forward: Forward, stopping: threading.Event) -> Answer:
        stopping.wait(self.seconds)
        return forward(request)


@dataclass(frozen=True)
class Reset:
    """The connection is reset before the server sees the request; ``reset=False``: it is closed."""

    reset: bool = True

    def answer(self, request: Request, forward: Forward, stopping: threading.Event) -> Answer:
        raise Dropped(reset=self.reset)


@dataclass(frozen=True)
class Lost:
    """The server does what it was asked to, and the answer is lost: the connection is reset, or closed."""

    reset: bool = True

    def answer(self, request: Request, forward: Forward, stopping: threading.Event) -> Answer:
        forward(request)
        raise Dropped(reset=self.reset)


@dataclass(frozen=True)
class Cut:
    """The server does what it was asked to, and only a share of its answer's body arrives."""

    share: float = 0.5

    def answer(self, request: Request, forward: Forward, stopping: threading.Event) -> Answer:
        found = forward(request)
        return Answer(found.status, found.headers, found.body, sent=int(len(found.body) * self.share))


@dataclass(frozen=True)
class Busy:
    """The server is not asked: 429 or 503, with ``Retry-After`` in seconds, as a date, or without."""

    status: int = 429
    retry_after: int | None = None
    as_date: bool = False

    def answer(self, request: Request, forward: Forward, stopping: threading.Event) -> Answer:
        headers = dict(JSON)
        if self.retry_after is not None:
            when = formatdate(time.time() + self.retry_after, usegmt=True)
            headers["Retry-After"] = when if self.as_date else str(self.retry_after)
        return Answer(self.status, headers, outcome("throttled", f"HTTP {self.status}"))


@dataclass(frozen=True)
class Conflict:
    """HAPI's answer to the loser of a race: nothing of the transaction was stored."""

    def answer(self, request: Request, forward: Forward, stopping: threading.Event) -> Answer:
        return Answer(409, JSON, outcome("processing", CONFLICT))


@dataclass(frozen=True)
class Gateway:
    """A gateway's page, without FHIR in it; ``after`` the server has done what it was asked to."""

    status: int = 502
    after: bool = False

    def answer(self, request: Request, forward: Forward, stopping: threading.Event) -> Answer:
        if self.after:
            forward(request)
        page = f"<html><head><title>{self.status}</title></head><body><h1>{self.status}</h1></body></html>"
        return Answer(self.status, {"Content-Type": "text/html"}, page.encode())


@dataclass(frozen=True)
class EntriesFail:
    """
    200, but entries of the bundle failed, as with a server that runs a transaction as a batch.

    Args:
        status: of each failed entry: 429, 500, 422.
        entries: the places of those that fail; all if it is None. The others are sent to the server.

    """

    status: int = 429
    entries: Sequence[int] | None = None

    def answer(self, request: Request, forward: Forward, stopping: threading.Event) -> Answer:
        bundle = request.bundle()
        if bundle is None:
            return forward(request)
        entries = bundle.get("entry", [])
        failing = range(len(entries)) if self.entries is None else self.entries
        passing = [entry for place, entry in enumerate(entries) if place not in failing]
        done: Iterator[Json] = iter(())
        if passing:
            body = orjson.dumps(bundle | {"entry": passing})
            found = forward(Request(request.method, request.path, request.headers, body))
            if found.status != 200:
                return found
            done = iter(orjson.loads(found.body)["entry"])
        kind, text = FAILURES.get(self.status, ("exception", f"HTTP {self.status}"))
        failed = {"response": {"status": f"{self.status} {text}", "outcome": orjson.loads(outcome(kind, text))}}
        answers = [failed if place in failing else next(done) for place in range(len(entries))]
        whole = {"resourceType": "Bundle", "type": f"{bundle['type']}-response", "entry": answers}
        return Answer(200, JSON, orjson.dumps(whole))


JSON = {"Content-Type": "application/fhir+json;charset=UTF-8"}
FAILURES = {
    422: ("processing", "Unprocessable Entity"),
    429: ("throttled", "Too Many Requests"),
    500: ("exception", "Internal Server Error"),
}
CONFLICT = (
    "HAPI-0550: HAPI-0825: Error flushing transaction with resource types: [Organization] - The operation has failed "
    "with a client-assigned ID constraint failure. This typically means that multiple client threads are trying to "
    "create a new resource with the same client-assigned ID at the same time, and this thread was chosen to be rejected."
)
"""As HAPI 8.8.0 says it."""

PASSING: tuple[Fault, ...] = (
    Delay(0.05),
    Reset(),
    Reset(reset=False),
    Lost(),
    Lost(reset=False),
    Cut(),
    Cut(0),
    Busy(429, 0),
    Busy(503, 1, as_date=True),
    Busy(503),
    Conflict(),
    Gateway(502),
    Gateway(504, after=True),
    EntriesFail(429),
    EntriesFail(500),
)
"""Those that a client gets over by asking again."""


def randomly(seed: int, faults: Sequence[Fault] = PASSING, share: float = 0.3) -> Iterator[Fault | None]:
    """A plan without end: this share of the exchanges meets one of the faults, the same ones for the same seed."""
    chance = random.Random(seed)
    while True:
        yield chance.choice(faults) if chance.random() < share else None


def outcome(code: str, text: str) -> bytes:
    """An OperationOutcome of one error."""
    issue = {"severity": "error", "code": code, "diagnostics": text}
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": [issue]})
