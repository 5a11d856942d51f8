"""Loading into a folder: the rules of a server, whatever ends the run, and nobody's edits lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhirtrial.errors import UsageError
from fhirtrial.issue import Issue
from fhirtrial.loading.folder_target import MEMORY, FolderTarget
from fhirtrial.loading.loader import Options
from fhirtrial.loading.run import load_all
from fhirtrial.loading.summary import LoadSummary
from tests.test_convert import study
from tests.test_load import STUDIES, Json, edited


class Load:
    """A folder to load into, and what was noticed."""

    def __init__(self, path: Path) -> None:
        self.source = path / "studies.jsonl"
        self.folder = path / "served"
        self.issues: list[Issue] = []

    def run(self, studies: list[Json], *, progress: Any = lambda _: None, **options: Any) -> LoadSummary:
        self.source.write_bytes(b"\n".join(map(orjson.dumps, studies)))
        self.issues = []
        target = FolderTarget(self.folder, release="R5")
        return load_all(
            [str(self.source)], target, options=Options(**options), noticed=self.issues.append, progress=progress
        )

    def codes(self) -> list[str]:
        return [issue.code for issue in self.issues if issue.severity != "information"]

    def files(self) -> dict[str, bytes]:
        """What readers see."""
        return {file.name: file.read_bytes() for file in sorted(self.folder.glob("*.ndjson"))}

    def trace(self) -> dict[str, tuple[int, bytes]]:
        """Everything in the folder, with the times of its files."""
        every = sorted(self.folder.iterdir()) if self.folder.exists() else ()
        return {file.name: (file.stat().st_mtime_ns, file.read_bytes()) for file in every}

    def lines(self, kind: str) -> list[Json]:
        file = self.folder / f"{kind}.ndjson"
        return [orjson.loads(line) for line in file.read_bytes().splitlines()] if file.exists() else []

    def rewrite(self, kind: str, resources: list[Json]) -> None:
        """Somebody else's work."""
        (self.folder / f"{kind}.ndjson").write_bytes(b"".join(orjson.dumps(each) + b"\n" for each in resources))


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return Load(tmp_path)


def test_a_folder_is_loaded_by_the_same_rules(load: Load) -> None:
    """A folder gets one file per type; a repeat touches no file; one change exchanges the files that hold it."""
    first = load.run(STUDIES)
    before = load.trace()
    again = load.run(STUDIES)
    lines = sum(len(data.splitlines()) for data in load.files().values())
    assert first.total("created") == again.total("unchanged") == lines
    after = load.trace()
    del before[MEMORY], after[MEMORY]
    assert after == before

    assert load.run([edited(STUDIES[0]), *STUDIES[1:]]).total("updated") == 2
    now = load.trace()
    assert {name for name in before if now[name] != before[name]} == {"ResearchStudy.ndjson", "PlanDefinition.ndjson"}
    assert set(now) - {MEMORY} == set(before)


def test_an_edit_in_a_file_is_reported_and_left(load: Load) -> None:
    """A line that somebody has changed stays as it is, though the record has changed too; ``force`` overwrites it."""
    load.run(STUDIES)
    studies = load.lines("ResearchStudy")
    load.rewrite("ResearchStudy", [{**studies[0], "title": "Theirs"}, *studies[1:]])
    before = load.files()["ResearchStudy.ndjson"]

    assert load.run(STUDIES).outcomes["ResearchStudy"] == {"edited": 1, "unchanged": 2}
    assert load.codes() == ["edited"]
    assert "it was edited since: version sha256:" in load.issues[0].message
    assert load.files()["ResearchStudy.ndjson"] == before

    number = studies[0]["id"]
    changed = [edited(each) if number in str(each) else each for each in STUDIES]
    assert load.run(changed).outcomes["ResearchStudy"] == {"edited": 1, "unchanged": 2}
    assert load.lines("ResearchStudy")[0]["title"] == "Theirs"

    assert load.run(changed, force=True).outcomes["ResearchStudy"] == {"updated": 1, "unchanged": 2}
    assert load.lines("ResearchStudy")[0]["title"] == "Another title"
    assert load.run(changed).written == 0
    assert load.codes() == []


def test_another_spelling_of_the_same_is_no_edit(load: Load) -> None:
    """Lines in another order, or with spaces, say the same: nothing is reported, and the file stays as it is."""
    load.run(STUDIES)
    file = load.folder / "Location.ndjson"
    spaced = [orjson.dumps(each).replace(b'":', b'": ') for each in reversed(load.lines("Location"))]
    file.write_bytes(b"\n\n".join(spaced))
    before = load.files()
    assert load.run(STUDIES).total("unchanged") == len(b"".join(before.values()).splitlines()) - len(spaced) + 2
    assert (load.codes(), load.files()) == ([], before)


def test_a_line_or_a_file_that_is_gone_comes_back(load: Load) -> None:
    """What somebody has deleted is made again, as a server's deleted resource is."""
    load.run(STUDIES)
    before = load.files()
    load.rewrite("Organization", load.lines("Organization")[1:])
    (load.folder / "Group.ndjson").unlink()
    summary = load.run(STUDIES)
    assert summary.outcomes["Organization"]["created"] == 1
    assert summary.outcomes["Group"] == {"created": 3}
    assert load.files() == before


def test_what_is_somebody_elses_stays(load: Load) -> None:
    """Lines of others are kept; a hospital's own study with the number is adopted; of two with it neither is touched."""
    load.folder.mkdir()
    numbers = sorted(each["protocolSection"]["identificationModule"]["nctId"] for each in STUDIES)
    own = [
        {
            "resourceType": "ResearchStudy",
            "id": id,
            "status": "active",
            "identifier": [{"system": "https://clinicaltrials.gov/nctid", "value": number}],
        }
        for id, number in (("own-1", numbers[0]), ("own-2", numbers[1]), ("own-3", numbers[1]), ("own-4", "NCT0"))
    ]
    load.rewrite("ResearchStudy", own)
    load.rewrite("Patient", [{"resourceType": "Patient", "id": "a"}])
    summary = load.run(STUDIES)

    held = {each["id"]: each for each in load.lines("ResearchStudy")}
    assert summary.refused == 1
    assert load.codes() == ["several-matches", "study-not-loaded"]
    assert set(held) == {"own-1", "own-2", "own-3", "own-4", numbers[2]}
    assert held["own-1"]["title"]
    assert [held[each["id"]] for each in own[1:]] == own[1:]
    assert load.lines("Patient") == [{"resourceType": "Patient", "id": "a"}]
    (provenance,) = (each for each in load.lines("Provenance") if each["id"].startswith(numbers[0]))
    assert provenance["target"] == [{"reference": "ResearchStudy/own-1"}]


def test_pruning_takes_out_what_nobody_refers_to(load: Load) -> None:
    """What a record has no longer goes, with its file if that was all; not what somebody else refers to or has edited."""
    official = {"name": "Ann", "affiliation": "Clinic", "role": "PRINCIPAL_INVESTIGATOR"}
    one = study(1, "Sponsor")
    one["protocolSection"]["contactsLocationsModule"] = {"overallOfficials": [official]}
    load.run([one, study(2, "Used"), study(3, "Edited")])
    organizations = {each["name"]: each for each in load.lines("Organization")}
    load.rewrite(
        "Patient",
        [
            {
                "resourceType": "Patient",
                "id": "a",
                "managingOrganization": {"reference": f"Organization/{organizations['Used']['id']}"},
            }
        ],
    )
    load.rewrite(
        "Organization",
        [
            {**each, "active": True} if each["name"] == "Edited" else each
            for each in sorted(organizations.values(), key=lambda each: str(each["id"]))
        ],
    )
    now = [study(1, "Sponsor"), study(2, "Sponsor"), study(3, "Sponsor")]
    before = load.trace()
    dry = load.run(now, prune=True, dry=True)
    assert load.trace() == before
    summary = load.run(now, prune=True)

    assert {each["name"] for each in load.lines("Organization")} == {"Sponsor", "Used", "Edited"}
    assert not (load.folder / "PractitionerRole.ndjson").exists()
    assert not (load.folder / "Practitioner.ndjson").exists()
    assert load.codes() == ["not-pruned", "not-pruned"]
    assert dry.total("deleted") == summary.total("deleted") + 2
    assert load.run(now, prune=True).total("deleted") == 0


def test_a_second_load_at_once_is_refused(load: Load) -> None:
    """Of two loads into one folder the second is told so, at once and in one line; the first loses nothing."""
    source = load.source.with_name("other.jsonl")
    source.write_bytes(orjson.dumps(STUDIES[1]))
    command = [sys.executable, "-m", "fhirtrial", "load", str(source), "--folder", str(load.folder)]
    refused: list[subprocess.CompletedProcess[str]] = []

    def meddle(_: LoadSummary) -> None:
        for more in ([], ["--dry-run"]):
            refused.append(subprocess.run([*command, *more], capture_output=True, text=True, check=False))
        with pytest.raises(UsageError, match="another load into this folder is under way"):
            load_all([str(source)], FolderTarget(load.folder, release="R5"))

    load.run(STUDIES[:1], progress=meddle)
    assert len(refused) == 2
    for each in refused:
        message = f"error: {load.folder}: another load into this folder is under way; wait until it ends"
        assert (each.returncode, each.stderr.splitlines()[0]) == (2, message)
    assert len(load.lines("ResearchStudy")) == 1
    load.run(STUDIES[:2])
    assert len(load.lines("ResearchStudy")) == 2


def test_a_dry_run_leaves_no_trace(load: Load) -> None:
    """A dry run makes no folder and no file, and changes none, and counts what the run then does."""
    dry = load.run(STUDIES, dry=True)
    assert not load.folder.exists()
    assert dry.outcomes == load.run(STUDIES).outcomes

    load.rewrite("Location", load.lines("Location")[1:])
    (load.folder / ".Location.ndjson.4711.part").write_bytes(b"{")
    before = load.trace()
    changed = [edited(STUDIES[0]), *STUDIES[1:]]
    dry = load.run(changed, dry=True)
    assert load.trace() == before
    assert dry.outcomes == load.run(changed).outcomes


def test_a_folder_that_was_moved_is_the_same(load: Load) -> None:
    """The memory belongs to the folder, wherever that lies."""
    load.run(STUDIES)
    load.folder = load.folder.rename(load.folder.with_name("moved"))
    summary = load.run([edited(STUDIES[0]), *STUDIES[1:]])
    assert (summary.total("updated"), load.codes()) == (2, [])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("Location", b"{}", "{file}:1: no FHIR resource: 'resourceType'"),
        ("Location", b'{"resourceType":"Location"}', "{file}:1: a Location without an id"),
        (
            "Location",
            b'\n{"resourceType":"Group","id":"a"}',
            "{file}:2: a Group, which belongs in Group.ndjson: one file for each type",
        ),
        (
            "Location",
            b'{"resourceType":"Location","id":"a"}\n{"resourceType":"Location","id":"a","mode":"kind"}',
            "{file}:2: Location/a stands in line 1 already",
        ),
        (
            "all.1",
            b'{"resourceType":"Group","id":"a"}',
            "{file}:1: a Group, which belongs in Group.ndjson: one file for each type",
        ),
    ],
)
def test_files_that_are_none(load: Load, name: str, content: bytes, message: str) -> None:
    """What cannot be a file of one type is said, with its line, and nothing is written."""
    load.folder.mkdir()
    file = load.folder / f"{name}.ndjson"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load.run(STUDIES)
    assert str(caught.value) == message.format(file=file)
    assert load.files() == {file.name: content}


def test_another_release_wants_another_folder(load: Load) -> None:
    """A folder has one release of FHIR."""
    load.run(STUDIES)
    with pytest.raises(UsageError) as caught:
        load_all([str(load.source)], FolderTarget(load.folder, release="R4"))
    memory = load.folder / MEMORY
    assert str(caught.value) == f"{memory}: this state is for the release R5, not R4; use another folder for it"
    with pytest.raises(UsageError, match="a state is for a server: a folder is its own memory"):
        load_all([str(load.source)], FolderTarget(load.folder, release="R5"), state=memory)
