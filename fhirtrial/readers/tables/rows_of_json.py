"""One row of a table that is written as JSON: a list of values in Dataset-JSON, an object in JSON Lines."""

from __future__ import annotations

from typing import Any

import orjson

from fhirtrial.errors import InputError
from fhirtrial.readers.json_study import parse
from fhirtrial.readers.source import Piece
from fhirtrial.readers.tables.metadata import Metadata
from fhirtrial.readers.tables.table import BadRow, Row


def values(piece: Piece, number: int, columns: Metadata) -> Row | BadRow:
    """The values of a row, or why it is none."""
    try:
        row = orjson.loads(piece.raw)
    except orjson.JSONDecodeError:
        return _not_json(piece, number)
    if type(row) is not list:
        return BadRow(number, "not-a-row", "a row is a list of values")
    if len(row) != columns.width:
        return BadRow(number, "wrong-length", f"the row has {len(row)} values, where there are {columns.width} columns")
    return number, row[columns.skipped :] if columns.skipped else row


def members(piece: Piece, number: int) -> tuple[int, dict[str, Any]] | BadRow:
    """The members of a row that is an object, or why it is none."""
    try:
        row = parse(piece)
    except InputError as error:
        return BadRow(number, error.issue.code, error.issue.message, error.issue.hint)
    if type(row) is not dict:
        return BadRow(number, "not-a-row", "a row is an object: the names of columns and their values")
    return number, row


def _not_json(piece: Piece, number: int) -> BadRow:
    try:
        parse(piece)
    except InputError as error:
        return BadRow(number, error.issue.code, error.issue.message, error.issue.hint)
    raise AssertionError("what is no JSON is none twice")
