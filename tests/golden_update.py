"""
Writes the expected output of the golden cases anew: ``python -m tests.golden_update [CASE…]``.

To be run on purpose, after a change of the mapping that is meant to show; what it changes is then read in the diff.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from fhirtrial.conversion import Conversion
from fhirtrial.issue import Issue
from fhirtrial.mapping.engine import value_at
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.readers import read
from fhirtrial.record import Record
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release
from fhirtrial.releases.view import to_release

FOLDER = Path(__file__).parent / "golden"
SUBJECTS = Path(__file__).parent / "golden_subjects"
RELEASES = Path(__file__).parent / "data" / "releases"
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def cases() -> list[Path]:
    """The folders of the cases."""
    return sorted(path for path in FOLDER.iterdir() if path.is_dir())


def subject_cases() -> list[Path]:
    """The folders of the cases about subjects."""
    return sorted(path for path in SUBJECTS.iterdir() if path.is_dir())


@cache
def mapper_of(registry: str) -> Mapper:
    """The mapper of a registry."""
    return Mapper(registry=registry)


def source(case: Path) -> Record:
    """The record of a case: its input.json, or the page text in ``examples/`` that it is named after."""
    file = case / "input.json"
    if case.parent == SUBJECTS:
        given = json.loads(file.read_bytes())
        schema = mapper_of(given["registry"]).mapping.schema
        data, issues = schema.check(given["data"])
        return Record(registry=schema.registry, id=str(value_at(data, schema.id.path)), data=data, issues=issues)
    return next(read(file if file.exists() else EXAMPLES / f"{case.name}.page.txt"))


def converted(case: Path) -> Conversion:
    """What the record of a case becomes, with the options that its input.json names."""
    record = source(case)
    options = json.loads((case / "input.json").read_bytes()).get("options", {}) if case.parent == SUBJECTS else {}
    return mapper_of(record.registry).convert(record, **options)


def files_of(conversion: Conversion) -> Iterator[tuple[str, Any]]:
    """What a case should hold: the name of each file and its JSON."""
    for found in conversion.resources:
        yield f"expected/{found['resourceType']}-{found['id']}.json", found
    # Where the record was read depends on where the checkout lies.
    issues = [{key: value for key, value in issue.as_dict().items() if key != "place"} for issue in conversion.issues]
    yield "issues.json", issues


def files_of_release(conversion: Conversion, release: str = "R4") -> Iterator[tuple[str, Any]]:
    """What a case holds for an earlier release: its form of each resource, and what is said about that."""
    made = released(conversion, Release(release))
    for found in made.resources:
        yield f"expected-{release}/{found['resourceType']}-{found['id']}.json", found
    issues = made.issues[len(conversion.issues) :]
    yield f"expected-{release}/issues.json", [_without_place(issue) for issue in issues]


def _without_place(issue: Issue) -> dict[str, str]:
    # Where the record was read depends on where the checkout lies; the line of the table, on every row before it.
    return {key: value for key, value in issue.as_dict().items() if key not in ("place", "mapping")}


def release_files() -> Iterator[tuple[str, Any]]:
    """What the hand-made resources of ``data/releases`` become in the other release, and what is said, by file."""
    r4 = Release("R4")
    for name in ("r5", "r4"):
        given = [json.loads(line) for line in (RELEASES / f"{name}.ndjson").read_text("utf-8").splitlines()]
        wanted, source = (r4, Release("R5")) if name == "r5" else (Release("R5"), r4)
        for check in (False, True):
            made, issues = to_release(given, wanted, source=source, check=check)
            told = [_without_place(issue) for issue in issues]
            yield f"{name}{'-checked' if check else ''}.expected.json", {"resources": made, "issues": told}


def stored_releases() -> dict[str, Any]:
    """What is stored of that."""
    return {file.name: json.loads(file.read_bytes()) for file in sorted(RELEASES.glob("*.expected.json"))}


def pretty(value: Any) -> str:
    """JSON for people and diffs."""
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def update(case: Path) -> None:
    """Writes the files of one case, and removes those that are no longer made."""
    conversion = converted(case)
    wanted = {case / name: pretty(value) for name, value in files_of(conversion)}
    (case / "expected").mkdir(exist_ok=True)
    if case.parent == SUBJECTS:
        (case / "expected-R4").mkdir(exist_ok=True)
    if (case / "expected-R4").is_dir():
        wanted |= {case / name: pretty(value) for name, value in files_of_release(conversion)}
    for file in case.glob("expected*/*"):
        if file not in wanted:
            file.unlink()
    for file, text in wanted.items():
        file.write_text(text, encoding="utf-8", newline="\n")


def main(names: list[str]) -> None:
    """Updates the named cases, or all."""
    for case in (*cases(), *subject_cases()):
        if not names or case.name in names:
            update(case)
            print(case.name)
    if not names:
        for name, value in release_files():
            (RELEASES / name).write_text(pretty(value), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
