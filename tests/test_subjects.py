"""Real subjects: every row comes back from every release, every number is that of the tables, nothing is made up."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Any

import pyreadstat
import pytest

from fhirtrial.mapping.mapper import Mapper
from fhirtrial.record import Record
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release
from fhirtrial.releases.view import as_r5
from fhirtrial.resources import Resources

from .conformance import problems
from .conformance.earlier import earlier_problems
from .golden_update import mapper_of, source, subject_cases
from .properties import by_reference, exact, identified_wrongly, misplaced
from .subjects import SCHEMAS, SETS, SHARED, shared_subjects

Json = dict[str, Any]
MAPPER = Mapper(registry="sdtm")
EVERYDAY = {"cdisc_sample": 2, "pharmaversesdtm": 12, "cdiscpilot01": 12}
"""How many subjects of each shared study are looked at where all would take too long; those of the first have many."""


def subjects(name: str) -> tuple[Record, ...]:
    """The subjects of a shared study; the test is skipped where it is not at hand."""
    found = shared_subjects(name)
    if not found:
        pytest.skip(f"the folder of shared data is not beside the checkout: {name}")
    return found


def some(name: str) -> tuple[Record, ...]:
    """A few of them, spread over all."""
    found = subjects(name)
    return found[:: max(1, len(found) // EVERYDAY[name])]


@pytest.mark.parametrize("name", SETS)
def test_every_row_comes_back(name: str) -> None:
    """What is carried of DM, DS, EX and EC is restored to the last type and order, and nothing is said about it."""
    for record in subjects(name):
        restored = MAPPER.restore(MAPPER.convert(record).resources)
        assert exact(restored.data) == exact(MAPPER.mapping.schema.wanted(record.data)), record.id
        assert (restored.id, restored.issues) == (record.id, ())


@pytest.mark.parametrize("release", ["R4", "R4B"])
@pytest.mark.parametrize("name", SETS)
def test_every_row_comes_back_from_earlier_releases(name: str, release: str) -> None:
    """The same through R4 and R4B, whose resources obey their own release."""
    step = Release(release)
    for record in some(name):
        made = released(MAPPER.convert(record), step).resources
        assert [problem for found in made for problem in earlier_problems(found, release)] == []
        index, issues = as_r5(Resources(made), step)
        assert exact(MAPPER.restore(index).data) == exact(MAPPER.mapping.schema.wanted(record.data)), record.id
        assert issues == []


@pytest.mark.parametrize("name", SETS)
def test_what_they_become_is_valid(name: str) -> None:
    """Definitions, cardinalities, bindings, targets, invariants, formats: nothing wrong, and each issue has a place."""
    for record in some(name):
        conversion = MAPPER.convert(record)
        refs = by_reference(conversion.resources)
        wrong = [*identified_wrongly(conversion), *misplaced(record, conversion)]
        wrong += [problem for found in refs.values() for problem in problems(found, refs)]
        assert wrong == [], record.id


@pytest.mark.parametrize("name", SETS)
def test_every_code_of_the_shared_data_is_known(name: str) -> None:
    """No row says what a table does not have: the only findings are times without a zone."""
    found = Counter(issue.code for record in subjects(name) for issue in MAPPER.convert(record).issues)
    assert set(found) <= {"not-fhir"}


def test_several_subjects_at_once() -> None:
    """Resources of several subjects, mixed, give each subject its own rows."""
    records = [source(case) for case in subject_cases() if source(case).registry == "sdtm"]
    resources = [found for record in records for found in MAPPER.convert(record).resources]
    resources.sort(key=lambda found: str(found["id"])[::-1])
    restored = {record.id: record.data for record in MAPPER.restore_all(resources)}
    assert {key: exact(data) for key, data in restored.items()} == {
        record.id: exact(MAPPER.mapping.schema.wanted(record.data)) for record in records
    }


def test_a_persons_edit_comes_back() -> None:
    """A dose that was edited on a server comes back with the edit, and nothing else changes."""
    record = source(next(case for case in subject_cases() if case.name == "completed-placebo"))
    resources = MAPPER.convert(record).resources
    dose = next(found for found in resources if found["resourceType"] == "MedicationAdministration")
    dose["dosage"]["dose"]["value"] = 20
    restored = MAPPER.restore(resources).data
    assert restored["ex"][0].pop("EXDOSE") == 20
    wanted = MAPPER.mapping.schema.wanted(record.data)
    assert restored["ex"][0] == {key: value for key, value in wanted["ex"][0].items() if key != "EXDOSE"}
    assert restored["ex"][1:] == wanted["ex"][1:]


def test_every_variable_is_carried_or_left_out() -> None:
    """Each variable of each registry's list has a place where it is read back, or stands in left-out.yaml."""
    for registry in (*SCHEMAS, "sdtm-study"):
        mapping = mapper_of(registry).mapping
        read = {place.path.replace("[]", "") for place in mapping.places if place.way != "copy"}
        for leaf in mapping.schema.leaves():
            assert leaf.left_out or leaf.path.replace("[]", "") in read, leaf.path


# ------------------------------------------------------------------------- counted twice: on the tables, on the FHIR


@cache
def table(name: str, dataset: str) -> tuple[Json, ...]:
    """The rows of a dataset, read without the library."""
    folder = SHARED / name
    if (file := folder / f"{dataset}.ndjson").exists():
        head, *rows = map(json.loads, file.read_text("utf-8").splitlines())
        return tuple(dict(zip([column["name"] for column in head["columns"]], row, strict=True)) for row in rows)
    if (file := folder / f"{dataset}.csv").exists():
        with file.open(encoding="utf-8", newline="") as lines:
            return tuple(
                {key: "" if value == "NA" else value for key, value in row.items()} for row in csv.DictReader(lines)
            )
    frame, _ = pyreadstat.read_xport(str(folder / f"{dataset}.xpt"), output_format="dict")
    return tuple(dict(zip(frame, values, strict=True)) for values in zip(*frame.values(), strict=True))


Figures = dict[str, Any]


def counted_on_tables(name: str) -> dict[str, Figures]:
    """Per planned arm: who started, completed, ended and why, was exposed; administrations, and dose times days."""
    arms = {row["USUBJID"]: row["ARM"] for row in table(name, "dm") if row["ARMCD"] and row["ARMCD"] != "Scrnfail"}
    found: dict[str, Figures] = defaultdict(lambda: Counter())
    exposed = set()
    for arm in arms.values():
        found[arm]["started"] += 1
    for row in table(name, "ds"):
        about_treatment = row.get("DSSCAT") == "STUDY TREATMENT"
        if row["USUBJID"] in arms and row["DSCAT"] == "DISPOSITION EVENT" and not about_treatment:
            found[arms[row["USUBJID"]]][row["DSDECOD"]] += 1
    for row in table(name, "ex"):
        arm = found[arms[row["USUBJID"]]]
        exposed.add(row["USUBJID"])
        arm["administrations"] += 1
        if row["EXENDTC"]:
            arm["dose days"] += float(row["EXDOSE"]) * days(row["EXSTDTC"], row["EXENDTC"])
        else:
            arm["open"] += 1
    for subject in exposed:
        found[arms[subject]]["exposed"] += 1
    return {arm: dict(figures) for arm, figures in found.items()}


def days(start: str, end: str) -> int:
    """How many days an interval has, its ends included."""
    return (date.fromisoformat(end) - date.fromisoformat(start)).days + 1


def counted_on_fhir(resources: list[Json]) -> dict[str, Figures]:
    """The same figures from resources of R5 alone."""
    found: dict[str, Figures] = defaultdict(lambda: Counter())
    arms: dict[str, str] = {}
    exposed: set[str] = set()
    for subject in resources:
        if subject["resourceType"] == "ResearchSubject" and "assignedComparisonGroup" in subject:
            (arm,) = (each["valueString"] for each in subject["extension"] if each["url"].endswith("/assigned-arm"))
            arms[f"ResearchSubject/{subject['id']}"] = arm
            found[arm]["started"] += 1
            for entry in subject["progress"]:
                if "off-study" in codes(entry.get("subjectState")):
                    found[arm][codes(entry["reason"])[-1]] += 1
    for given in resources:
        if given["resourceType"] != "MedicationAdministration" or given["status"] == "not-done":
            continue
        (subject,) = (each["reference"] for each in given["supportingInformation"])
        arm = arms[subject]
        exposed.add(subject)
        found[arm]["administrations"] += 1
        interval = given["occurenceTiming"]["repeat"]["boundsPeriod"]
        if "end" in interval:
            found[arm]["dose days"] += given["dosage"]["dose"]["value"] * days(interval["start"], interval["end"])
        else:
            found[arm]["open"] += 1
    for subject in exposed:
        found[arms[subject]]["exposed"] += 1
    return {arm: dict(figures) for arm, figures in found.items()}


def codes(concept: Json | None) -> list[str]:
    """The codes of a concept; ours, which is the data's own term, is the last."""
    return [coding["code"] for coding in (concept or {}).get("coding", ())]


@pytest.mark.parametrize("name", SETS)
def test_every_figure_is_that_of_the_tables(name: str) -> None:
    """Started, completed, each reason, exposed, administrations, and the sum of dose times days, arm by arm."""
    resources = [found for record in subjects(name) for found in MAPPER.convert(record).resources]
    wanted = counted_on_tables(name)
    assert counted_on_fhir(resources) == wanted
    assert sum(figures["started"] for figures in wanted.values()) > 0
    assert all(figures["administrations"] for figures in wanted.values())


def test_doses_that_were_not_given_are_counted_apart() -> None:
    """As many administrations are not done as EC says, and no dose is there twice."""
    name = "cdisc_sample"
    resources = [found for record in subjects(name) for found in MAPPER.convert(record).resources]
    status = Counter(found["status"] for found in resources if found["resourceType"] == "MedicationAdministration")
    not_done = sum(row["ECOCCUR"] == "N" for row in table(name, "ec"))
    assert status == {"completed": len(table(name, "ex")), "not-done": not_done}


OPEN = {"EXSEQ": 1, "EXTRT": "A", "EXDOSE": 5, "EXDOSU": "mg", "EXDOSFRQ": "QD", "EXSTDTC": "2023-06-01"}
STATUSES: list[tuple[str, Json, Json, str, str]] = [
    ("nothing is known", {}, {}, "", "unknown"),
    ("the study runs", {}, {}, "RECRUITING", "in-progress"),
    ("enrollment is over", {}, {}, "ACTIVE_NOT_RECRUITING", "in-progress"),
    ("suspended: treatment may be", {}, {}, "SUSPENDED", "unknown"),
    ("not kept up by its owner", {}, {}, "UNKNOWN", "unknown"),
    ("nobody is treated any more", {}, {}, "COMPLETED", "completed"),
    ("stopped early", {}, {}, "TERMINATED", "completed"),
    ("treatment has ended", {}, {"dm": {"RFXENDTC": "2023-07-01"}}, "RECRUITING", "completed"),
    ("the subject died", {}, {"dm": {"DTHFL": "Y"}}, "RECRUITING", "completed"),
    (
        "treatment was stopped",
        {},
        {"ds": [{"DSSEQ": 1, "DSCAT": "DISPOSITION EVENT", "DSSCAT": "STUDY TREATMENT", "DSDECOD": "DEATH"}]},
        "RECRUITING",
        "completed",
    ),
    ("the row has an end", {"EXENDTC": "2023-06"}, {}, "RECRUITING", "completed"),
    ("the row is one dose", {"EXDOSFRQ": "ONCE"}, {}, "RECRUITING", "completed"),
    ("the row says that it goes on", {"EXENRTPT": "ONGOING"}, {}, "", "in-progress"),
    ("the row said so, and the study has ended", {"EXENRTPT": "ONGOING"}, {}, "COMPLETED", "completed"),
    ("the row is over by then", {"EXENRTPT": "BEFORE"}, {}, "", "completed"),
    ("no date at all", {"EXSTDTC": None}, {}, "RECRUITING", "unknown"),
]


@pytest.mark.parametrize("domain", ["EX", "EC"])
@pytest.mark.parametrize(
    ("row", "more", "state", "status"), [case[1:] for case in STATUSES], ids=[c[0] for c in STATUSES]
)
def test_an_open_interval_is_what_is_certain(domain: str, row: Json, more: Json, state: str, status: str) -> None:
    """An interval without an end is over, goes on, or neither is known: nothing is assumed."""
    found = {key.replace("EX", domain, 1): value for key, value in (OPEN | row).items() if value is not None}
    data = {"dm": {"STUDYID": "S", "USUBJID": "S-1"} | more.get("dm", {}), domain.lower(): [found]}
    if "ds" in more:
        data["ds"] = more["ds"]
    study = {"protocolSection": {"identificationModule": {"nctId": "NCT00000001"}}}
    if state:
        study["protocolSection"]["statusModule"] = {"overallStatus": state}
    record = Record(registry="sdtm", id="S-1", data=data)
    made = MAPPER.convert(record, study=Record(registry="ctgov", id="NCT00000001", data=study))
    (given,) = (each for each in made.resources if each["resourceType"] == "MedicationAdministration")
    assert given["status"] == status


def states(resources: list[Json]) -> Iterator[str]:
    """The state of each subject as plain R4 says it."""
    yield from (found["status"] for found in resources if found["resourceType"] == "ResearchSubject")


@pytest.mark.parametrize("name", SETS)
def test_r4_says_the_state_that_the_rules_give(name: str) -> None:
    """R4's one status is what the rules decide, for every subject."""
    rules = MAPPER.mapping.lookups["subject-state"]
    step = Release("R4").finishing(MAPPER.vocabulary)
    for record in subjects(name):
        (state,) = states(MAPPER.convert(record, finishing=step).resources)
        assert state == rules.code(record.data), record.id  # type: ignore[union-attr]
