"""The status of a study: R5 has one of its publication and a list of its states, where R4 has one element for both."""

from __future__ import annotations

import pytest

from .releases import OURS, STATE, X, both, study, up


def test_status_of_publication() -> None:
    """The publication status stands on R4's status, which is that of the study; both come back, with what is beside."""
    mark = {"url": "https://x.example/why", "valueString": "x"}
    made, told = both(study(_status={"id": "i", "extension": [mark]}))
    assert made["status"] == "approved"
    assert [each["url"] for each in made["_status"]["extension"]] == [
        mark["url"],
        f"{X}ResearchStudy.status",
        f"{OURS}status-inexact",
    ]
    message = "'approved' is the nearest that R4 has to 'not stated': marked as inexact"
    assert told == [f"information inexact-status ResearchStudy/s.status: {message}"]


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([("recruiting", "2020", None), ("completed", "2019", "2020")], "active"),
        ([("recruiting", "2020", "2021"), ("completed", "2021", None)], "completed"),
        ([("recruiting", "2020", None), ("withdrawn", "2021", None)], "withdrawn"),
        ([("recruiting", None, None), ("withdrawn", None, None)], "withdrawn"),
        ([("withdrawn", "2020", "2022"), ("completed", "2019", "2021")], "withdrawn"),
        ([("withdrawn", "2018", "2022"), ("completed", "2019", "2021")], "withdrawn"),
        ([("overall-study", "2022", None), ("completed", "2019", "2021")], "completed"),
    ],
)
def test_present_state(entries: list[tuple[str, str | None, str | None]], code: str) -> None:
    """The present state is the one without an end; among several the latest start; among equals the last."""
    states = []
    for name, start, end in entries:
        period = {key: value for key, value in (("start", start), ("end", end)) if value}
        state = {"coding": [{"system": STATE[0], "code": name}]}
        states.append({"state": state, "period": period} if period else {"state": state})
    assert both(study(progressStatus=states))[0]["status"] == code


def test_a_plain_status_becomes_the_state() -> None:
    """A status of R4 without our mark is a state, also the one that stands for all that R4 does not know."""
    for code in ("approved", "active"):
        back = up({"resourceType": "ResearchStudy", "id": "s", "status": code}).resource
        assert back["progressStatus"] == [{"state": {"coding": [{"system": STATE[0], "code": code}]}}]
