"""Loading without a server: a folder with one NDJSON file per type, by the same rules."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from fhirtrial.errors import UsageError
from fhirtrial.identity import Identity, identity_of
from fhirtrial.loading.plan import Limits
from fhirtrial.loading.target import Held, Outcome, Result, Write
from fhirtrial.pipelines.output import File
from fhirtrial.store import BYTES_IN_MEMORY, ResourceStore


class FolderTarget:
    """
    A folder of NDJSON files, as bulk data has them: https://hl7.org/fhir/uv/bulkdata/export.html.

    What is written is seen when `close` is called; files of types in which nothing changed are not touched, the others
    are exchanged one by one, each whole. Versions are not kept: the content is compared instead. What is more than
    ``in_memory`` bytes of JSON waits on disk.

    Raises UsageError if the folder cannot be made, or holds a file that is no NDJSON of FHIR resources.
    """

    limits = Limits(entries=1000, size=64 << 20)

    def __init__(self, path: str | Path, *, release: str, in_memory: int = BYTES_IN_MEMORY) -> None:
        self.path = Path(path)
        self.release = release
        self.address = self.path.resolve().as_uri()
        self.again: Counter[str] = Counter()
        self._store = ResourceStore(limit=in_memory)
        self._numbers: dict[Identity, list[int]] = {}
        self._order: dict[str, dict[Identity, None]] = {}
        self._changed: set[str] = set()
        self._lock = threading.Lock()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{path}: no such folder can be made: {error.strerror or error}") from error
        for file in sorted(self.path.glob("*.ndjson")):
            self._read(file)

    def _read(self, file: Path) -> None:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    resource = orjson.loads(line)
                    identity = identity_of(resource)
                except (orjson.JSONDecodeError, KeyError, TypeError) as error:
                    raise UsageError(f"{file}:{number}: no FHIR resource: {error}") from error
                self._take(identity, resource, len(line))

    def _take(self, identity: Identity, resource: dict[str, Any], size: int) -> None:
        number = self._store.add(resource, size=size, place="", group="")
        if identity not in self._numbers:
            self._order.setdefault(identity.kind, {})[identity] = None
        self._numbers.setdefault(identity, []).append(number)

    def find(self, identities: Sequence[Identity]) -> dict[Identity, list[Held]]:
        """All that the folder holds under identities."""
        with self._lock:
            found = {identity: self._numbers[identity] for identity in identities if identity in self._numbers}
            return {
                identity: [self._held(self._store.get(number)) for number in numbers]
                for identity, numbers in found.items()
            }

    def _held(self, resource: dict[str, Any]) -> Held:
        return Held(id=str(resource.get("id", "")), version="", resource=resource)

    def write(self, writes: Sequence[Write]) -> list[Result]:
        """Takes a bundle in."""
        results = []
        with self._lock:
            for write in writes:
                identity = write.item.identity
                known = identity in self._numbers
                self._numbers.pop(identity, None)
                if known:
                    del self._order[identity.kind][identity]
                self._take(identity, orjson.loads(write.text), len(write.text))
                self._changed.add(identity.kind)
                outcome: Outcome = "updated" if known else "created"
                results.append(Result(item=write.item, outcome=outcome, id=write.id, version=""))
        return results

    def delete(self, kind: str, identity: str, version: str) -> bool:  # noqa: ARG002
        """Takes a resource out."""
        with self._lock:
            for name in list(self._order.get(kind, ())):
                if any(self._store.get(number).get("id") == identity for number in self._numbers[name]):
                    del self._numbers[name]
                    del self._order[kind][name]
                    self._changed.add(kind)
                    return True
        return False

    def close(self) -> None:
        """Exchanges the files of the types in which something changed; those that are empty now go."""
        for kind in sorted(self._changed):
            file = self.path / f"{kind}.ndjson"
            names = self._order.get(kind, {})
            if not names:
                file.unlink(missing_ok=True)
                continue
            output = File(file)
            try:
                for name in sorted(names):
                    for number in self._numbers[name]:
                        output.write(kind, orjson.dumps(self._store.get(number)))
                output.finish()
            except BaseException:
                output.discard()
                raise
        self._changed.clear()
        self._store.close()
