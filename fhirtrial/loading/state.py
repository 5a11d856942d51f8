"""
What was written where, remembered between runs: a SQLite file.

The file belongs to one server, one release and one version of the mapping; it is never trusted more than the server:
what is not in it is looked up there, and a load with ``verify`` looks up everything. Each bundle's outcome is committed
before the next is sent, so that a run may stop at any moment.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fhirtrial.errors import UsageError
from fhirtrial.identity import Identity

LAYOUT = 1
"""The layout of the file; another one is refused."""

_TABLES = """
    CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS written (
        kind TEXT NOT NULL, system TEXT NOT NULL, value TEXT NOT NULL,
        digest BLOB NOT NULL, id TEXT NOT NULL, version TEXT NOT NULL, created INTEGER NOT NULL,
        PRIMARY KEY (kind, system, value)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS used (
        study TEXT NOT NULL, kind TEXT NOT NULL, system TEXT NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (study, kind, system, value)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS used_by ON used (kind, system, value);
"""


class Written(NamedTuple):
    """
    What was last written for an identity.

    ``digest`` is that of the content as we made it, ``id`` and ``version`` are the server's (empty: not known), and
    ``created`` says whether it was us who made the resource: only such are ever deleted.
    """

    digest: bytes
    id: str
    version: str
    created: bool


class State:
    """
    The memory of loads into one target.

    Args:
        path: the file; None remembers in memory, for this run alone.
        server: the address of the target.
        release: the release of FHIR that is loaded.
        mapping: a name for the version of the mapping: where it differs, everything is looked at again.

    Its methods may be called from several threads. Raises UsageError if the file is no such memory, or belongs to
    another server or release.

    >>> state = State(None, server="https://example.org/fhir", release="R4", mapping="1")
    >>> place = Identity("Location", "urn:x", "1")
    >>> state.put({place: Written(b"digest", "7", "1", True)})
    >>> state.get(place).id, state.get(Identity("Location", "urn:x", "2"))
    ('7', None)
    >>> state.close()

    """

    def __init__(self, path: Path | str | None, *, server: str, release: str, mapping: str) -> None:
        self.path = "" if path is None else str(path)
        self._lock = threading.RLock()
        try:
            self._database = sqlite3.connect(self.path or ":memory:", isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute("PRAGMA busy_timeout = 60000")
            self._database.executescript(_TABLES)
        except sqlite3.DatabaseError as error:
            raise UsageError(f"{path}: this is no state of earlier loads: {error}") from error
        self._bind(server, release, mapping)

    def _bind(self, server: str, release: str, mapping: str) -> None:
        about = dict(self._database.execute("SELECT name, value FROM about"))
        wanted = {"layout": str(LAYOUT), "server": server, "release": release}
        for name, value in wanted.items():
            if about.get(name, value) != value:
                hint = "use another --state for it" if name != "layout" else "delete it: the server is read again"
                self.close()
                raise UsageError(f"{self.path}: this state is for the {name} {about[name]}, not {value}; {hint}")
        if about.get("mapping", mapping) != mapping:
            # Another mapping may make other bytes of the same record: what is the same then is found by comparing.
            self._database.execute("UPDATE written SET digest = x''")
        with self.transaction():
            for name, value in (*wanted.items(), ("mapping", mapping)):
                self._database.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is remembered together, or nothing."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def get(self, identity: Identity) -> Written | None:
        """What was last written for an identity; None if nothing is known."""
        query = "SELECT digest, id, version, created FROM written WHERE kind = ? AND system = ? AND value = ?"
        with self._lock:
            row = self._database.execute(query, identity).fetchone()
        return None if row is None else Written(row[0], row[1], row[2], bool(row[3]))

    def put(self, written: dict[Identity, Written]) -> None:
        """Remembers what was written, all of it or, if the machine stops meanwhile, nothing."""
        rows = [(*identity, each.digest, each.id, each.version, each.created) for identity, each in written.items()]
        with self.transaction():
            self._database.executemany("INSERT OR REPLACE INTO written VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def forget(self, identities: Iterable[Identity]) -> None:
        """Forgets what is no longer there."""
        with self.transaction():
            for identity in identities:
                self._database.execute("DELETE FROM written WHERE kind = ? AND system = ? AND value = ?", identity)
                self._database.execute("DELETE FROM used WHERE kind = ? AND system = ? AND value = ?", identity)

    def use(self, study: str, identities: Iterable[Identity]) -> None:
        """Remembers what a study consists of now, besides what it had before: see `gone` and `drop`."""
        more = sorted(set(identities) - self._used(study))
        if more:
            with self.transaction():
                self._database.executemany(
                    "INSERT INTO used VALUES (?, ?, ?, ?)", [(study, *identity) for identity in more]
                )

    def gone(self, study: str, identities: Iterable[Identity]) -> list[Identity]:
        """What a study had, sorted, and does not consist of now."""
        return sorted(self._used(study) - set(identities))

    def _used(self, study: str) -> set[Identity]:
        query = "SELECT kind, system, value FROM used WHERE study = ?"
        with self._lock:
            return {Identity(*row) for row in self._database.execute(query, (study,))}

    def drop(self, study: str, identities: Iterable[Identity]) -> None:
        """Remembers that a study has these no longer."""
        with self.transaction():
            query = "DELETE FROM used WHERE study = ? AND kind = ? AND system = ? AND value = ?"
            self._database.executemany(query, [(study, *identity) for identity in identities])

    def users(self, identity: Identity) -> list[str]:
        """The studies that have it, or had it and nobody has dropped it."""
        query = "SELECT study FROM used WHERE kind = ? AND system = ? AND value = ?"
        with self._lock:
            return [study for (study,) in self._database.execute(query, identity)]

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
