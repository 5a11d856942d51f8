"""
What was written where, remembered between runs: a SQLite file.

The file belongs to one server, one release and one version of the mapping; it is never trusted more than the server:
what is not in it is looked up there, and a load with ``verify`` looks up everything. Each bundle's outcome is committed
before the next is sent, so that a run may stop at any moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from sqlite3 import DatabaseError
from typing import NamedTuple

from fhirtrial.errors import UsageError
from fhirtrial.identity import Identity
from fhirtrial.loading.database import Database

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
        kept: the file; None remembers for this run alone. A target that remembers by itself gives its database.
        server: the address of the target.
        release: the release of FHIR that is loaded.
        mapping: a name for the version of the mapping: where it differs, everything is looked at again.
        dry: the file is read, and not written to.

    Its methods may be called from several threads. Raises UsageError if the file is no such memory, or belongs to
    another server or release.

    >>> state = State(None, server="https://example.org/fhir", release="R4", mapping="1")
    >>> place = Identity("Location", "urn:x", "1")
    >>> state.put({place: Written(b"digest", "7", "1", True)})
    >>> state.get(place).id, state.get(Identity("Location", "urn:x", "2"))
    ('7', None)
    >>> state.close()

    """

    def __init__(
        self, kept: Path | str | Database | None, *, server: str, release: str, mapping: str, dry: bool = False
    ) -> None:
        self._another = "folder" if isinstance(kept, Database) else "--state"
        self._database = kept if isinstance(kept, Database) else Database(kept, dry=dry)
        try:
            with self.transaction():
                self._database.make(_TABLES)
                self._bind({"layout": str(LAYOUT), "server": server, "release": release}, mapping)
        except DatabaseError as error:
            self.close()
            raise UsageError(f"{self._database.path}: this is no state of earlier loads: {error}") from error
        except UsageError:
            self.close()
            raise

    def _bind(self, wanted: dict[str, str], mapping: str) -> None:
        about = dict(self._database.rows("SELECT name, value FROM about"))
        for name, value in wanted.items():
            if about.get(name, value) != value:
                hint = f"use another {self._another} for it" if name != "layout" else "delete it: all is read again"
                message = f"{self._database.path}: this state is for the {name} {about[name]}, not {value}; {hint}"
                raise UsageError(message)
        if about.get("mapping", mapping) != mapping:
            # Another mapping may make other bytes of the same record: what is the same then is found by comparing.
            self._database.rows("UPDATE written SET digest = x''")
        self._database.many("INSERT OR REPLACE INTO about VALUES (?, ?)", {**wanted, "mapping": mapping}.items())

    def transaction(self) -> AbstractContextManager[None]:
        """Everything inside is remembered together, or nothing."""
        return self._database.transaction()

    def get(self, identity: Identity) -> Written | None:
        """What was last written for an identity; None if nothing is known."""
        query = "SELECT digest, id, version, created FROM written WHERE kind = ? AND system = ? AND value = ?"
        row = self._database.row(query, identity)
        return None if row is None else Written(row[0], row[1], row[2], bool(row[3]))

    def put(self, written: dict[Identity, Written]) -> None:
        """Remembers what was written, all of it or, if the machine stops meanwhile, nothing."""
        if written:
            rows = [(*identity, *each) for identity, each in written.items()]
            with self.transaction():
                self._database.many("INSERT OR REPLACE INTO written VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def doubt(self, identities: Iterable[Identity]) -> None:
        """Takes note that the target does not hold any more what was written: it is looked at again."""
        statement = "UPDATE written SET digest = x'' WHERE kind = ? AND system = ? AND value = ?"
        with self.transaction():
            self._database.many(statement, identities)

    def forget(self, identities: Iterable[Identity]) -> None:
        """Forgets what is no longer there."""
        gone = list(identities)
        with self.transaction():
            self._database.many("DELETE FROM written WHERE kind = ? AND system = ? AND value = ?", gone)
            self._database.many("DELETE FROM used WHERE kind = ? AND system = ? AND value = ?", gone)

    def use(self, study: str, identities: Iterable[Identity]) -> None:
        """Remembers what a study consists of now, besides what it had before: see `gone` and `drop`."""
        more = sorted(set(identities) - self._used(study))
        if more:
            with self.transaction():
                self._database.many("INSERT INTO used VALUES (?, ?, ?, ?)", [(study, *each) for each in more])

    def gone(self, study: str, identities: Iterable[Identity]) -> list[Identity]:
        """What a study had, sorted, and does not consist of now."""
        return sorted(self._used(study) - set(identities))

    def _used(self, study: str) -> set[Identity]:
        query = "SELECT kind, system, value FROM used WHERE study = ?"
        return {Identity(*row) for row in self._database.rows(query, (study,))}

    def drop(self, study: str, identities: Iterable[Identity]) -> None:
        """Remembers that a study has these no longer."""
        with self.transaction():
            rows = [(study, *identity) for identity in identities]
            self._database.many("DELETE FROM used WHERE study = ? AND kind = ? AND system = ? AND value = ?", rows)

    def users(self, identity: Identity) -> list[str]:
        """The studies that have it, or had it and nobody has dropped it."""
        query = "SELECT study FROM used WHERE kind = ? AND system = ? AND value = ?"
        return [study for (study,) in self._database.rows(query, identity)]

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
