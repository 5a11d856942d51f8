"""Requests to a FHIR server, as values: each is built by a function that does nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import quote, urlencode

import orjson

from fhirtrial.errors import UsageError
from fhirtrial.resources import Resource
from fhirtrial.server.entries import repeat_of
from fhirtrial.server.errors import Facts
from fhirtrial.server.response import Response
from fhirtrial.server.retry import Repeat

Method = Literal["GET", "POST", "PUT", "DELETE"]
Return = Literal["minimal", "representation", "OperationOutcome"]
Parameters = Mapping[str, str | Sequence[str]] | Iterable[tuple[str, str]]
"""
Parameters of a search, not yet percent-encoded: by name, with one value or several. Several values of one name are
different conditions that all hold; alternatives are one value, ``"a,b,c"``. https://hl7.org/fhir/R4/search.html
"""

JSON = "application/fhir+json"
FORM = "application/x-www-form-urlencoded"
LONGEST_QUERY = 1500
"""Longer queries are sent in a body: some proxies take no more than 2,000 characters of address."""

_TYPE = re.compile(r"[A-Z][A-Za-z]{0,63}")
_ID = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9\-.]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """
    A request that can be sent.

    ``target`` stands behind the server's base address, percent-encoded. ``what`` says for people what it is, without
    values. ``repeat`` says whether it may be sent again, ``entries`` how many of a bundle there are (0: no bundle).
    ``study`` is the study it is about, ``studies`` those of the bundle's entries, in their order.
    """

    method: Method
    target: str = field(repr=False)
    what: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)
    repeat: Repeat = "always"
    entries: int = 0
    study: str = ""
    studies: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.target and self.target[0] not in "/?":
            raise UsageError("the target of a request begins with / or ?")

    def facts(self, server: str, response: Response | None = None) -> Facts:
        """What an error about this request shall say, and about the answer if there is one."""
        facts = Facts(what=self.what, server=server, study=self.study)
        if response is None:
            return facts
        return replace(facts, status=response.status, request_id=response.request_id, attempts=response.attempts)

    def study_of(self, entry: int | None) -> str:
        """The study of an entry, where that is known; else the one that the request is about."""
        return self.studies[entry] if entry is not None and entry < len(self.studies) else self.study


def capabilities() -> Request:
    """What the server can do: https://hl7.org/fhir/R4/http.html#capabilities"""
    return Request(method="GET", target="/metadata", what="capabilities", headers={"Accept": JSON})


def read(kind: str, id: str, *, version: str = "", fresh: bool = True) -> Request:
    """A resource, or one version of it: https://hl7.org/fhir/R4/http.html#read"""
    target = f"/{_type(kind)}/{_id(id)}" + (f"/_history/{_id(version)}" if version else "")
    return Request(method="GET", target=target, what=f"read {target[1:]}", headers=_reading(fresh=fresh))


def search(kind: str, parameters: Parameters = (), *, fresh: bool = True) -> Request:
    """
    A search, by GET or, where the query is long, by POST: https://hl7.org/fhir/R4/http.html#search

    ``fresh`` asks for no answer from a cache. HAPI would repeat its own of up to a minute ago, also an empty one.
    """
    target, query = f"/{_type(kind)}", encoded(parameters)
    what = f"search {kind}"
    headers = _reading(fresh=fresh)
    if len(query) <= LONGEST_QUERY:
        return Request(method="GET", target=target + (f"?{query}" if query else ""), what=what, headers=headers)
    body = query.encode("ascii")
    return Request(
        method="POST", target=f"{target}/_search", what=what, headers={**headers, "Content-Type": FORM}, body=body
    )


def history(kind: str, id: str = "", *, since: str = "", count: int | None = None) -> Request:
    """The versions of a resource, or of all of a type, the newest first: https://hl7.org/fhir/R4/http.html#history"""
    target = f"/{_type(kind)}" + (f"/{_id(id)}" if id else "") + "/_history"
    query = encoded({**({"_since": since} if since else {}), **({"_count": str(count)} if count else {})})
    what = f"history of {target[1 : -len('/_history')]}"
    return Request(
        method="GET", target=target + (f"?{query}" if query else ""), what=what, headers=_reading(fresh=True)
    )


def page(target: str, what: str) -> Request:
    """A further page of a search or history, by the target of its link."""
    return Request(method="GET", target=target, what=what, headers=_reading(fresh=True))


def create(resource: Resource, *, unless: Parameters = (), prefer: Return = "minimal", study: str = "") -> Request:
    """
    A new resource; none if one matches ``unless``: https://hl7.org/fhir/R4/http.html#create, `#ccreate`.

    Without ``unless`` it is never sent again where the server may have done it.
    """
    kind = _type(resource.get("resourceType"))
    condition = encoded(unless)
    return Request(
        method="POST",
        target=f"/{kind}",
        what=f"create {kind}",
        headers={**_writing(prefer), **({"If-None-Exist": condition} if condition else {})},
        body=orjson.dumps(resource),
        repeat="always" if condition else "if-not-done",
        study=study,
    )


def update(
    resource: Resource,
    *,
    match: Parameters = (),
    version: str = "",
    prefer: Return = "minimal",
    study: str = "",
) -> Request:
    """
    A resource as it shall be, found by its id, or by ``match``: https://hl7.org/fhir/R4/http.html#update

    ``version`` is the one that it shall replace (If-Match). Such an update is never sent again where the server may
    have done it: the second would find the version that the first made.
    """
    kind, condition = _type(resource.get("resourceType")), encoded(match)
    target = f"/{kind}?{condition}" if condition else f"/{kind}/{_id(resource.get('id'))}"
    return Request(
        method="PUT",
        target=target,
        what=f"update {kind} by condition" if condition else f"update {target[1:]}",
        headers={**_writing(prefer), **_if_match(version)},
        body=orjson.dumps(resource),
        repeat="if-not-done" if version else "always",
        study=study,
    )


def delete(kind: str, id: str = "", *, match: Parameters = (), version: str = "", study: str = "") -> Request:
    """
    No more resource, by its id or by ``match``: https://hl7.org/fhir/R4/http.html#delete

    ``version`` is the one that it must have until now (If-Match); not every server looks at it.

    Raises UsageError unless it is exactly one of both: a delete by an empty condition would mean all of the type.
    """
    condition = encoded(match)
    if bool(id) == bool(condition):
        raise UsageError("a delete needs an id or a condition, not both")
    target = f"/{_type(kind)}" + (f"/{_id(id)}" if id else f"?{condition}")
    what = f"delete {target[1:]}" if id else f"delete {kind} by condition"
    return Request(
        method="DELETE",
        target=target,
        what=what,
        headers={"Accept": JSON, **_if_match(version)},
        repeat="if-not-done" if version else "always",
        study=study,
    )


def bundle(content: Resource, *, prefer: Return = "minimal", studies: Sequence[str] = ()) -> Request:
    """
    A transaction or a batch: https://hl7.org/fhir/R4/http.html#transaction

    It is sent again only if each of its entries may be done twice. ``studies`` names the study of each entry. A
    resource that is at hand as JSON may stand in it as `orjson.Fragment`: it is not parsed for this.
    """
    kind, entry = content.get("type"), content.get("entry") or []
    if content.get("resourceType") != "Bundle" or kind not in ("transaction", "batch"):
        raise UsageError("a bundle that is sent is a 'transaction' or a 'batch'")
    if studies and len(studies) != len(entry):
        raise UsageError(f"there are {len(entry)} entries, and {len(studies)} names of studies")
    return Request(
        method="POST",
        target="",
        what=f"{kind} of {len(entry)} {'entry' if len(entry) == 1 else 'entries'}",
        headers=_writing(prefer),
        body=orjson.dumps(content),
        repeat=repeat_of(entry),
        entries=len(entry),
        studies=tuple(studies),
        study=studies[0] if len(set(studies)) == 1 else "",
    )


def validate(resource: Resource, *, profile: str = "", study: str = "") -> Request:
    """What the server thinks of a resource: https://hl7.org/fhir/R4/resource-operation-validate.html"""
    kind = _type(resource.get("resourceType"))
    query = encoded({"profile": profile}) if profile else ""
    return Request(
        method="POST",
        target=f"/{kind}/$validate" + (f"?{query}" if query else ""),
        what=f"validate {kind}",
        headers={"Accept": JSON, "Content-Type": JSON},
        body=orjson.dumps(resource),
        study=study,
    )


def encoded(parameters: Parameters) -> str:
    """
    The query that parameters make, percent-encoded.

    >>> encoded({"identifier": "https://x.org/sid|a b", "_include": ["A:b", "A:c"]})
    'identifier=https://x.org/sid%7Ca%20b&_include=A:b&_include=A:c'
    """
    pairs: list[tuple[str, str]] = []
    for name, value in parameters.items() if isinstance(parameters, Mapping) else parameters:
        values = [value] if isinstance(value, str) else value
        pairs += [(name, each) for each in values]
    return urlencode(pairs, quote_via=quote, safe=":/,*$")


def _type(kind: Any) -> str:
    if not isinstance(kind, str) or not _TYPE.fullmatch(kind):
        raise UsageError(f"{kind!r} is no type of resource")
    return kind


def _id(id: Any) -> str:
    """An id that can be a segment of a path: FHIR's own pattern lets ``..`` pass."""
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise UsageError(f"{id!r} is no id: 1 to 64 of A-Z, a-z, 0-9, - and .")
    return id


def _if_match(version: str) -> dict[str, str]:
    """https://hl7.org/fhir/R4/http.html#concurrency"""
    return {"If-Match": f'W/"{_id(version)}"'} if version else {}


def _reading(*, fresh: bool) -> dict[str, str]:
    return {"Accept": JSON, **({"Cache-Control": "no-cache"} if fresh else {})}


def _writing(prefer: Return) -> dict[str, str]:
    return {"Accept": JSON, "Content-Type": JSON, "Prefer": f"return={prefer}"}
