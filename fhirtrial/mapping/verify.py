"""The loss report: what was made is made back, and the two are compared."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Any

from fhirtrial.issue import Issue
from fhirtrial.mapping.difference import MISSING, Difference, differences
from fhirtrial.mapping.forth.run import show
from fhirtrial.resources import Resource, Resources

NOT_OURS = frozenset({"id", "meta", "text", "implicitRules", "language"})
"""What a server gives a resource."""


def verify_forth(wanted: dict[str, Any], restored: dict[str, Any]) -> Iterator[Issue]:
    """Where the record and what comes back of its resources differ: each a defect of the mapping."""
    for found in differences(wanted, restored):
        message = f"{said(found.first)} comes back as {said(found.second)}"
        yield Issue(severity="error", code="not-restored", message=message, path=found.path)


def verify_back(main: Resource, beside: list[Resource], index: Resources, made: Resources) -> Iterator[Issue]:
    """Where the resources and what the restored record makes again differ: not read, or a copy that disagrees."""
    again = {name: resource for found in made.of_type.values() for resource in found for name in identities(resource)}
    for resource in reached(main, beside, index):
        names = identities(resource)
        twin = next((again[name] for name in names if name in again), None)
        here = f"{resource['resourceType']}/{resource.get('id', '?')}"
        if twin is None:
            message = "the restored record would not make this resource: it was edited, or what refers to it was"
            yield Issue(severity="warning", code="not-carried", message=message, path=here)
            continue
        for found in differences(_comparable(resource, index, again), _comparable(twin, made, again)):
            yield _disagreement(here, found)


def _disagreement(here: str, found: Difference) -> Issue:
    if found.second is MISSING:
        message = f"{said(found.first)} is not carried: no line of the mapping reads it"
        return Issue(severity="warning", code="not-carried", message=message, path=f"{here}.{found.path}")
    message = f"{said(found.first)} is not carried: what was read elsewhere makes {said(found.second)} here"
    return Issue(severity="warning", code="disagreement", message=message, path=f"{here}.{found.path}")


def reached(main: Resource, beside: list[Resource], index: Resources) -> Iterator[Resource]:
    """A study, what stands beside it, and everything that they refer to, each once."""
    waiting, seen = [main, *beside], set()
    while waiting:
        resource = waiting.pop(0)
        if id(resource) in seen:
            continue
        seen.add(id(resource))
        yield resource
        waiting += [found for address in _addresses(resource) if (found := index.find(address)) is not None]


def identities(resource: Resource) -> list[tuple[str, str]]:
    """What a resource is known by whatever its id: its business identifiers; the id where it has none."""
    kind = str(resource.get("resourceType"))
    found = [
        (kind, f"{entry['system']}|{entry['value']}")
        for entry in resource.get("identifier", ())
        if isinstance(entry, dict) and "system" in entry and "value" in entry
    ]
    return found or [(kind, "" if kind == "Provenance" else str(resource.get("id")))]


def _addresses(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"reference", "resource", "definitionCanonical"} and isinstance(value, str):
                yield value
            else:
                yield from _addresses(value)
    elif isinstance(node, list):
        for item in node:
            yield from _addresses(item)


def _comparable(resource: Resource, index: Resources, known: Container[tuple[str, str]]) -> Any:
    """A resource without what a server gives it, its references by what they mean."""
    return {key: _resolved(value, index, known) for key, value in resource.items() if key not in NOT_OURS}


def _resolved(node: Any, index: Resources, known: Container[tuple[str, str]]) -> Any:
    if isinstance(node, list):
        return [_resolved(item, index, known) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: _resolved(value, index, known) for key, value in node.items()}
    address = made.get("reference")
    if isinstance(address, str) and (target := index.find(address)) is not None:
        names = identities(target)
        made["reference"] = " ".join(next((name for name in names if name in known), names[0]))
    return made


def said(value: Any) -> str:
    """A value for a message."""
    return "nothing" if value is MISSING else show(value)
