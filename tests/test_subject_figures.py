"""Figures of participants: equal to counts straight on the tables, in every release, in any order, in little memory."""

from __future__ import annotations

import csv
import random
import tempfile
import tracemalloc
from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

import fhirtrial
from fhirtrial.cli import main
from fhirtrial.errors import UsageError
from fhirtrial.pipelines.convert import convert_all
from fhirtrial.pipelines.participants import Participants
from fhirtrial.pipelines.subjects import subject_figures
from fhirtrial.pipelines.tables import SpooledRows
from fhirtrial.pipelines.tallies import Tallies

from .tables import DATA, SHARED, write

NO_ARM = {"", "Screen Failure", "SCREEN FAILURE", "Not Assigned", "NOT ASSIGNED"}
SAMPLES = ("made-up", "cdisc_sample", "pharmaversesdtm", "cdiscpilot01")


def folder(name: str) -> Path:
    """The folder of a data set; the test is skipped where it is not at hand."""
    found = DATA / "csv" if name == "made-up" else SHARED / name
    if not found.is_dir():
        pytest.skip(f"{found} is not there: the shared data lie beside the checkout")
    return found


def tables(name: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of DM, DS and EX as they stand in the files, read by other code than the library's."""
    place = folder(name)
    found = {}
    for table in ("dm", "ds", "ex", "ec"):
        if (file := place / f"{table}.csv").exists():
            with file.open(encoding="utf-8-sig", newline="") as opened:
                rows: list[dict[str, Any]] = [
                    {key: "" if value == "NA" else value for key, value in row.items()}
                    for row in csv.DictReader(opened)
                ]
        elif (file := place / f"{table}.ndjson").exists():
            head, *lines = map(orjson.loads, file.read_bytes().splitlines())
            names = [column["name"] for column in head["columns"]]
            rows = [
                {key: "" if value is None else value for key, value in zip(names, line, strict=True)} for line in lines
            ]
        elif (file := place / f"{table}.xpt").exists():
            pyreadstat = pytest.importorskip("pyreadstat")
            columns, _ = pyreadstat.read_xport(str(file), output_format="dict", encoding="windows-1252")
            rows = [
                dict(zip(columns, ("" if v is None or v != v else v for v in line), strict=True))
                for line in zip(*columns.values(), strict=True)
            ]
        else:
            rows = []
        found[table] = rows
    return found


def counted(name: str, by: str) -> dict[str, dict[str, Any]]:
    """By arm: what the tables say, counted row by row."""
    rows = tables(name)
    label = "ARM" if by == "assigned" else "ACTARM"
    arms: defaultdict[str, dict[str, Any]] = defaultdict(
        lambda: {
            "subjects": 0,
            "completed": 0,
            "stopped": Counter(),
            "exposed": 0,
            "administrations": 0,
            "not_done": 0,
            "days": defaultdict(Decimal),
            "started": 0,
        }
    )
    ended = {}
    for row in rows["ds"]:
        if row["DSCAT"] == "DISPOSITION EVENT" and row.get("DSSCAT", "") in ("", "STUDY PARTICIPATION"):
            ended[row["USUBJID"]] = row["DSDECOD"]
    failed = {row["USUBJID"] for row in rows["ds"] if row["DSDECOD"] == "SCREEN FAILURE"}
    arm_of = {}
    for row in rows["dm"]:
        subject, arm = row["USUBJID"], row[label] or ""
        arm_of[subject] = arm
        arms[arm]["subjects"] += 1
        if subject in failed or arm in NO_ARM:
            continue
        arms[arm]["started"] += 1
        if ended.get(subject) == "COMPLETED":
            arms[arm]["completed"] += 1
        elif subject in ended:
            arms[arm]["stopped"][ended[subject]] += 1
    exposed = set()
    for row in rows["ex"]:
        arm = arms[arm_of[row["USUBJID"]]]
        arm["administrations"] += 1
        exposed.add(row["USUBJID"])
        start, end = str(row["EXSTDTC"])[:10], str(row["EXENDTC"])[:10]
        if row["EXDOSE"] != "" and len(start) == len(end) == 10:
            days = (date.fromisoformat(end) - date.fromisoformat(start)).days + 1
            arm["days"][row["EXTRT"], row["EXDOSU"]] += Decimal(str(row["EXDOSE"])) * days
    for subject in exposed:
        arms[arm_of[subject]]["exposed"] += 1
    for row in rows["ec"]:
        arms[arm_of[row["USUBJID"]]]["not_done"] += row.get("ECOCCUR") == "N"
    return dict(arms)


def converted(name: str, release: str) -> bytes:
    """What a data set becomes, without a registry's record."""
    out = BytesIO()
    source: Path = folder(name)
    with tempfile.TemporaryDirectory() as one_form:
        if name == "cdisc_sample":  # the same tables lie there in five forms
            files = {file.name: file.read_bytes() for file in source.glob("*.ndjson")}
            source = write(Path(one_form), files)  # type: ignore[arg-type]
        convert_all(
            [source],
            out,
            to=release,
            participants=Participants(encoding="windows-1252" if name == "cdiscpilot01" else ""),
        )
    return out.getvalue()


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize(("release", "by"), [("R5", "assigned"), ("R4", "actual")])
def test_figures_equal_the_tables(name: str, release: str, by: Any) -> None:
    """Subjects, started, completed, each reason, exposed, administrations and dose × days, arm by arm."""
    wanted = counted(name, by)

    (study,) = subject_figures(converted(name, release), by=by).studies

    found = {arm.arm: arm for arm in study.arms if arm.subjects}
    assert found.keys() == wanted.keys() and sum(each["subjects"] for each in wanted.values()) >= 4
    for arm, figures in found.items():
        count = wanted[arm]
        for what in ("subjects", "started", "completed", "exposed", "administrations", "not_done"):
            assert getattr(figures, what) == count[what], (arm, what)
        stopped = sorted(each.subjects for each in figures.stopped)
        if arm not in NO_ARM:
            assert stopped == sorted(count["stopped"].values()), arm
            assert figures.ongoing == count["started"] - count["completed"] - sum(stopped)
        assert sum((each.total for each in figures.doses), Decimal()) == sum(count["days"].values(), Decimal()), arm
        assert sum(each.counted + each.uncounted for each in figures.doses) == count["administrations"]


@pytest.mark.parametrize("release", ["R5", "R4"])
@pytest.mark.parametrize("state", ["RECRUITING", "UNKNOWN", "COMPLETED"])
def test_open_intervals_are_administrations_whatever_their_status(state: str, release: str, tmp_path: Path) -> None:
    """An interval that goes on, may go on, or ended at an unknown time was received; its days are not made up."""
    files: dict[str, Any] = {
        "dm.csv": "STUDYID,DOMAIN,USUBJID,ARM,ARMCD\nS,DM,1,A,A\nS,DM,2,A,A\n",
        "ex.csv": "STUDYID,DOMAIN,USUBJID,EXSEQ,EXTRT,EXDOSE,EXDOSU,EXDOSFRQ,EXSTDTC,EXENDTC\n"
        "S,EX,1,1,X,2,mg,QD,2023-01-01,2023-01-10\nS,EX,1,2,X,3,mg,QD,2023-01-11,\nS,EX,2,1,X,3,mg,QD,2023-01-11,\n",
    }
    roster: dict[str, Any] = {
        "subjects.csv": "subject_id,study,arm\n3,S,A\n",
        "doses.csv": "subject_id,dose_id,intervention,start,dose,unit,frequency\n"
        "3,1,X,2023-01-01,1,mg,ONCE\n3,2,X,2023-01-01,3,mg,QD\n",
    }
    for folder_name, tables_ in (("a", files), ("b", roster)):
        (tmp_path / folder_name).mkdir()
        write(tmp_path / folder_name, {name: text.encode() for name, text in tables_.items()})
    study = {
        "protocolSection": {
            "identificationModule": {"nctId": "NCT00000777", "orgStudyIdInfo": {"id": "S"}, "briefTitle": "A"},
            "statusModule": {"overallStatus": state},
            "armsInterventionsModule": {
                "armGroups": [{"label": "A"}],
                "interventions": [{"type": "DRUG", "name": "X"}],
            },
        }
    }
    out = BytesIO()
    convert_all([tmp_path / "a", tmp_path / "b"], out, to=release, participants=Participants(study=study))

    (found,) = subject_figures(out.getvalue()).studies

    ((arm),) = (arm for arm in found.arms if arm.arm == "A")
    assert (arm.exposed, arm.administrations) == (3, 5)
    (doses,) = arm.doses
    assert (doses.total, doses.counted, doses.uncounted) == (Decimal(21), 2, 3)


def test_an_unknown_administration_of_others_is_not_counted() -> None:
    """Only where a record of doses that were received says so is one of unknown status an administration."""
    lines = b"""{"resourceType":"ResearchSubject","id":"s","study":{"identifier":{"value":"S"}},"subject":{"reference":"Patient/p"},"progress":[]}
{"resourceType":"MedicationAdministration","id":"1","status":"unknown","medication":{"concept":{"text":"A"}},"subject":{"reference":"Patient/p"},"occurenceDateTime":"2020-01-01"}
{"resourceType":"MedicationAdministration","id":"2","status":"unknown","category":[{"coding":[{"system":"https://fhirtrial.org/CodeSystem/dose-record","code":"exposure"}]}],"medication":{"concept":{"text":"A"}},"subject":{"reference":"Patient/p"},"occurenceDateTime":"2020-01-01"}
"""
    (study,) = subject_figures(lines).studies
    assert (study.arms[0].exposed, study.arms[0].administrations) == (1, 1)


SUBJECT = (
    '{"resourceType":"ResearchSubject","id":"%s","study":{"reference":"ResearchStudy/S"},"subject":{%s},"progress":[]}'
)
GIVEN = '{"resourceType":"MedicationAdministration","id":"%s","status":"completed","medication":{"concept":{"text":"A"}},"occurenceDateTime":"2020-01-01"%s}'
PERSON = ',"subject":{"reference":"Patient/p"}'
LINK = ',"supportingInformation":[{"reference":"ResearchSubject/s"}]'
STUDY = ',"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/workflow-researchStudy","valueReference":{%s}}]'


@pytest.mark.parametrize(
    ("links", "counted", "lost"),
    [
        (["", ""], 2, 0),
        (["", LINK], 1, 0),
        ([LINK, "", STUDY % '"reference":"ResearchStudy/S"'], 2, 0),
        (["", STUDY % '"reference":"ResearchStudy/S"'], 1, 0),
        (["", STUDY % '"reference":"ResearchStudy/other"'], 0, 1),
        (["", STUDY % '"identifier":{"value":"other"}'], 0, 1),
    ],
)
@pytest.mark.parametrize("turn", [1, -1])
def test_what_names_only_the_person_is_of_the_study_where_nothing_names_more(
    links: list[str], counted: int, lost: int, turn: int
) -> None:
    """A hospital's administration to the same person is none of the study's, whether it comes first or last."""
    given = [GIVEN % (number, PERSON + link) for number, link in enumerate(links)]
    lines = [SUBJECT % ("s", '"reference":"Patient/p"'), *given]

    figures = subject_figures("\n".join(lines[::turn]).encode())

    (arm,) = figures.studies[0].arms
    assert (arm.administrations, figures.unattributed) == (counted, lost)


@pytest.mark.parametrize("person", ["", '"identifier":{"value":"P"}'])
def test_a_dose_of_nobody_is_not_given_to_a_subject_of_no_known_person(person: str) -> None:
    """Two that are not known are not the same."""
    figures = subject_figures(f"{SUBJECT % ('s', person)}\n{GIVEN % ('1', '')}".encode())

    (arm,) = figures.studies[0].arms
    assert (arm.exposed, arm.administrations, figures.unattributed) == (0, 0, 1)


def test_every_reason_is_told_apart() -> None:
    """Each reason of the tables is one line of the figures, by the code of the list of CDISC."""
    wanted = counted("cdiscpilot01", "assigned")["Xanomeline Low Dose"]["stopped"]

    (study,) = subject_figures(converted("cdiscpilot01", "R5")).studies

    (arm,) = [each for each in study.arms if each.arm == "Xanomeline Low Dose"]
    assert {each.reason.upper(): each.subjects for each in arm.stopped} == wanted
    assert all(each.code.startswith("C") for each in arm.stopped)


@pytest.mark.parametrize("release", ["R5", "R4", "R4B"])
def test_order_and_repetition_do_not_matter(release: str) -> None:
    """Resources in any order, twice, and in bundles give the same figures; so do tallies that wait on disk."""
    text = converted("made-up", release)
    wanted = subject_figures(text).as_dict()
    lines = text.splitlines()
    random.Random(7).shuffle(lines)
    resources = [orjson.loads(line) for line in lines]
    bundle = orjson.dumps({"resourceType": "Bundle", "entry": [{"resource": each} for each in resources]})

    assert subject_figures([b"\n".join(lines), bundle], source_release=release).as_dict() == wanted
    assert wanted["studies"][0]["arms"][0]["arm"] == "Active"


def test_tallies_wait_on_disk() -> None:
    """However few subjects are held in memory, sums are the same."""
    found = []
    for limit in (1, 1000):
        tallies = Tallies(limit=limit)
        for number in range(60):
            tallies.subject(f"ResearchSubject/{number % 7}", f"Patient/{number % 7}", {"n": number % 7})
            tally = tallies.of(f"{'Patient' if number % 2 else 'ResearchSubject'}/{number % 7}")
            tally.done += 1
            tally.add("A", "mg", Decimal("0.1"))
        tallies.of("Patient/nobody").done += 1
        found.append([(facts, tally.done, tally.doses) for facts, tally in tallies.joined()])
        tallies.close()
    assert found[0] == found[1]
    assert sum(done for _, done, _ in found[0]) == 61 and found[0][-1][0] is None
    assert found[0][0][2] == {("A", "mg"): [Decimal("0.9"), 9, 0]}


def test_studies_at_hand_name_all_their_arms(tmp_path: Path) -> None:
    """An arm without subjects is shown, in the study's order, and what the study plans is said."""
    study = {
        "protocolSection": {
            "identificationModule": {"nctId": "NCT00000777", "orgStudyIdInfo": {"id": "SYN-01"}, "briefTitle": "A"},
            "designModule": {"enrollmentInfo": {"count": 90, "type": "ESTIMATED"}},
            "armsInterventionsModule": {"armGroups": [{"label": "Placebo"}, {"label": "Unused"}, {"label": "Active"}]},
        }
    }
    out = BytesIO()
    convert_all([DATA / "csv"], out, participants=Participants(study=study))

    (found,) = subject_figures(out.getvalue()).studies

    assert [(arm.arm, arm.subjects) for arm in found.arms] == [("Placebo", 1), ("Unused", 0), ("Active", 2), ("", 1)]
    assert (found.study, found.planned) == ("NCT00000777 (SYN-01)", 90)


def test_the_table_for_people() -> None:
    """What the command prints for the made-up study."""
    done = CliRunner().invoke(main, ["subjects", "-"], input=converted("made-up", "R4"))

    assert done.exit_code == 0, done.output
    assert [line.rstrip() for line in done.stdout.splitlines()] == TABLE.strip("\n").splitlines()


TABLE = """
SYN-01: 4 subjects
arm (assigned)            Active   Placebo   no arm
───────────────────────────────────────────────────
subjects                       2         1        1
randomised                     1         0        0
started                        2         1        0
completed                      1         0        0
stopped: Death                 0         1        0
ongoing                        1         0        0
exposed                        2         1        0
administrations                3         1        0
not done                       1         0        0
PLACEBO, mg × days             0         0
SYNTHETOL, mg × days   75.6 (+1)
dose × days: each day of an interval counts, the first and the last too, whatever the frequency; what has no dose, or no two full dates, is not counted
"""


def test_what_cannot_be_counted_is_said() -> None:
    """Broken resources are issues; a word that is no way to count is an error."""
    issues: list[Any] = []
    lines = b'{"resourceType":"ResearchSubject","id":"1","subject":{"reference":"Patient/1"},"progress":[3]}\n{"resourceType":"MedicationAdministration","id":"1","status":"completed","medication":{},"subject":{"reference":"Patient/9"}}\n'

    figures = subject_figures(lines, noticed=issues.append)

    assert [issue.code for issue in issues] == ["not-fhir-shaped"]
    assert (figures.studies, figures.unattributed) == ((), 1)
    with pytest.raises(UsageError, match=r"^'arm' is no way to count arms; known: assigned, actual$"):
        fhirtrial.subject_figures(lines, by="arm")


def test_memory_stays_flat(tmp_path: Path) -> None:
    """Ten times the administrations need little more memory: a key for each, while these are few, and no row."""
    peaks = []
    for count in (2_000, 20_000):
        with (tmp_path / "doses.ndjson").open("wb") as file:
            file.writelines(doses(count))
        rows = SpooledRows()
        tracemalloc.start()
        for number in range(count):
            rows.append({"EXSEQ": number, "EXTRT": "A" * 60})
        figures = subject_figures(tmp_path / "doses.ndjson")
        assert sum(row["EXSEQ"] for row in rows) == count * (count - 1) // 2
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        rows.close()
        assert figures.studies[0].arms[0].administrations == count
    assert peaks[1] - peaks[0] < 18_000 * 400


def doses(count: int) -> Any:
    yield b'{"resourceType":"ResearchSubject","id":"s","study":{"identifier":{"value":"S"}},"subject":{"reference":"Patient/p"},"progress":[]}\n'
    for number in range(count):
        yield (
            b'{"resourceType":"MedicationAdministration","id":"%d","status":"completed","medication":{"concept":{"text":"A"}},"subject":{"reference":"Patient/p"},"occurenceDateTime":"2020-01-01"}\n'
            % number
        )
