"""The resources that are judged: what records become in a release."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from fhirtrial.codes import load_tables
from fhirtrial.files import MappingFiles
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.record import Record
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release
from tests.golden_update import converted, mapper_of, subject_cases
from tests.records import golden, golden_subjects, shared
from tests.subjects import SETS, shared_study, shared_subjects

Json = dict[str, Any]

RELEASES = ("R4", "R4B", "R5")
SAMPLE = 100
"""How many of the shared records are in the sample, spread over all."""


def sample() -> list[Record]:
    """All golden cases, and the same hundred of the shared records each time; without those, the golden cases alone."""
    return [*_spread(SAMPLE), *_subjects(3)]


def everything() -> Iterator[Record]:
    """All golden cases, all shared records, and all shared subjects."""
    yield from _spread(None)
    yield from _subjects(None)


def _spread(count: int | None) -> Iterator[Record]:
    yield from (record for _, record in golden())
    records = list(shared())
    yield from records[:: max(1, len(records) // count) if count else 1]


def _subjects(count: int | None) -> Iterator[Record]:
    """The golden cases about subjects, each shared study, and so many of its subjects, with the fewest rows; or all."""
    yield from (record for _, record in golden_subjects())
    for name in SETS:
        study = shared_study(name)
        yield from [study] if study else []
        yield from sorted(shared_subjects(name), key=lambda record: len(record.data.get("ec", ())))[:count]


def us_core_patients(release: str) -> dict[str, Json]:
    """Patients with race and ethnicity as US Core has them: of each term of the code lists, and of several."""
    mapper = Mapper(registry="sdtm", asked=["us-core-race"])
    several = [{"QNAM": "RACE1", "QVAL": "ASIAN"}, {"QNAM": "RACE2", "QVAL": "HMONG"}]
    tables = load_tables(MappingFiles(), "sdtm/codes")
    dms: list[Json] = [{"RACE": term} for term in (*tables["race-omb"].labels, "HMONG")]
    dms += [{"ETHNIC": term} for term in (*tables["ethnicity-omb"].labels, "x")]
    dms.append({"RACE": "MULTIPLE", "supp": several})
    records = [
        Record(registry="sdtm", id=str(number), data={"dm": {"STUDYID": "US", "USUBJID": str(number)} | dm})
        for number, dm in enumerate(dms)
    ]
    found = (released(mapper.convert(record), Release(release)).resources for record in records)
    return {f"Patient/{each['id']}": each for made in found for each in made if each["resourceType"] == "Patient"}


def resources(records: Iterable[Record], release: str) -> dict[str, Json]:
    """What the records become, and the golden cases with options of their own, by reference, each resource once."""
    step = Release(release)
    found: dict[str, Json] = {}
    made = (mapper_of(record.registry).convert(record) for record in records)
    for conversion in chain(made, map(converted, subject_cases())):
        for resource in released(conversion, step).resources:
            found.setdefault(f"{resource['resourceType']}/{resource['id']}", resource)
    return found
