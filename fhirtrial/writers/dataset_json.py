"""
Tables as CDISC Dataset-JSON 1.1: one file of JSON, NDJSON, or compressed NDJSON (``.dsjc``).

https://www.cdisc.org/standards/data-exchange/dataset-json. Every file must say when it was made
(``datasetJSONCreationDateTime``). That is told by whoever writes it and never taken from a clock: the same rows and the
same time give the same bytes.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Any

import orjson

from fhirtrial.errors import UsageError
from fhirtrial.layout import Variable
from fhirtrial.writers.sheet import Sheet

VERSION = "1.1.0"

_TYPES = {"text": "string", "integer": "integer", "number": "float", "boolean": "boolean"}
"""Our types as ``dataType``. A number is a float whatever its values are, so that two studies have the same columns."""

_CREATED = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
    r"(?:[+-](?:[01][0-9]|2[0-3]):[0-5][0-9]|Z)?"
)


def dataset_json(sheet: Sheet, *, created: str) -> bytes:
    """
    The table as one file of JSON.

    Args:
        sheet: the table.
        created: the date and time that the file gives as that of its making, as in ``2026-01-31T12:00:00Z``.

    Raises UsageError if ``created`` is no such date and time.

    """
    return b"".join(json_parts(sheet, created=created))


def dataset_ndjson(sheet: Sheet, *, created: str) -> bytes:
    """The table as NDJSON: what it is on the first line, one row on each other. See `dataset_json`."""
    return b"".join(ndjson_parts(sheet, created=created))


def dataset_dsjc(sheet: Sheet, *, created: str) -> bytes:
    """The table as NDJSON, compressed with zlib, as the specification of ``.dsjc`` says. See `dataset_json`."""
    return b"".join(dsjc_parts(sheet, created=created))


def json_parts(sheet: Sheet, *, created: str) -> Iterator[bytes]:
    """What `dataset_json` gives, row by row."""
    yield orjson.dumps(_head(sheet, created))[:-1] + b',"rows":['
    between = b""
    for row in _rows(sheet):
        yield between + orjson.dumps(row)
        between = b","
    yield b"]}"


def ndjson_parts(sheet: Sheet, *, created: str) -> Iterator[bytes]:
    """What `dataset_ndjson` gives, row by row."""
    yield orjson.dumps(_head(sheet, created)) + b"\n"
    for row in _rows(sheet):
        yield orjson.dumps(row) + b"\n"


def dsjc_parts(sheet: Sheet, *, created: str) -> Iterator[bytes]:
    """What `dataset_dsjc` gives, part by part."""
    packer = zlib.compressobj(9)
    for part in ndjson_parts(sheet, created=created):
        yield packer.compress(part)
    yield packer.flush()


def _head(sheet: Sheet, created: str) -> dict[str, Any]:
    if not _CREATED.fullmatch(created):
        raise UsageError(f"{created!r} is no date and time; one looks like 2026-01-31T12:00:00Z")
    name = sheet.name.upper()
    lengths = sheet.lengths
    return {
        "datasetJSONCreationDateTime": created,
        "datasetJSONVersion": VERSION,
        "itemGroupOID": f"IG.{name}",
        "records": len(sheet.rows),
        "name": name,
        "label": sheet.label,
        "columns": [_column(variable, sheet, lengths.get(variable.name, 0)) for variable in sheet.columns],
    }


def _column(variable: Variable, sheet: Sheet, length: int) -> dict[str, Any]:
    column: dict[str, Any] = {
        "itemOID": f"IT.{sheet.name.upper()}.{variable.name}",
        "name": variable.name,
        "label": variable.label or variable.name,
        "dataType": _TYPES[variable.type],
    }
    if variable.type == "text":
        column["length"] = length
    if variable.name in sheet.keys:
        column["keySequence"] = sheet.keys.index(variable.name) + 1
    return column


def _rows(sheet: Sheet) -> Iterator[list[Any]]:
    # A missing text is "" in CDISC's own examples, a missing number null.
    missing = [(variable.name, "" if variable.type == "text" else None) for variable in sheet.columns]
    for row in sheet.rows:
        yield [row.get(name, empty) for name, empty in missing]
