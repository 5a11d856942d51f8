"""Entries that failed alone, on a server that carries a transaction out as a batch, are sent again alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fhirtrial.server.bundle_answer import BundleAnswer
from fhirtrial.server.courier import Courier
from fhirtrial.server.entries import repeat_of
from fhirtrial.server.errors import ServerError
from fhirtrial.server.retry import Failure, Retry


def until_done(
    send: Callable[[Sequence[int]], BundleAnswer],
    entries: Sequence[Any],
    *,
    courier: Courier,
    retry: Retry | None = None,
) -> BundleAnswer:
    """
    The answer to all entries, after those that may be done again, and are worth it, have been sent again.

    Entries that name each other by what the bundle calls them (``urn:uuid:…``) are not: alone they would name nothing.

    Args:
        send: sends the entries at some places.
        entries: all of them.
        courier: waits, and takes note of what is sent again.
        retry: how often; else as the courier does.

    Raises what ``send`` raises for all entries. Where a part of them cannot be sent again, they stay as they failed.

    """
    policy, started, attempt = retry or courier.retry, courier.clock(), 1
    answer = send(range(len(entries)))
    linked = any(str(entry.get("fullUrl", "")).startswith("urn:") for entry in entries)
    while answer.errors and not linked:
        waits: dict[int, float] = {}
        for place, error in answer.errors.items():
            failure = Failure(
                attempt=attempt, elapsed=courier.clock() - started, status=error.status, outcome=error.outcome
            )
            wait = policy.wait(failure, repeat=repeat_of([entries[place]]), chance=courier.chance())
            if wait is not None:
                waits[place] = wait
        if not waits:
            break
        first = answer.errors[next(iter(waits))]
        courier.pause(first.facts.what, attempt, max(waits.values()), status=first.status)
        attempt += 1
        places = sorted(waits)
        try:
            answer = put_in(answer, places, send(places))
        except ServerError:
            break
    return answer


def put_in(answer: BundleAnswer, places: Sequence[int], again: BundleAnswer) -> BundleAnswer:
    """An answer with what became of some entries when they were sent again."""
    entries, errors = list(answer.entries), {at: error for at, error in answer.errors.items() if at not in places}
    for number, place in enumerate(places):
        entries[place] = again.entries[number]
        if number in again.errors:
            error = again.errors[number]
            errors[place] = type(error)(error.message, replace(error.facts, entry=place))
    return BundleAnswer(
        entries=tuple(entries),
        errors=dict(sorted(errors.items())),
        elapsed=answer.elapsed + again.elapsed,
        attempts=answer.attempts + again.attempts,
        throttled=answer.throttled + again.throttled + any(answer.errors[place].status == 429 for place in places),
    )
