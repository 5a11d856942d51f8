"""Contacts and hours, which R5 has in one list where R4 has them in several elements: native both ways, and the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from .conformance import problems
from .conformance.earlier import earlier_problems
from .releases import Json, down, said, up

ONE, TWO = {"system": "phone", "value": "1"}, {"system": "email", "value": "a@x.example"}
HERE, THERE = {"city": "Ulm"}, {"city": "Bonn"}
NAME = {"text": "Ann"}
UNKNOWN = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
MONDAY = {"daysOfWeek": ["mon"], "availableStartTime": "09:00:00", "availableEndTime": "17:00:00"}
HOLIDAY = {"description": "holiday", "during": {"start": "2024-12-24"}}

BASE: dict[str, Json] = {"Organization": {"name": "A"}, "PractitionerRole": {"id": "r"}, "Location": {"name": "A"}}

FROM_R4: dict[str, tuple[str, Json, Json]] = {
    "telecom": ("Organization", {"telecom": [ONE, TWO]}, {"contact": [{"telecom": [ONE, TWO]}]}),
    "telecom and address": (
        "Organization",
        {"telecom": [ONE], "address": [HERE, THERE]},
        {"contact": [{"telecom": [ONE], "address": HERE}, {"address": THERE}]},
    ),
    "contact of its own": (
        "Organization",
        {"telecom": [ONE], "contact": [{"name": NAME, "telecom": [TWO]}]},
        {"contact": [{"telecom": [ONE]}, {"name": [NAME], "telecom": [TWO]}]},
    ),
    "contact without a name": ("Organization", {"contact": [{"telecom": [ONE]}]}, {"contact": [{"purpose": UNKNOWN, "telecom": [ONE]}]}),
    "contact that is an address": (
        "Organization",
        {"address": [HERE], "contact": [{"address": THERE}, {"address": HERE}]},
        {"contact": [{"address": HERE}, {"purpose": UNKNOWN, "address": THERE}, {"address": HERE}]},
    ),
    "contact that nothing is taken for": (
        "Organization",
        {"telecom": [ONE], "contact": [{"address": HERE}]},
        {"contact": [{"telecom": [ONE]}, {"address": HERE}]},
    ),
    "role": (
        "PractitionerRole",
        {"telecom": [ONE], "availableTime": [MONDAY], "notAvailable": [HOLIDAY]},
        {"contact": [{"telecom": [ONE]}], "availability": [{"availableTime": [MONDAY], "notAvailableTime": [HOLIDAY]}]},
    ),
    "place": (
        "Location",
        {"telecom": [ONE], "hoursOfOperation": [{"daysOfWeek": ["mon"], "openingTime": "09:00:00", "closingTime": "17:00:00"}]},
        {"contact": [{"telecom": [ONE]}], "hoursOfOperation": [{"availableTime": [MONDAY]}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FROM_R4)
def test_r4_arrives_in_r5s_elements(case: str) -> None:
    """What R4 has of contacts and hours becomes R5's native elements, no extension, and comes back identical."""
    kind, there, here = FROM_R4[case]
    given = {"resourceType": kind, **BASE[kind], **there}
    made = up(given)
    assert made.resource == {"resourceType": kind, **BASE[kind], **here}
    assert [problem for problem in problems(made.resource) if "invariant" not in problem] == []
    assert down(made.resource).resource == given
    assert [issue.code for issue in made.issues] == ["default"] * ("'unknown'" in str(here))


FROM_R5: dict[str, tuple[str, Json, Json, int]] = {
    "first, then others": (
        "Organization",
        {"contact": [{"telecom": [ONE], "address": HERE}, {"address": THERE}, {"telecom": [TWO]}]},
        {"telecom": [ONE], "address": [HERE, THERE], "contact": [{"telecom": [TWO]}]},
        0,
    ),
    "others only": (
        "Organization",
        {"contact": [{"name": [NAME]}, {"telecom": [ONE]}]},
        {"contact": [{"name": NAME}, {"telecom": [ONE]}]},
        0,
    ),
    "a purpose that is unknown": (
        "Organization",
        {"contact": [{"purpose": UNKNOWN, "telecom": [ONE]}, {"purpose": UNKNOWN, "address": HERE}]},
        {"contact": [{"telecom": [ONE]}, {"purpose": UNKNOWN, "address": HERE}]},
        0,
    ),
    "an id": ("Organization", {"contact": [{"id": "c", "telecom": [ONE]}]}, {"contact": [{"id": "c", "telecom": [ONE]}]}, 0),
    "role": (
        "PractitionerRole",
        {"contact": [{"telecom": [ONE]}, {"telecom": [TWO]}], "availability": [{"availableTime": [MONDAY]}]},
        {"telecom": [ONE], "availableTime": [MONDAY]},
        1,
    ),
    "no reason why not": (
        "PractitionerRole",
        {"contact": [{"name": [NAME]}, {"telecom": [ONE]}], "availability": [{"notAvailableTime": [{"during": {"start": "2024"}}]}]},
        {},
        3,
    ),
    "place": (
        "Location",
        {"contact": [{"telecom": [ONE], "address": HERE}], "hoursOfOperation": [{"availableTime": [MONDAY, {"allDay": True}]}]},
        {"hoursOfOperation": [{"daysOfWeek": ["mon"], "openingTime": "09:00:00", "closingTime": "17:00:00"}, {"allDay": True}]},
        1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FROM_R5)
def test_r5_is_native_where_it_fits(case: str) -> None:
    """R5's first entry becomes R4's elements if it fits; the rest is HL7's extension, if R4 has not the element as well."""
    kind, here, there, extensions = FROM_R5[case]
    given = {"resourceType": kind, **BASE[kind], **here}
    made = down(given).resource
    assert len(made.pop("extension", [])) == extensions
    assert made == {"resourceType": kind, **BASE[kind], **there}
    made = down(given)
    assert earlier_problems(made.resource) == []
    assert up(made.resource).resource == given
    assert made.issues == ()


def test_hours_that_r4_has_not() -> None:
    """Hours of a place that R4's list cannot hold are said, and with `check` kept; what it can hold is native."""
    entries = [{"availableTime": [MONDAY], "notAvailableTime": [HOLIDAY]}, {"availableTime": [{"allDay": True}]}]
    given = {"resourceType": "Location", "id": "l", "hoursOfOperation": entries}
    made = down(given)
    assert [each.get("openingTime") for each in made.resource["hoursOfOperation"]] == ["09:00:00", None]
    assert said(made.issues) == [
        "warning no-r4-form Location/l.hoursOfOperation.notAvailableTime: left out: R4 has no such part",
        "warning no-r4-form Location/l.hoursOfOperation: R4 has one list: where one entry ends and the next begins is lost",
    ]
    assert up(down(given, check=True).resource).resource == given


@pytest.mark.parametrize(
    ("dosage", "native", "extensions"),
    [
        ({"asNeededFor": [{"text": "pain"}]}, {"asNeededCodeableConcept": {"text": "pain"}}, 0),
        ({"asNeededFor": [{"text": "pain"}, {"text": "fever"}]}, {"asNeededCodeableConcept": {"text": "pain"}}, 1),
        ({"asNeeded": True, "asNeededFor": [{"text": "pain"}]}, {"asNeededBoolean": True}, 1),
        ({"asNeeded": False}, {"asNeededBoolean": False}, 0),
    ],
)
def test_as_needed(dosage: Mapping[str, Any], native: Json, extensions: int) -> None:
    """R4 says of a dose whether it is given as needed, or for what: so the first reason is native if nothing else is."""
    given = {"resourceType": "ActivityDefinition", "id": "a", "status": "draft", "dosage": [dosage]}
    (made,) = down(given).resource["dosage"]
    assert len(made.pop("extension", [])) == extensions
    assert made == native
    assert up(down(given).resource).resource == given
