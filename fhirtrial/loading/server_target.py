"""Loading into a FHIR server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from fhirtrial.errors import UsageError
from fhirtrial.identity import Identity, identities_of
from fhirtrial.loading.plan import Limits
from fhirtrial.loading.referrers import Referrers
from fhirtrial.loading.state import State
from fhirtrial.loading.target import Held, RefusedBundleError, Result, Write
from fhirtrial.release_names import RELEASES
from fhirtrial.server.client import FhirClient
from fhirtrial.server.courier import Resend
from fhirtrial.server.entries import upsert_entry
from fhirtrial.server.errors import (
    Conflict,
    NotFound,
    Refused,
    ServerError,
    ServerFault,
    Throttled,
    TooLarge,
    Unreachable,
)
from fhirtrial.server.response import Written

_ELSEWHERE = frozenset({"HAPI-2279"})
"""What HAPI says where a condition finds a resource under another id than the body's."""
GONE = 410
_OF_THE_WAY = frozenset({502, 503, 504})
"""Faults of the way to the server, not of what was sent."""


class ServerTarget:
    """
    A FHIR server, as `FhirClient` knows it.

    New resources are written by conditional updates that carry our id: where nothing has the identifier they are
    created under that id, so that two who load at once do not make two. Known ones are updated by id, in the version
    that was seen.

    The client stays open: whoever has made it closes it. ``again`` is what it counts its resendings in: see `counting`.

    Raises UsageError if the server speaks a release that nothing can be loaded in.
    """

    remembers = False

    def __init__(self, client: FhirClient, *, again: Counter[str] | None = None) -> None:
        self.client = client
        self.again: Counter[str] = Counter() if again is None else again
        self.address = client.address.text
        dialect = client.dialect
        if dialect.release not in RELEASES:
            spoken = dialect.fhir_version or "a version of FHIR that it does not name"
            raise UsageError(f"{self.address} speaks {spoken}; there is {', '.join(RELEASES)} only")
        self.release = dialect.release
        entries = min(dialect.entries, dialect.most_entries or dialect.entries)
        self.limits = Limits(entries=entries, size=dialect.bytes)
        self.workers = dialect.workers
        self._referrers = Referrers(client)

    def open(self, state: str | Path | None, *, mapping: str, dry: bool = False) -> State:
        """The memory of what was written to this server."""
        return State(state, server=self.address, release=self.release, mapping=mapping, dry=dry)

    def together(self) -> AbstractContextManager[None]:
        """A server and a file cannot be changed together: what only the server has done is looked up."""
        return nullcontext()

    def find(self, identities: Sequence[Identity]) -> dict[Identity, list[Held]]:
        """All that the server holds under identities of one type."""
        kind, system = identities[0].kind, identities[0].system
        name, tokens = (
            ("identifier", [each.token for each in identities])
            if system
            else ("_id", [each.value for each in identities])
        )
        wanted = frozenset(identities)
        found: dict[Identity, dict[str, Held]] = {}
        for resource in self.client.search(kind, {name: ",".join(tokens), "_count": "200"}):
            held = Held(id=str(resource.get("id")), version=version_of(resource), resource=resource)
            for identity in identities_of(resource) & wanted:
                found.setdefault(identity, {})[held.id] = held
        return {identity: list(held.values()) for identity, held in found.items()}

    def write(self, writes: Sequence[Write]) -> list[Result | RefusedBundleError]:
        """Writes a bundle as one transaction."""
        entry = [self.entry(write) for write in writes]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entry}
        try:
            answer = self.client.transaction(bundle, studies=[write.item.study for write in writes])
        except Unreachable as error:
            if not error.perhaps_done:
                raise
            # The answer is lost, not the server: what it has done is seen when it is looked at.
            raise RefusedBundleError(str(error), changed=True) from error
        except TooLarge as error:
            raise RefusedBundleError(str(error), too_large=True) from error
        except Throttled as error:
            # It was sent again as often as it may be: fewer entries may go, after the time that the server asks for.
            wait = error.facts.retry_after or 0.0
            if len(writes) == 1 or wait > self.client.retry.longest_wait:
                raise
            raise RefusedBundleError(str(error), throttled=True, wait=wait) from error
        except Conflict as error:
            if len(writes) == 1 and writes[0].way == "create":
                return [self.revived(writes[0], error)]
            raise RefusedBundleError(str(error), place=error.entry, changed=True) from error
        except Refused as error:
            elsewhere = not _ELSEWHERE.isdisjoint(error.outcome.server_codes)
            raise RefusedBundleError(str(error), place=error.entry, changed=elsewhere) from error
        except ServerFault as error:
            if error.status in _OF_THE_WAY:
                raise
            raise RefusedBundleError(str(error), place=error.entry) from error
        return [
            refused(answer.errors[place])
            if place in answer.errors
            else result(write, answer.entries[place], throttled=answer.throttled > 0)
            for place, write in enumerate(writes)
        ]

    def revived(self, write: Write, conflict: Conflict) -> Result:
        """
        A resource whose id was there once, and was deleted: a condition cannot make it again, an update by id can.

        Raises RefusedBundleError if the id is somebody else's, or if it is there now: then it is to be looked at again.
        """
        name = f"{write.item.kind}/{write.id}"
        try:
            there = self.client.read(write.item.kind, write.id)
        except NotFound as error:
            if error.status != GONE:
                raise RefusedBundleError(str(conflict), changed=True) from conflict
        else:
            if write.item.identity in identities_of(there):
                raise RefusedBundleError(str(conflict), changed=True) from conflict
            message = f"{name} is something else on the server: it does not have the identifier {write.item.identity}"
            raise RefusedBundleError(message) from conflict
        try:
            return result(write, self.client.update(orjson.loads(write.text), study=write.item.study))
        except (Conflict, Refused) as error:
            raise RefusedBundleError(str(error)) from error

    def entry(self, write: Write) -> dict[str, Any]:
        """The entry of a transaction that carries out a write; the resource in it is the JSON text as it is."""
        kind, identity, dialect = write.item.kind, write.item.identity, self.client.dialect
        create = write.way == "create" and identity.system
        return upsert_entry(
            orjson.Fragment(write.text),
            identity=identity,
            id=write.id,
            form=dialect.upsert(kind) if create else "update-by-id",
            full_url=f"{self.address}/{kind}/{write.id}",
            version=write.version,
            conditional_create=dialect.abilities(kind).conditional_create,
            if_none_exist=dialect.if_none_exist,
        )

    def delete(self, kind: str, identity: str, version: str) -> bool:
        """Deletes a resource; False if it is not in that version any more, or others refer to it."""
        try:
            # Not every server looks at the version of a delete.
            if version and version_of(self.client.read(kind, identity)) != version:
                return False
            # Nor does every server mind what would refer to nothing then.
            if self._referrers.has(kind, identity):
                return False
            self.client.delete(kind, identity, version=version)
        except Conflict:
            return False
        except NotFound:
            pass  # it is gone already
        return True

    def close(self) -> None:
        """Forgets what was read; each bundle was written when it was sent."""
        self._referrers.close()


def counting(again: Counter[str]) -> Callable[[Resend], None]:
    """
    What a client is given as ``noticed``, so that what it sends again is counted.

    >>> again = Counter()
    >>> counting(again)(Resend(what="a search", attempt=2, wait=1.0, status=503))
    >>> again
    Counter({'503': 1})
    """
    lock = Lock()

    def notice(resend: Resend) -> None:
        with lock:  # it is called by each thread that sends
            again[str(resend.status or resend.reason or "no answer")] += 1

    return notice


def result(write: Write, written: Written, *, throttled: bool = False) -> Result:
    """What became of a write, from the server's answer for its entry."""
    identity = written.reference.rpartition("/")[2] or write.id
    outcome = written.change
    if outcome is None:
        # An update that the server does not tell apart from one that changed nothing.
        same = bool(written.version) and written.version == write.version
        outcome = "unchanged" if same else "updated" if write.way == "update" else "created"
    if outcome == "deleted":
        raise RefusedBundleError(f"{written.reference}: the server says that it was deleted")
    return Result(item=write.item, outcome=outcome, id=identity, version=written.version, throttled=throttled)


def refused(error: ServerError) -> RefusedBundleError:
    """An entry that failed in a bundle of which others did not."""
    return RefusedBundleError(str(error), changed=isinstance(error, Conflict), throttled=isinstance(error, Throttled))


def version_of(resource: dict[str, Any]) -> str:
    """The version of a resource that a server gave."""
    meta = resource.get("meta")
    return str(meta.get("versionId", "")) if isinstance(meta, dict) else ""
