"""The account of a conversion there and back, and the demonstration that prints it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from fhirtrial.issue import Issue
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.readers import read
from fhirtrial.record import Record
from fhirtrial.report.account import Account, account

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "examples" / "demo.py"
MAPPER = Mapper()
MODULES = {
    "identificationModule": {"nctId": "NCT00000102", "briefTitle": "A title"},
    "conditionsModule": {"conditions": ["One", "Two"]},
}


def record(**sections: Any) -> Record:
    return next(read({"protocolSection": MODULES, **sections}))


def told(original: Record, restored: Record | None = None, issues: tuple[Issue, ...] = ()) -> Account:
    conversion = MAPPER.convert(original)
    restored = restored or MAPPER.restore(conversion.resources)
    return account(MAPPER, replace(conversion, issues=(*conversion.issues, *issues)), restored)


def test_an_account_of_a_record_that_came_back() -> None:
    """Resources are counted by type and named, there are no issues, and the record is the same."""
    said = told(record())
    first, *resources, count, verdict = str(said).splitlines()

    assert said.is_same
    assert first == f"NCT00000102 became {len(resources)} FHIR resources:"
    assert [line.split() for line in resources] == [["1", *name.split("/")] for name in said.conversion.texts]
    assert resources[0].split() == ["1", "ResearchStudy", "NCT00000102"]
    assert (count, verdict) == ("0 issues.", "The restored record equals the original.")


def test_a_record_that_came_back_differently() -> None:
    """What differs is named by its path in the record: a value, and an entry that is gone."""
    other = json.loads(json.dumps(MODULES))
    other["identificationModule"]["briefTitle"] = "Another title"
    other["conditionsModule"]["conditions"].pop()
    said = told(record(), next(read({"protocolSection": other})))

    assert not said.is_same
    assert str(said).endswith(
        "The restored record DIFFERS from the original in 2 places: "
        "protocolSection.identificationModule.briefTitle, protocolSection.conditionsModule.conditions[1]."
    )


def test_what_the_mapping_leaves_out_is_said() -> None:
    """A record with results equals the original but for them, and the reason why is there."""
    said = told(record(resultsSection={"moreInfoModule": {"pointOfContact": {"title": "Dr"}}}))

    assert said.is_same
    assert str(said).endswith(
        "Left out: resultsSection: results are not mapped yet.\nThe restored record equals the original but for that."
    )


def test_long_lists_are_cut() -> None:
    """Of many resources of a type, and of many issues, a few are named and the others counted."""
    many = [{"type": "DRUG", "name": f"Drug {number}"} for number in range(9)]
    issues = tuple(Issue(severity="warning", code="odd", message=f"odd {number}") for number in range(25))
    tree = {**MODULES, "armsInterventionsModule": {"interventions": many}}
    lines = str(told(next(read({"protocolSection": tree})), issues=issues)).splitlines()

    (line,) = [line for line in lines if "ActivityDefinition" in line]
    assert line.split()[0] == "9"
    assert line.endswith(", … 5 more")
    assert "  … 5 more" in lines
    assert "25 issues:" in lines


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, encoding="utf-8", check=False
    )


def test_the_demonstration(tmp_path: Path) -> None:
    """It writes one NDJSON file per type, tells in under 60 lines that the record came back, and ends with 0."""
    done = run(str(DEMO), cwd=tmp_path)
    folder = tmp_path / "out" / "demo"

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("NCT05143125 became ")
    assert "\nThe restored record equals the original.\n" in done.stdout
    assert done.stdout.endswith(
        "HEM-001 is in the arm 'Treatment group' of NCT05143125.\n12 of 12 records of the roster come back the same.\n"
    )
    assert len(done.stdout.splitlines()) < 60
    for file in folder.glob("*.ndjson"):
        for line in file.read_text("utf-8").splitlines():
            assert json.loads(line)["resourceType"] == file.stem
    assert {file.stem for file in folder.glob("*.ndjson")} >= {"ResearchStudy", "Group", "Location", "Organization"}


def test_the_demonstration_twice(tmp_path: Path) -> None:
    """A second run into the same folder says the same, but that it has nothing to write, and leaves the same files."""
    first = run(str(DEMO), "made", cwd=tmp_path)
    texts = {file.name: file.read_bytes() for file in (tmp_path / "made").glob("*.ndjson")}
    second = run(str(DEMO), "made", cwd=tmp_path)

    written = ("Loaded into made/: 12 written; loaded again: 0 written.", "(made up): 63 resources written.")
    assert all(line in first.stdout for line in written)
    nothing = first.stdout.replace("made/: 12 written", "made/: 0 written").replace(": 63 resources", ": 0 resources")
    assert second.stdout == nothing
    assert {file.name: file.read_bytes() for file in (tmp_path / "made").glob("*.ndjson")} == texts


def test_the_demonstration_of_a_loss(tmp_path: Path) -> None:
    """If the record does not come back the same, it says so and ends with 1."""
    code = f"""
import json, runpy, sys
import fhirtrial
restore = fhirtrial.Mapper.restore
def lossy(self, resources):
    next(each for each in resources if each["resourceType"] == "ResearchStudy").pop("title")
    return restore(self, resources)
fhirtrial.Mapper.restore = lossy
sys.argv = ["demo.py", "made"]
runpy.run_path({str(DEMO)!r}, run_name="__main__")
"""
    done = run("-c", code, cwd=tmp_path)

    assert done.returncode == 1
    assert "DIFFERS from the original in 1 place: protocolSection.identificationModule.briefTitle." in done.stdout
