"""
US Core's extensions for race and ethnicity, which are in no package at hand: a rendering of what 7.0.0 publishes.

https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-race.html and …-ethnicity.html; the value sets are
https://hl7.org/fhir/us/core/STU7/ValueSet-omb-race-category.html and …-ethnicity-category.html.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.fhir_packages import SD, VERSIONS

Json = dict[str, Any]

US_CORE = "http://hl7.org/fhir/us/core/"
CDCREC = "urn:oid:2.16.840.1.113883.6.238"
NULL_FLAVOR = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
RACES = {
    "1002-5": "American Indian or Alaska Native",
    "2028-9": "Asian",
    "2054-5": "Black or African American",
    "2076-8": "Native Hawaiian or Other Pacific Islander",
    "2106-3": "White",
}
ETHNICITIES = {"2135-2": "Hispanic or Latino", "2186-5": "Not Hispanic or Latino"}
CONTEXTS = ("Patient", "RelatedPerson", "Person", "Practitioner", "FamilyMemberHistory")
ALONE = {
    "key": "us-core-23",
    "severity": "error",
    "human": 'If "ASKU" or "UNK" are present, then no other OMB race categories can be present.',
    "expression": "extension.where(url = 'ombCategory').value.where(code in 'ASKU'|'UNK').exists() implies "
    "extension.where(url = 'ombCategory').count() = 1",
}


def us_core(release: str) -> list[Json]:
    """The definitions for a release: two extensions, their value sets, and the codes of those."""
    return [
        _extension("race", "6", [ALONE], release),
        _extension("ethnicity", "1", [], release),
        _value_set("race", RACES),
        _value_set("ethnicity", ETHNICITIES),
        _resource("CodeSystem", "cdcrec", CDCREC)
        | {
            "content": "fragment",
            "concept": [{"code": code, "display": display} for code, display in (RACES | ETHNICITIES).items()],
        },
    ]


def _resource(kind: str, name: str, url: str) -> Json:
    return {"resourceType": kind, "id": name, "url": url, "name": "UsCore", "status": "draft"}


def _value_set(what: str, codes: Iterable[str]) -> Json:
    name = f"omb-{what}-category"
    include = [
        {"system": CDCREC, "concept": [{"code": code} for code in codes]},
        {"system": NULL_FLAVOR, "concept": [{"code": code} for code in ("UNK", "ASKU")]},
    ]
    return _resource("ValueSet", name, f"{US_CORE}ValueSet/{name}") | {"compose": {"include": include}}


def _extension(what: str, most: str, constraints: list[Json], release: str) -> Json:
    url = f"{US_CORE}StructureDefinition/us-core-{what}"
    binding = {"strength": "required", "valueSet": f"{US_CORE}ValueSet/omb-{what}-category"}
    root: Json = {"id": "Extension", "path": "Extension", "min": 0, "max": "1"}
    elements = [
        root | ({"constraint": constraints} if constraints else {}),
        {"id": "Extension.extension", "path": "Extension.extension", "min": 1},
        *_part("ombCategory", 0, most, {"type": [{"code": "Coding"}], "binding": binding}),
        *_part("detailed", 0, "*", {"type": [{"code": "Coding"}]}),
        *_part("text", 1, "1", {"type": [{"code": "string"}]}),
        {"id": "Extension.url", "path": "Extension.url", "fixedUri": url},
        {"id": "Extension.value[x]", "path": "Extension.value[x]", "max": "0"},
    ]
    return _resource("StructureDefinition", f"us-core-{what}", url) | {
        "fhirVersion": VERSIONS[release.lower()],
        "kind": "complex-type",
        "abstract": False,
        "context": [{"type": "element", "expression": each} for each in CONTEXTS],
        "type": "Extension",
        "baseDefinition": f"{SD}Extension",
        "derivation": "constraint",
        "differential": {"element": elements},
    }


def _part(name: str, least: int, most: str, value: Json) -> list[Json]:
    stem, path = f"Extension.extension:{name}", "Extension.extension"
    return [
        {"id": stem, "path": path, "sliceName": name, "min": least, "max": most},
        {"id": f"{stem}.extension", "path": f"{path}.extension", "max": "0"},
        {"id": f"{stem}.url", "path": f"{path}.url", "fixedUri": name},
        {"id": f"{stem}.value[x]", "path": f"{path}.value[x]", "min": 1, **value},
    ]
