"""What the generated code of the way forth works with: one record, what is made of it, and the seldom-used helpers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container
from typing import Any

import orjson

from fhirtrial.codes import Table
from fhirtrial.issue import Issue, nearest
from fhirtrial.mapping.verbatim import ABSENT, put_beside

EMPTY: dict[str, Any] = {}
NOTHING: frozenset[str] = frozenset()


class ForthRun:
    """
    One record on its way to FHIR.

    ``out`` holds the resources by reference in the order in which they were found; resources whose reference is in
    ``skip`` are not built again (a bulk writer has them already).
    """

    __slots__ = ("issues", "out", "record", "seen", "skip", "verbatim_url")

    def __init__(self, record: dict[str, Any], verbatim_url: str, skip: Container[str] = NOTHING) -> None:
        self.record = record
        self.out: dict[str, dict[str, Any]] = {}
        self.issues: list[Issue] = []
        self.seen: dict[Any, str] = {}
        self.skip = skip
        self.verbatim_url = verbatim_url

    def say(self, severity: Any, code: str, message: str, path: str, mapping: str, hint: str = "") -> None:
        """Notes a finding."""
        issue = Issue(severity=severity, code=code, message=message, path=path, mapping=mapping, hint=hint)
        self.issues.append(issue)

    def refuse(
        self, target: dict[str, Any], key: str, value: Any, fhir_type: str, path: str, mapping: str, why: str = ""
    ) -> None:
        """Puts beside an element what its FHIR type cannot hold."""
        put_beside(target, key, value, fhir_type, self.verbatim_url)
        self.say(
            "information",
            "not-fhir",
            f"{show(value)} {why or (f'is no FHIR {fhir_type}' if fhir_type else 'has no form in FHIR')}: carried beside the element",
            path,
            mapping,
        )

    def absent(self, target: dict[str, Any], key: str, shape: str, element: str, path: str, mapping: str) -> None:
        """Says that an element which FHIR requires is not in the record."""
        if shape == "primitive":
            target[f"_{key}"] = {"extension": [dict(ABSENT["extension"][0])]}
        else:
            reason = {"extension": [dict(ABSENT["extension"][0])]}
            target[key] = [reason] if shape == "many" else reason
        self.say("warning", "absent", f"the record lacks what FHIR requires for {element}", path, mapping)

    def unknown(self, table: Table, value: str, path: str, mapping: str) -> list[dict[str, str]]:
        """A code that the table does not have: it travels as the registry's own, and is reported."""
        hint = nearest(value, table.labels)
        self.say("warning", "unknown-value", f"{show(value)} has no row in {table.file}", path, mapping, hint)
        return [{"system": table.own, "code": value}]

    def unnamed(self, value: Any, known: tuple[Any, ...], path: str, mapping: str) -> None:
        """A value of which no line of the mapping knows what it means; it travels as it is."""
        hint = nearest(value, map(str, known))
        self.say("warning", "unknown-value", f"{show(value)} is none of {', '.join(map(str, known))}", path, mapping, hint)

    def unique(self, identifier: str) -> str:
        """The id, with -2, -3 … for namesakes within one study, in the registry's order."""
        if identifier not in self.seen:
            self.seen[identifier] = identifier
            return identifier
        number = 2
        while f"{identifier}-{number}" in self.seen:
            number += 1
        return self.unique(f"{identifier}-{number}")


def show(value: Any) -> str:
    """A value for a message, cut where it gets long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…" + (text[0] if isinstance(value, str) else "")


def digest(*facts: Any) -> str:
    """SHA-256 over the JSON list of the facts as written, absent ones as null; in hex."""
    return hashlib.sha256(orjson.dumps(facts)).hexdigest()


def place_of(items: Any, item: Any) -> int:
    """Where in a list an item stands (by identity: equal items are not the same item)."""
    return next((place for place, found in enumerate(items) if found is item), 0)


def makers(table: Table) -> dict[str, Callable[[], list[dict[str, str]]]]:
    """For each code of a table the function that writes its codings anew, so that nobody shares what others may edit."""
    made: dict[str, Callable[[], list[dict[str, str]]]] = {}
    for code, codings in table.forth.items():
        written = [
            {"system": coding.system, "code": coding.code} | ({"display": coding.display} if coding.display else {})
            for coding in codings
        ]
        made[code] = eval(f"lambda: {written!r}")  # literals of our own table: a display builds faster than copies
    return made
