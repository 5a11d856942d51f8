"""Encounters and Consents between the releases: what R4 has as one, in another place, or under other codes."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from .releases import Json, down, said, up

ENCOUNTER = {"resourceType": "Encounter", "id": "e", "status": "completed"}
CONSENT = {"resourceType": "Consent", "id": "c", "status": "active"}
SCOPE = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]}
OTHER: Json = {"text": "genetic research"}
WHY = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


@pytest.mark.parametrize("count", range(3))
def test_scope_and_categories_come_back(count: int) -> None:
    """In whichever order R5 has them, and R4 a scope of HL7's or another: nothing is lost without `check`, or said."""
    for categories in permutations([SCOPE, OTHER], count):
        said_in_r5 = CONSENT | ({"category": [*categories]} if categories else {})
        made = down(said_in_r5)
        assert made.resource.get("scope") == (SCOPE if SCOPE in categories else made.resource["scope"])
        assert up(made.resource).resource == said_in_r5
        for scope in (SCOPE, OTHER) if categories else ():
            said_in_r4 = CONSENT | {"scope": scope, "category": [*categories], "policyRule": {"text": "GCP"}}
            again = up(said_in_r4)
            assert down(again.resource).resource == said_in_r4 and again.issues == ()


def test_what_r4_requires_says_that_it_is_unknown() -> None:
    """Without a class, a scope or a policy R4 gets one that says so, and R5 none; what somebody fills in stays."""
    for given, name, list_of_r5 in ((ENCOUNTER, "class", "class"), (CONSENT, "policyRule", "regulatoryBasis")):
        made = down(given).resource
        assert made[name]["extension"][0] == {"url": WHY, "valueCode": "unknown"}
        assert up(made).resource == given
        made[name] = {"display": "ward"} if name == "class" else {"text": "GCP"}
        filled = {"coding": [{"display": "ward"}]} if name == "class" else {"text": "GCP"}
        assert up(made).resource == given | {list_of_r5: [filled]}
    assert down(CONSENT).resource["scope"]["extension"][0] == {"url": WHY, "valueCode": "unknown"}
    assert "policyRule" not in down(CONSENT | {"policyBasis": {"url": "https://x.example/p"}}).resource


@pytest.mark.parametrize(
    ("kind", "r5", "r4", "marked"),
    [
        ("Encounter", "completed", "finished", False),
        ("Encounter", "on-hold", "onleave", False),
        ("Encounter", "discharged", "finished", True),
        ("Encounter", "discontinued", "finished", True),
        ("Encounter", "cancelled", "cancelled", False),
        ("Consent", "not-done", "inactive", True),
        ("Consent", "unknown", None, True),
    ],
)
def test_codes_of_r5(kind: str, r5: str, r4: str | None, marked: bool) -> None:
    """A code that R4 lacks is the one that is true of it; HL7's extension says R5's, unless R4's means the same."""
    made = down({"resourceType": kind, "id": "a", "status": r5})
    assert made.resource.get("status") == r4
    assert ("_status" in made.resource) == marked
    assert up(made.resource).resource["status"] == r5
    assert [issue.code for issue in made.issues if issue.severity == "error"] == (
        ["r4-requires"] * (kind == "Consent") + ["no-native-code"] * (r4 is None)
    ) or r4 is None


@pytest.mark.parametrize(
    ("kind", "r4", "r5", "lost"),
    [
        ("Encounter", "finished", "completed", False),
        ("Encounter", "arrived", "in-progress", True),
        ("Encounter", "triaged", "in-progress", True),
        ("Consent", "proposed", "draft", True),
        ("Consent", "rejected", "not-done", True),
    ],
)
def test_codes_of_r4(kind: str, r4: str, r5: str, lost: bool) -> None:
    """A code that R5 lacks becomes the one that is true of it, which is said where R4 would not get its own again."""
    made = up({"resourceType": kind, "id": "a", "status": r4})
    assert made.resource["status"] == r5
    message = f"R5 has no code {r4!r}: {r5!r}, which is true of it"
    assert said(made.issues) == ([f"warning not-carried {kind}/a.status: {message}"] if lost else [])


@pytest.mark.parametrize(
    ("edit", "becomes"),
    [
        ({"class": {"code": "B"}}, {"class": [{"coding": [{"code": "B"}]}]}),
        ({"serviceType": {"text": "surgery"}}, {"serviceType": [{"concept": {"text": "surgery"}}]}),
        ({"reasonCode": [{"text": "fever"}]}, {"reason": [{"value": [{"concept": {"text": "fever"}}]}, {"value": [{"reference": {"reference": "Condition/c"}}]}]}),
        ({"_status": {}, "status": "cancelled"}, {"status": "cancelled"}),
        ({"hospitalization": {"dietPreference": [{"text": "vegan"}]}}, {"dietPreference": [{"text": "vegan"}]}),
    ],
)  # fmt: skip
def test_an_edit_in_r4_counts(edit: Json, becomes: Json) -> None:
    """Whoever edits what R4 shows changes R5, also where an extension holds more than that."""
    given: Json = ENCOUNTER | {
        "class": [{"coding": [{"code": "A"}], "text": "ward"}, {"text": "research"}],
        "serviceType": [{"reference": {"reference": "HealthcareService/h", "display": "oncology"}}],
        "reason": [
            {"value": [{"reference": {"reference": "Condition/c"}}]},
            {"value": [{"concept": {"text": "cough"}}]},
        ],
        "admission": {"reAdmission": {"text": "yes"}},
    }
    made = down(given)
    assert made.issues == () and up(made.resource).resource == given
    changed = {name: value for name, value in (made.resource | edit).items() if value != {}}
    if "hospitalization" in edit:
        changed["hospitalization"] = made.resource["hospitalization"] | edit["hospitalization"]
    assert up(changed).resource == given | becomes


def test_what_r4_has_no_place_for_is_said() -> None:
    """The use of a reason, values that belong together, who is granted to, a second provision."""
    reasons: list[Any] = [{"use": [{"text": "admitting"}], "value": [{"concept": OTHER}, {"concept": OTHER}]}]
    assert said(down(ENCOUNTER | {"reason": reasons}).issues) == [
        "warning no-r4-form Encounter/e.reason.use: left out: HL7 has extensions for the value only",
        "warning no-r4-form Encounter/e.reason: R4 has one list: which values belong together is lost",
    ]
    consent = CONSENT | {"category": [SCOPE], "grantee": [{"display": "x"}], "provision": [{"code": [OTHER]}] * 2}
    assert said(down(consent).issues) == [
        "warning no-r4-form Consent/c.grantee: left out: R4 has one list for those who grant and those who are granted to",
        "warning no-r4-form Consent/c.provision: R4 takes one of these; 1 of 2 are left out",
    ]
    for resource in (ENCOUNTER | {"reason": reasons}, consent):
        assert up(down(resource, check=True).resource).resource == resource


def test_a_decision_is_a_modifier() -> None:
    """What HL7 calls a modifier is one in R4, beside those of others; without it a denial would read as a permission."""
    other = {"url": "https://x.example/m", "valueBoolean": True}
    given = CONSENT | {"modifierExtension": [other], "decision": "deny"}
    made = down(given).resource
    url = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Consent.decision"
    assert made["modifierExtension"] == [other, {"url": url, "valueCode": "deny"}]
    assert up(made).resource == given


def test_what_a_consent_denies_is_not_hidden() -> None:
    """R4's provisions say themselves that they deny, R5's by where they stand: that is kept, and told at any depth."""
    given = {"resourceType": "Consent", "id": "c", "status": "active", "category": [{"text": "A"}]}
    made = up({**given, "provision": {"type": "deny", "provision": [{"type": "permit"}, {"type": "permit"}]}})
    url = "http://hl7.org/fhir/4.0/StructureDefinition/extension-Consent.provision.type"
    assert made.resource["provision"][0]["extension"] == [{"url": url, "valueCode": "deny"}]
    message = "stands in an extension of R4's, which readers of R5 need not know"
    told = [issue.message for issue in made.issues if issue.path.endswith(".provision.type")]
    assert told == [f"'deny' {message}", f"'permit' {message}"]
