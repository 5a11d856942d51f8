"""Identifiers that several resources of a server share, which no load can tell apart."""

from __future__ import annotations

from collections.abc import Iterator

from fhirtrial.identity import Identity, identities_of
from fhirtrial.server.client import FhirClient

KINDS = (
    "ResearchStudy",
    "Group",
    "PlanDefinition",
    "ActivityDefinition",
    "Organization",
    "Practitioner",
    "PractitionerRole",
    "Location",
)
"""The types of resources that are loaded by identifier."""


def shared_identifiers(client: FhirClient) -> Iterator[tuple[Identity, list[str]]]:
    """Each identifier that several resources of one type have, with their references, sorted."""
    for kind in KINDS:
        first: dict[Identity, str] = {}
        several: dict[Identity, set[str]] = {}
        for resource in client.search(kind, {"_elements": "identifier", "_count": "500"}):
            name = f"{kind}/{resource.get('id')}"
            for identity in identities_of(resource):
                if identity.system and first.setdefault(identity, name) != name:
                    several.setdefault(identity, {first[identity]}).add(name)
        for identity in sorted(several):
            yield identity, sorted(several[identity])
