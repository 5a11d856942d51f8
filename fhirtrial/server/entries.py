"""Entries of a transaction: which form an upsert has, and whether a bundle may be sent twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from fhirtrial.errors import UsageError
from fhirtrial.identity import Identity
from fhirtrial.server.retry import Repeat

Upsert = Literal["conditional-update", "update-by-id", "search-first"]
"""
How a resource is written so that doing it again changes nothing.

``conditional-update``: PUT by the business identifier, with our own id in the body: where nothing matches it is created
under that id, so that two who do it at once do not make two.
``update-by-id``: PUT by our own id, which the server takes for a new resource as well.
``search-first``: neither is there; what was searched and not found is created, what was found is updated by its id.
"""


def upsert_entry(
    resource: Any,
    *,
    identity: Identity,
    id: str,
    form: Upsert,
    full_url: str = "",
    version: str = "",
    conditional_create: bool = True,
    if_none_exist: Literal["bare", "full"] = "bare",
) -> dict[str, Any]:
    """
    The entry of a transaction that writes a resource. https://hl7.org/fhir/R4/http.html#transaction

    Args:
        resource: as JSON is made of it: an object, or a fragment of JSON that is made already.
        identity: what it is called by.
        id: the id in its body.
        form: how; see `Upsert`.
        full_url: what other entries call it.
        version: ``update-by-id`` only: the version that it must have until now; empty: whichever.
        conditional_create: ``search-first`` only: whether the server creates unless something matches.
        if_none_exist: how the condition of a create is written: ``full`` with the type before it.

    Raises UsageError if the resource has no id, or is to be created without a condition that could find it.

    >>> entry = upsert_entry({}, identity=Identity("Location", "", "a"), id="a", form="update-by-id", version="2")
    >>> entry["request"]
    {'method': 'PUT', 'url': 'Location/a', 'ifMatch': 'W/"2"'}

    """
    kind = identity.kind
    if not id:
        raise UsageError(f"a {kind} to be written has no id")
    if form == "conditional-update":
        request = {"method": "PUT", "url": identity.condition}
    elif form == "update-by-id":
        request = {"method": "PUT", "url": f"{kind}/{id}"}
        if version:
            request["ifMatch"] = f'W/"{version}"'
    else:
        request = {"method": "POST", "url": kind}
        if not identity.system:
            raise UsageError(f"{kind}/{id} has no business identifier by which it could be found again")
        if conditional_create:
            match = identity.condition
            request["ifNoneExist"] = match if if_none_exist == "full" else match.partition("?")[2]
    return {**({"fullUrl": full_url} if full_url else {}), "resource": resource, "request": request}


def repeat_of(entries: Iterable[Mapping[str, Any]]) -> Repeat:
    """
    Whether a bundle of such entries may be sent twice: only if each of them may.

    >>> repeat_of([{"request": {"method": "PUT", "url": "Location/a"}}])
    'always'
    >>> repeat_of([{"request": {"method": "POST", "url": "Location"}}])
    'if-not-done'
    """
    return "always" if all(_may_be_done_twice(entry.get("request") or {}) for entry in entries) else "if-not-done"


def _may_be_done_twice(request: Mapping[str, Any]) -> bool:
    match request.get("method"):
        case "GET" | "HEAD" | "DELETE":
            return True
        case "PUT":
            # The second would find the version that the first made.
            return not request.get("ifMatch")
        case "POST":
            path = str(request.get("url", "")).partition("?")[0]
            return bool(request.get("ifNoneExist")) or path.endswith(("/_search", "/$validate"))
        case _:
            return False
