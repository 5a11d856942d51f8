"""
Writes the expected output of the golden cases anew: ``python -m tests.golden_update [CASE…]``.

To be run on purpose, after a change of the mapping that is meant to show; what it changes is then read in the diff.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fhirtrial.conversion import Conversion
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.readers import read
from fhirtrial.record import Record

FOLDER = Path(__file__).parent / "golden"
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def cases() -> list[Path]:
    """The folders of the cases."""
    return sorted(path for path in FOLDER.iterdir() if path.is_dir())


def source(case: Path) -> Record:
    """The record of a case: its input.json, or the page text in ``examples/`` that it is named after."""
    file = case / "input.json"
    return next(read(file if file.exists() else EXAMPLES / f"{case.name}.page.txt"))


def files_of(conversion: Conversion) -> Iterator[tuple[str, Any]]:
    """What a case should hold: the name of each file and its JSON."""
    for found in conversion.resources:
        yield f"expected/{found['resourceType']}-{found['id']}.json", found
    # Where the record was read depends on where the checkout lies.
    issues = [{key: value for key, value in issue.as_dict().items() if key != "place"} for issue in conversion.issues]
    yield "issues.json", issues


def pretty(value: Any) -> str:
    """JSON for people and diffs."""
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def update(case: Path, mapper: Mapper) -> None:
    """Writes the files of one case, and removes those that are no longer made."""
    folder = case / "expected"
    folder.mkdir(exist_ok=True)
    wanted = {case / name: pretty(value) for name, value in files_of(mapper.convert(source(case)))}
    for file in folder.iterdir():
        if file not in wanted:
            file.unlink()
    for file, text in wanted.items():
        file.write_text(text, encoding="utf-8", newline="\n")


def main(names: list[str]) -> None:
    """Updates the named cases, or all."""
    mapper = Mapper()
    for case in cases():
        if not names or case.name in names:
            update(case, mapper)
            print(case.name)


if __name__ == "__main__":
    main(sys.argv[1:])
