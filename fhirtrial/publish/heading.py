"""What every published resource says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhirtrial.code_systems import PUBLISHER

FIRST = ("resourceType", "id", "url", "version", "name", "title", "status", "experimental", "date", "publisher")


def headed(resource: Mapping[str, Any], *, version: str) -> dict[str, Any]:
    """
    A resource with version and publisher, in the order of FHIR's own definitions; what it says already stays.

    There is no date unless a type of resource requires one: it would change the bytes, and say nothing.

    >>> headed({"resourceType": "ValueSet", "status": "active", "id": "x"}, version="1.0.0")["publisher"]
    'fhirtrial'
    """
    known = {"version": version, "experimental": False, "publisher": PUBLISHER, **resource}
    return {name: known[name] for name in FIRST if name in known} | known
