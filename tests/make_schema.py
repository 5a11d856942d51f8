"""
Derives mappings/ctgov/schema.json from what ClinicalTrials.gov publishes about its own data.

    python tests/make_schema.py FOLDER > mappings/ctgov/schema.json

FOLDER holds three answers of the API v2: ``studies_metadata.json`` (/api/v2/studies/metadata), ``studies_enums.json``
(/api/v2/studies/enums) and ``ctg-oas-v2.yaml`` (the OpenAPI file). A field that only one of the two field lists
names is kept and noted under ``notes``. Where both name it, OpenAPI says which JSON type it is and whether it is a
list, the metadata say what is in the text (markup, day, minute, …), which OpenAPI mostly leaves open.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

PAGE = "https://clinicaltrials.gov/data-api/about-api/study-data-structure"

IDENTITY = {
    "path": "protocolSection.identificationModule.nctId",
    "pattern": "NCT([0-9]{8})",
    "example": "NCT00000102",
}

UNLISTED: dict[str, dict[str, Any]] = {
    "derivedSection.miscInfoModule.modelPredictions": {
        "type": "object",
        "fields": {
            "bmiLimits": {"type": "object", "fields": {"minBmi": {"type": "number"}, "maxBmi": {"type": "number"}}}
        },
    }
}
"""Fields that the API's records show and neither list places (OpenAPI names the types, without their members)."""

TYPES = {
    "PartialDate": "date",
    "NormalizedDate": "day",
    "DateTimeMinutes": "minute",
    "NormalizedTime": "time",
    "long": "integer",
}
"""The registry's names for types, where ours are shorter."""

JSON_TYPES = {"integer": "integer", "number": "number", "boolean": "boolean"}
"""Our types whose JSON form is not a string."""


def derive(folder: Path) -> dict[str, Any]:
    """The schema, from the registry's three files in ``folder``."""
    openapi = yaml.load((folder / "ctg-oas-v2.yaml").read_bytes(), yaml.CSafeLoader)
    enums = {enum["type"]: enum["values"] for enum in json.loads((folder / "studies_enums.json").read_bytes())}
    metadata = json.loads((folder / "studies_metadata.json").read_bytes())
    version = openapi["info"]["version"]
    notes: dict[str, str] = {}
    fields = _merge(metadata, "Study", openapi["components"]["schemas"], enums, notes, ())
    for path, field in UNLISTED.items():
        *parents, name = path.split(".")
        members = fields
        for parent in parents:
            members = members[parent]["fields"]
        if name in members:
            raise SystemExit(f"{path} is listed by now: remove it from UNLISTED")
        members[name] = field
        notes[path] = "in the API's records, but in neither list of fields"
    return {
        "source": f"{PAGE} (ClinicalTrials.gov API {version}: OpenAPI file, /studies/metadata, /studies/enums)",
        "notes": dict(sorted(notes.items())),
        "id": IDENTITY,
        "enums": {name: {value["value"]: value["legacyValue"] for value in values} for name, values in enums.items()},
        "fields": fields,
    }


def _merge(
    listed: list[dict[str, Any]],
    name: str | None,
    schemas: dict[str, Any],
    enums: dict[str, Any],
    notes: dict[str, str],
    parents: tuple[str, ...],
) -> dict[str, Any]:
    """The fields of one object: those of the metadata, in their order, then those that only OpenAPI names."""
    drawn = schemas[name].get("properties", {}) if name else {}
    by_name = {field["name"]: field for field in listed}
    fields: dict[str, Any] = {}
    for key in [*by_name, *(key for key in drawn if key not in by_name)]:
        path = (*parents, key)
        field = by_name.get(key)
        node, is_list, kind = _resolve(drawn.get(key), schemas)
        if field is None:
            notes[".".join(path)] = "in OpenAPI only, not in /studies/metadata"
            wanted = _plain(node, kind, enums)
        else:
            if node is None:
                notes[".".join(path)] = "in /studies/metadata only, not in OpenAPI"
            own = field["type"].removesuffix("[]")
            wanted = "object" if field["sourceType"] == "STRUCT" else TYPES.get(own, own)
            wanted = "object" if node and node.get("type") == "object" else wanted
            listing = field["type"].endswith("[]")
            if node and (listing != is_list or not _agree(wanted, node)):
                notes[".".join(path)] = f"{field['type']} in /studies/metadata; taken from OpenAPI"
                wanted = _plain(node, kind, enums)
            is_list = is_list if node else listing
        entry: dict[str, Any] = {"type": wanted}
        if is_list:
            entry["list"] = True
        if wanted == "object":
            children = field.get("children", []) if field else []
            entry["fields"] = _merge(children, kind, schemas, enums, notes, path)
        fields[key] = entry
    return fields


def _resolve(node: Any, schemas: dict[str, Any]) -> tuple[Any, bool, str | None]:
    """What an OpenAPI property is: its schema, whether it is a list of them, and the schema's name."""
    name, is_list = None, False
    while node is not None and ("$ref" in node or node.get("type") == "array"):
        if "$ref" in node:
            name = node["$ref"].rsplit("/", 1)[1]
            node = schemas[name]
        else:
            is_list, name, node = True, None, node["items"]
    return node, is_list, name


def _agree(wanted: str, node: dict[str, Any]) -> bool:
    """Whether our type is written as the JSON type that OpenAPI names."""
    kind = "object" if wanted == "object" else JSON_TYPES.get(wanted, "string")
    return bool(node.get("type") == kind)


def _plain(node: dict[str, Any], name: str | None, enums: dict[str, Any]) -> str:
    """Our type for what OpenAPI alone describes."""
    if name in enums:
        return str(name)
    if name in TYPES:
        return TYPES[str(name)]
    if node.get("format") == "date":
        return "day"
    return "text" if node["type"] == "string" else str(node["type"])


def render(schema: dict[str, Any]) -> str:
    """The schema as JSON with one field or one value of an enumeration per line."""
    return _render(schema, "") + "\n"


def _render(node: dict[str, Any], indent: str) -> str:
    lines = []
    for key, value in node.items():
        head = f"{indent} {json.dumps(key)}: "
        if isinstance(value, dict) and isinstance(value.get("fields"), dict):
            rest = {name: part for name, part in value.items() if name != "fields"}
            inner = _render(value["fields"], indent + " ")
            lines.append(f'{head}{json.dumps(rest)[:-1]}, "fields": {inner}}}')
        elif isinstance(value, dict) and not (isinstance(value.get("type"), str) and value.get("list", True) is True):
            lines.append(head + _render(value, indent + " "))
        else:
            lines.append(head + json.dumps(value, ensure_ascii=False))
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    sys.stdout.write(render(derive(Path(sys.argv[1]))))
