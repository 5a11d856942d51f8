"""
What we need from a server, as a CapabilityStatement of kind ``requirements``.

The types of resources are those that mapping files make, and those of the definitions themselves.

CapabilityStatement: https://hl7.org/fhir/R5/capabilitystatement.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fhirtrial.mapping.language.mapping import Mapping as LoadedMapping
from fhirtrial.publish.heading import headed
from fhirtrial.publish.target import Target

DATE = "2026-11-25"
"""FHIR requires one. It is set by hand when what is needed changes: a clock would change the bytes."""

DEFINITIONS = ("CapabilityStatement", "CodeSystem", "ConceptMap", "SearchParameter", "StructureDefinition", "ValueSet")
"""What a server may be given besides, so that it knows what is ours."""

NAME = "requirements"
TEXT = (
    "What fhirtrial needs from a server: transactions in which each resource is updated by its business identifier, or "
    "created if there is none, and searches to read it back. A resource without identifier is updated by its id, which "
    "the server has to take as it comes. The definitions of extensions, codes and searches are updated by their url."
)
_INTERACTIONS = ("read", "update", "create", "search-type")

Json = dict[str, Any]


def capability_statement(
    mappings: Sequence[LoadedMapping], parameters: Iterable[Mapping[str, Any]], target: Target, *, version: str
) -> Json:
    """
    The CapabilityStatement of a release; ``parameters`` are our own SearchParameters, which the server should have.

    The same mappings and parameters give the same resource.
    """
    searches: dict[str, list[Json]] = {}
    for parameter in parameters:
        search = {"name": parameter["code"], "definition": parameter["url"], "type": parameter["type"]}
        searches.setdefault(parameter["base"][0], []).append(search)
    made = {
        "resourceType": "CapabilityStatement",
        "id": NAME,
        "url": f"{mappings[0].base}CapabilityStatement/{NAME}",
        "name": "Requirements",
        "title": "What fhirtrial needs from a server",
        "status": "active",
        "date": DATE,
        "description": TEXT,
        "kind": "requirements",
        "fhirVersion": target.version,
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "A search for a type gives all that match, page after page. A read after a write sees "
                "it, at least if it asks with Cache-Control: no-cache.",
                "resource": [*_resources(mappings, searches), *map(_definition, DEFINITIONS)],
                "interaction": [{"code": "transaction"}],
            }
        ],
    }
    return headed(made, version=version)


def _resources(mappings: Sequence[LoadedMapping], searches: Mapping[str, list[Json]]) -> Iterator[Json]:
    """The types that mapping files make, each with the searches that find it again."""
    canonical = {file.resource for mapping in mappings for file in mapping.files.values() if file.canonical}
    ways = _ways(mappings)
    for kind in sorted({kind for mapping in mappings for kind in mapping.kinds}):
        found = [{"name": "_id", "type": "token"}]
        identified = mappings[0].has_identifier(kind)
        if identified:
            found.append({"name": "identifier", "type": "token"})
        if kind in canonical:
            found.append({"name": "url", "type": "uri"})
        found += [{"name": name, "type": "reference"} for name in sorted(ways.get(kind, ()))]
        yield _resource(kind, [*found, *searches.get(kind, ())], conditional=identified)


def _ways(mappings: Sequence[LoadedMapping]) -> dict[str, set[str]]:
    """
    The references by which resources are found that nothing refers to, by type.

    What stands beside a subject's resource row by row is found by the person, as no search leads from it to the
    subject; what stands there once speaks of the study. Subjects are found by their study.
    """
    ways: dict[str, set[str]] = {}
    for mapping in mappings:
        for each in mapping.beside:
            way = "target" if each.source is None else "patient"
            ways.setdefault(mapping.files[each.file].resource, set()).add(way)
        if any(each.source is not None for each in mapping.beside):
            ways.setdefault(mapping.files[mapping.main].resource, set()).add("study")
    return ways


def _definition(kind: str) -> Json:
    return _resource(kind, [{"name": "url", "type": "uri"}], conditional=True)


def _resource(kind: str, searches: list[Json], *, conditional: bool) -> Json:
    return {
        "type": kind,
        "interaction": [{"code": code} for code in _INTERACTIONS],
        "updateCreate": True,
        "conditionalUpdate": conditional,
        "searchParam": searches,
    }
