"""
From the text of a study's page to FHIR, and back.

    python examples/demo.py [FOLDER]

Reads NCT05143125.page.txt, converts it to FHIR R5, writes one NDJSON file per resource type to FOLDER (out/demo),
restores the record from these files, and says what happened. The exit status is 1 if it did not come back the same.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import fhirtrial
from fhirtrial.report.account import account

PAGE = Path(__file__).resolve().parent / "NCT05143125.page.txt"


def main(folder: Path) -> int:
    mapper = fhirtrial.Mapper()
    record = next(fhirtrial.read(PAGE))
    conversion = mapper.convert(record)

    folder.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = {}
    for resource in conversion.resources:
        lines.setdefault(resource["resourceType"], []).append(json.dumps(resource))
    files = [folder / f"{kind}.ndjson" for kind in lines]
    for file in files:
        file.write_text("\n".join(lines[file.stem]) + "\n", encoding="utf-8")

    written = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    restored = mapper.restore(written)

    said = account(mapper, conversion, restored)
    print(f"{said}\nThe resources are in {folder}/.")
    return 0 if said.is_same else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/demo")))
