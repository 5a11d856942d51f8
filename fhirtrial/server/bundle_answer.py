"""The answer to a transaction or batch, entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fhirtrial.server.errors import Facts, ServerError, UnexpectedAnswer, error_class
from fhirtrial.server.outcome import Outcome
from fhirtrial.server.request import Request
from fhirtrial.server.response import Response, Written, read_written
from fhirtrial.server.status import reason


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleAnswer:
    """
    What became of each entry, in the order they were sent.

    ``elapsed``, ``attempts`` and ``throttled`` are those of the request; ``errors`` holds what failed, by index of the
    entry. In a transaction nothing should be there: but some servers carry a transaction out as a batch.
    """

    entries: tuple[Written, ...]
    errors: dict[int, ServerError] = field(default_factory=dict)
    elapsed: float = 0.0
    attempts: int = 1
    throttled: int = 0

    @property
    def again(self) -> tuple[int, ...]:
        """The entries that the server did not do because it wanted fewer at once: they may be sent again alone."""
        return tuple(index for index, error in self.errors.items() if error.status == 429)


def read_bundle_answer(
    request: Request, response: Response, sent: Sequence[Any], kind: str, server: str, blot: Callable[[str], str] = str
) -> BundleAnswer:
    """
    The answer to a bundle of which ``sent`` are the entries and ``kind`` is the type.

    Raises UnexpectedAnswer if it is no ``transaction-response`` or ``batch-response`` as it should be, or does not hold
    one entry for each that was sent; what could be read stands in the error. ``blot`` makes secrets unreadable.
    """
    content = response.content
    facts = request.facts(server, response)
    if not isinstance(content, dict) or content.get("resourceType") != "Bundle":
        raise UnexpectedAnswer(f"{reason(response.status)}, but the answer is no Bundle", facts)
    found = content.get("entry") or []
    answer = _read(request, response, found, sent, facts, blot)
    if content.get("type") != f"{kind}-response":
        raise UnexpectedAnswer(
            f"the answer is a {content.get('type')!r}, not a '{kind}-response'", facts, answer=answer
        )
    if len(found) != len(sent):
        raise UnexpectedAnswer(f"the answer has {len(found)} entries", facts, answer=answer)
    return answer


def _read(
    request: Request,
    response: Response,
    found: Sequence[Any],
    sent: Sequence[Any],
    facts: Facts,
    blot: Callable[[str], str],
) -> BundleAnswer:
    entries: list[Written] = []
    errors: dict[int, ServerError] = {}
    for index, entry in enumerate(found):
        asked = sent[index].get("request") or {} if index < len(sent) else {}
        written = _written(entry if isinstance(entry, dict) else {}, str(asked.get("method", "")), blot)
        entries.append(written)
        if not 200 <= written.status < 300 and written.status != 304:
            errors[index] = _error(written, index, request.study_of(index), facts)
    return BundleAnswer(
        entries=tuple(entries),
        errors=errors,
        elapsed=response.elapsed,
        attempts=response.attempts,
        throttled=response.throttled,
    )


def _written(entry: dict[str, Any], method: str, blot: Callable[[str], str]) -> Written:
    said = entry["response"] if isinstance(entry.get("response"), dict) else {}
    status = str(said.get("status", ""))[:3]
    return read_written(
        status=int(status) if status.isascii() and status.isdigit() else 0,
        location=str(said.get("location", "")),
        etag=str(said.get("etag", "")),
        last_modified=str(said.get("lastModified", "")),
        content=entry.get("resource") or said.get("outcome"),
        method=method,
        blot=blot,
    )


def _error(written: Written, index: int, study: str, facts: Facts) -> ServerError:
    outcome = written.outcome or Outcome()
    told = replace(facts, status=written.status, outcome=outcome, entry=index, study=study)
    if not written.status:
        return UnexpectedAnswer("the answer to this entry has no status", told)
    return error_class(written.status)(f"{reason(written.status)}" + (f": {outcome}" if outcome.issues else ""), told)
