"""Loading without a server: a folder with one NDJSON file per type, by the same rules."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import orjson

from fhirtrial.errors import UsageError
from fhirtrial.identity import Identity, identities_of
from fhirtrial.loading.database import Database, InUseError
from fhirtrial.loading.folder_store import FolderStore
from fhirtrial.loading.plan import Limits
from fhirtrial.loading.state import State
from fhirtrial.loading.target import Held, Outcome, RefusedBundleError, Result, Write
from fhirtrial.pipelines.output import Folder, file_name, make_folder

MEMORY = ".fhirtrial.sqlite"
"""The file in the folder that has what was taken in, and what was written before."""
_SUFFIX = ".ndjson"


class FolderTarget:
    """
    A folder of NDJSON files, as bulk data has them: https://hl7.org/fhir/uv/bulkdata/export.html.

    The files are for readers. What a load takes in goes first into a database in the folder, a bundle at a time, so
    that it survives whatever ends the run; `close` then writes the files in which something changes anew, beside the
    old ones, and exchanges all of them. What a stop leaves undone the next load completes. The database also remembers
    what was written before, and is locked for the run: one folder has one load at a time.

    Files that are not as they were last written are read again: an edit is somebody else's (its content is its
    version), a line that is gone was deleted. Where that happens while a load runs, the file is left as it is.

    Raises UsageError if the folder cannot be used, or holds a file that is no NDJSON of one type of FHIR resources.
    """

    limits = Limits(entries=1000, size=64 << 20)
    workers = 1
    remembers = True

    def __init__(self, path: str | Path, *, release: str) -> None:
        self.path = Path(path)
        self.release = release
        self.address = self.path.resolve().as_uri()
        self.again: Counter[str] = Counter()
        self._dry = False

    def open(self, state: str | Path | None, *, mapping: str, dry: bool = False) -> State:
        """Locks the folder, and takes notice of what was changed in it since the last load."""
        if state is not None:
            raise UsageError("a state is for a server: a folder is its own memory")
        self._dry = dry
        if not dry:
            make_folder(self.path)
        try:
            self._database = Database(self.path / MEMORY, alone=True, dry=dry)
        except InUseError as error:
            raise InUseError(f"{self.path}: another load into this folder is under way; wait until it ends") from error
        try:
            # Where the folder lies says nothing: it may be moved.
            memory = State(self._database, server="of the folder", release=self.release, mapping=mapping)
            self._store = FolderStore(self._database)
            with self._database.transaction():
                self._compare(memory)
        except BaseException:
            self._database.close()
            raise
        return memory

    def together(self) -> AbstractContextManager[None]:
        """What is written and remembered inside is kept together."""
        return self._database.transaction()

    def find(self, identities: Sequence[Identity]) -> dict[Identity, list[Held]]:
        """All that the folder holds under identities."""
        found = {identity: self._store.find(identity) for identity in identities}
        return {
            identity: [Held(id=row.id, version=_version(row.digest), resource=orjson.loads(text)) for row, text in rows]
            for identity, rows in found.items()
            if rows
        }

    def write(self, writes: Sequence[Write]) -> list[Result]:
        """Takes a bundle in."""
        with self._database.transaction():
            results = [self._take(place, write) for place, write in enumerate(writes)]
            self._store.change({each.item.kind for each in results if each.outcome != "unchanged"})
        return results

    def _take(self, place: int, write: Write) -> Result:
        kind, item = write.item.kind, write.item
        row = self._store.row(kind, write.id)
        there = "" if row is None else _version(row.digest)
        if write.way == "create" and there:
            message = f"{kind}/{write.id} is something else in the folder: it does not have the identifier"
            raise RefusedBundleError(f"{message} {item.identity}", place=place)
        if write.way == "update" and there != write.version:
            raise RefusedBundleError(f"{kind}/{write.id} is in another version", place=place, changed=True)
        version = _version(hashlib.sha256(write.text).digest())
        outcome: Outcome = "unchanged" if version == there else "updated" if there else "created"
        if outcome != "unchanged":
            self._store.put(kind, write.id, write.text)
        return Result(item=item, outcome=outcome, id=write.id, version=version)

    def delete(self, kind: str, identity: str, version: str) -> bool:
        """Takes a resource out; False if it is not in that version any more, or others refer to it."""
        with self._database.transaction():
            row = self._store.row(kind, identity)
            if row is not None and row.digest is not None:
                if _version(row.digest) != version or self._store.is_referred_to(kind, identity):
                    return False
                self._store.remove(kind, identity)
                self._store.change([kind])
        return True

    # ------------------------------------------------------------ from the files

    def _compare(self, memory: State) -> None:
        """Takes in what stands in the files, where that is not what was written there last."""
        if not self._dry:
            for part in self.path.glob(f".*{_SUFFIX}.*.part"):
                part.unlink()  # of a run that was killed
        files = {file.name.removesuffix(_SUFFIX): file for file in sorted(self.path.glob(f"*{_SUFFIX}"))}
        for kind in sorted({*files, *self._store.kinds()}):
            digest = self._digest(kind)
            if digest != self._store.file_digest(kind):
                if kind in files:
                    self._read(files[kind], kind, memory)
                for gone in self._store.compared(kind, digest):
                    memory.doubt(gone)

    def _read(self, file: Path, kind: str, memory: State) -> None:
        """Takes in each line that is not what was written."""
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                text = line.strip()
                if not text:
                    continue
                id = _id_of(text, kind, f"{file}:{number}")
                if (first := self._store.saw(id, number)) != number:
                    raise UsageError(f"{file}:{number}: {kind}/{id} stands in line {first} already")
                row, digest = self._store.row(kind, id), hashlib.sha256(text).digest()
                if row is None or digest not in (row.published, row.digest):
                    memory.doubt(self._store.remove(kind, id))
                    memory.doubt(self._store.put(kind, id, text, published=digest))
                elif row.published != digest:
                    self._store.publish(row)  # of an exchange that was not noted any more

    def _digest(self, kind: str) -> bytes:
        try:
            with (self.path / file_name(kind)).open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except FileNotFoundError:
            return b""

    # ------------------------------------------------------------ to the files

    def close(self) -> None:
        """Writes the files in which something changed, and exchanges all of them."""
        try:
            if not self._dry:
                self._publish()
        finally:
            self._database.close()

    def _publish(self) -> None:
        """
        Writes all files anew, then exchanges them, then takes note of it.

        Where this ends in between, the next load finds which of the files say what was taken in, and writes the others.
        """
        output, done, left = Folder(self.path), dict[str, bytes](), list[str]()
        try:
            made = {kind: self._made(kind, output) for kind in self._store.kinds(changed=True)}
            for file in output.files.values():
                file.complete()
            for kind, digest in made.items():
                there = self._digest(kind)
                if there not in (digest, self._store.file_digest(kind)):
                    left.append(str(self.path / file_name(kind)))
                    continue
                if there != digest and digest:
                    output.files[kind].publish()
                elif there != digest:
                    (self.path / file_name(kind)).unlink()
                done[kind] = digest
        finally:
            output.discard()
        self._store.exchanged(done)
        if left:
            raise UsageError(f"{', '.join(left)}: changed by somebody while it was loaded, and left: load once more")

    def _made(self, kind: str, output: Folder) -> bytes:
        """The digest of a type's new file; empty if there is nothing to be in it."""
        digest, some = hashlib.sha256(), False
        for text in self._store.texts(kind):
            line = text + b"\n"
            digest.update(line)
            output.write_lines(kind, line)
            some = True
        return digest.digest() if some else b""


def _version(digest: bytes | None) -> str:
    """The version of a content; empty if there is none."""
    return "" if digest is None else f"sha256:{digest.hex()[:16]}"


def _id_of(text: bytes, kind: str, place: str) -> str:
    """The id of a line. Raises UsageError if it is no resource of a type."""
    try:
        resource = orjson.loads(text)
        identities_of(resource)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{place}: no FHIR resource: {error}") from error
    if resource["resourceType"] != kind:
        wanted = f"{resource['resourceType']}{_SUFFIX}"
        raise UsageError(f"{place}: a {resource['resourceType']}, which belongs in {wanted}: one file for each type")
    id = resource.get("id")
    if not isinstance(id, str) or not id:
        raise UsageError(f"{place}: a {kind} without an id")
    return id
