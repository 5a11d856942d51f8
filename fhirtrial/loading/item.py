"""A resource to load: what it is called by, what it refers to, and its content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import orjson

from fhirtrial.identity import Identity, identity_of

_REFERENCE = re.compile(rb'"reference"\s*:\s*"([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})"')
"""A literal reference in JSON; within a text the quotes would be escaped."""
_ADDRESS = re.compile(rb'"reference"\s*:\s*"([^"\\]+)"')
"""Any reference in JSON."""


@dataclass(frozen=True, slots=True)
class Item:
    """
    A resource to load.

    ``reference`` is what others refer to it by (``Location/…``), ``text`` its JSON, ``digest`` SHA-256 of that;
    ``references`` what it refers to, literally. ``study`` is the record that it belongs to, empty for what studies
    share; ``place`` where it was read.
    """

    reference: str
    identity: Identity
    text: bytes
    digest: bytes
    references: tuple[str, ...]
    study: str = ""
    place: str = ""

    @property
    def kind(self) -> str:
        """The type of the resource."""
        return self.identity.kind

    @property
    def id(self) -> str:
        """The id in its body."""
        return self.reference.rpartition("/")[2]


def item_of(text: bytes, *, study: str = "", place: str = "") -> Item:
    """
    The item of a resource's JSON text, as orjson writes it.

    >>> item = item_of(b'{"resourceType":"Provenance","id":"p","target":[{"reference":"ResearchStudy/a"}]}')
    >>> item.reference, item.references
    ('Provenance/p', ('ResearchStudy/a',))
    """
    resource = orjson.loads(text)
    return Item(
        reference=f"{resource['resourceType']}/{resource.get('id', '')}",
        identity=identity_of(resource),
        text=text,
        digest=sha256(text).digest(),
        references=references_in(text),
        study=study,
        place=place,
    )


def references_in(text: bytes) -> tuple[str, ...]:
    """
    The literal references in a resource's JSON text, each once, in their order.

    >>> references_in(b'{"subject": {"reference": "Patient/a"}}')
    ('Patient/a',)
    """
    return tuple(dict.fromkeys(match.decode("ascii") for match in _REFERENCE.findall(text)))


def placeholders_in(text: bytes) -> list[str]:
    """
    The references that mean something only within a Bundle: https://hl7.org/fhir/R5/bundle.html#references.

    >>> placeholders_in(b'{"subject":{"reference":"urn:uuid:7"}}')
    ['urn:uuid:7']
    """
    found = (match.decode() for match in _ADDRESS.findall(text))
    return [name for name in dict.fromkeys(found) if name.startswith(("urn:uuid:", "urn:oid:"))]


def with_references(text: bytes, other: Mapping[str, str]) -> bytes:
    """
    A resource's text with some of its references exchanged: literal ones, or a Bundle's own.

    >>> with_references(b'{"subject":{"reference":"Patient/a"}}', {"Patient/a": "Patient/7"})
    b'{"subject":{"reference":"Patient/7"}}'
    """
    if not other:
        return text

    def exchanged(match: re.Match[bytes]) -> bytes:
        name = match[1].decode()
        return b'"reference":"' + other[name].encode() + b'"' if name in other else match[0]

    return _ADDRESS.sub(exchanged, text)


def with_id(text: bytes, identity: str) -> bytes:
    """
    A resource's text with another id.

    >>> with_id(b'{"resourceType":"Location","id":"a"}', "7")
    b'{"resourceType":"Location","id":"7"}'
    """
    resource = orjson.loads(text)
    return orjson.dumps({"resourceType": resource.pop("resourceType"), **resource, "id": identity})
