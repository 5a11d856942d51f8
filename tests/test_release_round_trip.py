"""What registry records become goes to R4 and R4B and comes back the same, resource by resource and record by record."""

from __future__ import annotations

import gc
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings

import fhirtrial
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.pipelines.convert import convert_all
from fhirtrial.pipelines.restore import restore_all
from fhirtrial.record import Record
from fhirtrial.releases.conversion import released
from fhirtrial.releases.view import as_r5
from fhirtrial.resources import Resources

from .conformance.earlier import earlier_problems
from .properties import exact
from .records import SCHEMA, SHARED, at_hand, golden, record_of, trees
from .releases import R4, R4B, Release
from .test_generated_records import few, some, study

Json = dict[str, Any]
MAPPER = Mapper()
both = pytest.mark.parametrize("release", [R4, R4B], ids=["R4", "R4B"])


def complaints(record: Record, release: Release, *, checker: bool = True, verify: bool = False) -> list[str]:
    """Everything that is wrong with a record's way through another release."""
    conversion = MAPPER.convert(record)
    made = released(conversion, release, verify=verify)
    told = [str(issue) for issue in made.issues[len(conversion.issues) :] if issue.code != "inexact-status"]
    resources = made.resources
    if b"release-difference" in made.ndjson():
        told.append("something has no official place")
    index, issues = as_r5(Resources(resources), release)
    told += map(str, issues)
    for reference, wanted in zip(conversion.texts, conversion.resources, strict=True):
        if index.find(reference) != wanted:
            told.append(f"{reference} comes back changed")
    if exact(MAPPER.restore(index).data) != exact(SCHEMA.wanted(record.data)):
        told.append("the record comes back changed")
    if checker:
        told += [problem for found in resources for problem in earlier_problems(found, release.name)]
    return told


@both
def test_every_record_goes_there_and_back(release: Release) -> None:
    """Of every real record at hand each resource comes back from R4 and R4B identical, in silence; so does the record."""
    found = {record.id: told for record in at_hand() if (told := complaints(record, release, checker=False))}
    assert found == {}


@both
def test_some_records_are_r4(release: Release) -> None:
    """In R4 and R4B each resource has only what HL7 defines there; one record of ten is looked at, and all golden ones."""
    records = at_hand()[::10] + [record for _, record in golden()]
    found = {record.id: told for record in records if (told := complaints(record, release, verify=True))}
    assert found == {}


@settings(some, max_examples=120)
@given(trees())
@example(study(designModule={"enrollmentInfo": {"type": "NEW", "count": 0}}))
@example(study(statusModule={"overallStatus": "NEW"}))
@example(study(descriptionModule={"briefSummary": "same", "detailedDescription": "same"}))
@example(study(armsInterventionsModule={"armGroups": [{"label": "A"}, {"label": "A"}, {}]}))
def test_invented_records(tree: Json) -> None:
    """Whatever the registry's schema allows goes to R4 and back identical, and is R4 there."""
    assert complaints(record_of(tree), R4) == []


@settings(few, max_examples=15)
@given(trees())
def test_public_functions(tree: Json) -> None:
    """`convert(to=…)` and `restore` with or without the release give the record; `verify` finds nothing to say."""
    record = record_of(tree)
    for name in ("R4", "R4B"):
        conversion = fhirtrial.convert(record, to=name, verify=True)
        assert conversion.release == name
        assert [issue for issue in conversion.issues if issue.severity == "error"] == []
        for release in (name, None):
            again = fhirtrial.restore(conversion.resources, source_release=release, verify=True)
            assert exact(again.data) == exact(SCHEMA.wanted(record.data))
            assert again.issues == ()


@both
def test_whole_runs(release: Release, tmp_path: Path) -> None:
    """A run to a folder in another release, and a run back from it, give every record, in their order."""
    records = list(SHARED.exists() and at_hand()[::4]) or [record for _, record in golden()]
    source = b"".join(orjson.dumps(record.data) + b"\n" for record in records)
    seen: Counter[str] = Counter()
    summary = convert_all(
        [source], f"{tmp_path}/out/", to=release.name, noticed=lambda issue: seen.update([issue.severity])
    )
    assert (summary.records, summary.refused) == (len({record.id for record in records}), 0)
    issues: list[str] = []
    restore_all([tmp_path / "out"], tmp_path / "back.jsonl", noticed=lambda issue: issues.append(str(issue)))
    wanted = {record.id: orjson.loads(exact(SCHEMA.wanted(record.data))) for record in records}
    back = [orjson.loads(line) for line in (tmp_path / "back.jsonl").read_bytes().splitlines()]
    assert {found["protocolSection"]["identificationModule"]["nctId"]: found for found in back} == wanted
    assert issues == []


@pytest.mark.parametrize("registry", ["ctgov", "roster", "sdtm", "sdtm-study"])
def test_what_the_mappings_make_goes_down_as_it_is_made(registry: str) -> None:
    """Nothing in the mappings keeps R4 from being made at once, which is three times as quick as a step afterwards."""
    mapper = Mapper(registry=registry)
    assert Release("R4").finishing(mapper.vocabulary) is not None


@pytest.mark.parametrize("name", ["R5", "R4"])
def test_a_record_leaves_nothing_to_the_collector(name: str) -> None:
    """What is made of a record goes when nobody holds it: else many records would be in memory at a time."""
    finishing = Release(name).finishing(MAPPER.vocabulary)
    records = [record for _, record in golden()]
    for record in records:
        MAPPER.convert(record, finishing=finishing)
    gc.collect()
    gc.disable()
    try:
        for record in records:
            MAPPER.convert(record, finishing=finishing)
        assert gc.collect() == 0
    finally:
        gc.enable()
