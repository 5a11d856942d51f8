"""What a folder of NDJSON files holds, and what was taken in for it and does not stand in the files yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple

import orjson

from fhirtrial.identity import Identity, identities_of
from fhirtrial.loading.database import Database
from fhirtrial.loading.item import references_in

_TABLES = """
    CREATE TABLE IF NOT EXISTS held (
        number INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL,
        digest BLOB, published BLOB, text BLOB, UNIQUE (kind, id)
    );
    CREATE TABLE IF NOT EXISTS named (
        kind TEXT NOT NULL, system TEXT NOT NULL, value TEXT NOT NULL, number INTEGER NOT NULL,
        PRIMARY KEY (kind, system, value, number)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS names_of ON named (number);
    CREATE TABLE IF NOT EXISTS pointing (
        target TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (target, number)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS points_of ON pointing (number);
    CREATE TABLE IF NOT EXISTS files (
        kind TEXT PRIMARY KEY, digest BLOB NOT NULL, changed INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TEMP TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID
"""


class Row(NamedTuple):
    """A resource: its number in the store, its id, and the digests of its content and of its line in the file."""

    number: int
    id: str
    digest: bytes | None
    published: bytes | None


class FolderStore:
    """
    The resources of a folder, in a database: as they stand in its files, and as they shall.

    A resource has a digest of what it is now (None: it is deleted), and one of its line in the file (None: it is in no
    file). The digest of a file is that of its bytes, empty if there is no file.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction():
            database.make(_TABLES)

    # ------------------------------------------------------------ resources

    def find(self, identity: Identity) -> list[tuple[Row, bytes]]:
        """The resources that have an identifier, or the one that has an id, with their texts."""
        columns = "SELECT number, id, digest, published, text FROM held"
        if identity.system:
            query = f"{columns} JOIN named USING (number) WHERE named.kind = ? AND system = ? AND value = ?"
            rows = self._database.rows(query, identity)
        else:
            query = f"{columns} WHERE kind = ? AND id = ? AND text IS NOT NULL"
            rows = self._database.rows(query, (identity.kind, identity.value))
        return [(Row(*row[:4]), row[4]) for row in rows]

    def row(self, kind: str, id: str) -> Row | None:
        """The resource of an id, also one that is deleted and still stands in its file."""
        query = "SELECT number, id, digest, published FROM held WHERE kind = ? AND id = ?"
        row = self._database.row(query, (kind, id))
        return None if row is None else Row(*row)

    def put(self, kind: str, id: str, text: bytes, *, published: bytes | None = None) -> frozenset[Identity]:
        """Takes in what a resource is now; ``published`` if its line in the file says so. All that it is called by."""
        row, digest = self.row(kind, id), sha256(text).digest()
        if row is None:
            statement = "INSERT INTO held (kind, id, digest, published, text) VALUES (?, ?, ?, ?, ?)"
            number = self._database.insert(statement, (kind, id, digest, published, text))
        else:
            number = row.number
            statement = "UPDATE held SET digest = ?, published = ?, text = ? WHERE number = ?"
            self._database.rows(statement, (digest, published or row.published, text, number))
            self._unname(number)
        names, pointed_at = identities_of(orjson.loads(text)), references_in(text)
        named = [(*name, number) for name in names if name.system]
        self._database.many("INSERT INTO named VALUES (?, ?, ?, ?)", named)
        self._database.many("INSERT INTO pointing VALUES (?, ?)", [(name, number) for name in pointed_at])
        return names

    def publish(self, row: Row) -> None:
        """Takes note that a line of the file says what the store says."""
        self._database.rows("UPDATE held SET published = digest WHERE number = ?", (row.number,))

    def remove(self, kind: str, id: str, *, published: bool = False) -> set[Identity]:
        """Takes a resource out; ``published`` if its line is gone as well. All that it was called by."""
        row = self.row(kind, id)
        if row is None:
            return set()
        names = self._database.rows("SELECT kind, system, value FROM named WHERE number = ?", (row.number,))
        self._unname(row.number)
        if row.published is None or published:
            self._database.rows("DELETE FROM held WHERE number = ?", (row.number,))
        else:
            self._database.rows("UPDATE held SET digest = NULL, text = NULL WHERE number = ?", (row.number,))
        return {Identity(kind, "", id), *(Identity(*name) for name in names)}

    def _unname(self, number: int) -> None:
        self._database.rows("DELETE FROM named WHERE number = ?", (number,))
        self._database.rows("DELETE FROM pointing WHERE number = ?", (number,))

    def is_referred_to(self, kind: str, id: str) -> bool:
        """Whether another resource refers to one."""
        row = self.row(kind, id)
        query = "SELECT 1 FROM pointing WHERE target = ? AND number <> ?"
        return self._database.row(query, (f"{kind}/{id}", row.number if row else 0)) is not None

    def texts(self, kind: str) -> Iterator[bytes]:
        """The texts of all resources of a type, by their ids."""
        query = "SELECT text FROM held WHERE kind = ? AND text IS NOT NULL ORDER BY id"
        for (text,) in self._database.stream(query, (kind,)):
            yield text

    # ------------------------------------------------------------ files

    def file_digest(self, kind: str) -> bytes:
        """The digest of a type's file as it was last read or written."""
        row = self._database.row("SELECT digest FROM files WHERE kind = ?", (kind,))
        return b"" if row is None else row[0]

    def change(self, kinds: Iterable[str]) -> None:
        """Takes note that the files of types do not say any more what the store says."""
        statement = "INSERT INTO files (kind, digest, changed) VALUES (?, x'', 1) ON CONFLICT DO UPDATE SET changed = 1"
        self._database.many(statement, [(kind,) for kind in sorted(kinds)])

    def kinds(self, *, changed: bool = False) -> list[str]:
        """The types that have files, or those whose files are to be exchanged; sorted."""
        query = "SELECT kind FROM files WHERE changed >= ? ORDER BY kind"
        return [kind for (kind,) in self._database.rows(query, (int(changed),))]

    def saw(self, id: str, line: int) -> int:
        """Takes note of the line in which an id stands in the file that is being read; the first that it stands in."""
        self._database.rows("INSERT OR IGNORE INTO seen VALUES (?, ?)", (id, line))
        row = self._database.row("SELECT line FROM seen WHERE id = ?", (id,))
        return line if row is None else int(row[0])

    def compared(self, kind: str, digest: bytes) -> Iterator[set[Identity]]:
        """
        Takes note that a file was read: what stood there before, and was not seen, is taken out.

        All that each was called by.
        """
        query = "SELECT id FROM held WHERE kind = ? AND published IS NOT NULL AND id NOT IN (SELECT id FROM seen)"
        for (id,) in self._database.rows(query, (kind,)):
            yield self.remove(kind, id, published=True)
        self._database.rows("DELETE FROM seen")
        statement = (
            "INSERT INTO files (kind, digest, changed) VALUES (?, ?, 0) "
            "ON CONFLICT DO UPDATE SET digest = excluded.digest"
        )
        self._database.rows(statement, (kind, digest))

    def exchanged(self, digests: Mapping[str, bytes]) -> None:
        """Takes note of the files that say now what the store says, with their digests."""
        with self._database.transaction():
            for kind, digest in digests.items():
                statement = "UPDATE held SET published = digest WHERE kind = ? AND published IS NOT digest"
                self._database.rows(statement, (kind,))
                self._database.rows("DELETE FROM held WHERE kind = ? AND text IS NULL", (kind,))
                self._database.rows("UPDATE files SET digest = ?, changed = 0 WHERE kind = ?", (digest, kind))
