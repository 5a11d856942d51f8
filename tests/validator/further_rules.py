"""What neither HAPI nor HL7's definitions check: media types, and members of a group that is only described."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .finding import Finding

MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(;.*)?")


def further(value: Any, release: str, place: str = "") -> Iterator[Finding]:
    """What is wrong with a resource, or with a part of one at a place."""
    if isinstance(value, dict):
        place = place or str(value.get("resourceType"))
        media_type = value.get("contentType")
        if isinstance(media_type, str) and not MEDIA_TYPE.fullmatch(media_type):
            text = f"{media_type!r} is no media type"
            yield Finding(severity="error", place=f"{place}.contentType", rule="media-type", text=text)
        described = release == "R5" and value.get("resourceType") == "Group" and value.get("membership") != "enumerated"
        if described and value.get("member"):
            text = "members, although they are not enumerated: R5 has no rule for what grp-1 says in R4"
            yield Finding(severity="error", place=place, rule="grp-1", text=text)
        for key, each in value.items():
            yield from further(each, release, f"{place}.{key}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from further(each, release, f"{place}[{number}]")


def dangling(resources: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """The references ``Type/id`` that lead nowhere, in resources by reference; those inside extensions too."""
    for name, resource in resources.items():
        for literal in _literals(resource):
            if literal not in resources and not literal.startswith(("#", "urn:", "http:", "https:")):
                text = f"nothing is {literal}"
                yield Finding(severity="error", place=name, rule="dangling", text=text)


def _literals(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for each in value.values():
            yield from _literals(each)
    elif isinstance(value, list):
        for each in value:
            yield from _literals(each)
