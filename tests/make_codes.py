"""
Bring the code tables of ClinicalTrials.gov up to date with the registry: ``python tests/make_codes.py enums.json``.

``enums.json`` is what https://clinicaltrials.gov/api/v2/studies/enums answers. A code that the registry has added gets
a row with ``noMap``: which FHIR code says the same, if any, is for people to decide. A label that the registry has
changed is changed here. A code that the registry no longer has keeps its row: old records have it. Without an argument
the files are only written anew, one row per line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CODES = Path(__file__).resolve().parent.parent / "mappings" / "ctgov" / "codes"


def as_text(table: Mapping[str, Any]) -> str:
    """A ConceptMap the way it stands in the file: one member per line, one row per line."""
    head = [f"  {_json(name)}: {_json(value)}" for name, value in table.items() if name != "group"]
    groups = []
    for group in table["group"]:
        members = [f"      {_json(name)}: {_json(value)}" for name, value in group.items() if name != "element"]
        rows = ",\n".join(f"        {_json(row)}" for row in group["element"])
        members.append(f'      "element": [\n{rows}\n      ]')
        groups.append("    {\n" + ",\n".join(members) + "\n    }")
    head.append('  "group": [\n' + ",\n".join(groups) + "\n  ]")
    return "{\n" + ",\n".join(head) + "\n}\n"


def refresh(table: dict[str, Any], values: Sequence[Mapping[str, str]]) -> list[str]:
    """Add the rows that the registry's enumeration has and the table lacks, take over labels; says what it did."""
    group = table["group"][0]
    rows = {row["code"]: row for row in group["element"]}
    done = []
    for value in values:
        code, label = value["value"], value.get("legacyValue", value["value"])
        if code not in rows:
            group["element"].append({"code": code, "display": label, "noMap": True})
            done.append(f"new: {code}")
        elif rows[code]["display"] != label:
            rows[code]["display"] = label
            done.append(f"label: {code}")
    return done


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def main(arguments: Sequence[str]) -> None:
    """Write every table anew, with what the registry has added."""
    enumerations = json.loads(Path(arguments[0]).read_bytes()) if arguments else []
    values = {enumeration["type"]: enumeration["values"] for enumeration in enumerations}
    for file in sorted(CODES.glob("*.json")):
        table = json.loads(file.read_bytes())
        enumeration = table["group"][0]["source"].rsplit("ctgov-", 1)[-1]
        for line in refresh(table, values.get(enumeration, ())):
            print(f"{file.name}: {line}")
        file.write_text(as_text(table), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
