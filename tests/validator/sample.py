"""The resources that are judged: what records become in a release."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fhirtrial.mapping.mapper import Mapper
from fhirtrial.record import Record
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release
from tests.records import golden, shared

Json = dict[str, Any]

RELEASES = ("R4", "R4B", "R5")
SAMPLE = 100
"""How many of the shared records are in the sample, spread over all."""


def sample() -> list[Record]:
    """All golden cases, and the same hundred of the shared records each time; without those, the golden cases alone."""
    return list(_spread(SAMPLE))


def everything() -> Iterator[Record]:
    """All golden cases and all shared records."""
    return _spread(None)


def _spread(count: int | None) -> Iterator[Record]:
    yield from (record for _, record in golden())
    records = list(shared())
    yield from records[:: max(1, len(records) // count) if count else 1]


def resources(records: Iterable[Record], release: str) -> dict[str, Json]:
    """What the records become, by reference, each resource once."""
    mapper, step = Mapper(), Release(release)
    found: dict[str, Json] = {}
    for record in records:
        for resource in released(mapper.convert(record), step).resources:
            found.setdefault(f"{resource['resourceType']}/{resource['id']}", resource)
    return found
