"""Parties of a study: whom R4 shows as its sponsor, and whom as a contact, with which phones."""

from __future__ import annotations

from .releases import Json, both, down, study, up


def role(code: str) -> Json:
    """A party's role."""
    return {"coding": [{"system": "http://hl7.org/fhir/research-study-party-role", "code": code}]}


def test_parties_that_r4_cannot_show() -> None:
    """A sponsor who is a person is none of R4's sponsors; the next role in the order is, by name alone if need be."""
    person = {"name": "P", "role": role("lead-sponsor"), "party": {"reference": "Practitioner/p"}}
    assert "sponsor" not in both(study(associatedParty=[person]))[0]
    named = {"name": "Org", "role": role("sponsor")}
    assert both(study(associatedParty=[person, named]))[0]["sponsor"] == {"display": "Org"}
    assert "sponsor" not in both(study(associatedParty=[{"role": role("sponsor")}]))[0]


def test_phones_of_a_contact() -> None:
    """A contact's phone is that of the contact in the role, else of the role's person; without either there is none."""
    party = {"name": "C", "role": role("recruitment-contact"), "party": {"reference": "PractitionerRole/r"}}
    person = {"resourceType": "Practitioner", "id": "p", "telecom": [{"value": "person"}]}
    in_role = {"resourceType": "PractitionerRole", "id": "r", "practitioner": {"reference": "Practitioner/p"}}
    for contact, shown in (
        ([{"telecom": [{"value": "role"}]}], "role"),
        ([{"name": [{"text": "N"}]}], "person"),
        ([], "person"),
    ):
        around = [person, {**in_role, "contact": contact} if contact else in_role]
        made = down(study(associatedParty=[party]), around).resource
        assert made["contact"] == [{"name": "C", "telecom": [{"value": shown}]}]
        assert up(made, around).issues == ()
    assert down(study(associatedParty=[party])).resource["contact"] == [{"name": "C"}]
