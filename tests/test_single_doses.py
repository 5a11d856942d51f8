"""Single doses follow from an interval and its frequency where that is certain, and are told apart from what is recorded."""

from __future__ import annotations

from collections import Counter
from csv import DictReader
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import fhirtrial
from fhirtrial.cli.app import main
from fhirtrial.errors import UsageError
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.pipelines.convert import convert_all
from fhirtrial.pipelines.participants import Participants
from fhirtrial.pipelines.subjects import subject_figures
from fhirtrial.record import Record
from fhirtrial.single_doses import MOST, MOST_OF_RECORD

from .conformance import problems
from .conformance.earlier import earlier_problems
from .properties import by_reference, exact, identified_wrongly, misplaced
from .subjects import SETS, shared_subjects
from .tables import DATA, write

Json = dict[str, Any]


def subject(*rows: Json, **more: Any) -> Record:
    """A subject with rows of EX, numbered."""
    data = {"dm": {"STUDYID": "S", "USUBJID": "S-1"} | more.pop("dm", {})} | more
    data["ex"] = [
        {"EXSEQ": number, "EXTRT": "A", "EXDOSE": 5, "EXDOSU": "mg", **row} for number, row in enumerate(rows, 1)
    ]
    return Record(registry="sdtm", id="S-1", data=data)


def row(often: str | None, start: str | None, end: str | None) -> Json:
    """What a row of EX says of its time."""
    said = {"EXDOSFRQ": often, "EXSTDTC": start, "EXENDTC": end}
    return {key: value for key, value in said.items() if value is not None}


def days(*rows: Json) -> list[str]:
    """The days of the single doses, and nothing is said."""
    made = fhirtrial.convert(subject(*rows), explode=True)
    assert [issue for issue in made.issues if issue.code == "not-exploded"] == []
    return [found["occurenceDateTime"] for found in singles(made.resources)]


def singles(resources: list[Json]) -> list[Json]:
    """The derived doses among resources of R5."""
    return [found for found in resources if "single-dose" in codes(found)]


def codes(found: Json) -> list[str]:
    """What kind of administration it is."""
    if found["resourceType"] != "MedicationAdministration":
        return []
    category = found.get("category", [])
    listed = category if isinstance(category, list) else [category]
    return [coding["code"] for concept in listed for coding in concept["coding"]]


EVERY = {
    "QD": (1, 1), "DAILY": (1, 1), "QAM": (1, 1), "BID": (2, 1), "TID": (3, 1), "QID": (4, 1), "Q8H": (3, 1),
    "Q12H": (2, 1), "QH": (24, 1), "Q30MIN": (48, 1), "4 TIMES PER DAY": (4, 1), "QOD": (1, 2), "Q2D": (1, 2),
    "Q48H": (1, 2), "EVERY WEEK": (1, 7), "EVERY 2 WEEKS": (1, 14), "Q3W": (1, 21), "1 TIME PER WEEK": (1, 7),
    "2 TIMES PER HOUR": (48, 1),
}  # fmt: skip


@settings(deadline=None)  # the first one makes the mapper
@given(st.sampled_from(sorted(EVERY)), st.dates(date(1990, 1, 1), date(2030, 1, 1)), st.integers(0, 60))
def test_doses_follow_from_frequency_and_days(often: str, start: date, further: int) -> None:
    """Day by day: those on which a dose is due, from the first on, each as often as the term says."""
    times, gap = EVERY[often]
    end = start + timedelta(days=further)
    wanted = [str(start + timedelta(days=gone)) for gone in range(further + 1) if gone % gap == 0 for _ in range(times)]
    assert days(row(often, str(start), str(end))) == wanted


def test_one_dose_is_one() -> None:
    """Of a row that says once there is one dose, on its day; a time of day does not make it more."""
    assert days(row("ONCE", "2020-02-29", "2020-02-29")) == ["2020-02-29"]
    assert days(row("ONCE", "2020-02-29T08:00", "2020-02-29T20:00")) == ["2020-02-29"]


TIMED = {
    ("QD", "2020-01-01T08:00", "2020-01-03T08:00"): 3,
    ("QD", "2020-01-01T08:00", "2020-01-03T08:30:15"): 3,
    ("QD", "2020-01-01T08:00+01:00", "2020-01-03T08:00+02:00"): 3,
    ("QD", "2020-01-01T08:00:00Z", "2020-01-01T08:00:00Z"): 1,
    ("QOD", "2020-01-01T08:00", "2020-01-04T07:00"): 2,
    ("EVERY WEEK", "2020-01-01T08:00Z", "2020-01-10T07:00Z"): 2,
    ("QD", "2020-01-01T08:00", "2020-01-03T07:59"): None,
    ("QD", "2020-01-01T23:50", "2020-01-02T00:10"): None,
    ("QD", "2020-01-01T08:00", "2020-01-03"): None,
    ("QD", "2020-01-01", "2020-01-03T08:00"): None,
    ("QD", "2020-01-01T08", "2020-01-03T09"): None,
    ("QD", "2020-01-01T08:00", "2020-01-03T24:00"): None,
    ("QD", "2020-01-01T08:00Z", "2020-01-03T09:00"): None,
    ("QD", "2020-01-01T08:00Z", "2020-01-03T09:00+05:00"): None,
    ("EVERY WEEK", "2020-01-01T08:00:00Z", "2020-01-08T07:00:00Z"): None,
    ("Q4H", "2020-01-01T20:00", "2020-01-02T04:00"): None,
    ("Q4H", "2020-01-01T20:00:00Z", "2020-01-02T04:00:00Z"): None,
    ("BID", "2020-01-03T20:00", "2020-01-04T08:00"): None,
    ("BID", "2020-01-03T08:00", "2020-01-03T20:00"): None,
}


@pytest.mark.parametrize("said", TIMED)
def test_times_of_day(said: tuple[str, str, str]) -> None:
    """Doses follow where as many come from time to time as day by day, at most one a day; else it is told."""
    made = fhirtrial.convert(subject(row(*said)), explode=True)
    reason = "its start or end has a time of day: how many doses there are between them is not certain"
    told = [issue.message for issue in made.issues if issue.code == "not-exploded"]
    assert told == ([] if TIMED[said] else [f"no single doses are made of it: {reason}"])
    assert len(singles(made.resources)) == (TIMED[said] or 0)


REFUSED = {
    "as needed": (row("PRN", "2020-01-01", "2020-01-02"), "'PRN' does not say how often"),
    "as liked": (row("AD LIBITUM", "2020-01-01", "2020-01-02"), "'AD LIBITUM' does not say how often"),
    "not known": (row("UNKNOWN", "2020-01-01", "2020-01-02"), "'UNKNOWN' does not say how often"),
    "all the time": (row("CONTINUOUS", "2020-01-01", "2020-01-02"), "'CONTINUOUS' does not say how often"),
    "no word": (row(None, "2020-01-01", "2020-01-02"), "it has no frequency"),
    "no whole days": (row("3 TIMES PER WEEK", "2020-01-01", "2020-01-02"), "'3 TIMES PER WEEK' is no number of doses in a number of days"),
    "no part of a day": (row("Q5H", "2020-01-01", "2020-01-02"), "'Q5H' is no number of doses in a number of days"),
    "a day and a half": (row("Q36H", "2020-01-01", "2020-01-05"), "'Q36H' is no number of doses in a number of days"),
    "months": (row("QM", "2020-01-01", "2020-03-02"), "'QM' is no number of doses in a number of days"),
    "no end": (row("QD", "2020-01-01", None), "its end is not known"),
    "no start": (row("QD", None, "2020-01-01"), "its start is not known"),
    "part of a date": (row("QD", "2020-01-01", "2020-02"), "its end, 2020-02, is no full date"),
    "before the start": (row("QD", "2020-01-02", "2020-01-01"), "its end is not known"),
    "once in several days": (row("ONCE", "2020-01-01", "2020-01-02"), "one dose in 2 days: on which of them is not said"),
    "too many": (row("QH", "1920-01-01", "2020-01-01"), "there would be 876,624, more than 10,000"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_certain_is_refused(case: str) -> None:
    """With the row and the reason; the interval stays as it is, and the row before it is exploded all the same."""
    given_, reason = REFUSED[case]
    record = subject(row("QD", "2019-01-01", "2019-01-02"), given_)
    made = fhirtrial.convert(record, explode=True)
    told = [issue for issue in made.issues if issue.code == "not-exploded"]
    assert [(issue.severity, issue.record, issue.path) for issue in told] == [("warning", "S-1", "ex[1]")]
    assert told[0].message == f"no single doses are made of it: {reason}"
    assert len(singles(made.resources)) == 2
    plain = fhirtrial.convert(record)
    assert {name: text for name, text in made.texts.items() if name in plain.texts} == dict(plain.texts)


def test_as_many_as_are_allowed() -> None:
    """The limit itself is allowed."""
    assert MOST % 2 == 0
    end = date(2000, 1, 1) + timedelta(days=MOST // 2 - 1)
    assert len(days(row("BID", "2000-01-01", str(end)))) == MOST


def test_as_many_as_are_allowed_of_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interval of which more would follow than there is room for is told; one that fits is exploded all the same."""
    assert MOST_OF_RECORD == 10 * MOST
    monkeypatch.setattr("fhirtrial.single_doses.MOST_OF_RECORD", 5)
    lengths = ((1, 3), (4, 6), (7, 8), (9, 9))
    record = subject(*(row("QD", f"2020-01-0{first}", f"2020-01-0{last}") for first, last in lengths))
    made = fhirtrial.convert(record, explode=True)
    assert [found["occurenceDateTime"][-1] for found in singles(made.resources)] == ["1", "2", "3", "7", "8"]
    reason = "the record would have more than 5"
    assert [(issue.code, issue.path, issue.message) for issue in made.issues] == [
        ("not-exploded", "ex[1]", f"no single doses are made of it: with its 3 {reason}"),
        ("not-exploded", "ex[3]", f"no single doses are made of it: with its 1 {reason}"),
    ]


def test_they_are_made_of_r5() -> None:
    """What is another release already is refused."""
    mapper = Mapper(registry="sdtm")
    finishing = fhirtrial.Release("R4").finishing(mapper.vocabulary)
    with pytest.raises(UsageError, match=r"^single doses are made of R5: make the other release of it afterwards$"):
        mapper.convert(subject(row("QD", "2020-01-01", "2020-01-02")), explode=True, finishing=finishing)


def test_what_was_not_done_is_not_multiplied() -> None:
    """Of a row that says that nothing was given no doses follow, and nothing is said."""
    ec = [
        {"ECSEQ": 1, "ECTRT": "A", "ECOCCUR": "N", "ECDOSFRQ": "QD", "ECSTDTC": "2020-01-01", "ECENDTC": "2020-01-03"}
    ]
    made = fhirtrial.convert(subject(ec=ec), explode=True)
    assert singles(made.resources) == []
    assert made.issues == ()


def test_what_a_single_dose_says() -> None:
    """It is part of its interval, has its status, dose, route and links, and says that nobody has recorded it."""
    record = subject({"EXROUTE": "ORAL", **row("BID", "2020-01-01", "2020-01-01")})
    study = {"protocolSection": {"identificationModule": {"nctId": "NCT00000001"}}}
    made = fhirtrial.convert(record, study=Record(registry="ctgov", id="NCT00000001", data=study), explode=True)
    interval = next(found for found in made.resources if "exposure" in codes(found))
    first, second = singles(made.resources)
    assert first["partOf"] == [{"reference": f"MedicationAdministration/{interval['id']}"}]
    assert (first["status"], first["subject"], first["medication"]) == (
        "completed",
        interval["subject"],
        interval["medication"],
    )
    assert first["dosage"] == {key: value for key, value in interval["dosage"].items() if key != "text"}
    assert first["extension"] == [each for each in interval["extension"] if "valueReference" in each]
    assert first["extension"][0]["valueReference"]["reference"] == "ResearchStudy/NCT00000001"
    said = "Dose 2 of 2, which follows from an interval and its frequency (BID); it was not recorded by itself."
    assert second["note"] == [{"text": said}]
    assert first["id"] != second["id"]
    again = fhirtrial.convert(record, explode=True)
    assert {found["id"] for found in singles(again.resources)} == {first["id"], second["id"]}


@pytest.mark.parametrize(
    ("name", "release"), [*((name, "R5") for name in SETS), ("pharmaversesdtm", "R4"), ("pharmaversesdtm", "R4B")]
)
def test_rows_come_back_and_figures_stay(name: str, release: Any) -> None:
    """Of real subjects: every row is restored, everything is valid, and no figure counts a dose twice."""
    found = shared_subjects(name)
    if not found:
        pytest.skip(f"the folder of shared data is not beside the checkout: {name}")
    records = found[:: max(1, len(found) // 5)] if name != "cdisc_sample" else found[:1]  # which has hundreds of rows
    texts: dict[bool, bytes] = {}
    for explode in (False, True):
        made = [fhirtrial.convert(record, to=release, explode=explode) for record in records]
        texts[explode] = b"".join(each.ndjson() for each in made)
    assert subject_figures(texts[True]).as_dict() == subject_figures(texts[False]).as_dict()
    assert texts[True].count(b"\n") > texts[False].count(b"\n")
    for record, conversion in zip(records, made, strict=True):
        refs = by_reference(conversion.resources)
        if release == "R5":
            wrong = [*identified_wrongly(conversion), *misplaced(record, conversion)]
            wrong += [problem for each in refs.values() for problem in problems(each, refs)]
        else:
            wrong = [problem for each in refs.values() for problem in earlier_problems(each, release)]
        assert wrong == []
        restored = fhirtrial.restore(conversion.resources, registry="sdtm", verify=True)
        assert exact(restored.data) == exact(
            fhirtrial.restore(fhirtrial.convert(record).resources, registry="sdtm").data
        )
        assert restored.issues == ()


def test_a_count_of_single_doses_is_that_of_the_tables() -> None:
    """As many single doses as the rows have days, since all of them are once a day; open rows are told."""
    name = "pharmaversesdtm"
    found = shared_subjects(name)
    if not found:
        pytest.skip(f"the folder of shared data is not beside the checkout: {name}")
    wanted, opened, counted = 0, 0, Counter[str]()
    for record in found:
        for each in record.data.get("ex", ()):
            if "EXENDTC" in each:
                wanted += (date.fromisoformat(each["EXENDTC"]) - date.fromisoformat(each["EXSTDTC"])).days + 1
            else:
                opened += 1
        made = fhirtrial.convert(record, explode=True)
        counted["singles"] += sum(name.startswith("MedicationAdministration/single-dose-") for name in made.texts)
        counted["told"] += sum(issue.code == "not-exploded" for issue in made.issues)
    assert counted == {"singles": wanted, "told": opened}


def test_runs_explode(tmp_path: Path) -> None:
    """On the command line and in a pipeline, with one process and two; restored tables are those that were read."""
    out = {}
    for jobs in (1, 2):
        done = BytesIO()
        convert_all([DATA / "csv"], done, to="R4", participants=Participants(explode=True), jobs=jobs)
        out[jobs] = done.getvalue()
    assert out[1] == out[2]
    kinds = Counter(code for line in out[1].splitlines() for code in codes(orjson.loads(line)))
    assert kinds["single-dose"] > kinds["exposure"] > 0

    tables = []
    for name, more in (("exploded", ["--explode"]), ("plain", [])):
        made = CliRunner().invoke(main, ["convert", str(DATA / "csv"), "-o", f"{tmp_path}/{name}/", *more])
        assert made.exit_code == 0, made.output
        assert ("not-exploded" in made.output) == bool(more)
        written = tmp_path / f"{name}-tables"
        wanted = ["restore", f"{tmp_path}/{name}/", "--format", "sdtm", "-o", f"{written}/", "--verify"]
        back = CliRunner().invoke(main, wanted)
        assert back.exit_code == 0, back.output
        assert "not-carried" not in back.output
        tables.append({file.name: file.read_bytes() for file in written.iterdir()})
    assert tables[0] == tables[1]
    assert len(tables[0]["ex.csv"].splitlines()) > 1


def test_a_roster_explodes_too(tmp_path: Path) -> None:
    """A dose of a roster is one, and an interval as many as it says; one that was not given is none."""
    folder = write(
        tmp_path / "roster",
        {
            "subjects.csv": "subject_id,study\n1,S\n",
            "doses.csv": "subject_id,dose_id,intervention,start,end,dose,unit,frequency,given\n"
            "1,1,X,2023-01-01,,1,mg,ONCE,\n1,2,X,2023-01-02,2023-01-04,1,mg,BID,yes\n1,3,X,2023-01-05,,1,mg,,no\n"
            "1,4,X,2023-01-06,,1,mg,QD,yes\n",
        },
    )
    (record,) = fhirtrial.read(folder)
    made = fhirtrial.convert(record, explode=True)
    assert [found["occurenceDateTime"] for found in singles(made.resources)] == [
        "2023-01-01", *(f"2023-01-0{day}" for day in (2, 2, 3, 3, 4, 4)),
    ]  # fmt: skip
    assert [(issue.path, issue.message) for issue in made.issues] == [
        ("doses[3]", "no single doses are made of it: its end is not known")
    ]
    notes = [each["note"][0]["text"] for each in singles(made.resources)]
    assert notes[:2] == [
        "Dose 1 of 1, the recorded dose itself.",
        "Dose 1 of 6, which follows from an interval and its frequency; it was not recorded by itself.",
    ]
    assert fhirtrial.restore(made.resources, registry="roster").data == record.data


@pytest.mark.parametrize("codings", [None, 5, "x", [None], [5], [{"system": "x", "code": []}]])
def test_what_has_no_shape_spoils_no_other(codings: Any, tmp_path: Path) -> None:
    """A category that is none is the error of its subject; the others of a run come back."""
    records = [subject(row("QD", "2020-01-01", "2020-01-02"), dm={"USUBJID": number}) for number in ("S-1", "S-2")]
    made = [found for record in records for found in fhirtrial.convert(record).resources]
    next(found for found in made if "exposure" in codes(found))["category"] = [{"coding": codings}]
    (tmp_path / "all.ndjson").write_bytes(b"\n".join(map(orjson.dumps, made)))
    back = ["restore", str(tmp_path / "all.ndjson"), "--format", "sdtm", "-o", f"{tmp_path}/tables/"]
    run = CliRunner().invoke(main, back)
    assert (run.exit_code, run.output.count("not-fhir-shaped]")) == (1, 1), run.output
    with (tmp_path / "tables" / "dm.csv").open() as file:
        assert [found["USUBJID"] for found in DictReader(file)] == ["S-2"]
