"""What `$` means at a place of a mapping file, and which fields it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhirtrial.issue import nearest
from fhirtrial.mapping.language.nodes import Copy, Path, Through

_CHOSEN = re.compile(r"([^(]+)\(([^=)]+)=([^)]+)\)")

Fields = Mapping[str, Any]
"""A field of the registry's schema: ``type``, ``list`` and, for objects, ``fields``."""

ANY: Fields = {"type": "any"}
"""A field of which nothing is known: what a function made."""


def chosen(key: str) -> tuple[str, str, str] | None:
    """
    Of a step of a path that names one row of a list: the list, the field that tells the row, and its value.

    >>> chosen("ts(TSPARMCD=TPHASE)"), chosen("ts")
    (('ts', 'TSPARMCD', 'TPHASE'), None)
    """
    found = _CHOSEN.fullmatch(key)
    return (found[1], found[2], found[3]) if found else None


@dataclass(frozen=True, slots=True)
class Scope:
    """
    A current item.

    ``at`` is the schema path of the item from the record's root (``("protocolSection", "outcomesModule")``; items of a
    list share the list's path), ``inner`` what ``at:`` has added since, ``field`` the item's schema.
    """

    at: tuple[str, ...]
    inner: tuple[str, ...]
    field: Fields

    @classmethod
    def of_facts(cls, facts: tuple[str, ...]) -> Scope:
        """The `$` of a shared file: the facts of its identity and nothing else."""
        fields: dict[str, Any] = {}
        for fact in facts:
            place = fields
            *parents, last = fact.split(".")
            for key in parents:
                place = place.setdefault(key, {"type": "object", "fields": {}})["fields"]
            place[last] = ANY
        return cls((), (), {"type": "object", "fields": fields})

    def below(self, keys: tuple[str, ...]) -> Scope:
        """The scope after ``at:``; ``keys`` count from the item."""
        return Scope(self.at, keys, self.field)

    def entered(self) -> Scope:
        """The scope of another file that is used here: what ``at:`` has added is its `$`."""
        return Scope(self.at + self.inner, (), self.descend(self.inner))

    def each(self, source: Path | Copy | Through) -> Scope:
        """The scope of one item of a list."""
        if isinstance(source, Path):
            return Scope(self.at + source.keys, (), {**self.descend(source.keys), "list": False})
        if isinstance(source, Copy) and source.function is None:
            field = self.descend(source.sources[0].keys)
            return Scope(self.at + source.sources[0].keys, (), {**field, "list": False})
        return Scope(self.at, (), ANY)

    def descend(self, keys: tuple[str, ...]) -> Fields:
        """The schema of a field below the item."""
        field = self.field
        for key in keys:
            if field["type"] == "any":
                return ANY
            row = chosen(key)
            field = field["fields"][row[0] if row else key]
        return field

    def unknown(self, keys: tuple[str, ...]) -> str:
        """Why a path is none of this item's (empty: it is)."""
        field = self.field
        for place, key in enumerate(keys):
            if field["type"] == "any":
                return ""
            known = field.get("fields", {})
            row = chosen(key)
            name = row[0] if row else key
            where = ".".join(("$", *keys[:place]))
            if name not in known:
                return f"{name!r} is no field of {where}; {nearest(name, known) or 'the record has none like it'}"
            field = known[name]
            if row and (problem := _no_row(row, field)):
                return problem
            if field.get("list") and not row and place < len(keys) - 1:
                return f"{key!r} is a list: use `each`"
        return ""

    def not_a_list(self, keys: tuple[str, ...]) -> str:
        """Why ``each`` cannot walk over a path (empty: it can)."""
        field = self.descend(keys)
        return "" if field["type"] == "any" or field.get("list") else f"{'.'.join(('$', *keys))} is no list"


def _no_row(row: tuple[str, str, str], field: Fields) -> str:
    """Why a row cannot be chosen (empty: it can)."""
    name, told_by, _ = row
    if not field.get("list"):
        return f"{name!r} is no list: it has no rows to choose from"
    known = field.get("fields", {})
    if told_by in known:
        return ""
    return f"{told_by!r} is no field of {name}; {nearest(told_by, known) or 'the record has none like it'}"
