"""Periods whose two dates say more and less exactly when: R4's rule per-1 cannot compare them."""

from __future__ import annotations

import pytest

from tests.releases import Json, down, said, up

URL = "https://fhirtrial.org/StructureDefinition/exact-date"


def study(period: Json) -> Json:
    """A study of a period."""
    return {"resourceType": "ResearchStudy", "id": "a", "status": "active", "title": "A", "period": period}


def exact(value: str) -> Json:
    """What stands beside a date that was cut."""
    return {"extension": [{"url": URL, "valueDateTime": value}]}


@pytest.mark.parametrize(
    ("r5", "r4"),
    [
        (
            {"start": "2021-02", "end": "2021-02-04"},
            {"start": "2021-02", "end": "2021-02", "_end": exact("2021-02-04")},
        ),
        (
            {"start": "2021-02-04", "end": "2021"},
            {"start": "2021", "_start": exact("2021-02-04"), "end": "2021"},
        ),
        (
            {"start": "2021-02-04", "end": "2021-02-04T10:00:00Z"},
            {"start": "2021-02-04", "end": "2021-02-04", "_end": exact("2021-02-04T10:00:00Z")},
        ),
        (
            {"start": "2021", "end": "2021-02", "_end": {"id": "e"}},
            {"start": "2021", "end": "2021", "_end": {"id": "e", **exact("2021-02")}},
        ),
        ({"start": "2021-02", "end": "2021-03-04"}, {"start": "2021-02", "end": "2021-03-04"}),
        ({"start": "2021-02-04", "end": "2021-02-04"}, {"start": "2021-02-04", "end": "2021-02-04"}),
        ({"start": "2021-02-04"}, {"start": "2021-02-04"}),
    ],
)
def test_dates_are_as_exact_as_each_other(r5: Json, r4: Json) -> None:
    """Of two dates that may be the same, R4 has what both say; the date itself is beside it, and comes back."""
    made = down(study(r5))
    assert made.resource["period"] == r4
    assert up(made.resource).resource == study(r5)


def test_an_edited_date_wins() -> None:
    """A date that no longer fits to the one beside it counts, and is told."""
    there = down(study({"start": "2021-02", "end": "2021-02-04"})).resource
    there["period"]["end"] = "2021-03-01"
    back = up(there)
    assert back.resource["period"] == {"start": "2021-02", "end": "2021-03-01"}
    assert "warning conflict ResearchStudy/a.period.end: 2021-03-01 wins over 2021-02-04, which the extension says" in (
        said(back.issues)
    )
