"""A SQLite file that several threads use, and whose transactions may stand within one another."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fhirtrial.errors import UsageError
from fhirtrial.store import temporary_database

PATIENCE = 60_000
"""Milliseconds that are waited for another process which writes to the same file."""


class InUseError(UsageError):
    """A file that another process, or another part of this one, has for itself."""


class Database:
    """
    A SQLite file; its methods may be called from several threads.

    Args:
        path: the file; None: nothing is kept.
        alone: nobody else may use the file until it is closed; the system takes the lock back if the process is killed.
        dry: the file is not written to, nor made: a copy of it is used, which is gone when it is closed. (SQLite takes
            back what a killed process has left half written; that is all that may happen to the file.)

    Raises InUseError if another has the file for itself, UsageError if it cannot be opened or is no database.

    """

    def __init__(self, path: Path | str | None, *, alone: bool = False, dry: bool = False) -> None:
        self.path = "" if path is None else str(path)
        self._lock = threading.RLock()
        self._depth = 0
        try:
            if path is None or dry:
                self._connection = temporary_database()
                self._connection.execute("PRAGMA journal_mode = MEMORY")  # a bundle that is refused is taken back
                if path is not None and Path(path).exists():
                    self._copy(f"{Path(path).resolve().as_uri()}?mode=rw", alone=alone)
            else:
                self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
                self._prepare(alone=alone)
        except sqlite3.DatabaseError as error:
            self.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise InUseError(f"{path}: another load is using it") from error
            raise UsageError(f"{path}: this is no state of earlier loads: {error}") from error

    def _copy(self, address: str, *, alone: bool) -> None:
        source = sqlite3.connect(address, uri=True, timeout=0 if alone else PATIENCE / 1000)
        try:
            # Held while it is copied; without it the copying itself would wait for a lock, and without end.
            source.execute("BEGIN")
            source.execute("SELECT 1 FROM sqlite_master").fetchone()
            source.backup(self._connection)
        finally:
            source.close()

    def _prepare(self, *, alone: bool) -> None:
        if alone:
            # No second file beside it, and a lock that is held from the first writing on.
            self._connection.execute("PRAGMA busy_timeout = 0")
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = DELETE")
            self._connection.execute("BEGIN EXCLUSIVE")
            self._connection.execute("PRAGMA user_version = 1")
            self._connection.execute("COMMIT")
        else:
            self._connection.execute(f"PRAGMA busy_timeout = {PATIENCE}")
            self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def make(self, tables: str) -> None:
        """Makes tables, by statements that change nothing where they are there already."""
        with self._lock:
            for statement in filter(str.strip, tables.split(";")):
                self._connection.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is kept together, or nothing; one within another is a part of that."""
        with self._lock:
            if self._depth:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            else:
                self._connection.execute("COMMIT")
            finally:
                self._depth -= 1

    def rows(self, query: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows that a query finds, or none of a statement."""
        with self._lock:
            return self._connection.execute(query, tuple(values)).fetchall()

    def row(self, query: str, values: Iterable[Any] = ()) -> tuple[Any, ...] | None:
        """The first row that a query finds."""
        with self._lock:
            found: tuple[Any, ...] | None = self._connection.execute(query, tuple(values)).fetchone()
        return found

    def stream(self, query: str, values: Iterable[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows that a query finds, one after the other: for when no other thread is at work any more."""
        yield from self._connection.execute(query, tuple(values))

    def many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Carries out a statement for each row, within a transaction of somebody's."""
        with self._lock:
            self._connection.executemany(statement, rows)

    def insert(self, statement: str, values: Iterable[Any]) -> int:
        """The number of the row that a statement inserts."""
        with self._lock:
            return int(self._connection.execute(statement, tuple(values)).lastrowid or 0)

    def close(self) -> None:
        """Closes the file; a second time does nothing."""
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()
