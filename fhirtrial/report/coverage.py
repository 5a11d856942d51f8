"""The ledger: every field of the registry, and the FHIR element that it goes to or the reason why it goes nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import orjson

from fhirtrial.errors import UsageError
from fhirtrial.issue import nearest
from fhirtrial.mapping.language.ledger import Place
from fhirtrial.mapping.mapper import Mapper

Format = Literal["table", "json", "markdown"]
FORMATS: tuple[Format, ...] = ("table", "json", "markdown")

UNEXPLAINED = "UNEXPLAINED"
MARKS = {"two-way": "⇄", "when": "⇆", "copy": "→"}
LEGEND = "⇄ carried both ways  ⇆ both ways, for some of its values  → a copy for readers, not read back  – left out"
WIDTH = 120
"""How many columns the table takes; what is longer goes on in the next line."""


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

    @property
    def module(self) -> str:
        """
        The part of a record that the field is listed under.

        >>> Row(path="a.b.c.d[]", type="text", two_way=(), copies=(), left_out="").module
        'a.b'
        """
        return ".".join(self.path.split(".")[:2])

    @property
    def name(self) -> str:
        """
        The field's path from its module on.

        >>> Row(path="a.b.c.d[]", type="text", two_way=(), copies=(), left_out="").name
        'c.d[]'
        """
        return self.path.removeprefix(f"{self.module}.")


def coverage(mapper: Mapper) -> list[Row]:
    """Every field of the registry's schema, once, in the registry's order; from the mapping files alone."""
    places: dict[str, list[Place]] = {}
    for place in mapper.mapping.places:
        # A list of values that a function takes as a whole is named without its `[]`.
        places.setdefault(place.path.removesuffix("[]"), []).append(place)
    rows = []
    for leaf in mapper.mapping.schema.leaves():
        here = [] if leaf.left_out else places.get(leaf.path.removesuffix("[]"), [])
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


def of_whole_lists(mapper: Mapper) -> list[Place]:
    """What functions make of whole lists of objects: copies that belong to no single field."""
    fields = {leaf.path.removesuffix("[]") for leaf in mapper.mapping.schema.leaves()}
    return [place for place in mapper.mapping.places if place.path.removesuffix("[]") not in fields]


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
    whole = of_whole_lists(mapper)
    lines = _markdown(rows, whole) if format == "markdown" else _table(rows, whole)
    return "\n".join([*lines, "", summary(rows)]) + "\n"


def summary(rows: Iterable[Row]) -> str:
    """How many fields there are, and what becomes of them, in one line."""
    rows = list(rows)
    carried = sum(bool(row.two_way) for row in rows)
    left_out = sum(bool(row.left_out) for row in rows)
    lost = sum(not row.is_explained for row in rows)
    return f"{len(rows)} fields: {carried} carried both ways, {left_out} left out with a reason, {lost} unexplained"


def _as_json(row: Row) -> dict[str, Any]:
    places = [
        {"element": place.element, "line": str(place.line), "way": place.way} for place in (*row.two_way, *row.copies)
    ]
    return {"path": row.path, "type": row.type, "places": places, "leftOut": row.left_out}


def _table(rows: list[Row], whole: list[Place]) -> Iterator[str]:
    yield LEGEND
    for module, members in groupby(rows, key=lambda row: row.module):
        listed = list(members)
        yield ""
        yield module
        yield from _aligned([(row.name, list(_cells(row))) for row in listed])
    if whole:
        yield ""
        yield "made of whole lists"
        yield from _aligned([(place.path, [_cell(place)]) for place in whole])


def _aligned(entries: list[tuple[str, list[tuple[str, str, str]]]]) -> Iterator[str]:
    """Fields and what stands beside them, one under the other."""
    name_width = max(len(name) for name, _ in entries)
    line_width = max(len(line) for _, cells in entries for _, _, line in cells)
    for name, cells in entries:
        left = name
        for mark, text, line in cells:
            margin = f"  {left:{name_width}}  {mark} "
            if line_width:
                margin += f"{line:{line_width}}  "
            for part in _folded(text, WIDTH - len(margin)):
                yield (margin + part).rstrip()
                margin = " " * len(margin)
            left = ""


def _folded(text: str, width: int) -> Iterator[str]:
    """
    A text in pieces of at most a width, cut before a dot or a blank where there is one.

    >>> list(_folded("ResearchStudy.extension[ipd-sharing].extension[plan]", 40))
    ['ResearchStudy.extension[ipd-sharing]', '.extension[plan]']
    """
    while len(text) > width:
        cut = max(text.rfind(".", 1, width + 1), text.rfind(" ", 1, width + 1))
        cut = cut if cut > 0 else width
        yield text[:cut].rstrip()
        text = text[cut:].lstrip()
    yield text


def _markdown(rows: list[Row], whole: list[Place]) -> Iterator[str]:
    yield "# Where every field goes"
    yield ""
    yield f"{LEGEND}. The last column says which line of the mapping files does it."
    for module, members in groupby(rows, key=lambda row: row.module):
        yield from ("", f"## {module}", "", "| field | type | | FHIR | line |", "|---|---|---|---|---|")
        for row in members:
            field, kind = f"`{row.name}`", row.type
            for mark, text, line in _cells(row):
                shown = f"`{text}`" if line else text.replace("|", "\\|")
                yield f"| {field} | {kind} | {mark} | {shown} | {line} |"
                field, kind = "", ""
    if whole:
        yield from ("", "## Made of whole lists", "", "| list | | FHIR | line |", "|---|---|---|---|")
        for place in whole:
            yield f"| `{place.path}` | {MARKS[place.way]} | `{place.element}` | {place.line} |"


def _cells(row: Row) -> Iterator[tuple[str, str, str]]:
    """What stands beside a field: a mark, the element or the reason, the line."""
    yield from map(_cell, row.two_way)
    if row.left_out:
        yield "–", f"left out: {row.left_out}", ""
    elif not row.two_way:
        yield "!", UNEXPLAINED, ""
    yield from map(_cell, row.copies)


def _cell(place: Place) -> tuple[str, str, str]:
    return MARKS[place.way], place.element, str(place.line)
