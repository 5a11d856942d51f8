"""
From the text of a study's page to FHIR, and back.

    python examples/demo.py [FOLDER]

Reads NCT05143125.page.txt, converts it to FHIR R5, writes one NDJSON file per resource type to FOLDER (out/demo),
restores the record from these files, and says what happened.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fhirtrial import Mapper, read
from fhirtrial.readers.fhir import read_resources
from fhirtrial.report.account import account

PAGE = Path(__file__).resolve().parent / "NCT05143125.page.txt"


def main(folder: Path) -> int:
    """Converts, writes, restores and tells; 1 if the record did not come back the same."""
    mapper = Mapper()
    record = next(read(PAGE))
    conversion = mapper.convert(record)

    folder.mkdir(parents=True, exist_ok=True)
    for kind in {reference.partition("/")[0] for reference in conversion.texts}:
        lines = [text for reference, text in conversion.texts.items() if reference.startswith(f"{kind}/")]
        (folder / f"{kind}.ndjson").write_bytes(b"\n".join(lines) + b"\n")

    restored = mapper.restore(found.resource for found in read_resources(folder))

    wanted = mapper.mapping.schema.wanted(record.data)
    for line in account(conversion, restored, wanted=wanted):
        print(line)
    print(f"The resources are in {folder}/.")
    return 0 if restored.data == wanted else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/demo")))
