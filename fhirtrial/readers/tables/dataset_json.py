"""
Tables in Dataset-JSON 1.0 and 1.1, one file of JSON, row by row.

https://www.cdisc.org/standards/data-exchange/dataset-json. In 1.1 ``columns`` and ``rows`` are members of the file; in
1.0 ``items`` and ``itemData`` lie deeper: ``clinicalData.itemGroupData.<OID>``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import orjson

from fhirtrial.readers.cursor import Cursor
from fhirtrial.readers.detect import start_of_text
from fhirtrial.readers.source import Piece, Reading, Stream, refusal
from fhirtrial.readers.tables.json_lines import check_count
from fhirtrial.readers.tables.metadata import Metadata, metadata
from fhirtrial.readers.tables.rows_of_json import values
from fhirtrial.readers.tables.table import BadRow, Row, Table
from fhirtrial.record import Origin

_ROWS = ("rows", "itemData")
_WANTED = ("datasetJSONVersion", "columns", "items", "records")
_INNER = ("clinicalData", "referenceData", "itemGroupData")
_GROUPS = "itemGroupData"


def dataset_json_table(stream: Stream, reading: Reading) -> Table:
    """
    The table of a Dataset-JSON file.

    Raises InputError if it is none. If the rows stand before the columns they are held until these come.
    """
    start_of_text(stream, reading.limits)
    tree: dict[str, Any] = {}
    pieces = _rows(Cursor(stream, reading.limits.record), tree)
    held: list[Piece] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece.raw)
        if "columns" in tree or "items" in tree:
            break
        if size > reading.limits.record:
            raise refusal("no-columns", "its rows stand before its columns, and are too many to hold", stream.origin)
    columns = metadata(tree, stream.origin)
    return Table(
        file=stream.origin.file,
        columns=columns.columns,
        numeric=columns.numeric,
        rows=_values(chain(held, pieces), columns, tree, stream),
        by_line=False,
    )


def _values(pieces: Iterator[Piece], columns: Metadata, tree: dict[str, Any], stream: Stream) -> Iterator[Row | BadRow]:
    number = 0
    for number, piece in enumerate(pieces, 1):  # the last is the count
        yield values(piece, number, columns)
    # The count may stand behind the rows.
    check_count(number, replace(columns, records=tree.get("records", columns.records)), stream)


def _rows(cursor: Cursor, tree: dict[str, Any]) -> Iterator[Piece]:
    """The rows of a file; what else is wanted of it is put into the tree when it comes by."""
    yield from _members(cursor, tree, is_groups=False)
    if cursor.peek() >= 0:
        message = f"something follows the end of the JSON (column {cursor.column() + 1})"
        raise refusal("trailing-garbage", message, cursor.place())


def _members(cursor: Cursor, tree: dict[str, Any], *, is_groups: bool) -> Iterator[Piece]:
    cursor.take(b"{", "at the beginning of a dataset")
    if cursor.peek() == ord("}"):
        cursor.at += 1
        return
    while True:
        place = cursor.place()
        if cursor.peek() != ord('"'):
            cursor.take(b'"', "before a member's name")
        name = _loads(cursor.value(), place)
        cursor.take(b":", "after a member's name")
        first = cursor.peek()
        if name in _ROWS and first == ord("["):
            yield from _items(cursor)
        elif (name in _INNER or is_groups) and first == ord("{"):
            yield from _members(cursor, tree, is_groups=name == _GROUPS)
        elif first >= 0:
            value = cursor.value()
            if name in _WANTED:
                tree[name] = _loads(value, place)
        if cursor.take(b",}", "after a member of the dataset") == ord("}"):
            return


def _items(cursor: Cursor) -> Iterator[Piece]:
    cursor.take(b"[", "at the beginning of the rows")
    if cursor.peek() == ord("]"):
        cursor.at += 1
        return
    origin = cursor.origin
    while True:
        first = cursor.peek()
        if first < 0 or first in b",]":
            cursor.take(b"[", "at the beginning of a row")
        raw = cursor.value()
        if raw is None:
            raise refusal("record-too-large", f"a row has more than {cursor.limit:,} bytes", cursor.place())
        if not raw.endswith(b"]") and cursor.peek() < 0:
            cursor.take(b"]", "in the middle of a row")
        yield Piece(origin=origin, raw=raw)
        if cursor.take(b",]", "after a row") == ord("]"):
            return


def _loads(raw: bytes | None, place: Origin) -> Any:
    try:
        return orjson.loads(raw or b"")
    except orjson.JSONDecodeError as error:
        raise refusal("not-json", f"not JSON: {error.msg}", place) from error
