"""Addresses of code systems that are others in R4: swapped on both ways, and kept where R5 has R4's already."""

from __future__ import annotations

from .releases import PHASE, STATE, both, down, study, up


def test_code_systems() -> None:
    """An address that is another in R4 is swapped, of a list that both have per code; displays and versions stay."""
    coding = {"system": PHASE[0], "version": "1", "code": "phase-1", "display": "Phase 1"}
    made, _ = both(study(phase={"coding": [coding, {"system": "https://x.example", "code": "phase-1"}]}))
    assert made["phase"]["coding"] == [
        {**coding, "system": PHASE[1]},
        {"system": "https://x.example", "code": "phase-1"},
    ]
    for code, system in (("recruiting", STATE[1]), ("completed", STATE[0])):
        made, _ = both(study(progressStatus=[{"state": {"coding": [{"system": STATE[0], "code": code}]}}]))
        assert made["extension"][-1]["extension"][0]["valueCodeableConcept"]["coding"][0]["system"] == system


def test_code_system_kept() -> None:
    """R4's address in R5 already: with `check` a mark keeps it, and an edit beside it arrives."""
    given = study(phase={"coding": [{"system": PHASE[1], "code": "phase-1"}]})
    made, told = both(given, check=True)
    assert made["extension"][-1]["extension"] == [{"url": "system", "valueUri": PHASE[1]}]
    assert told[-1].startswith("information address-kept ResearchStudy/s: the resource uses")
    made["phase"]["coding"][0]["code"] = "phase-2"
    assert up(made).resource["phase"]["coding"] == [{"system": PHASE[1], "code": "phase-2"}]
    assert up(down(given).resource).resource["phase"]["coding"][0]["system"] == PHASE[0]
