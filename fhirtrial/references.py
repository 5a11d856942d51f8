"""What a resource's JSON text refers to, and the same with other references."""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(rb'"reference"\s*:\s*"([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})"')
"""A literal reference in JSON; within a text the quotes would be escaped."""
_ADDRESS = re.compile(rb'"reference"\s*:\s*"([^"\\]+)"')
"""Any reference in JSON."""


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
