"""
Tables with one row per line: Dataset-JSON as NDJSON (metadata, then a list per row), and objects as JSON Lines.

https://github.com/cdisc-org/DataExchange-DatasetJson/blob/master/doc/dataset-json-ndjson1-1.html
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from fhirtrial.errors import InputError
from fhirtrial.issue import Issue
from fhirtrial.readers.detect import start_of_text
from fhirtrial.readers.json_study import parse
from fhirtrial.readers.lines import lines
from fhirtrial.readers.source import Found, Reading, Stream, refusal
from fhirtrial.readers.tables.metadata import Metadata, metadata
from fhirtrial.readers.tables.rows_of_json import members, values
from fhirtrial.readers.tables.table import BadRow, Row, Table


def json_lines_table(stream: Stream, reading: Reading) -> Table:
    """The table of a file of JSON Lines. Raises InputError if its beginning cannot be read."""
    start_of_text(stream, reading.limits)
    found = lines(stream, reading)
    first = next(found)
    if isinstance(first, Issue):
        raise InputError(first)
    head = parse(first)
    if not isinstance(head, dict):
        raise refusal("not-a-table", "its first line is neither metadata nor a row with names", first.origin)
    if "columns" in head or "datasetJSONVersion" in head:
        columns = metadata(head, first.origin)
        rows = _lists(found, columns, stream)
        return Table(file=stream.origin.file, columns=columns.columns, numeric=columns.numeric, rows=rows, by_line=True)
    return Table(file=stream.origin.file, columns=None, rows=_objects(chain([first], found)), by_line=True)


def _lists(found: Iterator[Found], columns: Metadata, stream: Stream) -> Iterator[Row | BadRow]:
    count = 0
    for item in found:
        if isinstance(item, Issue):
            yield _refused(item)
        else:
            yield values(item, item.origin.line, columns)
        count += 1
    check_count(count, columns, stream)


def _objects(found: Iterator[Found]) -> Iterator[tuple[int, dict[str, Any]] | BadRow]:
    for item in found:
        yield _refused(item) if isinstance(item, Issue) else members(item, item.origin.line)


def _refused(issue: Issue) -> BadRow:
    return BadRow(int(issue.place.rpartition(":")[2]), issue.code, issue.message, issue.hint)


def check_count(count: int, columns: Metadata, stream: Stream) -> None:
    """Raises InputError if there are fewer or more rows than the file itself says."""
    if columns.records is not None and count != columns.records:
        message = f"the file says that it has {columns.records} rows, and has {count}"
        raise refusal("wrong-count", message, stream.origin, hint="is it complete?")
