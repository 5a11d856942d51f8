"""The ledger: every field of the registry, and the FHIR element that it goes to or the reason why it goes nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from fhirtrial.errors import UsageError
from fhirtrial.issue import nearest
from fhirtrial.mapping.ledger import Place
from fhirtrial.mapping.mapper import Mapper

Format = Literal["table", "json", "markdown"]
FORMATS: tuple[Format, ...] = ("table", "json", "markdown")

UNEXPLAINED = "UNEXPLAINED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One field: its path and type, where it is read back, where else it appears, or why it is left out."""

    path: str
    type: str
    two_way: tuple[Place, ...]
    copies: tuple[Place, ...]
    left_out: str

    @property
    def is_explained(self) -> bool:
        """Whether the field goes somewhere and comes back, or is left out for a reason."""
        return bool(self.two_way or self.left_out)


def coverage(mapper: Mapper) -> list[Row]:
    """Every field of the registry's schema, once, in the registry's order."""
    places: dict[str, list[Place]] = {}
    for place in mapper.mapping.places:
        places.setdefault(place.path.removesuffix("[]"), []).append(place)
    rows = []
    for leaf in mapper.mapping.schema.leaves():
        here = [] if leaf.left_out else list(_relevant(leaf.path, places))
        rows.append(
            Row(
                path=leaf.path,
                type=leaf.type,
                two_way=tuple(place for place in here if place.way != "copy"),
                copies=tuple(place for place in here if place.way == "copy"),
                left_out=leaf.left_out,
            )
        )
    return rows


def _relevant(path: str, places: dict[str, list[Place]]) -> Iterator[Place]:
    """The places of a field, and those of a list around it that a function takes as a whole."""
    own = path.removesuffix("[]")
    yield from places.get(own, ())
    parent = own
    while "." in parent:
        parent = parent.rpartition(".")[0].removesuffix("[]")
        yield from (place for place in places.get(parent, ()) if place.way == "copy")


def render_coverage(mapper: Mapper, format: Format = "table") -> str:
    """
    The ledger as text: an aligned table, JSON (one object a field), or Markdown.

    Raises UsageError for another format.
    """
    if format not in FORMATS:
        raise UsageError(f"{format!r} is no format; {nearest(format, FORMATS) or 'known: ' + ', '.join(FORMATS)}")
    rows = coverage(mapper)
    if format == "json":
        return orjson.dumps([_as_json(row) for row in rows], option=orjson.OPT_INDENT_2).decode() + "\n"
    return "\n".join([*(_markdown(rows) if format == "markdown" else _table(rows)), "", summary(rows)]) + "\n"


def summary(rows: list[Row]) -> str:
    """How many fields there are, and what becomes of them, in one line."""
    carried = sum(bool(row.two_way) for row in rows)
    left_out = sum(bool(row.left_out) for row in rows)
    lost = sum(not row.is_explained for row in rows)
    return f"{len(rows)} fields: {carried} carried both ways, {left_out} left out with a reason, {lost} unexplained"


def _as_json(row: Row) -> dict[str, Any]:
    places = [
        {"element": place.element, "line": str(place.line), "way": place.way} for place in (*row.two_way, *row.copies)
    ]
    return {"path": row.path, "type": row.type, "places": places, "leftOut": row.left_out}


def _table(rows: list[Row]) -> Iterator[str]:
    wide = max(len(_short(row.path)) for row in rows)
    module = ""
    for row in rows:
        if _module(row.path) != module:
            module = _module(row.path)
            yield ""
            yield module
        for number, (mark, text, line) in enumerate(_cells(row)):
            yield f"  {_short(row.path) if not number else '':{wide}}  {mark} {text}  {line}".rstrip()


def _markdown(rows: list[Row]) -> Iterator[str]:
    module = ""
    for row in rows:
        if _module(row.path) != module:
            module = _module(row.path)
            yield from ("", f"## {module}", "", "| field | type | FHIR | line |", "|---|---|---|---|")
        for number, (mark, text, line) in enumerate(_cells(row)):
            field, kind = (f"`{_short(row.path)}`", row.type) if not number else ("", "")
            shown = f"`{text}`" if line else text
            yield f"| {field} | {kind} | {mark} {shown} | {line} |"


def _cells(row: Row) -> Iterator[tuple[str, str, str]]:
    """What stands beside a field: a mark, the element or the reason, the line."""
    for place in row.two_way:
        yield "⇄" if place.way == "two-way" else "⇆", place.element, str(place.line)
    if row.left_out:
        yield "–", f"left out: {row.left_out}", ""
    elif not row.two_way:
        yield "!", UNEXPLAINED, ""
    for place in row.copies:
        yield "→", place.element, str(place.line)


def _module(path: str) -> str:
    return ".".join(path.split(".")[:2])


def _short(path: str) -> str:
    return ".".join(path.split(".")[2:]) or path.split(".")[-1]
