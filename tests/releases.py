"""What the tests of the release step share: the releases, hand-made resources, ways to and fro."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from fhirtrial.definitions import Definitions
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.releases.patches import MISSING, _differences
from fhirtrial.releases.release import Release, Released

Json = dict[str, Any]

R4, R4B = Release("R4"), Release("R4B")
FOLDER = Path(__file__).parent / "data" / "releases"
SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "fhir"
DEFINITIONS = Definitions.load(MappingFiles())
OURS = "https://fhirtrial.org/StructureDefinition/"
X = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"
PHASE = ("http://hl7.org/fhir/research-study-phase", "http://terminology.hl7.org/CodeSystem/research-study-phase")
STATE = ("http://hl7.org/fhir/research-study-status", "http://terminology.hl7.org/CodeSystem/research-study-status")
STUDY = {"resourceType": "ResearchStudy", "id": "s", "status": "active"}


def study(**members: Any) -> Json:
    """A study with these members."""
    return {**STUDY, **members}


def examples(release: str) -> dict[str, Json]:
    """The hand-made resources of a release, by reference, read anew."""
    lines = (FOLDER / f"{release.lower()}.ndjson").read_bytes().splitlines()
    return {f"{found['resourceType']}/{found['id']}": found for found in map(orjson.loads, lines)}


def hl7_examples() -> dict[str, Json]:
    """HL7's own R5 examples that are at hand."""
    files = sorted((SHARED / "examples").glob("R5-*.json"))
    return {file.stem: orjson.loads(file.read_bytes()) for file in files}


def through_json(resource: Json) -> Json:
    """A resource as it arrives after it was sent."""
    found: Json = orjson.loads(orjson.dumps(resource))
    return found


def down(resource: Json, around: Iterable[Json] = (), *, check: bool = False, release: Release = R4) -> Released:
    """A resource in an earlier release, as it arrives there; what it refers to is ``around`` it."""
    index = {f"{each['resourceType']}/{each['id']}": each for each in around}
    made = release.down(resource, find=index.get, check=check)
    return Released(through_json(made.resource), made.issues)


def up(resource: Json, around: Iterable[Json] = (), *, check: bool = False, release: Release = R4) -> Released:
    """A resource of an earlier release in R5; what it refers to, in R5, is ``around`` it."""
    index = {f"{each['resourceType']}/{each['id']}": each for each in around}
    made = release.up(resource, find=index.get, check=check)
    return Released(through_json(made.resource), made.issues)


def changes(before: Json, after: Json) -> dict[str, tuple[Any, Any]]:
    """What differs between two resources: pointer → before and after (None: nothing there)."""
    return {
        path: (None if one is MISSING else one, None if other is MISSING else other)
        for path, one, other in _differences(before, after, "")
    }


def said(issues: Iterable[Issue]) -> list[str]:
    """Issues as code, path and text, without the line of the table, which changes with every row."""
    return [f"{issue.severity} {issue.code} {issue.path}: {issue.message}" for issue in issues]


def both(resource: Json, *, check: bool = False) -> tuple[Json, list[str]]:
    """The R4 form of a resource that comes back the same, and what was said on the way there."""
    made = down(resource, check=check)
    assert up(made.resource).resource == resource
    return made.resource, said(made.issues)


def rows_met(resource: Json) -> Iterator[tuple[str, str]]:
    """Every element that a resource has, as the table names it: type and general name; inherited ones for each base."""
    yield from _met(resource, str(resource["resourceType"]))


def _met(node: Json, type_name: str) -> Iterator[tuple[str, str]]:
    elements = DEFINITIONS.elements(type_name)
    for name, value in node.items():
        if name == "contained":
            for each in value:
                yield from rows_met(each)
        element = elements.get(name.removeprefix("_"))
        if element is None or name == "contained":
            continue
        owner = type_name
        while owner:
            yield owner, element.choice or element.name
            owner = DEFINITIONS.base(owner)
        if name.startswith("_"):
            continue
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict):
                yield from ((f"{type_name}.{element.name}", part) for part in each)  # as `inside` may call the rows
                yield from _met(each, element.type)
