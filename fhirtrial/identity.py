"""What a resource is found by wherever it lives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from fhirtrial.search_value import escaped


class Identity(NamedTuple):
    """
    What a resource is found by wherever it lives: its type and one business identifier.

    Without an identifier (``system`` is empty) it is the id itself.
    """

    kind: str
    system: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.value}" if not self.system else f"{self.kind} {self.system}|{self.value}"

    @property
    def token(self) -> str:
        """The identifier as a search takes it: https://hl7.org/fhir/R5/search.html#token."""
        return f"{escaped(self.system)}|{escaped(self.value)}"

    @property
    def condition(self) -> str:
        """
        The address of an update that finds the resource: https://hl7.org/fhir/R5/http.html#cond-update.

        >>> Identity("Location", "https://x/sid", "b,c").condition
        'Location?identifier=https://x/sid%7Cb%5C%2Cc'
        >>> Identity("Provenance", "", "a").condition
        'Provenance/a'
        """
        if not self.system:
            return f"{self.kind}/{self.value}"
        return f"{self.kind}?identifier={quote(self.token, safe=':/')}"


def identity_of(resource: Mapping[str, Any]) -> Identity:
    """
    What a resource is called by: its first complete identifier, the official one before others; else its id.

    >>> identity_of({"resourceType": "Location", "id": "a", "identifier": [{"system": "urn:x", "value": "1"}]})
    Identity(kind='Location', system='urn:x', value='1')
    >>> identity_of({"resourceType": "Provenance", "id": "a"})
    Identity(kind='Provenance', system='', value='a')
    """
    complete = _complete(resource)
    official = (identity for identity, use in complete if use == "official")
    every = (identity for identity, _ in complete)
    return next(official, None) or next(every, None) or _by_id(resource)


def identities_of(resource: Mapping[str, Any]) -> frozenset[Identity]:
    """All that a resource can be found by: its id, and each of its identifiers."""
    return frozenset([_by_id(resource), *(identity for identity, _ in _complete(resource))])


def _complete(resource: Mapping[str, Any]) -> list[tuple[Identity, object]]:
    """The identifiers that have a system and a value, with their use."""
    kind, listed = str(resource["resourceType"]), resource.get("identifier")
    return [
        (Identity(kind, each["system"], each["value"]), each.get("use"))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict) and isinstance(each.get("system"), str) and isinstance(each.get("value"), str)
    ]


def _by_id(resource: Mapping[str, Any]) -> Identity:
    return Identity(str(resource["resourceType"]), "", str(resource.get("id", "")))
