"""A resource to load: what it is called by, what it refers to, and its content."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import orjson

from fhirtrial.identity import Identity, identity_of
from fhirtrial.references import references_in


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


def with_id(text: bytes, identity: str) -> bytes:
    """
    A resource's text with another id.

    >>> with_id(b'{"resourceType":"Location","id":"a"}', "7")
    b'{"resourceType":"Location","id":"7"}'
    """
    resource = orjson.loads(text)
    return orjson.dumps({"resourceType": resource.pop("resourceType"), **resource, "id": identity})
