"""
Rows of many tables, given back record by record: in a temporary database on disk, so that memory stays flat.

Rows that stand together in their file are kept together: then there is one entry for each record and table, and the
database is written and read from one end to the other. Where they do not, it sorts them on disk. It has no name, holds
little in memory, writes only what does not fit there, and is gone when it is closed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from types import TracebackType
from typing import Any, Self

import orjson

from fhirtrial.errors import InputError
from fhirtrial.issue import Issue

Numbered = tuple[int, dict[str, Any]]
"""A row, and its number in its file."""

_WAITING = 1 << 20
"""How many bytes wait to be written at once."""
_ENTRY = 200
"""What an entry takes besides its rows."""
_LONG = 500
"""How many rows one entry holds at most."""


class Spool:
    """Takes rows table by table, and gives them back record by record."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = FILE", "cache_size = -8000"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE entry (record INTEGER, part INTEGER, rows BLOB)")
        self._waiting: list[tuple[int, int, bytes]] = []
        self._size = 0
        self._rows: list[Numbered] = []
        self._here = (-1, -1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, record: int, part: int, number: int, row: dict[str, Any]) -> None:
        """Takes one row of a record; ``part`` says of which table. Raises InputError if the disk is full."""
        if (record, part) != self._here or len(self._rows) == _LONG:
            self._flush()
            self._here = (record, part)
        self._rows.append((number, row))

    def _flush(self) -> None:
        if self._rows:
            # What orjson gives has room for eight times as much; a copy has not.
            rows = memoryview(orjson.dumps(self._rows)).tobytes()
            self._waiting.append((*self._here, rows))
            self._size += len(rows) + _ENTRY
            self._rows = []
        if self._size >= _WAITING:
            self._write()

    def _write(self) -> None:
        try:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT INTO entry VALUES (?, ?, ?)", self._waiting)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise _no_room(error) from error
        self._waiting.clear()
        self._size = 0

    def records(self, limit: int) -> Iterator[tuple[int, dict[int, list[Numbered]] | None]]:
        """
        Each record's number and its rows by table, in the order of the numbers; rows in the order they came.

        None where a record has more bytes than ``limit``. Raises InputError if the disk is full.
        """
        self._flush()
        self._write()
        try:
            self._database.execute("CREATE INDEX place ON entry (record, part)")
            found = self._database.execute("SELECT record, part, rows FROM entry ORDER BY record, part, rowid")
            for record, entries in groupby(found, key=itemgetter(0)):
                parts: dict[int, list[Numbered]] = {}
                size = 0
                for _, part, rows in entries:
                    size += len(rows)
                    if size <= limit:
                        parts.setdefault(part, []).extend(orjson.loads(rows))
                yield record, parts if size <= limit else None
        except sqlite3.Error as error:
            raise _no_room(error) from error


def _no_room(error: sqlite3.Error) -> InputError:
    message = f"rows cannot be sorted in the temporary folder: {error}"
    return InputError(Issue(severity="error", code="no-room", message=message, hint="TMPDIR names another"))
