"""Values of others' extensions, whose types another release lacks or writes otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from tests.releases import Json, down, up

URL = "https://x.example/other"
LATER = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"


def person(*extensions: Json) -> Json:
    """A Patient with extensions."""
    return {"resourceType": "Patient", "id": "p", "extension": list(extensions)}


SAME: list[tuple[Json, Json]] = [
    ({"valueAttachment": {"size": 5, "title": "a"}}, {"valueAttachment": {"size": "5", "title": "a"}}),
    (
        {"valueAttachment": {"extension": [{"url": f"{LATER}Attachment.pages", "valuePositiveInt": 2}]}},
        {"valueAttachment": {"pages": 2}},
    ),
    ({"valueDosage": {"asNeededBoolean": True}}, {"valueDosage": {"asNeeded": True}}),
    (
        {"valueSampledData": {"origin": {"value": 1}, "period": 10}},
        {"valueSampledData": {"origin": {"value": 1}, "interval": 10, "intervalUnit": "ms"}},
    ),
    (
        {"extension": [{"url": "a", "valueAttachment": {"size": 1}}, {"url": "b", "valueString": "c"}]},
        {"extension": [{"url": "a", "valueAttachment": {"size": "1"}}, {"url": "b", "valueString": "c"}]},
    ),
]


@pytest.mark.parametrize(("r4", "r5"), SAME, ids=lambda value: next(iter(value)))
def test_values_are_those_of_the_release(r4: Json, r5: Json) -> None:
    """A value is written as its release writes it, both ways, and nothing is said of it."""
    there, back = up(person({"url": URL, **r4})), down(person({"url": URL, **r5}))
    assert there.resource == person({"url": URL, **r5})
    assert back.resource == person({"url": URL, **r4})
    assert (*there.issues, *back.issues) == ()


@pytest.mark.parametrize(
    ("step", "other", "value"),
    [
        (up, "R5", {"valueContributor": {"type": "author", "name": "A"}}),
        (up, "R5", {"extension": [{"url": "a", "valueContributor": {"name": "A"}}, {"url": "b", "valueString": "c"}]}),
        (down, "R4", {"valueInteger64": "5"}),
        (down, "R4", {"extension": [{"url": "a", "valueRatioRange": {}}, {"url": "b", "valueString": "c"}]}),
    ],
)
def test_what_cannot_be_had_whole_is_left_out(step: Any, other: str, value: Json) -> None:
    """An extension whose value has no form goes whole, and is named; with ``check`` it is kept, and comes back."""
    given = person({"url": "https://x.example/kept", "valueString": "here"}, {"url": URL, **value})
    made = step(given)
    assert made.resource == person({"url": "https://x.example/kept", "valueString": "here"})
    assert [issue.message for issue in made.issues] == [f"{other} lacks the type of the value, or part of it: {URL}"]
    back = down if step is up else up
    assert back(step(given, check=True).resource).resource == given
