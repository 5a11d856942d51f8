"""What came back from a server, as a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fhirtrial.server.outcome import Outcome, read_outcome

Change = Literal["created", "updated", "unchanged", "deleted"]

_LOCATION = re.compile(r"([A-Z][A-Za-z]{0,63})/([A-Za-z0-9\-.]{1,64})(?:/_history/([A-Za-z0-9\-.]{1,64}))?/?$")
_VERSION = re.compile(r'(?:W/)?"?([A-Za-z0-9\-.]{1,64})"?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """
    One answer, whole. ``headers`` have names in lower case; ``content`` is the body as JSON, None if it is none.

    ``elapsed`` are the seconds of the last sending. ``attempts`` and ``throttled`` say how often the request was sent,
    and how often the server wanted fewer.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    content: Any = field(default=None, repr=False)
    elapsed: float = 0.0
    attempts: int = 1
    throttled: int = 0
    request_id: str = ""

    @property
    def outcome(self) -> Outcome | None:
        """The body as OperationOutcome; None if it is none."""
        return read_outcome(self.content)

    @property
    def resource(self) -> dict[str, Any] | None:
        """The body as FHIR resource; None if it is none."""
        return self.content if isinstance(self.content, dict) and "resourceType" in self.content else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """
    What became of a resource that was written.

    ``reference`` is ``Type/id`` as the server has it, ``version`` its version there; both empty if the server did not
    say. ``change`` is None where an update may have changed something or not: HAPI tells it in transactions, and where
    its OperationOutcome is asked for. ``resource`` is there if it was asked for.
    """

    status: int
    reference: str = ""
    version: str = ""
    last_modified: str = ""
    change: Change | None = None
    outcome: Outcome | None = None
    resource: dict[str, Any] | None = field(default=None, repr=False)


def read_written(
    *,
    status: int,
    location: str,
    etag: str,
    last_modified: str,
    content: object,
    method: str = "",
    blot: Callable[[str], str] = str,
) -> Written:
    """
    What a server's answer to one write means, alone or as entry of a bundle.

    ``blot`` makes secrets unreadable, for servers that repeat what they were sent.
    """
    outcome = read_outcome(content)
    outcome = outcome and outcome.changed(blot)
    resource = content if isinstance(content, dict) and outcome is None and "resourceType" in content else None
    meta = (resource or {}).get("meta")
    place = _LOCATION.search(location.split("?")[0])
    version = _VERSION.fullmatch(etag.strip())
    reference = f"{place[1]}/{place[2]}" if place else ""
    if not reference and resource is not None and "id" in resource:
        reference = f"{resource['resourceType']}/{resource['id']}"
    return Written(
        status=status,
        reference=reference,
        # HAPI writes a bare number in entries, and W/"1" in headers.
        version=(version[1] if version else "")
        or (place[3] if place and place[3] else "")
        or (str(meta.get("versionId", "")) if isinstance(meta, dict) else ""),
        last_modified=last_modified,
        change=_change(status, outcome, method),
        outcome=outcome,
        resource=resource,
    )


def _change(status: int, outcome: Outcome | None, method: str) -> Change | None:
    """
    What changed, if that can be told.

    HAPI tells an update without change by a code of its own, in the outcome that comes along:
    https://github.com/hapifhir/hapi-fhir, StorageResponseCodeEnum
    """
    if status == 201:
        return "created"
    details = outcome.details if outcome else ()
    if method == "DELETE":
        gone = status in (404, 410) or any(code.endswith(("_ALREADY_DELETED", "_NOT_FOUND")) for code in details)
        return "unchanged" if gone else "deleted" if 200 <= status < 300 else None
    if not 200 <= status < 300:
        return None
    if method == "POST":
        # A conditional create that found one: https://hl7.org/fhir/R4/http.html#ccreate
        return "unchanged"
    if any(code.endswith("_NO_CHANGE") for code in details):
        return "unchanged"
    return "updated" if any(code.startswith(("SUCCESSFUL_UPDATE", "SUCCESSFUL_PATCH")) for code in details) else None
