"""Sends until there is an answer that is worth having, or none can be expected."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from fhirtrial.server.errors import Facts, UnexpectedAnswer, Unreachable
from fhirtrial.server.response import Response
from fhirtrial.server.retry import Failure, Repeat, Retry, retry_after
from fhirtrial.server.tally import Tally
from fhirtrial.server.wire import AnswerTooLongError, NoAnswerError, Outgoing, Wire

logger = logging.getLogger("fhirtrial.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """
    A request that is about to be sent again, ``wait`` seconds from now: for a loader that adapts, and for people.

    ``status`` is None where there was no answer, and ``reason`` says why.
    """

    what: str
    attempt: int
    wait: float
    status: int | None = None
    reason: str = ""


Noticed = Callable[[Resend], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """What sends needs: the wire, when to try again, what counts, and what tests want to hold in their hands."""

    wire: Wire
    retry: Retry = field(default_factory=Retry)
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], object] = time.sleep
    chance: Callable[[], float] = random.random
    new_id: Callable[[], str] = lambda: uuid.uuid4().hex
    noticed: Noticed = lambda _: None
    tally: Tally = field(default_factory=Tally)

    def deliver(
        self,
        outgoing: Callable[[], Outgoing],
        facts: Facts,
        *,
        repeat: Repeat,
        divisible: bool = False,
        retry: Retry | None = None,
    ) -> Response:
        """
        The last answer to a request, whatever its status.

        Args:
            outgoing: makes the request; it is asked before each sending, so that a token in it is fresh.
            facts: what an error shall say.
            repeat: whether it may be done twice.
            divisible: whether it is a bundle that can be made smaller.
            retry: how often, for this request alone.

        Raises:
            Unreachable: there is no answer.
            UnexpectedAnswer: it is too long.

        """
        policy, started, throttled, attempt = retry or self.retry, self.clock(), 0, 0
        while True:
            attempt += 1
            id = self.new_id()
            made = outgoing()
            made = replace(made, headers={**made.headers, "X-Request-ID": id})
            told = replace(facts, attempts=attempt, request_id=id)
            answer: Response | NoAnswerError
            too_long = ""
            try:
                answer = self.wire.exchange(made)
            except NoAnswerError as problem:
                answer = problem
            except AnswerTooLongError as problem:
                too_long = str(problem)
            if too_long:
                raise UnexpectedAnswer(too_long, told)
            self.tally.answered(answer.status if isinstance(answer, Response) else None)
            _log(made.method, facts.what, answer, attempt, id)
            failure = self._failure(answer, attempt, started)
            if failure is None and isinstance(answer, Response):
                return self._counted(answer, attempt, throttled, id)
            assert failure is not None
            throttled += failure.status == 429
            wait = policy.wait(failure, repeat=repeat, divisible=divisible, chance=self.chance())
            if wait is None:
                if isinstance(answer, Response):
                    return self._counted(answer, attempt, throttled, id)
                raise Unreachable(str(answer), told, perhaps_done=answer.trouble == "lost")
            text = str(answer) if isinstance(answer, NoAnswerError) else ""
            self.pause(facts.what, attempt, wait, status=failure.status, reason=text)

    def pause(self, what: str, attempt: int, wait: float, *, status: int | None, reason: str = "") -> None:
        """Takes note that something is sent again, and waits before it is."""
        self.tally.resent(str(status or reason))
        self.noticed(Resend(what=what, attempt=attempt, wait=wait, status=status, reason=reason))
        self.sleep(wait)

    def told_wait(self, answer: Response) -> float | None:
        """The seconds that an answer asks to wait; None if it does not say."""
        return retry_after(answer.headers, self.clock())

    def _failure(self, answer: Response | NoAnswerError, attempt: int, started: float) -> Failure | None:
        elapsed = max(0.0, self.clock() - started)
        if isinstance(answer, NoAnswerError):
            return Failure(attempt=attempt, elapsed=elapsed, trouble=answer.trouble)
        if answer.status < 400:
            return None
        return Failure(
            attempt=attempt,
            elapsed=elapsed,
            status=answer.status,
            outcome=answer.outcome,
            retry_after=self.told_wait(answer),
        )

    def _counted(self, answer: Response, attempt: int, throttled: int, id: str) -> Response:
        return replace(answer, attempts=attempt, throttled=throttled, request_id=answer.request_id or id)


def _log(method: str, wanted: str, answer: Response | NoAnswerError, attempt: int, id: str) -> None:
    """One line for whoever looks for it, without address, query, headers and body."""
    what = answer.status if isinstance(answer, Response) else answer.trouble
    elapsed = answer.elapsed if isinstance(answer, Response) else 0.0
    logger.debug("%s (%s): %s in %.3f s (attempt %d, request %s)", wanted, method, what, elapsed, attempt, id)
