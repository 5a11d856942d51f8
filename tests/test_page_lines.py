"""The lines of a page: none is dropped in silence, and no text, cut or mixture of lines breaks the reader."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.schema import Schema

from .page_texts import SEED, leaves, odd, read
from .records import SCHEMA


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: "\n\n \n" + text + "\n\n \t\n",
        lambda text: re.sub(r"(?m)$", "  ", text),
        lambda text: re.sub(r"(?m)^(?=.)", "    ", text),
        lambda text: text.replace("\n\n", "\n\n\n\n"),
        lambda text: text.replace("\n\n", "\n"),
    ],
    ids=["CRLF", "CR", "BOM", "around", "trailing", "indented", "doubled", "single"],
)
def test_line_ends_and_blanks_mean_nothing(change: Any) -> None:
    """The same record comes from every way to end, indent and space lines."""
    data, issues = read(change(SEED))
    assert data == read(SEED)[0]
    assert odd(issues) == []


def test_a_page_cut_after_any_line_keeps_what_was_before() -> None:
    """Every beginning of the page is read; it holds no value that the whole page does not hold, or the begin of one."""
    whole = dict(leaves(read(SEED)[0]))
    lines = SEED.split("\n")
    last = 0
    for count in range(len(lines) + 1):
        found = dict(leaves(read("\n".join(lines[:count]))[0]))
        for path, value in found.items():
            assert value == whole[path] or (isinstance(value, str) and whole[path].startswith(value)), path
        assert len(found) >= last - 1, count
        last = len(found)
    assert last == len(whole)


def test_a_page_cut_within_a_line_is_read() -> None:
    """A page may end anywhere: no cut raises, and each gives a record that the registry's schema takes."""
    schema = Schema.load(MappingFiles())
    for end in range(0, len(SEED), 37):
        data, _ = read(SEED[:end])
        assert not [issue for issue in schema.check(data)[1] if issue.severity == "error"]


def test_every_line_counts() -> None:
    """No line of a page is dropped in silence: without it, the record or the issues are different."""
    data, issues = read(SEED)
    plain = [(issue.code, issue.message) for issue in issues]
    lines = SEED.split("\n")
    silent = set()
    for at, line in enumerate(lines):
        if not line.strip():
            continue
        other, found = read("\n".join(itertools.chain(lines[:at], lines[at + 1 :])))
        if other == data and [(issue.code, issue.message) for issue in found] == plain:
            silent.add(line)
    assert silent == {
        *(line for line in lines if line.startswith("The study team has not published")),
        "Identifier Type: -",
        # The group repeats the description that stands in the list of interventions.
        "Decitabine combined with NK cell infusion",
    }


def test_an_added_line_counts() -> None:
    """A line put in anywhere is in the record or in an issue."""
    lines = SEED.split("\n")
    for at in range(len(lines) + 1):
        data, issues = read("\n".join([*lines[:at], "zzyzx", *lines[at:]]))
        assert "zzyzx" in json.dumps(data) or any("zzyzx" in issue.message for issue in issues), (at, lines[at - 1])


@settings(max_examples=150, deadline=None)
@given(st.text())
def test_any_text_gives_a_record_and_issues(text: str) -> None:
    """No text raises."""
    data, issues = read(text)
    assert isinstance(data, dict)
    assert all(isinstance(issue, Issue) for issue in issues)


@settings(max_examples=250, deadline=None)
@given(
    st.lists(
        st.sampled_from([line for line in SEED.split("\n") if len(line) < 200]) | st.text(max_size=20), max_size=60
    )
)
def test_any_mixture_of_lines_gives_a_record_that_the_schema_takes(lines: list[str]) -> None:
    """Lines of a page in any order, with others between, never raise and never give a record of wrong types."""
    data, issues = read("\n".join(lines))
    clean, found = SCHEMA.check(data)
    assert clean == data
    assert not [issue for issue in found if issue.severity == "error"]
    assert [issue.place for issue in issues] == sorted(
        (issue.place for issue in issues), key=lambda place: int(place.rpartition(":")[2])
    )
    assert read("\n".join(lines)) == (data, issues)
