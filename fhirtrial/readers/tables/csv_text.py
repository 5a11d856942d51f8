"""
Tables in CSV (https://www.rfc-editor.org/rfc/rfc4180), as R, SAS, Python and Excel write it.

The delimiter is the one under which most column names are known: comma, semicolon, tab or bar. Cells are text, whatever
they look like: ``=1+2`` is never evaluated. An unquoted ``NA`` is R's word for a missing value; ``"NA"`` is text.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from fhirtrial.readers.detect import HEAD, UTF8_MARK, WIDE_MARKS
from fhirtrial.readers.source import Reading, Stream, refusal
from fhirtrial.readers.tables.table import BadRow, Row, Table

DELIMITERS = ",;\t|"

_NOT_DECODED = re.compile("[\udc80-\udcff]")
"""What Python makes of bytes that are no UTF-8, so that only their row is lost."""
_DIRECTIVE = re.compile(r"sep=([,;\t|])\r?\n?", re.IGNORECASE)
"""A first line that only Excel understands."""


def csv_table(stream: Stream, reading: Reading, known: Collection[str]) -> Table:
    """
    The table of a CSV file; ``known`` are the names that columns may have.

    Raises InputError if there is no header, or if it is in another encoding.
    """
    encoding = _encoding(stream, reading.tables.encoding)
    lines = _Lines(_decoded(stream, encoding), "\n" if b"\n" in stream.head(HEAD) else "\r")
    first = next(lines, "")
    delimiter = ""
    if directive := _DIRECTIVE.fullmatch(first):
        delimiter = directive[1]
        lines.held.clear()
        first = next(lines, "")
    while first and not first.strip():
        lines.held.clear()
        first = next(lines, "")
    if not first:
        raise refusal("empty-source", "there is nothing in it", stream.origin)
    columns = _header(lines, first, delimiter, known, stream)
    return Table(
        file=stream.origin.file,
        columns=columns[1],
        rows=_rows(lines, columns[0]),
        by_line=True,
        decimal_comma=reading.tables.decimal_comma,
    )


class _Lines:
    """The lines of a text, each with its end; ``held`` keeps those given since it was last cleared."""

    def __init__(self, texts: Iterator[str], end: str) -> None:
        self.held: list[str] = []
        self.number = 0
        self._lines = self._split(texts, end)
        self._again = ""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line, self._again = self._again or next(self._lines), ""
        self.held.append(line)
        self.number += 1
        return line

    def back(self) -> None:
        """Gives the last line again."""
        self._again = self.held.pop()
        self.number -= 1

    def _split(self, texts: Iterator[str], end: str) -> Iterator[str]:
        rest = ""
        for text in texts:
            *ended, rest = (rest + text).split(end)
            for line in ended:
                yield line + "\n"
        if rest:
            yield rest


def _encoding(stream: Stream, told: str) -> str:
    head = stream.head(HEAD)
    if head.startswith(UTF8_MARK):
        stream.skip(len(UTF8_MARK))
        return "utf-8"
    for mark, name in WIDE_MARKS.items():
        if head.startswith(mark):
            return name
    if told:
        return codecs.lookup(told).name
    if b"\0" in head[:4]:
        raise refusal("not-utf-8", "the text is UTF-16 or UTF-32 without a byte order mark", stream.origin, hint=_HINT)
    return "utf-8"


_HINT = "save it as UTF-8, or say which encoding it is"


def _decoded(stream: Stream, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape" if encoding == "utf-8" else "strict")
    try:
        for chunk in stream:
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        message = f"byte 0x{error.object[error.start]:02x} is not {encoding}: the rest of the file is not read"
        raise refusal("wrong-encoding", message, stream.origin) from error


def not_utf8(text: str) -> str:
    """
    The message about the first byte of a row that is not UTF-8; empty if there is none.

    >>> not_utf8(b"Alzheimer\\x92s".decode("utf-8", "surrogateescape"))
    'byte 0x92 is not UTF-8'
    """
    found = _NOT_DECODED.search(text)
    return f"byte 0x{ord(found[0]) - 0xDC00:02x} is not UTF-8" if found else ""


def _header(
    lines: _Lines, first: str, delimiter: str, known: Collection[str], stream: Stream
) -> tuple[str, tuple[str, ...]]:
    """The delimiter, and the names of the columns."""
    if wrong := not_utf8(first):
        raise refusal("not-utf-8", wrong, replace(stream.origin, line=lines.number), hint=_HINT)

    def names(mark: str) -> list[str]:
        return [name.strip() for name in next(csv.reader([first], delimiter=mark), [])]

    best = delimiter or max(DELIMITERS, key=lambda mark: (sum(name in known for name in names(mark)), mark == ","))
    lines.back()
    try:
        header = next(csv.reader(lines, delimiter=best))
    except csv.Error as error:
        raise refusal("not-csv", f"the header is not CSV: {error}", replace(stream.origin, line=1)) from error
    lines.held.clear()
    return best, tuple(name.strip() for name in header)


def _rows(lines: _Lines, delimiter: str) -> Iterator[Row | BadRow]:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    held = lines.held
    while True:
        number = lines.number + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(number, "not-csv", f"not CSV: {error}", "a quote in a cell is written twice")
            held.clear()
            continue
        raw = held[0] if len(held) == 1 else "".join(held)
        held.clear()
        if not row:
            continue
        if not raw.isascii() and (wrong := not_utf8(raw)):
            yield BadRow(number, "not-utf-8", wrong, _HINT)
            continue
        yield number, _without_na(row, raw, delimiter) if "NA" in row else row


def _without_na(row: list[str], raw: str, delimiter: str) -> list[str | None]:
    """
    The row without R's mark for what is missing.

    >>> _without_na(["1", "NA", "NA"], '1,NA,"NA"\\n', ",")
    ['1', None, 'NA']
    """
    if '"NA"' not in raw:
        return [None if cell == "NA" else cell for cell in row]
    mark = re.escape(delimiter)
    cells = re.findall(rf'("(?:[^"]|"")*"|[^{mark}\r\n]*)(?:{mark}|\r?\n|\Z)', raw)
    return [None if cell == "NA" and written == "NA" else cell for cell, written in zip(row, cells, strict=False)]
