"""
The code tables as ConceptMaps of a release: those of R5 as they stand in the files, those of R4 and R4B made from them.

R5 says how the source relates to the target, R4 how the target relates to the source, so the words are the other way
round. R4: https://hl7.org/fhir/R4/conceptmap.html, R5: https://hl7.org/fhir/R5/conceptmap.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fhirtrial.code_systems import concept_maps
from fhirtrial.concept_map import parse_concept_map
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.publish.r4_places import R4Places
from fhirtrial.publish.target import Target

FOLDER = "releases"
"""Beside the tables of the registries: those of the step from one release to another."""

EQUIVALENCE = {
    "equivalent": "equivalent",
    "source-is-narrower-than-target": "wider",
    "source-is-broader-than-target": "narrower",
    "related-to": "relatedto",
    "not-related-to": "disjoint",
}
SCOPES = {
    "sourceScopeUri": "sourceUri",
    "sourceScopeCanonical": "sourceCanonical",
    "targetScopeUri": "targetUri",
    "targetScopeCanonical": "targetCanonical",
}
NARROWER = "The target means less than the source."
"""What R4 wants said (cmd-1), where the table says no more."""

Json = dict[str, Any]


def concept_maps_for(target: Target, files: MappingFiles) -> list[Json]:
    """
    The code tables as ConceptMaps of a release, sorted by url.

    A table in which no code has a FHIR code is no map: its code system says all there is. (HAPI refuses such a map.)

    Raises MappingError if a table is wrong, or says what R4 has no word for.
    """
    found = [found for found in (*concept_maps(files), *_of_releases(files)) if _leads_somewhere(found)]
    if target.places is not None:
        found = [in_r4(resource, target.places) for resource in found]
    return sorted(found, key=lambda resource: str(resource["url"]))


def in_r4(resource: Mapping[str, Any], places: R4Places) -> Json:
    """
    A ConceptMap of R5 as R4 and R4B have it.

    A group with a code system that R4 knows under two addresses becomes two groups. Raises MappingError for what R4
    has no word for.
    """
    made = {SCOPES.get(name, name): value for name, value in resource.items()}
    groups = made.get("group", ())
    made["group"] = [group for found in groups for group in _groups(found, places, str(resource["id"]))]
    return made


def _groups(group: Mapping[str, Any], places: R4Places, name: str) -> Iterator[Json]:
    """The groups that a group becomes: one for each pair of addresses that its code systems have in R4."""
    found: dict[tuple[str, str], list[Json]] = {}
    for row in group["element"]:
        source, target = places.code_system(group["source"], row["code"]), group.get("target", "")
        if row.get("target"):
            target = places.code_system(target, row["target"][0]["code"])
        else:
            # What has no target goes with the group before it.
            target = next((other for one, other in reversed(found) if one == source), target)
        found.setdefault((source, target), []).append(_row(row, name))
    for (source, target), rows in found.items():
        yield {"source": source, **({"target": target} if target else {}), "element": rows}


def _row(row: Mapping[str, Any], name: str) -> Json:
    made = {key: value for key, value in row.items() if key in ("code", "display")}
    made["target"] = [{"equivalence": "unmatched"}] if row.get("noMap") else list(_targets(row["target"], name))
    return made


def _targets(targets: Iterable[Mapping[str, Any]], name: str) -> Iterator[Json]:
    for target in targets:
        if unknown := target.keys() - {"code", "display", "relationship", "comment"}:
            raise MappingError(f"R4 has no {min(unknown)} of a target", file=f"ConceptMap {name}")
        equivalence = EQUIVALENCE[target["relationship"]]
        made = {key: target[key] for key in ("code", "display") if key in target} | {"equivalence": equivalence}
        if comment := target.get("comment") or (NARROWER if equivalence == "narrower" else ""):
            made["comment"] = comment
        yield made


def _leads_somewhere(resource: Mapping[str, Any]) -> bool:
    return all("target" in group for group in resource.get("group", ()))


def _of_releases(files: MappingFiles) -> Iterator[Json]:
    """The ConceptMaps beside the table of the release step."""
    for name in files.names(FOLDER, ".json"):
        yield dict(parse_concept_map(files.read_bytes(name), file=name).resource)
