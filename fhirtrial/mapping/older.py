"""Studies that others wrote: their number under one of the systems that people used before."""

from __future__ import annotations

from typing import Any

from fhirtrial.issue import Issue
from fhirtrial.mapping.language.mapping import Mapping
from fhirtrial.mapping.language.nodes import Many, Object, Path, constant_value, is_constant
from fhirtrial.resources import Resource


def official_identifier(mapping: Mapping) -> dict[str, Any]:
    """The constants of the identifier that holds a record's id, from the mapping itself."""
    identifiers = mapping.files[mapping.main].body.entries.get("identifier")
    for item in identifiers.items if isinstance(identifiers, Many) else ():
        value = item.entries.get("value") if isinstance(item, Object) else None
        if isinstance(item, Object) and isinstance(value, Path) and value.keys == mapping.schema.id.path:
            return {key: constant_value(child) for key, child in item.entries.items() if is_constant(child)}
    return {}


def with_official_identifier(
    main: Resource, mapping: Mapping, official: dict[str, Any]
) -> tuple[Resource, list[Issue]]:
    """
    The study with its number under the ``official`` system that the mapping reads, and an issue if that was not so.

    Only a number that looks like one of the registry's is taken; anything else stays what it is.
    """
    found = [entry for entry in main.get("identifier", ()) if isinstance(entry, dict)]
    if any(entry.get("system") == official.get("system") for entry in found):
        return main, []
    for entry in found:
        value = entry.get("value")
        known = entry.get("system") in mapping.older_systems
        if known and isinstance(value, str) and mapping.schema.id.pattern.fullmatch(value):
            message = f"the number stands under an older system, {entry['system']}: read as {official['system']}"
            issue = Issue(severity="information", code="older-system", message=message)
            rest = [other for other in found if other is not entry]
            return {**main, "identifier": [{**official, "value": value}, *rest]}, [issue]
    return main, []
