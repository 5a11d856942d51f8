"""Our own extensions as they are defined for each release, with the value sets and codes that they are bound to."""

from __future__ import annotations

from typing import Any

from fhirtrial.code_systems import code_systems, value_sets
from fhirtrial.files import MappingFiles
from fhirtrial.mapping.language.mapping import load_mappings
from fhirtrial.publish.extensions import structure_definitions
from fhirtrial.publish.target import load_target
from fhirtrial.release_names import RELEASES

Json = dict[str, Any]

FILES = MappingFiles()
MAPPINGS = load_mappings(FILES)
BASE = MAPPINGS[0].base
TARGETS = {name: load_target(name, FILES) for name in RELEASES}
R5 = TARGETS["R5"]
DEFINED: dict[str, dict[str, Json]] = {
    name: {
        definition["url"]: definition
        for definition in structure_definitions(MAPPINGS, FILES, version="1.2.3", target=target)
    }
    for name, target in TARGETS.items()
}
DEFINITIONS = DEFINED["R5"]
VALUE_SETS: dict[str, Json] = {value_set["url"]: value_set for value_set in value_sets(FILES)}
CODES = {system["url"]: {concept["code"] for concept in system["concept"]} for system in code_systems(FILES)}
