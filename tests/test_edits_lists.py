"""Entries of lists that somebody edited on a server: arms, interventions, sites, people keep what was not edited."""

from __future__ import annotations

from .edits import DEVICE, DRUG, RARE, SITES, P, Server, extension


def test_arm_label() -> None:
    """An arm's new label arrives; linkId and the copy in the plan are named."""
    server = Server()
    server.study["comparisonGroup"][0]["name"] = "New arm"
    (path,) = server.changes()
    assert path == f"{P}armsInterventionsModule.armGroups[0].label"
    told = server.told()
    assert ("disagreement", f"ResearchStudy/{DRUG.id}.comparisonGroup[0].linkId") in told
    assert all(code == "disagreement" for code, _ in told)


def test_arm_removed() -> None:
    """An arm that was removed is gone, and the others are as they were."""
    server = Server(DEVICE)
    before = DEVICE.data["protocolSection"]["armsInterventionsModule"]
    arms = before["armGroups"]
    assert len(arms) > 1
    del server.study["comparisonGroup"][0]
    restored = server.restored().data["protocolSection"]["armsInterventionsModule"]
    assert restored["armGroups"] == arms[1:]
    assert restored["interventions"] == before["interventions"]


def test_arm_added() -> None:
    """An arm that somebody added as FHIR has it is an arm of the record."""
    server = Server()
    number = len(server.study["comparisonGroup"])
    server.study["comparisonGroup"].append({"linkId": "x", "name": "Third", "description": "New"})
    assert server.changes() == {
        f"{P}armsInterventionsModule.armGroups[{number}]": (None, {"label": "Third", "description": "New"})
    }


def test_intervention_edited() -> None:
    """An intervention's name, in its ActivityDefinition."""
    server = Server()
    server.of("ActivityDefinition")[0]["title"] = "Other drug"
    (change,) = server.changes().values()
    assert change[1] == "Other drug"


def test_site_points_elsewhere() -> None:
    """A site that refers to another Location is at that place, with its status and contacts as before."""
    server = Server(SITES)
    first, second = server.study["site"][0], server.study["site"][1]
    sites = SITES.data["protocolSection"]["contactsLocationsModule"]["locations"]
    first["reference"] = second["reference"]
    after = server.restored().data["protocolSection"]["contactsLocationsModule"]["locations"]
    own = {key: sites[0][key] for key in ("status", "contacts") if key in sites[0]}
    place = {key: value for key, value in sites[1].items() if key not in ("status", "contacts")}
    assert after == [{**place, **own}, *sites[1:]]


def test_location_edited() -> None:
    """A place that was edited: the site has the new city; verify says that the place is no longer its own identity."""
    server = Server(SITES)
    location = server.at(server.study["site"][0]["reference"])
    location["address"]["city"] = "Elsewhere"
    assert [after for _, after in server.changes().values()] == ["Elsewhere"]
    assert ("not-carried", f"Location/{location['id']}") in server.told()


def test_contact_phone() -> None:
    """A central contact's phone, in the Practitioner; a site contact's, in its extension."""
    server = Server(RARE)
    person = server.at(server.party("central-contact")["party"]["reference"])
    person["telecom"][0]["value"] = "+49 30 0100"
    contact = extension(extension(server.study["site"][0], "site-contact"), "contact")["valueContactDetail"]
    contact.setdefault("telecom", []).append({"system": "email", "value": "b@example.org"})
    assert {path: after for path, (_, after) in server.changes().items()} == {
        f"{P}contactsLocationsModule.centralContacts[0].phone": "+49 30 0100",
        f"{P}contactsLocationsModule.locations[0].contacts[0].email": "b@example.org",
    }


def test_name_of_a_person() -> None:
    """A person's name counts where the study says it; the Practitioner's is a copy."""
    server = Server(RARE)
    server.party("central-contact")["name"] = "Other Centre"
    assert server.changes() == {f"{P}contactsLocationsModule.centralContacts[0].name": ("Call Centre", "Other Centre")}
    assert any(code == "disagreement" for code, _ in server.told())
