"""The named functions for a study's design: what they make of each value, and what they say of what they do not know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirtrial.codes import load_tables
from fhirtrial.design_functions import (
    duration_ranges,
    duration_text,
    labelled,
    no_durations,
    no_number,
    parts_joined,
    term_coding,
    term_unknown,
    whole_number,
    yes_or_no,
)
from fhirtrial.files import MappingFiles
from fhirtrial.quantities import ages_of_ranges

TESTED = {"term_coding", "whole_number", "parts_joined", "labelled", "duration_ranges", "yes_or_no"}

PHASES = load_tables(MappingFiles(), "sdtm-study/codes")["trial-phase"]


def test_term_coding() -> None:
    """A term in any case and spacing gives FHIR's code; one without a row, or without a code, gives none."""
    assert term_coding(" Phase  IIa trial", PHASES)["code"] == "phase-2"
    assert term_coding("PHASE V TRIAL", PHASES) is None
    assert term_unknown("PHASE V TRIAL", PHASES) is None
    assert term_coding("Phase 2", PHASES) is None
    assert term_unknown("Phase 2", PHASES) == "'Phase 2' has no row in sdtm-study/codes/trial-phase.json: it stays text"


@pytest.mark.parametrize("text", ["", "-1", "01", "3.0", "1e3", "\u0663", "1000000000", " 1"])
def test_what_is_no_whole_number(text: str) -> None:
    """Only plain digits are a number, and one that FHIR's unsignedInt holds."""
    assert whole_number(text) is None
    assert no_number(text) == f"{text!r} is no whole number: it stays text"


@given(st.integers(0, 10**9 - 1))
def test_whole_numbers(number: int) -> None:
    """Every number comes back from its digits."""
    assert (whole_number(str(number)), no_number(str(number))) == (number, None)


def test_texts() -> None:
    """Parts are joined where there are any; a value says what it is a value of."""
    assert parts_joined("a", None, "b", *[None] * 7) == "a b"
    assert parts_joined(*[None] * 10) is None
    assert (parts_joined("a\x07", "b", *[None] * 8), labelled("y", "\n")) == ("a b", "y:")
    assert (labelled(None, "x"), labelled("y", None), labelled("y", "x")) == ("x", None, "y: x")
    assert [yes_or_no(answer) for answer in ("Y", "N", "NA")] == [True, False, None]


def test_durations() -> None:
    """A duration of one unit is an age as registries write it; others are none, and are said."""
    found = [duration_text(text) for text in ("P18Y", "P1Y", "P6M", "P2W", "P3D", "PT12H", "PT1M", "P0D")]
    assert found == ["18 Years", "1 Year", "6 Months", "2 Weeks", "3 Days", "12 Hours", "1 Minute", "0 Days"]
    assert [duration_text(text) for text in ("P1Y6M", "P", "18Y", "P1.5Y", "PT", "P1H")] == [None] * 6
    ranges = duration_ranges("P6M", "P3Y")
    assert ranges is not None
    assert ages_of_ranges(ranges) == ("6 Months", "3 Years")
    assert duration_ranges("50 years", None) is None
    told = "'50 years' and 'none' are no durations of ISO 8601 in one unit, as P18Y is: text in their rows alone"
    assert no_durations("50 years", "none") == told
    assert no_durations("P18Y", None) is None
