"""
From the text of a study's page to FHIR, and back; then its participants.

    python examples/demo.py [FOLDER]

Reads NCT05143125.page.txt, converts it to FHIR R5, loads the resources into FOLDER (out/demo), one NDJSON file per
type, and loads them again, which writes nothing. Then it restores the record from these files, and says what happened.
The roster beside it (roster/, made up) is loaded after that: its subjects and doses are tied to the study's arm and
intervention, figures are counted from the files, and the roster's records come back.
The exit status is 1 if anything did not come back the same, or if the repeat wrote something.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

import fhirtrial
from fhirtrial.loading.folder_target import FolderTarget
from fhirtrial.loading.run import load_all
from fhirtrial.pipelines.participants import Participants
from fhirtrial.report.account import account
from fhirtrial.report.figures import show_figures

PAGE = Path(__file__).resolve().parent / "NCT05143125.page.txt"
ROSTER = PAGE.parent / "roster"


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
    came_back = participants(folder, record)
    return 0 if said.is_same and came_back and not again.written else 1


def participants(folder: Path, study: fhirtrial.Record) -> bool:
    """Loads the roster and prints its figures; whether its records come back from the files as they were."""
    tied = Participants(study=PAGE, study_too=False)
    loaded = load_all([str(ROSTER)], FolderTarget(folder, release="R5"), participants=tied)
    print(f"\nIts participants, from {ROSTER.name}/ (made up): {loaded.written} resources written.")
    show_figures(fhirtrial.subject_figures(folder), Console(width=120))

    found = {reference: json.loads(line) for file in folder.glob("*.ndjson") for reference, line in lines(file)}
    subject = next(each for name, each in sorted(found.items()) if "assignedComparisonGroup" in each)
    arms = {group["linkId"]: group["name"] for group in found[f"ResearchStudy/{study.id}"]["comparisonGroup"]}
    who, arm = subject["identifier"][1]["value"], arms[subject["assignedComparisonGroup"]]
    print(f"{who} is in the arm {arm!r} of {study.id}.")

    given = {record.id: record.data for record in fhirtrial.read(ROSTER)}
    restored = {record.id: record.data for record in fhirtrial.restore_all(found.values(), registry="roster")}
    how = "the same" if restored == given else "changed"
    print(f"{len(restored)} of {len(given)} records of the roster come back {how}.")
    return restored == given


def lines(file: Path) -> list[tuple[str, str]]:
    """The lines of a file by type and id of what they hold."""
    found = [(json.loads(line), line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [(f"{each['resourceType']}/{each['id']}", line) for each, line in found]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "out/demo")))
