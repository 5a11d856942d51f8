"""The definitions of our own that are published for each release, made once, and the addresses in them."""

from __future__ import annotations

from functools import cache
from typing import Any

from fhirtrial.mapping.mapper import Mapper
from fhirtrial.publish.publication import Publication, definitions_for

Json = dict[str, Any]
MAPPER = Mapper()
BASE = MAPPER.mapping.base
VERSIONS = {"R4": "4.0.1", "R4B": "4.3.0", "R5": "5.0.0"}


@cache
def made(release: str) -> Publication:
    return definitions_for(release)


def of(release: str, kind: str) -> dict[str, Json]:
    """The definitions of a type by url."""
    return {each["url"]: each for each in made(release).resources if each["resourceType"] == kind}
