"""Loads of several waves and bundles: what one has done, another must know."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhirtrial.errors import UsageError
from fhirtrial.issue import Issue
from fhirtrial.loading import loader
from fhirtrial.loading.loader import Options
from fhirtrial.loading.plan import Limits
from fhirtrial.loading.run import load_all
from fhirtrial.loading.target import Write
from fhirtrial.pipelines.participants import Participants
from tests.load_target import GOLDEN, MemoryTarget
from tests.tables import DATA
from tests.test_convert import study
from tests.test_load import Json, Load
from tests.test_participants import record


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Waves of a study or two."""
    monkeypatch.setattr(loader, "WAVE", 8)
    return Load(tmp_path)


def organization(target: MemoryTarget, name: str) -> Json:
    """The one organization of a name."""
    (found,) = (each for each in target.now().values() if each.get("name") == name)
    return found


def test_two_with_one_identifier_stop_the_studies_of_all_waves(load: Load) -> None:
    """A shared resource that the server has twice is no study's, in whichever wave it comes."""
    load.run([study(1, "Sponsor")])
    double = {**organization(load.target, "Sponsor"), "id": "double"}
    load.target.put(double)
    load.state.unlink()
    summary = load.run([study(number, "Sponsor") for number in range(1, 7)], verify=True)
    assert summary.refused == 6
    assert load.codes() == ["several-matches", *["study-not-loaded"] * 6]
    assert "ResearchStudy/NCT00000002" not in load.target.now()


def test_what_another_study_takes_up_is_not_pruned(load: Load) -> None:
    """What one study has no longer and a later one of the same run has now stays; what nobody has goes."""
    load.run([study(1, "Passed on"), study(2, "Lonely")])
    passed_on = organization(load.target, "Passed on")["id"]
    lonely = organization(load.target, "Lonely")["id"]
    summary = load.run([study(1, "Other"), study(2, "Other"), study(3, "Passed on")], prune=True)
    assert (summary.refused, load.codes()) == (0, [])
    assert f"Organization/{passed_on}" in load.target.now()
    assert f"Organization/{lonely}" not in load.target.now()
    assert summary.outcomes["Organization"]["deleted"] == 1


def test_what_refers_to_it_is_pruned_first(load: Load) -> None:
    """An organization goes in the same run as the study's resources that refer to it, whatever their order."""
    official = {"name": "Ann", "affiliation": "Clinic", "role": "PRINCIPAL_INVESTIGATOR"}
    with_official = study(1, "Sponsor")
    with_official["protocolSection"]["contactsLocationsModule"] = {"overallOfficials": [official]}
    load.run([with_official])
    before = set(load.target.now())
    summary = load.run([study(1, "Sponsor")], prune=True)
    gone = before - set(load.target.now())
    assert {name.partition("/")[0] for name in gone} >= {"Practitioner", "PractitionerRole"}
    assert (summary.total("deleted"), load.codes()) == (len(gone), [])


def test_a_dry_run_counts_what_would_be_pruned(load: Load) -> None:
    """A dry run with pruning counts the same deletions as the run, and deletes nothing."""
    load.run([study(1, "Old"), study(2, "Kept")])
    held = load.target.now()
    changed = [study(1, "Kept"), study(2, "Kept")]
    dry = load.run(changed, prune=True, dry=True)
    assert load.target.now() == held
    assert dry.total("deleted") == load.run(changed, prune=True).total("deleted") == 1


@pytest.mark.parametrize(
    ("state", "source", "message"),
    [
        (False, b"{}", "pruning needs a state (--state FILE): it knows what was made for a study"),
        (
            True,
            b'{"resourceType":"Location","id":"a"}',
            "pruning is for a registry's records: FHIR does not say what a record has no longer",
        ),
    ],
)
def test_pruning_that_could_not_be_meant(load: Load, state: bool, source: bytes, message: str) -> None:
    """Without memory of what was made, or without records, nothing can be said to be gone: it is refused."""
    load.source.write_bytes(source)
    with pytest.raises(UsageError) as caught:
        load_all(
            [str(load.source)],
            load.target,
            state=load.state if state else None,
            options=Options(prune=True),
        )
    assert str(caught.value) == message


def test_a_provenance_that_a_stop_left_out_is_written(load: Load) -> None:
    """A study that is cut, and stopped before its last bundle, gets its Provenance by the next run."""

    class StoppedError(Exception):
        pass

    def stop(writes: Sequence[Write]) -> None:
        if any(write.item.kind == "Provenance" for write in writes):
            raise StoppedError

    load.target.limits = Limits(entries=1, size=1 << 20)
    load.target.before_write = stop
    with pytest.raises(StoppedError):
        load.run([study(1)])
    assert not [name for name in load.target.now() if name.startswith("Provenance/")]
    load.target.before_write = lambda _: None
    load.run([study(1)])
    assert [name for name in load.target.now() if name.startswith("Provenance/")]
    assert load.run([study(1)]).written == 0


def test_what_moves_back_to_our_id_is_referred_to_there(load: Load) -> None:
    """What lived under another id, and is gone there, is made anew under ours; the studies refer to that one."""
    load.run([study(1, "Sponsor")])
    ours = organization(load.target, "Sponsor")
    name = f"Organization/{ours['id']}"
    load.target.history = {}
    load.state.unlink()
    load.target.put({**ours, "id": "7"})
    load.run([study(1, "Sponsor")])
    assert b'"Organization/7"' in orjson.dumps(load.target.now()["ResearchStudy/NCT00000001"])
    load.target.history["Organization/7"].append({})
    summary = load.run([study(1, "Sponsor")], verify=True)
    assert (summary.refused, load.codes()) == (0, [])
    assert name in load.target.now()
    assert b'"Organization/7"' not in orjson.dumps(load.target.now()["ResearchStudy/NCT00000001"])


def test_what_was_changed_in_a_cut_study_stops_nothing_behind_it(load: Load) -> None:
    """Somebody else makes a part of a study while it is loaded in several bundles: the rest still goes through."""
    load.target.limits = Limits(entries=1, size=1 << 20)
    met: list[str] = []

    def meddle(writes: Sequence[Write]) -> None:
        for write in writes:
            if write.item.kind == "Group" and not met:
                met.append(write.item.reference)
                resource: dict[str, Any] = orjson.loads(write.text)
                load.target.put({**resource, "id": "theirs"})

    load.target.before_write = meddle
    summary = load.run(GOLDEN[:1])
    assert met
    assert (summary.refused, load.codes()) == (0, [])
    assert b'"Group/theirs"' in orjson.dumps([each for name, each in load.target.now().items() if "Study" in name])


@pytest.mark.parametrize("together", [True, False])
def test_subjects_are_written_after_their_study(
    together: bool, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A study is there before its subjects are written, in whatever bundles; counted is what is what.

    In one wave it may even come behind them. Where it cannot be written they are not sent, and each says why.
    """
    if together:
        monkeypatch.setattr(loader, "WAVE", 4000)
    load.target.limits = Limits(entries=3, size=1 << 20)
    sources = [str(DATA / "csv"), record(tmp_path)][: 1 + together]
    told = Participants(study=record(tmp_path), study_too=not together)
    issues: list[Issue] = []
    summary = load_all(sources, load.target, participants=told, noticed=issues.append)
    assert (summary.refused, summary.total("failed")) == (0, 0)
    assert (summary.studies, summary.subjects) == (1, 4)
    assert str(summary).startswith("1 study, 4 subjects, 0 refused; ")
    assert summary.as_dict()["subjects"] == 4

    other = MemoryTarget(limits=load.target.limits)
    for name in ("one", "two"):
        identifier = [{"system": "https://clinicaltrials.gov/nctid", "value": "NCT00000777"}]
        other.put({"resourceType": "ResearchStudy", "id": name, "status": "active", "identifier": identifier})
    issues.clear()
    summary = load_all(sources, other, participants=told, noticed=issues.append)
    assert summary.refused == 5
    assert [issue.code for issue in issues if issue.severity == "error"] == [
        "several-matches",
        *["study-not-loaded"] * 5,
    ]
    why = "not loaded: ResearchStudy/NCT00000777: 2 resources have the identifier of ResearchStudy "
    assert [issue.message.startswith(why) for issue in issues if issue.code == "study-not-loaded"] == [True] * 5
    assert not any(name.startswith("ResearchSubject") for name in other.now())
