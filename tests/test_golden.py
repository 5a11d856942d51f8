"""The exact output for a set of records: what a reader of the FHIR side would see change."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import pytest

import fhirtrial
from fhirtrial.mapping.mapper import Mapper

from .conformance import problems
from .conformance.earlier import earlier_problems
from .golden_update import cases, files_of, files_of_release, pretty, source, update
from .properties import exact
from .records import SCHEMA

MAPPER = Mapper()
CASES = cases()
IN_R4 = [case for case in CASES if (case / "expected-R4").is_dir()]


def stored(case: Path) -> dict[str, Any]:
    """What a case holds, by the name of the file."""
    files = [*sorted(case.glob("expected*/*.json")), case / "issues.json"]
    return {file.relative_to(case).as_posix(): json.loads(file.read_bytes()) for file in files}


def difference(expected: dict[str, Any], made: dict[str, Any]) -> str:
    """Where two sets of files differ, as a unified diff."""
    found: list[str] = []
    for name in sorted(expected.keys() | made.keys()):
        if expected.get(name) != made.get(name):
            before = pretty(expected[name]).splitlines() if name in expected else []
            after = pretty(made[name]).splitlines() if name in made else []
            found += difflib.unified_diff(before, after, f"stored/{name}", f"made/{name}", lineterm="", n=2)
    return "\n".join(found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_output_is_the_expected_one(case: Path) -> None:
    """Each record becomes exactly the stored resources and issues; `python -m tests.golden_update` after a change."""
    conversion = MAPPER.convert(source(case))
    made = dict(files_of(conversion))
    if case in IN_R4:
        made |= dict(files_of_release(conversion))
    if told := difference(stored(case), made):
        pytest.fail(f"{told}\n\nIf this is meant: python -m tests.golden_update {case.name}", pytrace=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_expected_output_is_fhir(case: Path) -> None:
    """Every stored resource is valid R5, each reference leads to another file, and the file is named after it."""
    files = {name: found for name, found in stored(case).items() if name.startswith("expected/")}
    refs = {f"{found['resourceType']}/{found['id']}": found for found in files.values()}
    refs |= {found["url"]: found for found in files.values() if "url" in found}
    for name, found in files.items():
        assert name == f"expected/{found['resourceType']}-{found['id']}.json"
        assert problems(found, refs, model=True) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_expected_output_gives_the_record(case: Path) -> None:
    """The stored resources, read from their files in alphabetical order, give back the record."""
    resources = [found for name, found in stored(case).items() if name.startswith("expected/")]
    assert exact(MAPPER.restore(resources, verify=True).data) == exact(SCHEMA.wanted(source(case).data))


@pytest.mark.parametrize("case", IN_R4, ids=lambda case: case.name)
def test_expected_output_is_r4(case: Path) -> None:
    """Every stored resource of R4 is valid there, named after itself, and together they give back the record."""
    files = {name: found for name, found in stored(case).items() if name.startswith("expected-R4/")}
    del files["expected-R4/issues.json"]
    for name, found in files.items():
        assert name == f"expected-R4/{found['resourceType']}-{found['id']}.json"
        assert earlier_problems(found) == []
    assert exact(fhirtrial.restore(files.values(), verify=True).data) == exact(SCHEMA.wanted(source(case).data))


def test_there_are_cases_in_r4() -> None:
    """At least four cases show what R4 gets: all study types, a page, a status that R4 does not know."""
    assert len(IN_R4) >= 4
    texts = [file.read_text("utf-8") for case in IN_R4 for file in case.glob("expected-R4/*.json")]
    assert any("status-inexact" in text for text in texts)


def test_there_are_kinds_enough() -> None:
    """The cases differ: all study types, and at least eighteen records."""
    records = [source(case).data for case in CASES]
    types = {found["protocolSection"].get("designModule", {}).get("studyType") for found in records}
    assert types >= {"INTERVENTIONAL", "OBSERVATIONAL", "EXPANDED_ACCESS"}
    assert len({source(case).id for case in CASES}) == len(CASES) >= 18


def test_all_places_are_covered() -> None:
    """Together the cases show every field that is mapped: a field that is added needs a line in one of them."""
    seen: set[str] = set()

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                walk(value, f"{path}.{key}" if path else key)
        elif isinstance(node, list):
            for value in node:
                walk(value, f"{path}[]")
        else:
            seen.add(path)

    for case in CASES:
        walk(source(case).data, "")
    assert {leaf.path for leaf in SCHEMA.leaves() if not leaf.left_out} - seen == set()


def test_update_writes_what_the_test_reads(tmp_path: Path) -> None:
    """The update makes a case from its input alone, and removes files that are no longer made."""
    case = tmp_path / "case"
    (case / "expected").mkdir(parents=True)
    (case / "expected" / "Location-stale.json").write_text("{}")
    (case / "input.json").write_bytes((CASES[1] / "input.json").read_bytes())
    update(case)
    assert stored(case) == stored(CASES[1])
    assert difference(stored(case), stored(CASES[1])) == ""


def test_a_difference_is_shown() -> None:
    """A change is told as a diff that names the file and the line."""
    told = difference({"a.json": {"x": 1}}, {"a.json": {"x": 2}, "b.json": {}})
    assert '--- stored/a.json\n+++ made/a.json\n@@ -1,3 +1,3 @@\n {\n- "x": 1\n+ "x": 2\n }' in told
    assert "+++ made/b.json" in told
