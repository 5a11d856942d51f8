"""
Tables in SAS transport files, versions 5 and 8, read with pyreadstat.

https://support.sas.com/content/dam/SAS/support/en/technical-papers/record-layout-of-a-sas-version-5-or-6-data-set-in-sas-transport-xport-format.pdf
pyreadstat gives plain lists (``output_format="dict"``), so neither pandas nor polars is needed, and a zero stays a
zero. It gets the header and some thousand rows at a time, because of two things that it does not do by itself: it says
nothing about a file that was cut off, and one byte that is not text spoils all rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from fhirtrial.readers.source import CHUNK, Reading, Stream, refusal
from fhirtrial.readers.tables.table import BadRow, Row, Table

MARK = b"HEADER RECORD*******"
"""How each header in such a file begins."""

_CARD = 80
"""Transport files are written in pieces of this many bytes, the last one filled with blanks."""
_OBSERVATIONS = MARK + b"OBS"
_MEMBER = MARK + b"MEM"
_HEADER_LIMIT = 64 << 20
_HINT = "say which encoding it is: the file does not"
_AT_A_TIME = 1 << 19


def xport_table(stream: Stream, reading: Reading) -> Table:
    """
    The table of a SAS transport file.

    Raises InputError if it is none, or if pyreadstat is not installed.
    """
    header = _header(stream)
    try:
        described = _parsed(header, stream, reading, metadataonly=True)[1]
    except UnicodeDecodeError as error:
        message = f"{_not_text(error, reading)}, among the names and labels of its columns"
        raise refusal("not-utf-8", message, stream.origin, hint=_HINT) from error
    columns = tuple(described.column_names)
    width = sum(described.variable_storage_width.values())
    kinds = described.readstat_variable_types
    if not columns or width < 1:
        raise refusal("no-columns", "there are no columns in it", stream.origin)
    return Table(
        file=stream.origin.file,
        columns=columns,
        numeric={name: kinds[name] != "string" for name in columns},
        rows=_rows(stream, reading, header, width),
        by_line=False,
    )


def _header(stream: Stream) -> bytes:
    """All that stands before the rows, taken off the stream. Raises InputError if the rows never begin."""
    size = _CARD
    while True:
        head = stream.head(size)
        at = head.find(_OBSERVATIONS)
        if at >= 0 and len(head) >= at + _CARD:
            stream.skip(at + _CARD)
            return head[: at + _CARD]
        if len(head) < size or size > _HEADER_LIMIT:
            raise refusal("truncated", "the file ends before its rows begin", stream.origin, hint="is it complete?")
        size = len(head) + CHUNK


def _rows(stream: Stream, reading: Reading, header: bytes, width: int) -> Iterator[Row | BadRow]:
    size = max(1, _AT_A_TIME // width) * width
    rest, before, total = b"", b"", len(header)
    number = 1
    for chunk in stream:
        total += len(chunk)
        if _MEMBER in before + chunk:
            raise refusal("several-datasets", "there is more than one dataset in it", stream.origin)
        before = chunk[-_CARD:]
        rest += chunk
        while len(rest) >= size:
            yield from _block(rest[:size], number, width, stream, reading, header)
            number += size // width
            rest = rest[size:]
    whole = len(rest) // width * width
    yield from _block(rest[:whole], number, width, stream, reading, header)
    if total % _CARD or rest[whole:].strip(b" "):
        raise refusal("truncated", "the file ends in the middle of a row", stream.origin, hint="is it complete?")


def _block(
    raw: bytes, number: int, width: int, stream: Stream, reading: Reading, header: bytes
) -> Iterator[Row | BadRow]:
    """The rows in some bytes. If a byte of theirs is not text, the row with it is found, and lost alone."""
    count = len(raw) // width
    if not count:
        return
    try:
        columns = _parsed(header + raw, stream, reading)[0].values()
    except UnicodeDecodeError as error:
        if count == 1:
            yield BadRow(number, "not-utf-8", _not_text(error, reading), _HINT)
            return
        half = count // 2
        yield from _block(raw[: half * width], number, width, stream, reading, header)
        yield from _block(raw[half * width :], number + half, width, stream, reading, header)
        return
    yield from enumerate(zip(*columns, strict=True), number)


def _not_text(error: UnicodeDecodeError, reading: Reading) -> str:
    return f"byte 0x{error.object[error.start]:02x} is not {reading.tables.encoding or 'UTF-8'}"


def _parsed(raw: bytes, stream: Stream, reading: Reading, *, metadataonly: bool = False) -> Any:
    try:
        import pyreadstat
    except ImportError as error:
        hint = "pip install fhirtrial[sas]"
        raise refusal("no-reader", "SAS transport files are read with pyreadstat", stream.origin, hint=hint) from error
    try:
        return pyreadstat.read_xport(
            BytesIO(raw),
            output_format="dict",
            disable_datetime_conversion=True,
            metadataonly=metadataonly,
            encoding=reading.tables.encoding or None,
        )
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError) as error:
        raise refusal("not-xport", f"this is no SAS transport file: {error}", stream.origin) from error
