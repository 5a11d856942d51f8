"""A server in memory, for tests of the loader: versions, referential integrity, and whatever fault a test wants."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import orjson

from fhirtrial.identity import Identity, identity_of
from fhirtrial.loading.plan import Limits
from fhirtrial.loading.state import State
from fhirtrial.loading.target import Held, RefusedBundleError, Result, Write

Resource = dict[str, Any]


class MemoryTarget:
    """Holds resources by type and id; ``history`` has all their versions, ``log`` what was asked and written."""

    address = "https://server.example/fhir"
    workers = 2
    remembers = False

    def __init__(self, release: str = "R5", limits: Limits | None = None) -> None:
        self.release = release
        self.again: Counter[str] = Counter()
        self.limits = limits or Limits(entries=200, size=1 << 20)
        self.history: dict[str, list[Resource]] = {}
        self.log: Counter[str] = Counter()
        self.before_write: Callable[[Sequence[Write]], None] = lambda _: None
        self.after_write: Callable[[Sequence[Write]], None] = lambda _: None
        self.lock = threading.RLock()
        self.bundles: list[list[str]] = []

    # ------------------------------------------------------------ what a test looks at

    def now(self) -> dict[str, Resource]:
        """The present version of everything."""
        return {name: versions[-1] for name, versions in self.history.items() if versions[-1]}

    def versions(self) -> dict[str, int]:
        return {name: len(versions) for name, versions in self.history.items()}

    def put(self, resource: Resource) -> None:
        """Somebody else's edit."""
        name = f"{resource['resourceType']}/{resource['id']}"
        self.history.setdefault(name, []).append(orjson.loads(orjson.dumps(resource)))

    # ------------------------------------------------------------ what the loader calls

    def open(self, state: str | Path | None, *, mapping: str, dry: bool = False) -> State:
        return State(state, server=self.address, release=self.release, mapping=mapping, dry=dry)

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    def find(self, identities: Sequence[Identity]) -> dict[Identity, list[Held]]:
        with self.lock:
            self.log["find"] += 1
            found: dict[Identity, list[Held]] = {}
            wanted = set(identities)
            assert len({identity.kind for identity in wanted}) == 1
            for name, resource in self.now().items():
                names = {Identity(resource["resourceType"], "", resource["id"]), identity_of(resource)}
                for each in resource.get("identifier", ()):
                    names.add(Identity(resource["resourceType"], each.get("system", ""), each.get("value", "")))
                for identity in wanted & names:
                    version = str(len(self.history[name]))
                    body = {**resource, "meta": {"versionId": version, "lastUpdated": "2020-01-01T00:00:00Z"}}
                    found.setdefault(identity, []).append(Held(id=resource["id"], version=version, resource=body))
            return found

    def write(self, writes: Sequence[Write]) -> list[Result]:
        with self.lock:
            self.before_write(writes)
            if len(writes) > self.limits.entries:
                raise RefusedBundleError("413", too_large=True)
            self.log["write"] += 1
            self.bundles.append([write.item.reference for write in writes])
            there = self.now()
            coming = {f"{write.item.kind}/{write.id}" for write in writes}
            for place, write in enumerate(writes):
                resource = orjson.loads(write.text)
                assert resource["id"] == write.id
                for reference in references(resource):
                    if reference not in there and reference not in coming:
                        raise RefusedBundleError(f"{reference} is not here", place=place)
            results = [self.one(write) for write in writes]
            self.after_write(writes)
            return results

    def one(self, write: Write) -> Result:
        name = f"{write.item.kind}/{write.id}"
        resource = orjson.loads(write.text)
        found = self.find([write.item.identity]).get(write.item.identity, [])
        if write.way == "create" and found and found[0].id != write.id:
            raise RefusedBundleError(f"it lives under {found[0].id}", changed=True)
        if write.way == "update" and write.version and (not found or found[0].version != write.version):
            raise RefusedBundleError("another version", changed=True)
        versions = self.history.setdefault(name, [])
        if versions and versions[-1] == resource:
            return Result(item=write.item, outcome="unchanged", id=write.id, version=str(len(versions)))
        versions.append(resource)
        outcome = "created" if len(versions) == 1 else "updated"
        return Result(item=write.item, outcome=outcome, id=write.id, version=str(len(versions)))  # type: ignore[arg-type]

    def delete(self, kind: str, identity: str, version: str) -> bool:
        with self.lock:
            self.log["delete"] += 1
            name = f"{kind}/{identity}"
            used = any(name in references(resource) for resource in self.now().values())
            if used or name not in self.now() or str(len(self.history[name])) != version:
                return False
            self.history[name].append({})
            return True

    def close(self) -> None:
        self.log["close"] += 1


def references(node: Any) -> list[str]:
    """All literal references in a resource."""
    if isinstance(node, dict):
        found = [node["reference"]] if isinstance(node.get("reference"), str) else []
        return found + [each for value in node.values() for each in references(value)]
    return [each for item in node for each in references(item)] if isinstance(node, list) else []
