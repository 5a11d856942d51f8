"""What must hold of every record, real or invented."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from fhirtrial.conversion import Conversion
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.record import Record

from .conformance import problems
from .records import SCHEMA

Json = dict[str, Any]
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


def exact(data: Any) -> bytes:
    """A tree as bytes that differ where 1 and 1.0, True and 1, 0.0 and -0.0 do; the order of keys means nothing."""
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)


def by_reference(resources: Iterable[Json]) -> dict[str, Json]:
    """Resources by what refers to them."""
    return {f"{found['resourceType']}/{found['id']}": found for found in resources}


def canonicals(resources: Iterable[Json]) -> dict[str, Json]:
    """Resources by their URL."""
    return {found["url"]: found for found in resources if "url" in found}


def lookup(data: Any, path: str) -> list[Any]:
    """The values along a path (``a.b[0].c``), as far as it leads; the last is what stands there."""
    found = [data]
    for match in _STEP.finditer(path):
        key: str | int = match[1] if match[1] is not None else int(match[2])
        try:
            found.append(found[-1][key])
        except (KeyError, IndexError, TypeError):
            return found
    return found


def steps(path: str) -> int:
    """How many keys and places a path has."""
    return len(_STEP.findall(path))


def complaints(mapper: Mapper, record: Record, *, model: bool = False) -> list[str]:
    """Everything that is wrong with what a record becomes; empty if all is well."""
    conversion = mapper.convert(record)
    return [
        *restored_wrongly(mapper, record, conversion),
        *identified_wrongly(conversion),
        *not_conforming(conversion, model=model),
        *misplaced(record, conversion),
        *unstable(mapper, record, conversion),
    ]


def restored_wrongly(mapper: Mapper, record: Record, conversion: Conversion) -> Iterator[str]:
    """Whether the record comes back as it was, and without a word."""
    restored = mapper.restore(conversion.resources)
    wanted = SCHEMA.wanted(record.data)
    if exact(restored.data) != exact(wanted):
        yield f"comes back as {restored.data}, was {wanted}"
    if restored.id != record.id:
        yield f"comes back as {restored.id}"
    for issue in restored.issues:
        # A study without a date of release has no Provenance worth the name; nothing else may be said.
        yield f"restoring says {issue}"


def identified_wrongly(conversion: Conversion) -> Iterator[str]:
    """Whether each resource has an id of its own that FHIR takes, and stands under it."""
    seen: set[str] = set()
    for reference, found in zip(conversion.texts, conversion.resources, strict=True):
        name = f"{found.get('resourceType')}/{found.get('id')}"
        if name != reference:
            yield f"{name} stands under {reference}"
        if name in seen or not ID.fullmatch(str(found.get("id"))):
            yield f"{name} is no id of its own"
        seen.add(name)


def not_conforming(conversion: Conversion, *, model: bool) -> Iterator[str]:
    """What the independent checker says, references included."""
    resources = conversion.resources
    refs = by_reference(resources) | canonicals(resources)
    for found in resources:
        for problem in problems(found, refs, model=model):
            yield f"{found['resourceType']}/{found['id']}: {problem}"


def misplaced(record: Record, conversion: Conversion) -> Iterator[str]:
    """Whether each issue names a place that the record has (or, for what is absent, one where something could be)."""
    for issue in conversion.issues:
        if issue.record != record.id:
            yield f"an issue of no record: {issue}"
        if not issue.path:
            yield f"an issue without a path: {issue}"
            continue
        found = lookup(record.data, issue.path)
        missing = steps(issue.path) + 1 - len(found)
        if missing and not (issue.code in ("absent", "masked-value") and isinstance(found[-1], dict)):
            yield f"an issue about what the record does not have: {issue}"
        if issue.code == "absent" and not missing:
            yield f"absent, but there: {issue}"


def unstable(mapper: Mapper, record: Record, conversion: Conversion) -> Iterator[str]:
    """Whether the same record becomes the same bytes and the same issues again."""
    again = mapper.convert(record)
    if again.texts != conversion.texts or list(again.texts) != list(conversion.texts):
        yield "converting twice gives other bytes"
    if again.issues != conversion.issues:
        yield "converting twice gives other issues"
