"""Whether a resource on a server says what ours says: servers add, order and spell some things in their own way."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from fhirtrial.mapping.difference import Difference, differences

_SERVERS_OWN = frozenset({"id", "meta", "implicitRules"})
_TAG = re.compile(r"<[^>]*>")


def same(ours: Mapping[str, Any], theirs: Mapping[str, Any], *, base: str = "") -> bool:
    """
    Whether two resources say the same: apart from ids, what a server adds, and how it writes narratives and references.

    >>> same({"id": "a", "name": "x"}, {"id": "7", "meta": {"versionId": "2"}, "name": "x"})
    True
    """
    return next(changes(ours, theirs, base=base), None) is None


def changes(ours: Mapping[str, Any], theirs: Mapping[str, Any], *, base: str = "") -> Iterator[Difference]:
    """Where they differ: the path, what we have, what the server has. ``base`` is the server's own address."""
    one, other = comparable(ours, base), comparable(theirs, base)
    if "text" not in one:
        other.pop("text", None)  # a narrative that the server has made
    yield from differences(one, other)


def comparable(resource: Mapping[str, Any], base: str = "") -> dict[str, Any]:
    """A resource in the form in which it is compared."""
    made = {name: _plain(value, base) for name, value in resource.items() if name not in _SERVERS_OWN}
    text = resource.get("text")
    if isinstance(text, Mapping) and isinstance(text.get("div"), str):
        made["text"] = {**text, "div": _words(text["div"])}
    return made


def _plain(value: Any, base: str) -> Any:
    if isinstance(value, Mapping):
        made = {name: _plain(inner, base) for name, inner in value.items()}
        address = made.get("reference")
        if isinstance(address, str):
            local = address.removeprefix(f"{base}/") if base else address
            made["reference"] = local.partition("/_history/")[0]
        if isinstance(made.get("size"), int):
            made["size"] = str(made["size"])  # integer64 is text in R5's JSON; HAPI writes a number
        return made
    if isinstance(value, list):
        return [_plain(item, base) for item in value]
    return value


def _words(div: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", div)).split())
