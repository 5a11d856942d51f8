"""Reads FHIR resources: Bundles, NDJSON, arrays, single resources, and files, folders and archives of those."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from fhirtrial.errors import InputError, UsageError
from fhirtrial.issue import Issue
from fhirtrial.readers.archive import open_file, unzip, walk
from fhirtrial.readers.detect import detect, is_gzip, is_zip, start_of_text
from fhirtrial.readers.json_study import parse
from fhirtrial.readers.lines import lines, whole
from fhirtrial.readers.source import Found, Limits, Piece, Readable, Reading, Stream, chunks_of, gunzip, refusal
from fhirtrial.readers.split import array
from fhirtrial.readers.zip_member import nested
from fhirtrial.record import Origin
from fhirtrial.resources import Resource

MAX_BYTES = 512 << 20
"""The most bytes that one resource may have: a Bundle is one."""

_PACKINGS = 3
_DEEPEST = 8
"""How many Bundles may lie in one another."""

_READERS: dict[str, Callable[[Stream, Reading], Iterator[Found]]] = {
    "study": whole,
    "page": whole,
    "array": array,
    "jsonl": lines,
    "zip": unzip,
}

ResourceSource = str | os.PathLike[str] | bytes | Readable


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceFound:
    """A resource, where it was read, the ``fullUrl`` that a Bundle gives it, and how many bytes it has, about."""

    resource: Resource
    origin: Origin
    full_url: str | None
    size: int


def read_resources(
    source: ResourceSource, *, refused: Callable[[Issue], object] | None = None, max_bytes: int = MAX_BYTES
) -> Iterator[ResourceFound]:
    """
    The resources of a source, one after the other; those in a Bundle one by one.

    Lines and items of arrays are streamed; a Bundle is held whole, as it is one JSON object.

    Args:
        source: a path (a file or a folder, with whatever names its files have), ``-`` for standard input, an open
            binary file, or bytes: a resource, a Bundle, a JSON array or NDJSON (https://hl7.org/fhir/R5/nd-json.html),
            also packed with gzip or in a zip file.
        refused: is called with the Issue of each line or file that cannot be read or was passed over; the rest goes
            on. Without it, the first that cannot be read raises InputError.
        max_bytes: a resource or Bundle with more bytes is refused.

    Raises:
        InputError: something cannot be read, and no ``refused`` is given.
        UsageError: the source is of a type that cannot be read.

    >>> [found.resource["id"] for found in read_resources(b'{"resourceType":"Location","id":"a"}')]
    ['a']

    """

    def refuse(issue: Issue) -> None:
        if refused is not None:
            refused(issue)
        elif issue.severity == "error":
            raise InputError(issue)

    for item in _find(source, Limits(record=max_bytes)):
        if isinstance(item, Issue):
            refuse(item)
            continue
        try:
            tree = parse(item)
        except InputError as error:
            refuse(error.issue)
            continue
        yield from _Pieces(item, refuse).resources(tree, "", None, len(item.raw), 0)


def _find(source: ResourceSource, limits: Limits) -> Iterator[Found]:
    reading = Reading(limits=limits, inner=lambda stream: _inside(stream, reading))
    try:
        if isinstance(source, bytes | bytearray | memoryview):
            origin = Origin(file="<bytes>")
            yield from _inside(Stream(chunks_of(BytesIO(source), origin), origin, file=BytesIO(source)), reading)
        elif isinstance(source, str | os.PathLike):
            path = os.fspath(source)
            if path == "-":
                origin = Origin(file="-")
                yield from _inside(Stream(chunks_of(sys.stdin.buffer, origin), origin), reading)
            elif Path(path).is_dir():
                yield from walk(Stream(iter(()), Origin(file=path), folder=path), reading)
            else:
                yield from open_file(path, reading)
        elif hasattr(source, "read"):
            name = getattr(source, "name", "")
            origin = Origin(file=name if isinstance(name, str) else "")
            yield from _inside(Stream(chunks_of(source, origin), origin), reading)
        else:
            raise UsageError(f"a {type(source).__name__} cannot be read: give a path, bytes or an open file")
    except InputError as error:
        yield error.issue


def _inside(stream: Stream, reading: Reading) -> Iterator[Found]:
    """What is in a stream, in whatever it is packed."""
    layers = 0
    while is_gzip(stream):
        layers += 1
        if layers > _PACKINGS:
            raise refusal("unpacks-too-far", f"packed with gzip more than {_PACKINGS} times", stream.origin)
        stream = gunzip(stream, reading.limits)
    if is_zip(stream):
        if stream.origin.member:
            raise nested(stream.origin)
        yield from unzip(stream, reading)
        return
    body = start_of_text(stream, reading.limits)
    if not body.startswith((b"{", b"[")):
        what = "XML or HTML" if body.startswith(b"<") else "no JSON"
        hint = "FHIR is read as JSON: a resource, a Bundle, an array or NDJSON"
        raise refusal("unknown-format", f"this is {what}", stream.origin, hint=hint)
    yield from _READERS[detect(stream, reading.limits)](stream, reading)


class _Pieces:
    """
    Takes a piece apart: the resource that it is, or those in the Bundle that it is.

    No function within a function: one that calls itself keeps all that it knows until somebody looks for such circles.
    """

    __slots__ = ("piece", "refuse")

    def __init__(self, piece: Piece, refuse: Callable[[Issue], None]) -> None:
        self.piece = piece
        self.refuse = refuse

    def error(self, message: str, path: str, hint: str = "") -> None:
        """Refuses a part of the piece."""
        self.refuse(_issue("not-a-resource", message, self.piece.origin, path, hint))

    def resources(self, node: Any, path: str, full_url: str | None, size: int, depth: int) -> Iterator[ResourceFound]:
        """The resources in a node."""
        if not isinstance(node, dict):
            self.error(f"expected a resource, found {_kind(node)}", path)
        elif not isinstance(node.get("resourceType"), str):
            names = ", ".join(list(node)[:5]) or "nothing"
            self.error(f"this is no FHIR resource: it holds {names}", path, "a resource has resourceType")
        elif node["resourceType"] != "Bundle":
            yield ResourceFound(resource=node, origin=self.piece.origin, full_url=full_url, size=size)
        elif depth == _DEEPEST:
            self.error(f"more than {_DEEPEST} Bundles lie in one another", path)
        else:
            yield from self._entries(node, path, size, depth)

    def _entries(self, bundle: dict[str, Any], path: str, size: int, depth: int) -> Iterator[ResourceFound]:
        entries = bundle.get("entry", [])
        if not isinstance(entries, list):
            self.error(f"the entries of a Bundle are a list, not {_kind(entries)}", f"{path}entry")
            return
        for link in bundle["link"] if isinstance(bundle.get("link"), list) else ():
            if isinstance(link, dict) and link.get("relation") == "next":
                message = "the Bundle is one page of several: the next ones are not read"
                self.refuse(_issue("more-pages", message, self.piece.origin, f"{path}link", "give all pages"))
        for place, entry in enumerate(entries):
            here = f"{path}entry[{place}]"
            if not isinstance(entry, dict):
                self.error(f"expected an entry, found {_kind(entry)}", here)
            elif "resource" in entry:
                url = entry.get("fullUrl")
                inner = size // len(entries)
                url = url if isinstance(url, str) else None
                yield from self.resources(entry["resource"], f"{here}.resource", url, inner, depth + 1)


def _issue(code: str, message: str, origin: Origin, path: str, hint: str) -> Issue:
    severity: Any = "warning" if code == "more-pages" else "error"
    return Issue(severity=severity, code=code, message=message, place=str(origin), path=path, hint=hint)


def _kind(node: Any) -> str:
    return {list: "a list", dict: "an object", str: "text", type(None): "null", bool: "true or false"}.get(
        type(node), "a number"
    )
