"""FHIR resources at hand: found by reference, by canonical URL, and by what a bundle calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

Resource = dict[str, Any]

_OWN = re.compile(r"urn:(?:uuid|oid):([A-Za-z0-9\-.]{1,64})")
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
        kind = str(kind)
        same = self.of_type.get(kind)
        if same is None:
            same = self.of_type[kind] = []
        same.append(resource)
        if "id" in resource:
            self.by_key[f"{kind}/{resource['id']}"] = resource
        if "url" in resource and isinstance(resource["url"], str):
            self.by_key.setdefault(resource["url"], resource)
        if full_url is not None:
            self.by_key.setdefault(full_url, resource)

    def find(self, reference: str) -> Resource | None:
        """The resource that a reference or a canonical URL means, or None."""
        found = self.by_key.get(reference)
        if found is None:
            for spelt in spellings(reference)[1:]:
                if (found := self.by_key.get(spelt)) is not None:
                    break
        return found


def spellings(reference: str) -> list[str]:
    """
    What a resource may be known by that a reference points at, what is most exact first.

    >>> spellings("https://server/fhir/Location/1/_history/2")
    ['https://server/fhir/Location/1/_history/2', 'Location/1']
    """
    plain = reference.split("|", 1)[0].split("#", 1)[0]
    found = [reference] if plain == reference else [reference, plain]
    match = _LAST_TWO.search(plain)
    if match and match[1] != plain:
        found.append(match[1])
    return found


def id_in(full_url: str | None) -> str | None:
    """
    The id that a bundle's own address for a resource ends with; None if it is no such address.

    >>> id_in("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7"), id_in("https://server/fhir/Location/1")
    ('53fefa32-fcbb-4ff8-8a92-55ee120877b7', None)
    """
    found = _OWN.fullmatch(full_url or "")
    return found[1] if found else None


def entries(bundle: Resource) -> Iterator[tuple[Resource, str | None]]:
    """The resources of a bundle with their ``fullUrl``; what holds no resource is passed over."""
    for entry in bundle.get("entry") or ():
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            yield entry["resource"], entry.get("fullUrl")


def objects(value: Any) -> list[dict[str, Any]]:
    """
    The objects of an element that may be one or a list; nothing is expected of its shape.

    >>> objects({"a": 1}), objects([{"a": 1}, None, 5]), objects(None)
    ([{'a': 1}], [{'a': 1}], [])
    """
    found = value if isinstance(value, list) else [value]
    return [each for each in found if isinstance(each, dict)]


def codings_of(concept: Any) -> list[dict[str, Any]]:
    """
    The codings of a CodeableConcept or a list of them; nothing is expected of its shape.

    >>> codings_of([{"coding": [{"code": "a"}, None]}, {"coding": 5}, {"text": "b"}])
    [{'code': 'a'}]
    """
    return [coding for each in objects(concept) for coding in objects(each.get("coding"))]
