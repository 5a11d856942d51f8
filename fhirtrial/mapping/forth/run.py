"""What the generated code of the way forth works with: one record, what is made of it, and the seldom-used helpers."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from datetime import tzinfo
from typing import Any, TypeAlias

import orjson
from orjson import Fragment

from fhirtrial.codes import Coding, Table
from fhirtrial.errors import InputError
from fhirtrial.issue import Issue, Notice, nearest
from fhirtrial.mapping.forth.finishing import Finish
from fhirtrial.mapping.verbatim import ABSENT, beside, inside, is_code

EMPTY: dict[str, Any] = {}
NOTHING: frozenset[str] = frozenset()

Calling: TypeAlias = tuple[Any, tuple[tuple[str, ...], dict[str, str]]]
"""Where the facts of a shared resource come from: the item (or the calling of the resource that handed them on), the
item's fields from the record's root, and by fact its path in the item."""

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


class ForthRun:
    """
    One record on its way to FHIR.

    ``out`` holds the text of each resource by reference (``"Location/…"``), what others refer to before what refers;
    resources whose reference is in ``skip`` are not made again (a bulk writer has them already). ``made`` holds the
    references of those that there is one of in a record, by file. ``zone`` is that of times which say none.
    """

    __slots__ = ("calling", "finish", "issues", "made", "out", "record", "seen", "skip", "verbatim_url", "zone")

    finish: Finish | None

    def __init__(
        self,
        record: dict[str, Any],
        verbatim_url: str,
        skip: Container[str] = NOTHING,
        zone: tzinfo | None = None,
    ) -> None:
        self.record = record
        self.zone = zone
        self.out: dict[str, bytes] = {}
        self.issues: list[Issue] = []
        self.seen: dict[Any, str] = {}
        self.skip = skip
        self.verbatim_url = verbatim_url
        self.calling: Calling = (record, ((), {}))
        self.finish = None
        self.made: dict[str, str] = {}

    def say(self, severity: Any, code: str, message: str, path: str, mapping: str, hint: str = "") -> None:
        """Notes a finding."""
        issue = Issue(severity=severity, code=code, message=message, path=path, mapping=mapping, hint=hint)
        self.issues.append(issue)

    def doubt(self, code: str, doubt: str | Notice, path: str, mapping: str) -> None:
        """Notes what is wrong with values, or worth saying of them, once where many rows say the same."""
        noticed = isinstance(doubt, Notice)
        code, message = (doubt.code, doubt.message) if isinstance(doubt, Notice) else (code, doubt)
        if (code, message) not in self.seen:
            self.seen[code, message] = path
            self.say("information" if noticed else "warning", code, message, path, mapping)

    def refuse(self, key: str, value: Any, fhir_type: str, path: str, mapping: str, why: str = "") -> dict[str, Any]:
        """The members that carry a value which its FHIR type cannot hold: beside the element, not in it."""
        reason = why or (f"is no FHIR {fhir_type}" if fhir_type else "has no form in FHIR")
        message = f"{show(value)} {reason}: carried beside the element"
        self.say(*(("warning", "contradiction") if why else ("information", "not-fhir")), message, path, mapping)
        # What contradicts another value must not stay, even if FHIR would take it.
        return beside(key, value, "" if why else fhir_type, self.verbatim_url, self.zone)

    def refuse_inside(
        self, key: str, value: Any, fhir_type: str, path: str, mapping: str, why: str = ""
    ) -> dict[str, Any]:
        """The same within an extension, which holds either a value or extensions (ext-1): instead of the value."""
        self.refuse(key, value, fhir_type, path, mapping, why)
        return inside(value, self.verbatim_url)

    def absent(self, key: str, shape: str, element: str, path: str, mapping: str) -> dict[str, Any]:
        """The member that says that an element which FHIR requires is not in the record."""
        self.say("warning", "absent", f"the record lacks what FHIR requires for {element}", path, mapping)
        return {f"_{key}": ABSENT} if shape == "primitive" else {key: [ABSENT] if shape == "many" else ABSENT}

    def unknown(
        self, table: Table, value: str, path: str, mapping: str, before: bytes = b"", after: bytes = b""
    ) -> Any:
        """A code that the table does not have: it travels as the registry's own, and is reported."""
        hint = nearest(value, table.labels)
        self.say("warning", "unknown-value", f"{show(value)} has no row in {table.file}", path, mapping, hint)
        coding = {"system": table.own, "code": value}
        if not is_code(value):
            coding = {"system": table.own} | beside("code", value, "code", self.verbatim_url)
        written = before + orjson.dumps(coding) + after
        return Fragment(written) if self.finish is None else orjson.loads(written)

    def find(self, reference: str) -> dict[str, Any] | None:
        """A resource that has been made."""
        text = self.out.get(reference)
        return None if text is None else orjson.loads(text)

    def identifier(self, text: str) -> str:
        """An id that FHIR takes. Raises InputError for what is none: the record has not been checked."""
        if not _ID.fullmatch(text):
            message = f"{show(text)} cannot be the id of a resource"
            hint = "letters, digits, - and ., at most 64; records from read() have been checked"
            raise InputError(Issue(severity="error", code="wrong-id", message=message, hint=hint))
        return text

    def unique(self, identifier: str) -> str:
        """The id, with -2, -3 … for namesakes within one study, in the registry's order."""
        found, number = identifier, 1
        while found in self.seen:
            number += 1
            found = f"{identifier}-{number}"
        self.seen[found] = found
        return found

    def place(self, item: Any, keys: tuple[str, ...]) -> str:
        """How the path of an item is spelt, ``keys`` being its fields from the record's root."""
        return next(_spellings(self.record, item, keys, ""), ".".join(keys))

    def fact(self, name: str) -> str:
        """How the path of a fact is spelt that was handed to a shared resource, perhaps by another shared one."""
        calling, (keys, names) = self.calling
        name = names.get(name, name)
        while isinstance(calling, tuple):
            calling, (keys, names) = calling
            name = names.get(name, name)
        return ".".join(filter(None, [self.place(calling, keys), name]))


def _spellings(node: Any, item: Any, keys: tuple[str, ...], spelt: str) -> Iterator[str]:
    if node is item and not keys:
        yield spelt
    elif isinstance(node, list):
        for place, inner in enumerate(node):
            yield from _spellings(inner, item, keys, f"{spelt}[{place}]")
    elif keys and isinstance(node, dict) and keys[0] in node:
        yield from _spellings(node[keys[0]], item, keys[1:], f"{spelt}.{keys[0]}" if spelt else keys[0])


def show(value: Any, most: int = 60) -> str:
    """A value for a message, cut where it gets long."""
    text = repr(value)
    return text if len(text) <= most else text[: most - 3] + "…" + (text[0] if isinstance(value, str) else "")


def row_of(rows: Any, name: str, value: str) -> Any:
    """The first row of a list that has this value in a field; an empty one if none has."""
    return next((row for row in rows if row.get(name) == value), EMPTY)


def place_of(items: Any, item: Any) -> int:
    """Where in a list an item stands (by identity: equal items are not the same item)."""
    return next((place for place, found in enumerate(items) if found is item), 0)


def opened(written: bytes) -> Any:
    """What a Fragment says; several values after each other as a list."""
    try:
        return orjson.loads(written)
    except orjson.JSONDecodeError:
        return orjson.loads(b"[" + written + b"]")


def coding_texts(table: Table) -> dict[str, bytes]:
    """For each code of a table the text of its codings, one after the other."""
    return {code: b",".join(map(coding_text, codings)) for code, codings in table.forth.items()}


def own_texts(table: Table) -> dict[str, bytes]:
    """For each code of a table the text of the registry's own coding."""
    return {code: coding_text(codings[-1]) for code, codings in table.forth.items()}


def coding_text(coding: Coding) -> bytes:
    """A coding as JSON."""
    display = {"display": coding.display} if coding.display else {}
    return orjson.dumps({"system": coding.system, "code": coding.code, **display})
