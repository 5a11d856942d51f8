"""Participants' data on the command line: tied to a study, loaded, and restored as tables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

import fhirtrial
from fhirtrial.cli import main
from fhirtrial.errors import UsageError
from fhirtrial.pipelines.tables import TableFolder
from fhirtrial.readers.options import standard_layout

from .tables import DATA, write

CSV = DATA / "csv"
ROOT = Path(__file__).resolve().parent.parent
ROSTER = ROOT / "examples" / "roster"
PAGE = ROOT / "examples" / "NCT05143125.page.txt"
KEY = b"0f1e2d3c4b5a69788796a5b4c3d2e1f0 is a key for the tests"


def study(*, number: str = "SYN-01", arms: tuple[str, ...] = ("Active", "Placebo"), nct: str = "NCT00000777") -> Any:
    """A registry's record of the made-up study."""
    return {
        "protocolSection": {
            "identificationModule": {"nctId": nct, "orgStudyIdInfo": {"id": number}, "briefTitle": "A study"},
            "armsInterventionsModule": {
                "armGroups": [{"label": arm} for arm in arms],
                "interventions": [{"type": "DRUG", "name": "Synthetol"}, {"type": "DRUG", "name": "Placebo"}],
            },
        }
    }


def record(folder: Path, **said: Any) -> str:
    """The file of such a record."""
    (folder / "study.json").write_bytes(orjson.dumps(study(**said)))
    return str(folder / "study.json")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def resources(folder: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for file in sorted(folder.glob("*.ndjson")) for line in file.read_bytes().splitlines()]


def test_subjects_are_tied_to_the_study_of_the_record(tmp_path: Path) -> None:
    """Subjects and doses refer to resources of the study that are written beside them, by arm and by intervention."""
    done = run("convert", CSV, "--study", record(tmp_path), "-o", f"{tmp_path}/out/", "--verify")

    assert done.exit_code == 0, done.output
    made = resources(tmp_path / "out")
    named = {f"{each['resourceType']}/{each['id']}": each for each in made}
    arms = {group["linkId"]: group["name"] for group in named["ResearchStudy/NCT00000777"]["comparisonGroup"]}
    subjects = [each for each in made if each["resourceType"] == "ResearchSubject"]
    found = [arms[each["assignedComparisonGroup"]] for each in subjects if "assignedComparisonGroup" in each]
    assert sorted(found) == ["Active", "Active", "Placebo"]
    assert {each["study"]["reference"] for each in subjects} == {"ResearchStudy/NCT00000777"}
    doses = [each for each in made if each["resourceType"] == "MedicationAdministration"]
    linked = [
        named[extension["valueReference"]["reference"]]["title"]
        for each in doses
        for extension in each["extension"]
        if extension["url"].endswith("study-intervention")
    ]
    assert sorted(linked) == ["Placebo", "Placebo", "Synthetol", "Synthetol", "Synthetol"]


def test_the_study_itself_can_be_left_out(tmp_path: Path) -> None:
    """With --subjects-only nothing is made of the study, and its files of an earlier run stay."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ResearchStudy.ndjson").write_text("{}\n")

    done = run("convert", CSV, "--study", record(tmp_path), "--subjects-only", "-o", f"{tmp_path}/out/")

    assert done.exit_code == 0, done.output
    kinds = {path.stem for path in (tmp_path / "out").iterdir()}
    assert kinds == {
        "Consent",
        "Encounter",
        "Medication",
        "MedicationAdministration",
        "Patient",
        "ResearchSubject",
        "ResearchStudy",
    }
    assert (tmp_path / "out" / "ResearchStudy.ndjson").read_text() == "{}\n"


@pytest.mark.parametrize("release", ["R5", "R4", "R4B"])
def test_output_does_not_depend_on_jobs(tmp_path: Path, release: str) -> None:
    """One process or two: the same bytes, and the same issues."""
    source = record(tmp_path)
    for jobs in ("1", "2"):
        out = f"{tmp_path}/{jobs}/"
        issues = f"{tmp_path}/{jobs}.jsonl"
        done = run("convert", CSV, ROSTER, "--study", source, "--subjects-only", "-o", out, "--jobs", jobs,
                   "--issues", issues, "--to", release)  # fmt: skip
        assert done.exit_code == 1, done.output  # the roster is of another study
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / jobs).iterdir()} for jobs in "12")
    assert len(first) == 6 and first == second
    assert (tmp_path / "1.jsonl").read_bytes() == (tmp_path / "2.jsonl").read_bytes()


def test_pseudonyms_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    """Two interpreters with other seeds write the same bytes."""
    (tmp_path / "key").write_bytes(KEY)
    found = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "fhirtrial", "convert", str(CSV), "--pseudonymise", str(tmp_path / "key")]
        done = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=False)
        found.add(done.stdout)
    assert len(found) == 1 and len(found.pop()) > 1000


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            {"number": "OTHER"},
            "'SYN-01' is no number of the study NCT00000777, which has 'OTHER': the subject is tied to it all the same",
        ),
        ({"arms": ("Aktive", "Placebo")}, "'Active' is no arm of the study; did you mean Aktive?"),
    ],
)
def test_what_the_study_does_not_have_is_said(tmp_path: Path, said: Any, message: str) -> None:
    """A number or an arm that the record does not have is a warning, with what is nearest; no arm is guessed."""
    issues = tmp_path / "issues.jsonl"

    done = run("check", CSV, "--study", record(tmp_path, **said), "--issues", issues)

    assert done.exit_code == 0, done.output
    found = [orjson.loads(line) for line in issues.read_bytes().splitlines()]
    assert ("warning", message) in {(issue["severity"], issue["message"]) for issue in found}


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("command", [("convert", "-o"), ("load", "--folder")], ids=lambda command: command[0])
def test_what_holds_for_many_subjects_is_said_once(command: tuple[str, str], jobs: str, tmp_path: Path) -> None:
    """A study, an arm or a treatment that the record does not have: in full where it comes first, then their number."""
    lines = [f"SYN-01,{number},{'Aktive' if number % 2 else 'Other'}" for number in range(100)]
    doses = [f"SYN-01,{number},{dose},Synthetole" for number in range(100) for dose in range(1, 4)]
    folder = write(
        tmp_path / "tables",
        {
            "dm.csv": "\n".join(["STUDYID,USUBJID,ARM", *lines, ""]),
            "ex.csv": "\n".join(["STUDYID,USUBJID,EXSEQ,EXTRT", *doses, ""]),
        },
    )
    source, issues = record(tmp_path, number="OTHER"), tmp_path / "issues.jsonl"
    name, where = command
    done = run(name, folder, "--study", source, where, f"{tmp_path}/out/", "--issues", issues, "--jobs", jobs)
    assert done.exit_code == 0, done.output
    told = [orjson.loads(line) for line in issues.read_bytes().splitlines()]
    study = "'SYN-01' is no number of the study NCT00000777, which has 'OTHER': the subject is tied to it all the same"
    other = "'Other' is no arm of the study; it has 'Active', 'Placebo'"
    dose = "'Synthetole' is no intervention of the study; did you mean Synthetol?"
    arm = "'Aktive' is no arm of the study; did you mean Active?"
    kinds = ("unknown-study", "unknown-arm", "unknown-intervention")
    assert [(each.get("record", ""), each["message"]) for each in told if each["code"] in kinds] == [
        ("0", study),
        ("0", other),
        ("0", dose),
        ("1", arm),
        ("", f"{study}; so it is for 99 more subjects"),
        ("", f"{other}; so it is for 49 more subjects"),
        ("", f"{dose}; so it is for 99 more subjects"),
        ("", f"{arm}; so it is for 49 more subjects"),
    ]
    assert "2 unknown-intervention, 2 unknown-study" in done.stderr


def test_a_subject_of_another_study_is_refused(tmp_path: Path) -> None:
    """Who has the registry's number of another study is not tied to this one."""
    done = run("convert", ROSTER, "--study", record(tmp_path), "-o", f"{tmp_path}/out/")

    assert done.exit_code == 1
    assert (
        "subjects.csv:2: HEM-001: subject.study: the subject is in the study NCT05143125: it cannot be tied to "
        "NCT00000777 [other-study]\n" in done.stderr
    )
    assert "1 record, 12 refused" in done.stderr


def test_the_record_of_the_study_must_be_one(tmp_path: Path) -> None:
    """None, two, or participants' data: each is one clear error."""
    (tmp_path / "two.jsonl").write_bytes(b"\n".join(orjson.dumps(study(nct=f"NCT0000000{n}")) for n in (1, 2)))

    cases = {
        tmp_path / "two.jsonl": (2, "there is more than one record: NCT00000001 and NCT00000002, …; the record of one study is wanted"),
        CSV: (2, "these are participants' data, where a study's record is wanted"),
    }  # fmt: skip
    for source, (code, message) in cases.items():
        done = run("convert", CSV, "--study", source, "-o", f"{tmp_path}/out/")
        assert (done.exit_code, done.stderr) == (code, f"error: --study {source}: {message}\n")
        assert not (tmp_path / "out").exists()

    done = run("convert", CSV, "--study", tmp_path / "none.json")
    assert done.exit_code == 1
    assert done.stderr == f"error: {tmp_path}/none.json: there is no such file or folder [no-such-file]\n"
    done = run("convert", CSV, "--subjects-only")
    assert done.exit_code == 2
    assert "--subjects-only goes with --study RECORD" in done.stderr


def test_a_repeated_load_changes_nothing(tmp_path: Path) -> None:
    """Participants are loaded as studies are: each resource once, found by its identifier."""
    command = ("load", ROSTER, "--study", PAGE, "--folder", tmp_path / "served", "--issues", tmp_path / "issues")

    first, again = run(*command), run(*command)

    assert (first.exit_code, again.exit_code) == (0, 0)
    assert "MedicationAdministration: 26 created" in first.stderr and "ResearchSubject: 12 created" in first.stderr
    assert "created" not in again.stderr and "75 unchanged" in again.stderr
    identified = [each for each in resources(tmp_path / "served") if "identifier" in each]
    names = [
        (each["resourceType"], each["identifier"][0]["system"], each["identifier"][0]["value"]) for each in identified
    ]
    assert len(set(names)) == len(names) > 50


@pytest.mark.parametrize("release", ["R5", "R4", "R4B"])
@pytest.mark.parametrize("form", ["csv", "json", "dsjc"])
def test_tables_come_back(tmp_path: Path, release: str, form: str) -> None:
    """Datasets made of FHIR of any release read as the original ones do, but for what is not carried."""
    run("convert", CSV, "--to", release, "-o", f"{tmp_path}/out/")
    time = [] if form == "csv" else ["--created", "2026-01-31T12:00:00Z"]

    done = run("restore", tmp_path / "out", "--format", "sdtm", "-o", tmp_path / "tables", "--tables", form, *time)

    assert done.exit_code == 0, done.output
    wanted, found = ({each.id: each for each in fhirtrial.read(place)} for place in (CSV, tmp_path / "tables"))
    carried = ("dm", "ds", "ex", "ec", "sv")
    subjects = [id for id, each in wanted.items() if each.registry == "sdtm"]
    assert len(subjects) == 4
    for id in subjects:
        data = {name: rows for name, rows in wanted[id].data.items() if name in carried}
        assert found[id].data == data
    again = (tmp_path / "tables" / f"ex.{form}").read_bytes()
    run("restore", tmp_path / "out", "--format", "sdtm", "-o", tmp_path / "tables", "--tables", form, *time)
    assert (tmp_path / "tables" / f"ex.{form}").read_bytes() == again


def test_tables_are_not_written_where_they_would_be_doubted(tmp_path: Path) -> None:
    """A folder with the dataset in another form, a file, and Dataset-JSON without its time are errors."""
    layout = standard_layout("sdtm")
    write(tmp_path / "old", {"dm.xpt": b""})
    with pytest.raises(UsageError, match=r"old: there is dm.xpt already, in another form: name a folder without such"):
        TableFolder(tmp_path / "old", layout)
    with pytest.raises(UsageError, match=r"^Dataset-JSON says when it was made: tell it, as in --created 2026-01-31"):
        TableFolder(tmp_path, layout, form="json")
    with pytest.raises(UsageError, match="'jsn' is no form of tables; did you mean json"):
        TableFolder(tmp_path, layout, form="jsn")
    done = run("restore", CSV, "--format", "sdtm")
    assert (done.exit_code, done.stderr) == (2, "error: tables go to a folder: say which with -o DIR, not '-'\n")


def test_nobody_is_shown() -> None:
    """`show` is for studies: participants are neither printed nor a traceback."""
    done = run("show", CSV)
    message = (
        "these are participants' data, of which nobody is shown; fhirtrial subjects prints figures of what they become"
    )
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"error: {CSV}: {message}\n")


@pytest.mark.parametrize("release", ["R5", "R4"])
def test_times_get_the_offset_of_a_zone(tmp_path: Path, release: str) -> None:
    """A local time becomes one of FHIR's and comes back as it was; one that clocks showed twice keeps its date only."""
    dm = "STUDYID,USUBJID,RFICDTC,RFPENDTC,RFXSTDTC,RFXENDTC\nS,1,2019-07-01T08:30,2019-10-27T02:30,2019-01-01T08:30:15,2019-01-02T09\n"
    folder = write(tmp_path / "data", {"dm.csv": dm})

    done = run(
        "convert", folder, "--zone", "Europe/Berlin", "--to", release, "--verify", "-o", tmp_path / "made.ndjson"
    )

    assert done.exit_code == 0, done.output
    made = (tmp_path / "made.ndjson").read_text()
    assert '"2019-07-01T08:30:00+02:00"' in made and '"2019-01-01T08:30:15+01:00"' in made
    assert '"end":"2019-10-27"' in made and '"2019-01-02"' in made
    run("restore", tmp_path / "made.ndjson", "--format", "sdtm", "-o", tmp_path / "tables")
    assert (tmp_path / "tables" / "dm.csv").read_text().splitlines()[1].count("T") == 4
    (again,) = fhirtrial.read(tmp_path / "tables")
    (wanted,) = fhirtrial.read(folder)
    assert again.data == wanted.data


def test_an_edited_time_counts() -> None:
    """A time that somebody has changed is read as it is now, not as it was."""
    mapper = fhirtrial.Mapper(registry="sdtm", zone="+08:00")
    data = {"dm": {"STUDYID": "S", "USUBJID": "1", "RFICDTC": "2019-07-01T08:30"}}
    made = mapper.convert(fhirtrial.Record(registry="sdtm", id="1", data=data)).resources
    assert made[0]["period"]["start"] == "2019-07-01T08:30:00+08:00"
    assert mapper.restore(made).data == data
    made[0]["period"]["start"] = "2019-07-01T08:31:00+08:00"
    assert mapper.restore(made).data["dm"]["RFICDTC"] == "2019-07-01T08:31:00+08:00"


def test_a_zone_that_is_none_is_told() -> None:
    """Before anything is read, with the nearest name."""
    for zone, hint in (
        ("Europe/Berlim", "did you mean Europe/Berlin?"),
        ("8", "one looks like Europe/Berlin or +08:00"),
    ):
        done = run("convert", CSV, "--zone", zone)
        assert (done.exit_code, done.stdout, done.stderr) == (2, "", f"error: {zone!r} is no time zone; {hint}\n")
