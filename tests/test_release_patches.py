"""Patches keep what the other release has no place for; where somebody edited the place, the edit counts."""

from __future__ import annotations

from copy import deepcopy

import pytest

from .releases import OURS, Json, both, changes, down, said, study, up

STRANGE: list[Json] = [{"url": f"https://x.example/{name}", "valueString": name} for name in "abc"]


def test_patch() -> None:
    """What nothing official holds stands in one extension: where, what the way back makes, what it should be."""
    given = {"resourceType": "Location", "id": "l", "virtualService": [{"sessionKey": "k"}]}
    made, told = both(given, check=True)
    (patch,) = made["extension"]
    assert patch == {
        "url": f"{OURS}release-difference",
        "extension": [
            {"url": "path", "valueString": "/virtualService"},
            {"url": "value", "valueString": '[{"sessionKey":"k"}]'},
        ],
    }
    message = "R4 has no form for what stands at /virtualService: kept in the extension release-difference"
    assert told == [f"information no-r4-form Location/l: {message}"]
    unchecked = down(given)
    assert "extension" not in unchecked.resource
    assert [issue.code for issue in unchecked.issues] == ["no-r4-form"]


def test_patch_beside_an_edit() -> None:
    """A patch whose place was edited is dropped, and so is one whose place is gone; an issue names the place."""
    given = {"resourceType": "Organization", "id": "o", "contact": [{"name": [{"text": "A"}, {"text": "B"}]}]}
    made = down(given, check=True).resource
    edited = deepcopy(made)
    edited["contact"][0]["name"]["text"] = "C"
    back = up(edited)
    assert back.resource["contact"] == [{"name": [{"text": "C"}]}]
    assert said(back.issues) == [
        "warning conflict Organization/o: /contact/0/name was edited: the value that was kept for it is dropped"
    ]
    del made["contact"]
    gone = up(made)
    assert gone.resource == {"resourceType": "Organization", "id": "o"}
    assert [issue.message for issue in gone.issues] == [
        "/contact/0/name is gone: the value that was kept for it is dropped"
    ]


@pytest.mark.parametrize(
    "part",
    [{"url": "path"}, {"url": "path", "valueString": "x"}, {"url": "path", "valueInteger": 1}, {"url": "system"}, {}],
)
def test_patch_that_is_none(part: Json) -> None:
    """An extension of that address which is no patch changes nothing."""
    spoilt = {"url": f"{OURS}release-difference", "extension": [part]}
    assert up({"resourceType": "Location", "id": "l", "name": "L", "extension": [spoilt]}).resource == {
        "resourceType": "Location",
        "id": "l",
        "name": "L",
    }


def test_patch_that_is_no_json() -> None:
    """A patch whose value somebody broke is told, not obeyed."""
    parts = [{"url": "path", "valueString": "/name"}, {"url": "value", "valueString": "{"}]
    spoilt = {"url": f"{OURS}release-difference", "extension": parts}
    back = up({"resourceType": "Location", "id": "l", "extension": [spoilt]})
    assert [issue.code for issue in back.issues] == ["conflict"]


EARLIER = f"{OURS}earlier-difference"


@pytest.mark.parametrize(
    "given",
    [
        {"resourceType": "Medication", "id": "m", "amount": {"numerator": {"value": 10}, "denominator": {"value": 2}}},
        {"resourceType": "Medication", "id": "m", "amount": {"numerator": {"value": 1}, "extension": STRANGE}},
        {"resourceType": "Group", "id": "g", "type": "person", "actual": True, "_actual": {"extension": STRANGE}},
        {"resourceType": "ResearchStudy", "id": "s", "status": "active", "enrollment": [{"display": "A"}, {"display": "B"}]},
        {"resourceType": "ResearchStudy", "id": "s", "status": "active", "contact": [{"name": "A", "telecom": [{"value": "1"}]}]},
    ],
)  # fmt: skip
def test_what_r5_has_no_place_for(given: Json) -> None:
    """With `check` R5 keeps what R4 alone has, in its order, and gives it back; nothing is said but that."""
    made = up(given, check=True)
    assert {issue.code for issue in made.issues} - {"default"} == {"no-r5-form"}
    assert {issue.severity for issue in made.issues} == {"information"}
    back = down(made.resource).resource
    missing = {path: each for path, each in changes(given, back).items() if each[0] is not None}
    lists = [path for path in missing if not path.endswith("/extension")]
    assert lists == []
    shown = [each for each in back.get("amount", back.get("_actual", {})).get("extension", ()) if each in STRANGE]
    assert shown == (STRANGE if STRANGE[0]["url"] in str(given) else [])
    assert up(back, check=True).resource == made.resource


def test_an_edit_beside_what_r5_keeps() -> None:
    """Where R5 was edited at the place, the edit counts, and what was kept is dropped with an issue."""
    groups = [{"reference": "Group/1"}, {"reference": "Group/2"}]
    made = up(study(enrollment=groups), check=True).resource
    assert [each["url"] for each in made["extension"]] == [EARLIER]
    made["recruitment"]["eligibility"] = {"reference": "Group/3"}
    back = down(made)
    assert back.resource["enrollment"] == [{"reference": "Group/3"}]
    assert "warning conflict ResearchStudy/s: /enrollment was edited: the value that was kept for it is dropped" in [
        *said(back.issues)
    ]
