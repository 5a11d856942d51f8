"""Whole pages of studies: each gives exactly the values and the issues that it should, as the registry has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fhirtrial.readers.page import read_page
from fhirtrial.record import Origin

from .page_texts import DATA, SEED, leaves, read
from .records import SCHEMA

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(DATA.glob("*.txt"))


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_every_leaf_of_a_page_is_as_written_by_hand(file: Path) -> None:
    """Each page gives exactly the values, and exactly the issues, of the expected file beside it."""
    expected = json.loads(file.with_suffix(".expected.json").read_text(encoding="utf-8"))
    data, issues = read_page(file.read_bytes().decode(), Origin(file=file.name))
    assert dict(leaves(data)) == expected["leaves"]
    assert [str(issue) for issue in issues] == expected["issues"]


def test_the_example_is_the_seed_page() -> None:
    """The page in the examples is, byte for byte, the one that is tested here."""
    assert (ROOT / "examples" / "NCT05143125.page.txt").read_bytes() == (DATA / "NCT05143125.page.txt").read_bytes()


def test_the_seed_page_says_what_the_registry_would() -> None:
    """The facts of the page stand where the registry has them, in the registry's words."""
    data, _ = read(SEED)
    protocol = data["protocolSection"]
    assert protocol["designModule"]["phases"] == ["PHASE1", "PHASE2"]
    assert protocol["designModule"]["enrollmentInfo"] == {"count": 60}
    assert protocol["eligibilityModule"]["healthyVolunteers"] is False
    arms = protocol["armsInterventionsModule"]
    assert [arm["interventionNames"] for arm in arms["armGroups"]] == [
        ["Biological: Decitabine combined with NK cell infusion"]
    ]
    assert [found["armGroupLabels"] for found in arms["interventions"]] == [["Treatment group"]]
    criteria = protocol["eligibilityModule"]["eligibilityCriteria"]
    assert criteria.startswith("Inclusion Criteria:\n\n1. Male or female patients aged 18-70")
    assert "follows the research treatment plan and visit plan.\n\nExclusion Criteria:\n\n1. The patients" in criteria
    assert criteria.endswith("not suitable for enrollment.")
    assert data["hasResults"] is False


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_the_record_is_one_of_the_registry(file: Path) -> None:
    """The registry's schema has nothing to say about the record of a page: fields, types, code values."""
    data, _ = read(file.read_text(encoding="utf-8"))
    assert SCHEMA.check(data) == (data, ())


def test_an_issue_without_a_file_still_names_the_line() -> None:
    """A page that comes from nowhere has lines all the same."""
    _, issues = read_page(SEED, Origin())
    assert issues[0].place == "line 5"
