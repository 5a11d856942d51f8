"""Loads that do not remember what was written: what the target says must do, and nobody's edit is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_convert import study
from tests.test_load import STUDIES, Load, edited

NUMBER = STUDIES[0]["protocolSection"]["identificationModule"]["nctId"]
OWN = {
    "resourceType": "ResearchStudy",
    "id": "4711",
    "status": "active",
    "identifier": [{"system": "https://clinicaltrials.gov/nctid", "value": NUMBER}],
}


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return Load(tmp_path)


def test_an_edit_of_an_adopted_study_survives(load: Load) -> None:
    """
    A hospital's own study that was adopted, and edited since, is left, though the state is lost.

    Our Provenance on the server tells that we were there.
    """
    load.target.put(OWN)
    load.run(STUDIES[:1])
    load.target.put({**load.target.now()["ResearchStudy/4711"], "title": "Theirs"})
    load.state.unlink()

    summary = load.run([edited(STUDIES[0])])
    assert load.target.now()["ResearchStudy/4711"]["title"] == "Theirs"
    assert summary.outcomes["ResearchStudy"] == {"edited": 1}
    assert load.codes() == ["edited"]
    assert load.run([edited(STUDIES[0])], force=True).outcomes["ResearchStudy"] == {"updated": 1}
    assert load.target.now()["ResearchStudy/4711"]["title"] == "Another title"


def test_what_was_never_ours_is_adopted_in_whatever_version(load: Load) -> None:
    """A hospital's own study in its third version, where we have not been yet, is adopted and updated."""
    for title in ("one", "two", "three"):
        load.target.put({**OWN, "title": title})
    assert load.run(STUDIES[:1]).outcomes["ResearchStudy"] == {"updated": 1}
    assert load.target.now()["ResearchStudy/4711"]["title"] not in ("one", "two", "three")
    assert load.codes() == []


@pytest.mark.parametrize(("versions", "outcome"), [(1, "updated"), (2, "edited")])
def test_what_carries_our_identifier_was_ours_under_whatever_id(load: Load, versions: int, outcome: str) -> None:
    """What has an identifier of our own system, under a server's id, is updated in its first version, and then left."""
    load.run([study(1, "Sponsor")])
    (ours,) = (each for each in load.target.now().values() if each.get("name") == "Sponsor")
    load.target.history = {}
    load.state.unlink()
    for number in range(versions):
        load.target.put({**ours, "id": "7", "alias": [str(number)]})
    assert load.run([study(1, "Sponsor")]).outcomes["Organization"][outcome] == 1
    assert ("alias" in load.target.now()["Organization/7"]) == (outcome == "edited")
