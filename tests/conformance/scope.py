"""The definitions and tables as read, and what a check knows of the resource it is in."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .rules import Json, Rule

Refs = Collection[str] | Mapping[str, Json]
"""What a reference may point at (``Group/x``, ``urn:uuid:…``); as a mapping to the resources, rules can look at them."""

DEFINITIONS: Json = json.loads((Path(__file__).parents[2] / "mappings" / "fhir" / "r5.json").read_bytes())
TABLES: Json = json.loads((Path(__file__).parent / "tables.json").read_bytes())
TYPES: dict[str, Json] = DEFINITIONS["types"]
CODE_SYSTEMS: dict[str, dict[str, str]] = TABLES["codeSystems"]
INVARIANTS: dict[str, Json] = {each["key"]: each for each in TABLES["invariants"]}

HL7 = ("http://hl7.org/fhir/", "http://terminology.hl7.org/")
ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:\S+")
LITERAL = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?")
OPEN = {
    "all-languages": re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*"),
    "mimetypes": re.compile(r"[a-z]+/[A-Za-z0-9.+*-]+(;.*)?"),
    "currencies": re.compile(r"[A-Z]{3}"),
    "ucum-units": re.compile(r"[!-~]+"),
}
"""Value sets with too many codes to list: the shape of their codes."""
PART = re.compile(r"[eE]xtension\[\d+\]\.extension\[\d+\]$")
"""The path of an extension that is a part of another: its address is a plain name."""
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
RESOURCE_NAMES = frozenset(
    DEFINITIONS["valueSets"]["http://hl7.org/fhir/ValueSet/fhir-types"]["http://hl7.org/fhir/fhir-types"]
)


@dataclass(frozen=True, slots=True)
class Slot:
    """One element in one of its forms."""

    element: str
    type: str
    min: int
    many: bool
    codes: dict[str, frozenset[str]] | None
    shape: re.Pattern[str] | None
    targets: tuple[str, ...]
    rules: tuple[tuple[str, Rule], ...]


@dataclass(slots=True)
class Scope:
    """One resource on its own: what is around it, what was found in it."""

    root: Json
    refs: Refs | None
    urns: Mapping[str, Json]
    contained: dict[str, Json] = field(default_factory=dict)
    inside: bool = False
    local: set[str] = field(default_factory=set)
    found: list[str] = field(default_factory=list)
    warnings: bool = False
    conditional: bool = False

    def resolve(self, reference: object) -> Json | None:
        """The resource that a reference points at, if it is at hand."""
        if not isinstance(reference, str):
            return None
        if reference.startswith("#"):
            return self.contained.get(reference[1:])
        if reference in self.urns:
            return self.urns[reference]
        return self.refs.get(reference) if isinstance(self.refs, Mapping) else None
