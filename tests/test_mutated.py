"""
Records damaged at random: each is converted, or refused with one error of ours that says where.

Set FHIRTRIAL_LONG=1 for a hundred thousand of them.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import orjson

from fhirtrial.errors import FhirtrialError
from fhirtrial.issue import Issue
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.readers import read
from fhirtrial.readers.json_study import record as record_of_piece
from fhirtrial.readers.source import Piece
from fhirtrial.record import Origin, Record

from .properties import identified_wrongly, restored_wrongly
from .records import EDGES, NUMBERS, ODD, SCHEMA, at_hand

Json = Any
COUNT = 100_000 if os.environ.get("FHIRTRIAL_LONG") else 3_000
SEED = 20_240_229
OTHERS: tuple[Json, ...] = (
    None, True, False, {}, [], [[]], [{}], [None], {"a": 1}, {"": ""}, ["a"], [1], *ODD, *EDGES, *NUMBERS, 2**70, 1e308,
)  # fmt: skip
MAPPER = Mapper()


def places(node: Json) -> list[tuple[Json, Any]]:
    """Every member and entry of a tree: what holds it, and its key."""
    found: list[tuple[Json, Any]] = []
    waiting = [node]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
    return found


def drop(tree: Json, dice: random.Random) -> None:
    """Takes something away."""
    holder, key = dice.choice(places(tree))
    del holder[key]


def retype(tree: Json, dice: random.Random) -> None:
    """Puts something else in its place."""
    holder, key = dice.choice(places(tree))
    holder[key] = deepcopy(dice.choice(OTHERS))


def wrap(tree: Json, dice: random.Random) -> None:
    """Puts it into a list or an object, or takes it out."""
    holder, key = dice.choice(places(tree))
    value = holder[key]
    if isinstance(value, list) and value and dice.random() < 0.5:
        holder[key] = value[0]
    elif isinstance(value, dict) and value and dice.random() < 0.5:
        holder[key] = next(iter(value.values()))
    else:
        holder[key] = [value] if dice.random() < 0.5 else {str(key): value}


def swap(tree: Json, dice: random.Random) -> None:
    """Lets two things change places."""
    found = places(tree)
    (one, first), (other, second) = dice.choice(found), dice.choice(found)
    before, after = deepcopy(one[first]), deepcopy(other[second])
    one[first] = after
    other[second] = before


def repeat(tree: Json, dice: random.Random) -> None:
    """Makes a list longer by what is in it already."""
    lists = [holder[key] for holder, key in places(tree) if isinstance(holder[key], list) and holder[key]]
    if lists:
        found = dice.choice(lists)
        found.insert(dice.randrange(len(found) + 1), deepcopy(dice.choice(found)))


def rename(tree: Json, dice: random.Random) -> None:
    """Gives a member another name."""
    members = [(holder, key) for holder, key in places(tree) if isinstance(holder, dict)]
    holder, key = dice.choice(members)
    name = dice.choice([key + "s", key.upper(), "", "resourceType", "nctId", key[:-1], dice.choice(members)[1]])
    holder[name] = holder.pop(key)


def truncated(raw: bytes, dice: random.Random) -> bytes:
    """Ends in the middle."""
    return raw[: dice.randrange(1, len(raw))]


def garbled(raw: bytes, dice: random.Random) -> bytes:
    """Some bytes are others."""
    spoilt = bytearray(raw)
    for _ in range(dice.randrange(1, 4)):
        spoilt[dice.randrange(len(spoilt))] = dice.choice(b'"\\{}[],:\x00\x01\x7f\x80\xc3\xff01-e. nu\x08\x0c')
    return bytes(spoilt)


def spliced(raw: bytes, dice: random.Random) -> bytes:
    """A part is missing, or stands there twice."""
    start = dice.randrange(len(raw))
    end = min(len(raw), start + dice.randrange(1, 60))
    return raw[:start] + (raw[end:] if dice.random() < 0.5 else raw[start:end] + raw[start:])


TREES: tuple[Callable[[Json, random.Random], None], ...] = (drop, retype, retype, retype, wrap, swap, repeat, rename)
BYTES = (truncated, garbled, spliced)


def mutated(records: list[bytes], count: int, dice: random.Random) -> Iterator[bytes]:
    """So many damaged records, each one line."""
    for _ in range(count):
        raw = dice.choice(records)
        if dice.random() < 0.25:
            yield dice.choice(BYTES)(raw, dice).replace(b"\n", b" ")
            continue
        tree = orjson.loads(raw)
        for _ in range(dice.choice((1, 1, 2, 3, 8))):
            if tree:
                dice.choice(TREES)(tree, dice)
        try:
            yield orjson.dumps(tree)
        except TypeError:  # an integer of more than 64 bits, which a source may well hold
            yield json.dumps(tree).encode()


def small(records: list[Record]) -> list[bytes]:
    """The records as bytes, those of middling size only: a mutation of a giant says no more and takes longer."""
    raw = [orjson.dumps(record.data) for record in records]
    return [line for line in raw if len(line) < 30_000]


def test_damaged_records() -> None:
    """
    Whatever is done to a record, only errors of ours come, each refusal names the line, and what is taken comes back.

    Every seventh that is taken is restored, too: it must come back as the reader understood it. And every third is read
    as a run that converts reads it, without what the mapping leaves out: the same comes of it.
    """
    dice = random.Random(SEED)
    refused: list[Issue] = []
    told: Counter[str] = Counter()
    wrong: list[tuple[bytes, object]] = []
    taken = 0
    # One line at a time, so that two mutations of one study are not refused as duplicates; the line number is kept.
    for number, line in enumerate(mutated(small(at_hand()), COUNT, dice)):
        before = (taken, len(refused))
        try:
            for record in read(line + b"\n", format="jsonl", refused=refused.append):
                conversion = MAPPER.convert(record)
                taken += 1
                told.update(issue.code for issue in conversion.issues)
                unplaced = [str(issue) for issue in conversion.issues if not issue.path or issue.place != "<bytes>:1"]
                # A field without a name has a path without a name.
                unplaced = [text for text in unplaced if "'' is no field of ctgov" not in text]
                if unplaced:
                    wrong.append((line[:3000], unplaced))
                if number % 7 == 0:
                    found = [*restored_wrongly(MAPPER, record, conversion), *identified_wrongly(conversion)]
                    if found:
                        wrong.append((line[:3000], found[0][:500]))
                if number % 3 == 0:
                    quick = quickly(line)
                    if isinstance(quick, Issue) or quick != (conversion.texts, conversion.issues):
                        wrong.append((line[:3000], f"without what is left out: {quick}"[:500]))
            if number % 3 == 0 and len(refused) > before[1] and not in_left_out(refused[-1]):
                quick = quickly(line)
                if quick != refused[-1]:
                    wrong.append((line[:3000], f"refused otherwise without what is left out: {quick}"[:500]))
        except FhirtrialError as error:
            wrong.append((line[:3000], f"refused by the mapper, not the reader: {error}"))
        except Exception as error:  # the point of the test
            wrong.append((line[:3000], f"{type(error).__name__}: {error}"))
        if sum(before) + 1 != taken + len(refused) and line.strip():
            wrong.append((line[:3000], "neither taken nor refused once"))
    assert wrong[:5] == []
    assert all(issue.severity == "error" and issue.place == "<bytes>:1" and issue.message for issue in refused)
    by_tree = {"wrong-type", "out-of-range", "bad-id", "missing-id"}
    assert all(issue.path for issue in refused if issue.code in by_tree)
    # The damage is of many kinds: otherwise this test would say little.
    assert taken > COUNT // 5
    assert {issue.code for issue in refused} >= {
        "wrong-type",
        "bad-id",
        "missing-id",
        "truncated",
        "not-json",
        "duplicate-key",
    }
    assert told.keys() >= {"unknown-value", "unknown-field", "not-fhir"}


def quickly(line: bytes) -> Issue | tuple[Mapping[str, bytes], tuple[Issue, ...]]:
    """What a run that converts makes of a line: resources and issues, or the reason why nothing."""
    piece = Piece(origin=Origin(file="<bytes>", line=1), raw=line.rstrip())
    found = record_of_piece(piece, SCHEMA, whole=False)
    if isinstance(found, Issue):
        return found
    made = MAPPER.convert(found)
    return made.texts, made.issues


def in_left_out(issue: Issue) -> bool:
    """Whether a record was refused for what stands twice in a part that the mapping leaves out."""
    path = re.sub(r"\[[0-9]+\]", "", issue.path)
    return issue.code == "duplicate-key" and any(path.startswith(f"{part}.") for part in SCHEMA.left_out)


def test_a_bad_line_spoils_no_other() -> None:
    """In one file, every good record among damaged ones is taken, in order, and each refusal names its own line."""
    dice = random.Random(SEED)
    good = at_hand()[:60]
    lines: list[bytes] = []
    bad: list[int] = []
    for record in good:
        spoilt = truncated(orjson.dumps(record.data), dice)
        lines += [spoilt, orjson.dumps(record.data)]
        bad.append(len(lines) - 1)
    refused: list[Issue] = []
    found = list(read(b"\n".join(lines), format="jsonl", refused=refused.append))
    assert [record.id for record in found] == [record.id for record in good]
    assert [MAPPER.convert(record).texts for record in found] == [MAPPER.convert(record).texts for record in good]
    assert [issue.place for issue in refused] == [f"<bytes>:{number}" for number in bad]
