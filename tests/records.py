"""
Invented records: hypothesis strategies made from the registry's own list of fields.

Every field of schema.json can occur, also those that no real record shows; a field that is added there is generated
here without another line. Values are what registries write and what goes wrong: unknown codes, dates that are none,
namesakes, text that looks like something else.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import orjson
from hypothesis import strategies as st

from fhirtrial.files import MappingFiles
from fhirtrial.readers import read
from fhirtrial.record import Record
from fhirtrial.schema import Schema
from fhirtrial.typed import PATTERNS

from .golden_update import cases, source, subject_cases

Json = dict[str, Any]

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "corpus" / "ctgov" / "studies.jsonl.gz"
SCHEMA = Schema.load(MappingFiles())

NAMES = ("Placebo", "Arm A", "Drug: Placebo", "Mayo Clinic", "Germany", "Other")
"""A few names for everything, so that namesakes are common: arms, interventions, outcomes, people and places."""

ODD = (
    "", " ", "\t", "\n\r ", "\u00a0", "\u2003", "\u200b", "\ufeff", "a\u2028b", " leading", "trailing ",
    "two  blanks", "two\nlines",
    "\x00", "a\x00b", "\x1f", "\x7f", "bell\x07", "\x85", "\ud7ff\ue000", "e\u0301", "😀", "👩\u200d👩\u200d👧",
    "\u202ertl", "Ünïcode",
    "$", "$.x", "$$.protocolSection", "hl7:x", "ct:Status", "our:x", "nct:", "urn:uuid:1", "null", "true",
    "NO", "1.10", "0",
    '"', "'", "\\", "\\u0000", '{"a": 1}', "<b>&amp;</b>", "{x}", "%s", "#", "|", "a|b", "/", "..", "?a=b",
    "https://example.org", "http://[", "www.example.org", "https://example.org/a b", "ftp://x\ty",
    "https://example.org/ü",
    "https://pubmed.ncbi.nlm.nih.gov/1/", "NCT00000001", "2021-001234-56", "2023-501234-56-00", "ISRCTN12345678",
    "18 Years", "1 Year", "+1 555 0100", "a@b.c", "x" * 70, "y" * 300, "z" * 5000, "ACTUAL", "SPONSOR", "RECRUITING",
)  # fmt: skip
DATES = (
    "2020", "2020-02", "2020-02-29", "2021-12-31", "1999-01", "0001-01-01", "9999-12-31",  # dates
    "2021-02-29", "2020-13", "2020-00-10", "2020-04-31", "0000", "20", "02/2020", "2020-1-1", "2020-01-01T10:00",
    "May 2020", "", " 2020", "2020 ", "２０２０", "2020-01-01\n",
)  # fmt: skip
MINUTES = (
    "2020-01-01T10:00",
    "2020-02-30T10:00",
    "2020-01-01T24:00",
    "2020-01-01",
    "2020",
    "",
    "now",
    "2020-01-01T10:00:00Z",
)
TIMES = (
    "18 Years", "1 Year", "6 Months", "90 Years", "3 Days", "1 Hour", "30 Minutes", "2 Weeks", "0 Years",
    "N/A", "", "18",
    "018 Years", "1.5 Years", "18 years", "18  Years", " 18 Years", "18 Yearss", "-1 Days", "999999999999999 Days",
    "9999999999999999 Days", "99999999999999999999999 Years", "１８ Years", "18 Decades", "1 Years", "2 Year",
    "18\nYears",
)  # fmt: skip
EDGES = (0, 1, -1, 17, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63))
NUMBERS = (0.0, -0.0, 0.1, 51.5, -122.33207, 1e-7, 1e300, -1e300, 5e-324, 1.0, 1e16, 123456789.123456789)
UNKNOWN = (
    "NEW_VALUE",
    "new value",
    "",
    " ",
    "recruiting",
    "Recruiting",
    "A|B",
    "a  b",
    "\x00",
    "ACTUAL ",
    "PHASE1+PHASE2",
    "ALL\n",
    "ü",
)


def _plain_text() -> st.SearchStrategy[str]:
    # No lone surrogates: they are not JSON, and the reader says so.
    letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    return st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(ODD), letters)


def values(kind: str) -> st.SearchStrategy[Any]:
    """What may stand in a field of a type of schema.json, or of an enumeration."""
    if kind in SCHEMA.enums:
        known = st.sampled_from(sorted(SCHEMA.enums[kind]))
        return st.one_of(known, known, known, st.sampled_from(UNKNOWN))
    if kind == "boolean":
        return st.booleans()
    if kind == "integer":
        return st.one_of(st.sampled_from(EDGES), st.integers(-(2**63), 2**63 - 1))
    if kind == "number":
        finite = st.floats(allow_nan=False, allow_infinity=False)
        # A float beyond 63 bits that is whole reads as an integer that was too long: the reader refuses it.
        return st.one_of(st.sampled_from(NUMBERS), finite, st.sampled_from(EDGES))
    if kind in ("date", "day"):
        return st.one_of(st.sampled_from(DATES[:7]), st.sampled_from(DATES), st.dates().map(str))
    if kind == "minute":
        return st.sampled_from(MINUTES)
    if kind == "time":
        return st.one_of(st.sampled_from(TIMES), st.sampled_from(TIMES[:8]))
    return _plain_text()


def _one(field: Mapping[str, Any], path: str, *, full: bool) -> st.SearchStrategy[Any]:
    if path == ".".join(SCHEMA.id.path):
        return st.from_regex(SCHEMA.id.pattern, fullmatch=True).filter(str.isascii)
    if "fields" in field:
        return _object(field["fields"], path, full=full)
    return values(field["type"])


def _field(field: Mapping[str, Any], path: str, *, full: bool) -> st.SearchStrategy[Any]:
    one = _one(field, path, full=full)
    if not field.get("list"):
        return one
    if full:
        return st.lists(one, min_size=1, max_size=2)
    # The same item twice, too: the order and the number of equal items must survive.
    return st.lists(one, max_size=4) | one.map(lambda item: [item, item])


def _object(fields: Mapping[str, Any], path: str, *, full: bool) -> st.SearchStrategy[Json]:
    members = {}
    for name, field in fields.items():
        here = f"{path}.{name}" if path else name
        if here not in SCHEMA.left_out:
            members[name] = _field(field, here, full=full)
    if full:
        return st.fixed_dictionaries(members)
    id_path = ".".join(SCHEMA.id.path)
    needed = {name: members.pop(name) for name in list(members) if _begins(id_path, f"{path}.{name}" if path else name)}
    return st.fixed_dictionaries(needed, optional=members)


def _begins(path: str, with_path: str) -> bool:
    return path == with_path or path.startswith(f"{with_path}.")


@cache
def trees() -> st.SearchStrategy[Json]:
    """
    The JSON trees of studies, not yet canonical: empty objects and lists occur.

    Three of four hold some of the fields, so that what depends on another being absent is met; one holds them all.
    """
    sparse, full = (_object(SCHEMA.tree, "", full=full) for full in (False, True))
    return st.integers(0, 3).flatmap(lambda kind: full if kind == 3 else sparse)


def record_of(tree: Json) -> Record:
    """The record that the reader makes of a tree."""
    return next(read(orjson.dumps(tree), format="study"))


def golden() -> Iterator[tuple[str, Record]]:
    """The records of the golden cases by name."""
    for case in cases():
        yield case.name, source(case)


def golden_subjects() -> Iterator[tuple[str, Record]]:
    """The records of the golden cases about subjects by name."""
    for case in subject_cases():
        yield case.name, source(case)


def shared() -> Iterator[Record]:
    """All records of the shared corpus; none where it is not at hand."""
    if SHARED.exists():
        yield from read(SHARED)


def at_hand() -> list[Record]:
    """The records of the shared corpus, else those of the golden cases."""
    return list(shared()) or [record for _, record in golden()]


def spoiled(studies: Sequence[Json], odd: Sequence[Any], *, count: int, seed: int) -> Iterator[tuple[Any, bytes]]:
    """So many of the studies, each with something odd in one place that the mapping carries: that, and their text."""
    chance = random.Random(seed)
    for _ in range(count):
        data = copy.deepcopy(chance.choice(studies))
        holder, key = chance.choice(list(_carried_places(data)))
        holder[key] = copy.deepcopy(chance.choice(odd))
        yield holder[key], json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def _carried_places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, Any]]:
    for key, value in list(node.items() if isinstance(node, dict) else enumerate(node)):
        yield node, key
        left_out = ".".join(str(part) for part in (*path, key) if isinstance(part, str)) in SCHEMA.left_out
        if isinstance(value, dict | list) and not left_out:
            yield from _carried_places(value, (*path, key))


_LOOKED_AT = {*map(chr, range(32)), "\\"} - {*"\t\n\r"}


def made_sound(tree: Json) -> Json:
    """A tree of which a reader has nothing to say: known codes, days of the calendar, texts that are none of the odd."""
    return _sound(tree, SCHEMA.tree)


def _sound(tree: Json, fields: Mapping[str, Any]) -> Json:
    kept = {}
    for name, value in tree.items():
        one = _sound_one if not isinstance(value, list) else _sound_items
        found = one(value, fields[name])
        if found not in ({}, [], None):
            kept[name] = found
    return kept


def _sound_items(items: list[Any], field: Mapping[str, Any]) -> list[Any]:
    return [found for item in items if (found := _sound_one(item, field)) not in ({}, None)]


def _sound_one(value: Any, field: Mapping[str, Any]) -> Any:
    kind = field["type"]
    if kind == "object":
        return _sound(value, field["fields"])
    if kind in SCHEMA.enums:
        return value if value in SCHEMA.enums[kind] else next(iter(SCHEMA.enums[kind]))
    if kind in PATTERNS:
        fitting = {"date": "2020-02", "day": "2020-02-29", "minute": "2020-02-29T10:00", "time": "18 Years"}[kind]
        return value if re.fullmatch(PATTERNS[kind], value) else fitting
    if isinstance(value, str):
        # A backslash may look like the escape of a control character.
        return "".join(letter for letter in value if letter not in _LOOKED_AT) or None
    return value
