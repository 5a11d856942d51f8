"""FHIR resources at hand: found by reference, by canonical URL, and by what a bundle calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

Resource = dict[str, Any]

_LAST_TWO = re.compile(r"(?:^|/)([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?$")


class Resources:
    """
    An index over resources, in any order, from anywhere.

    References may be relative (``Location/1``), absolute (``https://server/fhir/Location/1``), versioned
    (``Location/1/_history/2``) or a bundle's own (``urn:uuid:…``): https://hl7.org/fhir/R5/references.html

    >>> index = Resources([{"resourceType": "Location", "id": "1"}])
    >>> index.find("https://server/fhir/Location/1/_history/2") is index.find("Location/1")
    True
    """

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        self.by_key: dict[str, Resource] = {}
        self.of_type: dict[str, list[Resource]] = {}
        for resource in resources:
            self.add(resource)

    def add(self, resource: Resource, full_url: str | None = None) -> None:
        """Takes a resource in, with the ``fullUrl`` that a bundle gives it; a Bundle means its entries."""
        kind = resource.get("resourceType")
        if kind == "Bundle":
            for entry, url in entries(resource):
                self.add(entry, url)
            return
        self.of_type.setdefault(str(kind), []).append(resource)
        if "id" in resource:
            self.by_key[f"{kind}/{resource['id']}"] = resource
        if "url" in resource and isinstance(resource["url"], str):
            self.by_key.setdefault(resource["url"], resource)
        if full_url is not None:
            self.by_key.setdefault(full_url, resource)

    def find(self, reference: str) -> Resource | None:
        """The resource that a reference or a canonical URL means, or None."""
        found = self.by_key.get(reference)
        if found is not None:
            return found
        plain = reference.split("|", 1)[0].split("#", 1)[0]
        match = _LAST_TWO.search(plain)
        return self.by_key.get(plain) or (self.by_key.get(match[1]) if match else None)


def entries(bundle: Resource) -> Iterator[tuple[Resource, str | None]]:
    """The resources of a bundle with their ``fullUrl``; what holds no resource is passed over."""
    for entry in bundle.get("entry") or ():
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            yield entry["resource"], entry.get("fullUrl")
