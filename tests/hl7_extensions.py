"""Extensions of HL7's that are not in the folder beside the checkout: ``hl7_extensions.yaml``, a rendering of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

OFFICIAL = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"
FILE = Path(__file__).with_suffix(".yaml")

Json = dict[str, Any]


def rendered() -> dict[str, Json]:
    """What each holds, and where it may stand, by address, as ``mappings/fhir/cross-version.json`` has it."""
    said: dict[str, Json] = yaml.load(FILE.read_text("utf-8"), yaml.CSafeLoader)
    return {f"{OFFICIAL}{path}": {**_held(line), "context": line["context"]} for path, line in said.items()}


def _held(line: Json) -> Json:
    found = {name: line[name] for name in ("max", "modifier") if name in line}
    if "parts" in line:
        return found | {"parts": {name: _held(part) for name, part in line["parts"].items()}}
    return found | {"type": [line["type"]]}
