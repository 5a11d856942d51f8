"""
From the text of a study's page to FHIR, and back.

    python examples/demo.py [FOLDER]

Reads NCT05143125.page.txt, converts it to FHIR R5, loads the resources into FOLDER (out/demo), one NDJSON file per
type, and loads them again, which writes nothing. Then it restores the record from these files, and says what happened.
The exit status is 1 if it did not come back the same, or if the repeat wrote something.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import fhirtrial
from fhirtrial.loading.folder_target import FolderTarget
from fhirtrial.loading.run import load_all
from fhirtrial.report.account import account

PAGE = Path(__file__).resolve().parent / "NCT05143125.page.txt"


def main(folder: Path) -> int:
    mapper = fhirtrial.Mapper()
    record = next(fhirtrial.read(PAGE))
    conversion = mapper.convert(record)

    first = load_all([str(PAGE)], FolderTarget(folder, release="R5"))
    again = load_all([str(PAGE)], FolderTarget(folder, release="R5"))

    files = sorted(folder.glob("*.ndjson"))
    written = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    restored = mapper.restore(written)

    said = account(mapper, conversion, restored)
    print(said)
    print(f"Loaded into {folder}/: {first.written} written; loaded again: {again.written} written.")
    return 0 if said.is_same and not again.written else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/demo")))
