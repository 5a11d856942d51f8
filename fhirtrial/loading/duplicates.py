"""Identifiers that several resources of a server share, which no load can tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fhirtrial.identity import Identity, identities_of
from fhirtrial.server.client import FhirClient


def shared_identifiers(client: FhirClient, kinds: Iterable[str]) -> Iterator[tuple[Identity, list[str]]]:
    """Each identifier that several resources of one of some types have, with their references, sorted."""
    for kind in kinds:
        first: dict[Identity, str] = {}
        several: dict[Identity, set[str]] = {}
        for resource in client.search(kind, {"_elements": "identifier", "_count": "500"}):
            name = f"{kind}/{resource.get('id')}"
            for identity in identities_of(resource):
                if identity.system and first.setdefault(identity, name) != name:
                    several.setdefault(identity, {first[identity]}).add(name)
        for identity in sorted(several):
            yield identity, sorted(several[identity])
