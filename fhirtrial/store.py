"""What a long run must remember: in memory while it is little, then in a temporary file, so that memory stays flat."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from hashlib import blake2b
from tempfile import TemporaryFile
from typing import Any

import orjson

KEYS_IN_MEMORY = 200_000
"""How many keys a KeySet holds in memory: about 30 MB."""

NAMES_IN_MEMORY = 50_000
"""How many names a Names holds in memory: about 10 MB."""

DIGEST = 16
"""Bytes of the digest that stands for a key on disk: a hundred million keys have one in common once in 10^22 runs."""

BYTES_IN_MEMORY = 24 << 20
"""How many bytes of JSON text a ResourceStore holds in memory, parsed: about seven times as many."""

CACHE = 16 << 20
"""How many bytes of a database are held in memory."""

_END = 8
"""Bytes of a number that says where a text ends."""

_TOGETHER = 1 << 20
"""How many bytes of texts are written together."""


def temporary_database(*, cache: int = CACHE) -> sqlite3.Connection:
    """
    A database in a file without a name, which the system deletes: https://sqlite.org/inmemorydb.html#temp_db.

    ``cache`` is how many bytes of it are held in memory, at most.
    """
    # Several threads may use a store one after the other; who lets them at once has a lock.
    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode = OFF")
    database.execute("PRAGMA synchronous = OFF")
    database.execute(f"PRAGMA cache_size = {-(cache >> 10)}")
    return database


class KeySet:
    """
    A set of keys that only grows, of any size.

    >>> keys = KeySet(limit=2)
    >>> [keys.add(key) for key in (b"a", b"b", b"a", b"c", b"b")]
    [True, True, False, True, False]
    >>> keys.close()
    """

    def __init__(self, *, limit: int = KEYS_IN_MEMORY, cache: int = CACHE) -> None:
        self._limit = limit
        self._cache = cache
        self._recent: set[bytes] = set()
        self._database: sqlite3.Connection | None = None

    def __contains__(self, key: bytes) -> bool:
        if key in self._recent:
            return True
        if self._database is None:
            return False
        return self._database.execute("SELECT 1 FROM keys WHERE key = ?", (digest(key),)).fetchone() is not None

    def add(self, key: bytes) -> bool:
        """Takes a key in; whether it is new."""
        recent = self._recent
        if key in recent or (self._database is not None and key in self):
            return False
        recent.add(key)
        if len(recent) >= self._limit:
            self._spill()
        return True

    def _spill(self) -> None:
        if self._database is None:
            self._database = temporary_database(cache=self._cache)
            self._database.execute("CREATE TABLE keys (key BLOB PRIMARY KEY) WITHOUT ROWID")
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO keys VALUES (?)", sorted((digest(key),) for key in self._recent))
        self._database.execute("COMMIT")
        self._recent.clear()

    def close(self) -> None:
        """Gives the memory and the disk space back."""
        self._recent.clear()
        if self._database is not None:
            self._database.close()


class Names:
    """
    A number for each name; the first that a name is given counts. Any number of names.

    >>> names = Names(limit=2)
    >>> for place, name in enumerate(["a", "b", "a", "c"]):
    ...     names.give(name, place)
    >>> [names.find(name) for name in "abcd"]
    [0, 1, 3, None]
    >>> names.close()
    """

    def __init__(self, *, limit: int = NAMES_IN_MEMORY) -> None:
        self._limit = limit
        self._recent: dict[str, int] = {}
        self._database: sqlite3.Connection | None = None

    def find(self, name: str) -> int | None:
        """The number of a name."""
        found = self._recent.get(name)
        if found is None and self._database is not None:
            query = "SELECT number FROM names WHERE name = ?"
            row = self._database.execute(query, (digest(name.encode()),)).fetchone()
            found = row[0] if row else None
        return found

    def give(self, name: str, number: int) -> None:
        """Gives a number to a name, unless it has one."""
        if name in self._recent or (self._database is not None and self.find(name) is not None):
            return
        self._recent[name] = number
        if len(self._recent) >= self._limit:
            self._spill()

    def _spill(self) -> None:
        if self._database is None:
            self._database = temporary_database()
            self._database.execute("CREATE TABLE names (name BLOB PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        # In their order, and together: else each would have the system fetch and write a page of its own.
        rows = sorted((digest(name.encode()), number) for name, number in self._recent.items())
        self._database.execute("BEGIN")
        self._database.executemany("INSERT OR IGNORE INTO names VALUES (?, ?)", rows)
        self._database.execute("COMMIT")
        self._recent.clear()

    def close(self) -> None:
        """Gives the memory and the disk space back."""
        self._recent.clear()
        if self._database is not None:
            self._database.close()


def digest(key: bytes) -> bytes:
    """What stands for a key on disk: shorter, so that more of them are in memory where they are looked for."""
    return blake2b(key, digest_size=DIGEST).digest()


class Texts:
    """
    Texts by number, in the order in which they come, on disk; any number of them.

    >>> texts = Texts()
    >>> texts.append(b"a"), texts.append(b"bcd"), texts.get(1), texts.get(0)
    (0, 1, b'bcd', b'a')
    >>> texts.close()
    """

    def __init__(self) -> None:
        # Read and written without Python's buffer, which loses what it holds wherever a file is read here and there.
        self._texts = TemporaryFile(buffering=0)  # noqa: SIM115
        self._ends = TemporaryFile(buffering=0)  # noqa: SIM115
        self._waiting: list[bytes] = []
        self._waiting_ends = bytearray()
        self._count = 0
        self._end = self._written = 0

    def append(self, text: bytes) -> int:
        """Takes a text; its number."""
        self._waiting.append(text)
        self._end += len(text)
        self._waiting_ends += self._end.to_bytes(_END)
        self._count += 1
        if self._end - self._written >= _TOGETHER:
            self._write()
        return self._count - 1

    def _write(self) -> None:
        for file, waiting in ((self._texts, b"".join(self._waiting)), (self._ends, bytes(self._waiting_ends))):
            file.seek(0, os.SEEK_END)
            view = memoryview(waiting)
            while view:  # a disk that is nearly full takes a part only
                view = view[file.write(view) :]
        self._waiting.clear()
        self._waiting_ends.clear()
        self._written = self._end

    def get(self, number: int) -> bytes:
        """The text of a number."""
        if self._waiting:
            self._write()
        first = max(number - 1, 0)
        self._ends.seek(first * _END)
        ends = self._ends.read(2 * _END)
        start = int.from_bytes(ends[:_END]) if number else 0
        end = int.from_bytes(ends[_END:] if number else ends[:_END])
        self._texts.seek(start)
        return self._texts.read(end - start)

    def close(self) -> None:
        """Gives the disk space back."""
        self._texts.close()
        self._ends.close()


class ResourceStore:
    """
    JSON objects by number (from 0, as they come), by names, and in groups: any number of them.

    A name means the first that it was given to.

    >>> store = ResourceStore(limit=0)
    >>> number = store.add({"resourceType": "Location", "id": "1"}, size=40, place="a.ndjson:1", group="")
    >>> store.name("Location/1", number)
    >>> store.find("Location/1"), store.find("Location/2"), store.get(number)
    (0, None, {'resourceType': 'Location', 'id': '1'})
    >>> store.close()
    """

    def __init__(self, *, limit: int = BYTES_IN_MEMORY) -> None:
        self._limit = limit
        self._size = 0
        self._count = 0
        self._held: list[tuple[dict[str, Any], str]] = []
        self._names = Names()
        self._waiting: list[tuple[int, str]] = []
        self._groups: dict[str, list[int]] = {}
        self._links: dict[int, list[int]] = {}
        self._database: sqlite3.Connection | None = None

    def add(self, resource: dict[str, Any], *, size: int, place: str, group: str) -> int:
        """Takes an object of about ``size`` bytes in, read at ``place``; its number. A group of "" means none."""
        number = self._count
        self._count += 1
        self._size += size
        if self._database is None and self._size <= self._limit:
            self._held.append((resource, place))
            if group:
                self._groups.setdefault(group, []).append(number)
        else:
            database = self._disk()
            self._texts.append(orjson.dumps(resource) + b"\n" + place.encode("utf-8", "surrogatepass"))
            if group:
                database.execute("INSERT INTO groups VALUES (?, ?)", (group, number))
        return number

    def _disk(self) -> sqlite3.Connection:
        if self._database is None:
            self._texts = Texts()
            self._database = temporary_database()
            self._database.executescript(
                """
                CREATE TABLE groups (called TEXT, number INTEGER, PRIMARY KEY (called, number)) WITHOUT ROWID;
                CREATE TABLE waiting (number INTEGER, name TEXT);
                CREATE TABLE links (target INTEGER, number INTEGER, PRIMARY KEY (target, number)) WITHOUT ROWID;
                BEGIN;
                """
            )
        return self._database

    def name(self, name: str, number: int) -> None:
        """Gives an object a name, unless another has it."""
        self._names.give(name, number)

    def find(self, name: str) -> int | None:
        """The number of the object that has a name."""
        return self._names.find(name)

    def link(self, number: int, target: int) -> None:
        """Notes that an object points at another."""
        if self._database is None:
            self._links.setdefault(target, []).append(number)
        else:
            self._database.execute("INSERT OR IGNORE INTO links VALUES (?, ?)", (target, number))

    def wait(self, number: int, name: str) -> None:
        """Notes that an object points at what will perhaps have a name later."""
        if self._database is None:
            self._waiting.append((number, name))
        else:
            self._database.execute("INSERT INTO waiting VALUES (?, ?)", (number, name))

    def waiting(self) -> Iterator[tuple[int, str]]:
        """The numbers of the objects that were noted so, with the names that they point at."""
        yield from self._waiting
        if self._database is not None:
            yield from self._database.execute("SELECT number, name FROM waiting ORDER BY rowid")

    def pointing_at(self, target: int) -> list[int]:
        """The numbers of the objects that point at an object, in their order."""
        found = set(self._links.get(target, ()))
        if self._database is not None:
            rows = self._database.execute("SELECT number FROM links WHERE target = ?", (target,))
            found.update(row[0] for row in rows)
        return sorted(found)

    def get(self, number: int) -> dict[str, Any]:
        """The object of a number: the one that was given, or one made anew from the database."""
        if number < len(self._held):
            return self._held[number][0]
        text, _ = self._row(number)
        resource: dict[str, Any] = orjson.loads(text)
        return resource

    def place(self, number: int) -> str:
        """Where the object was read."""
        return self._held[number][1] if number < len(self._held) else self._row(number)[1]

    def _row(self, number: int) -> tuple[bytes, str]:
        text, _, place = self._texts.get(number - len(self._held)).partition(b"\n")
        return text, place.decode("utf-8", "surrogatepass")

    def group(self, group: str) -> Iterator[int]:
        """The numbers of a group's objects, in their order."""
        yield from self._groups.get(group, ())
        if self._database is not None:
            query = "SELECT number FROM groups WHERE called = ? ORDER BY number"
            for row in self._database.execute(query, (group,)):
                yield row[0]

    def close(self) -> None:
        """Gives the memory and the disk space back."""
        self._held.clear()
        self._names.close()
        self._waiting.clear()
        self._groups.clear()
        self._links.clear()
        if self._database is not None:
            self._texts.close()
            self._database.close()
