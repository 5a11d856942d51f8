"""From the bytes of one study to its Record: parsed, checked against the schema, named."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import replace
from typing import Any

import orjson

from fhirtrial.errors import InputError
from fhirtrial.issue import Issue
from fhirtrial.readers.detect import WIDE_MARKS
from fhirtrial.readers.duplicates import first_duplicate
from fhirtrial.readers.source import Piece, refusal
from fhirtrial.record import Origin, Record
from fhirtrial.schema import Schema

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_BEGINNING = 200
"""The bytes of a text at which one sees whether it is written with blanks."""

_NO_NUMBER = ("NaN", "Infinity", "-Infinity")


def record(piece: Piece, schema: Schema, *, whole: bool = True) -> Record | Issue:
    """
    The record that the bytes are, or the one reason why they are none.

    Not the ``whole``: without what the mapping leaves out, of which then only matters that it is JSON.
    """
    noticed: tuple[Issue, ...] = ()
    try:
        if piece.is_text:
            tree, noticed = _page_text(piece)
        else:
            tree, is_sound = _read(piece, schema, whole=whole)
            if is_sound:
                name = record_id(tree, schema)
                if isinstance(name, Issue):
                    return replace(name, place=str(piece.origin))
                return Record(registry=schema.registry, id=name, data=tree, origin=piece.origin, sound=not whole)
        name = record_id(tree, schema)
        if not isinstance(tree, dict) or schema.fields.isdisjoint(tree):
            return _no_study(tree, schema, str(piece.origin))
        data, found = schema.check(tree)
    except InputError as error:
        return error.issue
    place = str(piece.origin)
    issues = [*noticed, *found]
    if issues:
        known = name if isinstance(name, str) else ""
        issues = [replace(issue, record=known, place=issue.place or place) for issue in issues]
        errors = [issue for issue in issues if issue.severity == "error"]
        if errors:
            return _with_others(errors)
    if isinstance(name, Issue):
        return replace(name, place=place)
    if not whole:
        data = schema.looked_into(data)
    return Record(registry=schema.registry, id=name, data=data, origin=piece.origin, issues=tuple(issues))


def _read(piece: Piece, schema: Schema, *, whole: bool) -> tuple[Any, bool]:
    """The tree of a piece, and whether there is nothing to say about it. Raises InputError as `parse` does."""
    raw, quick = piece.raw, schema.whole if whole else schema.carried
    # Who writes blanks does so from the beginning: then the text is written the shortest way first.
    spaced = raw.find(b'": ', 0, _BEGINNING) >= 0
    tree = None if spaced else quick(raw)
    if tree is not None:
        return tree, True
    parsed, written = _parsed(piece, () if whole else schema.left_out)
    tree = quick(written) if spaced or written != raw else None
    return (parsed, False) if tree is None else (tree, True)


def _page_text(piece: Piece) -> tuple[Any, tuple[Issue, ...]]:
    # Only who reads page texts pays for their reader.
    from fhirtrial.readers.page import read_page

    try:
        text = piece.raw.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(piece, error) from error
    # The reader of page texts adds the line of each of its findings to the place itself.
    data, issues = read_page(text, replace(piece.origin, line=0))
    return data, tuple(issues)


def record_id(data: Any, schema: Schema) -> str | Issue:
    """The record's id, or what is wrong with it."""
    value = data
    for name in schema.id.path:
        value = value.get(name) if isinstance(value, dict) else None
    path, example = ".".join(schema.id.path), schema.id.example
    if not value:
        return _error("missing-id", "the record has no id", path, f"an id looks like {example}")
    if isinstance(value, str) and schema.id.pattern.fullmatch(value):
        return value
    digits = re.sub("[^0-9]", "", str(value))
    candidate = example[: len(example) - len(digits)] + digits
    meant = len(digits) == len(re.sub("[^0-9]", "", example)) and schema.id.pattern.fullmatch(candidate)
    hint = f"did you mean {candidate}?" if meant else f"an id looks like {example}"
    return _error("bad-id", f"{value!r} is no id", path, hint)


def parse(piece: Piece) -> Any:
    """The JSON tree of a piece. Raises InputError if it is not JSON, or says one thing twice."""
    return _parsed(piece)[0]


def _parsed(piece: Piece, passed_over: Container[str] = ()) -> tuple[Any, bytes]:
    """The same, with its text without blanks. Under the paths that are passed over a thing may be said twice."""
    raw, tree = piece.raw, piece.tree
    if tree is None:
        try:
            tree = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise _not_json(piece, error) from error
    try:
        written = orjson.dumps(tree)
    except TypeError as error:
        raise _too_deep(piece) from error
    # A key that stands twice is lost in the tree, and its two quotes with it. Bytes that come out as they went in
    # lost nothing; where they are written otherwise (blanks, escapes) the quotes are counted.
    if written != raw and (written.count(b'"') != raw.count(b'"') or b"\\u0022" in raw):
        twice = first_duplicate(raw, passed_over)
        if twice is not None:
            path, offset = twice
            origin, column = _place(piece, offset)
            key = path.rpartition(".")[2]
            message = f"the key {key!r} stands twice in one object (line {origin.line}, column {column})"
            issue = _error("duplicate-key", message, path, "keep one of the two")
            raise InputError(replace(issue, place=str(piece.origin)))
    return tree, written


def _not_json(piece: Piece, error: orjson.JSONDecodeError) -> InputError:
    """The error for bytes that are not JSON: what is wrong, on which line, at which byte of it."""
    raw = piece.raw
    for mark, name in WIDE_MARKS.items():
        if raw.startswith(mark):
            return refusal("not-utf-8", f"the text is {name}", piece.origin, hint="save it as UTF-8")
    try:
        text = raw.decode()
    except UnicodeDecodeError as bad:
        return _not_utf8(piece, bad)
    offset = len(text[: error.pos].encode())
    origin, column = _place(piece, offset)
    where = f"(line {origin.line}, column {column})"
    rest = text[error.pos :]
    if not rest.strip():
        return refusal("truncated", f"the JSON ends in the middle of a value {where}", piece.origin)
    if "depth" in error.msg or "ecursion" in error.msg:
        return _too_deep(piece)
    if "surrogate" in error.msg and (half := _SURROGATE.match(text, error.pos)):
        return refusal("not-json", f"{half[0]} is half a character: its other half is missing {where}", piece.origin)
    hint = "JSON has no NaN and no Infinity" if rest.startswith(_NO_NUMBER) else ""
    return refusal("not-json", f"not JSON: {error.msg} {where}", piece.origin, hint=hint)


def _not_utf8(piece: Piece, error: UnicodeDecodeError) -> InputError:
    origin, column = _place(piece, error.start)
    message = f"byte 0x{error.object[error.start]:02x} is not UTF-8 (line {origin.line}, column {column})"
    return refusal("not-utf-8", message, piece.origin, hint="save it as UTF-8")


def _too_deep(piece: Piece) -> InputError:
    return refusal("too-deep", "the JSON is nested more than 250 levels deep: no study is", piece.origin)


def _place(piece: Piece, offset: int) -> tuple[Origin, int]:
    """The line of a byte of the piece, and its column (from 1, in bytes)."""
    before = piece.raw[:offset]
    line = before.count(b"\n")
    column = offset - before.rfind(b"\n") + (0 if line else piece.column)
    return replace(piece.origin, line=(piece.origin.line or 1) + line), column


def _no_study(data: Any, schema: Schema, place: str) -> Issue:
    if not isinstance(data, dict):
        kind = {list: "a list", str: "text", type(None): "null", bool: "true or false"}.get(type(data), "a number")
        return replace(_error("not-a-study", f"expected a study, found {kind}", "", ""), place=place)
    names = ", ".join(list(data)[:5]) or "nothing"
    hint = "read it with format='page'" if "studies" in data else f"a study has {schema.id.path[0]}"
    return replace(_error("not-a-study", f"this is no study: it holds {names}", "", hint), place=place)


def _with_others(errors: list[Issue]) -> Issue:
    """The first of a record's errors, with the places of the others."""
    first, *others = errors
    if not others:
        return first
    places = ", ".join(issue.path for issue in others[:3]) + (", …" if len(others) > 3 else "")
    count = f"{len(others)} more error{'s' if len(others) > 1 else ''}"
    return replace(first, message=f"{first.message}; {count}, at {places}")


def _error(code: str, message: str, path: str, hint: str) -> Issue:
    return Issue(severity="error", code=code, message=message, path=path, hint=hint)
