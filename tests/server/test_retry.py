"""When a request is sent again: the whole matrix, as a table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirtrial.server.outcome import Outcome, OutcomeIssue
from fhirtrial.server.retry import ROLLED_BACK, Failure, Repeat, Retry, retry_after

POLICY = Retry(attempts=6, conflicts=5, faults=2, first_wait=0.5, longest_wait=60, longest_total=600)


def said(text: str = "", code: str = "processing") -> Outcome:
    return Outcome((OutcomeIssue(severity="error", code=code, text=text),))


LOCK = said("HAPI-0550: HAPI-0825: constraint failure")
STALE = said("HAPI-0550: HAPI-0989: Trying to update Location/a/_history/1 but this is not the current version")
HAPI_OTHER = said("HAPI-0515: Unable to delete, resource is referred to")
TRANSIENT = said("try again", "lock-error")
PLAIN = said("conflict", "conflict")

# what happened | sendings of what may be done twice: single, bundle | of what may not: single, bundle
MATRIX: list[tuple[dict[str, Any], int, int, int, int]] = [
    ({"trouble": "unreached"}, 6, 6, 6, 6),
    ({"trouble": "untrusted"}, 1, 1, 1, 1),
    ({"trouble": "lost"}, 6, 6, 1, 1),
    ({"status": 400}, 1, 1, 1, 1),
    ({"status": 401}, 1, 1, 1, 1),
    ({"status": 403}, 1, 1, 1, 1),
    ({"status": 404}, 1, 1, 1, 1),
    ({"status": 408}, 6, 1, 1, 1),
    ({"status": 409}, 1, 1, 1, 1),
    ({"status": 409, "outcome": LOCK}, 5, 5, 5, 5),
    ({"status": 409, "outcome": STALE}, 1, 1, 1, 1),
    ({"status": 409, "outcome": HAPI_OTHER}, 1, 1, 1, 1),
    ({"status": 409, "outcome": TRANSIENT}, 5, 5, 1, 1),
    ({"status": 409, "outcome": PLAIN}, 1, 1, 1, 1),
    ({"status": 400, "outcome": LOCK}, 1, 1, 1, 1),
    ({"status": 410}, 1, 1, 1, 1),
    ({"status": 412}, 1, 1, 1, 1),
    ({"status": 413}, 1, 1, 1, 1),
    ({"status": 422}, 1, 1, 1, 1),
    ({"status": 429}, 6, 6, 6, 6),
    ({"status": 500}, 2, 2, 1, 1),
    ({"status": 501}, 1, 1, 1, 1),
    ({"status": 502}, 6, 6, 1, 1),
    ({"status": 503}, 6, 6, 1, 1),
    ({"status": 504}, 6, 6, 1, 1),
]


def sendings(happens: dict[str, Any], repeat: Repeat, *, divisible: bool) -> int:
    """How often a request is sent if the same happens each time."""
    attempt = 1
    while POLICY.wait(Failure(attempt=attempt, **happens), repeat=repeat, divisible=divisible) is not None:
        attempt += 1
    return attempt


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: str(row[0].get("trouble") or row[0]["status"]))
def test_matrix(row: tuple[dict[str, Any], int, int, int, int]) -> None:
    """How often a request is sent, by what happens, whether it may be done twice, and whether it can be made smaller."""
    happens, single, bundle, once, once_bundle = row

    assert sendings(happens, "always", divisible=False) == single
    assert sendings(happens, "always", divisible=True) == bundle
    assert sendings(happens, "if-not-done", divisible=False) == once
    assert sendings(happens, "if-not-done", divisible=True) == once_bundle


@pytest.mark.parametrize("code", sorted(ROLLED_BACK))
def test_rolled_back(code: str) -> None:
    """Each of HAPI's codes for a transaction that was rolled back is worth another try, whatever it was."""
    assert sendings({"status": 409, "outcome": said(f"{code}: x")}, "if-not-done", divisible=True) == 5


def test_waits_grow_and_are_capped() -> None:
    """Each wait is twice the one before, up to the longest; chance makes it at most that long and at least half."""
    often = Retry(attempts=99, longest_total=1e9)
    lost = [Failure(attempt=number, trouble="lost") for number in (1, 2, 3, 7, 8, 50)]

    assert [often.wait(each, repeat="always", chance=1.0) for each in lost] == [0.5, 1, 2, 32, 60, 60]
    assert [often.wait(each, repeat="always", chance=0.0) for each in lost] == [0.25, 0.5, 1, 16, 30, 30]


def test_told_waits() -> None:
    """What the server asks for is waited, and a little more; where it is more than the longest, nothing is waited."""
    throttled = [Failure(attempt=1, status=429, retry_after=seconds) for seconds in (0, 10, 60, 61)]

    assert [POLICY.wait(each, repeat="if-not-done", chance=0.0) for each in throttled] == [0.25, 10, 60, None]
    assert [POLICY.wait(each, repeat="if-not-done", chance=1.0) for each in throttled] == [0.5, 10.5, 60.5, None]


def test_total() -> None:
    """Where the wait would end after the longest total, it is not begun."""
    late = Failure(attempt=1, elapsed=599.6, trouble="lost")

    assert POLICY.wait(late, repeat="always", chance=0.0) == 0.25
    assert POLICY.wait(late, repeat="always", chance=1.0) is None


@given(
    st.integers(1, 10_000),
    st.floats(0, 1e6),
    st.sampled_from(MATRIX),
    st.none() | st.floats(0, 1e9),
    st.floats(0, 1),
    st.sampled_from(["always", "if-not-done"]),
    st.booleans(),
)
def test_wait_is_reasonable(
    attempt: int,
    elapsed: float,
    row: tuple[dict[str, Any], int, int, int, int],
    told: float | None,
    chance: float,
    repeat: Repeat,
    divisible: bool,
) -> None:
    """Whatever happens, a wait is positive, not shorter than asked for, and ends in time."""
    failure = Failure(attempt=attempt, elapsed=elapsed, retry_after=told, **row[0])
    wait = POLICY.wait(failure, repeat=repeat, divisible=divisible, chance=chance)

    assert wait is None or (0 < wait <= 60.5 and wait >= (told or 0) and elapsed + wait <= 600)


DATE = "Mon, 01 Jan 2024 00:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "Mon, 01 Jan 2024 00:02:00 GMT", "date": DATE}, 120.0),
        ({"retry-after": "Mon, 01 Jan 2024 00:02:00 GMT"}, 110.0),
        ({"retry-after": "Sun, 31 Dec 2023 00:00:00 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Mon, 01 Jan 2024 00:02:00 GMT", "date": "yesterday"}, 110.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "9" * 400}, 999_999_999_999.0),
        ({"retry-after": "3", "x-ms-retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "3", "x-ms-retry-after-ms": "x"}, 3.0),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    """Seconds, dates and Azure's milliseconds are read; what is none of them counts as not said."""
    assert retry_after(headers, now=1_704_067_210.0) == seconds
