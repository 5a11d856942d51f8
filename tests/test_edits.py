"""Values that somebody edited on a server: the record shows the edit and nothing else; the rest is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from fhirtrial.codes import Table, load_tables
from fhirtrial.files import MappingFiles
from fhirtrial.record import Record

from .edits import DEVICE, DRUG, MAPPER, RARE, SITES, Json, P, Server, codes, extension

SPECIAL = {"phase-combination", "phase", "sex", "country", "outcome-measure-type", "responsible-party-type"}
"""Tables of codes that have a test of their own, or that only mark what kind of entry it is."""


def test_nothing_edited() -> None:
    """Resources that nobody touched give the record, and verifying has nothing to say."""
    for record in (DRUG, RARE, SITES):
        server = Server(record)
        assert server.changes() == {}
        assert server.told() == []


# ---------------------------------------------------------------- values


def test_title() -> None:
    """A new title arrives; the copy of it in the PlanDefinition, now old, is named by verify."""
    server = Server()
    before = server.study["title"]
    server.study["title"] = "A new title"
    assert server.changes() == {f"{P}identificationModule.briefTitle": (before, "A new title")}
    assert server.told() == [("disagreement", f"PlanDefinition/{DRUG.id}-protocol.title")]
    (message,) = server.messages()
    assert message.endswith("is not carried: what was read elsewhere makes 'A new title' here")
    assert before[:40] in message


def test_title_of_the_copy_only() -> None:
    """Editing a copy changes nothing in the record; verify says so, and what stands at its source."""
    server = Server()
    server.of("PlanDefinition")[0]["title"] = "Only here"
    assert server.changes() == {}
    assert server.told() == [("disagreement", f"PlanDefinition/{DRUG.id}-protocol.title")]


@pytest.mark.parametrize("element", ["title", "description", "descriptionSummary"])
def test_removed_text(element: str) -> None:
    """A text that was removed is gone from the record."""
    server = Server()
    del server.study[element]
    assert [after for _, after in server.changes().values()] == [None]


def test_dates() -> None:
    """Start, completion and a date of registration arrive; their derived copies are named."""
    server = Server()
    server.study["period"] = {"start": "2011-05", "end": "2012"}
    registration = next(
        found
        for found in server.study["extension"]
        if found["url"].endswith("studyRegistration") and "registration-submission" in str(found)
    )
    extension(registration, "period")["valuePeriod"]["start"] = "2001-02-03"
    assert {path: after for path, (_, after) in server.changes().items()} == {
        f"{P}statusModule.startDateStruct.date": "2011-05",
        f"{P}statusModule.completionDateStruct.date": "2012",
        f"{P}statusModule.studyFirstSubmitDate": "2001-02-03",
    }
    told = server.told()
    assert {code for code, _ in told} == {"disagreement"}
    assert [re.sub(r"\[\d+]", "[]", path) for _, path in told] == [
        f"ResearchStudy/{DRUG.id}.progressStatus[].period.start",
        f"ResearchStudy/{DRUG.id}.progressStatus[].period.end",
        f"ResearchStudy/{DRUG.id}.extension[].extension[].valuePeriod.end",
    ]


def test_date_type() -> None:
    """The yes or no of a date's being actual arrives."""
    server = Server()
    entry = next(found for found in server.study["progressStatus"] if "completion" in codes(found["state"]))
    entry["actual"] = not entry["actual"]
    before = "ACTUAL" if not entry["actual"] else "ESTIMATED"
    after = "ACTUAL" if entry["actual"] else "ESTIMATED"
    assert server.changes() == {f"{P}statusModule.completionDateStruct.type": (before, after)}
    assert server.told() == []


# ---------------------------------------------------------------- codes

STATUS = "http://hl7.org/fhir/research-study-status"
OWN = "https://fhirtrial.org/CodeSystem/ctgov-Status"
STATUS_PATH = f"{P}statusModule.overallStatus"


def with_status(*codings: tuple[str, str]) -> Server:
    """A terminated study with another state."""
    server = Server()
    entry = next(found for found in server.study["progressStatus"] if "TERMINATED" in codes(found["state"]))
    entry["state"] = {"coding": [{"system": system, "code": code} for system, code in codings]}
    return server


def test_status_both_codings() -> None:
    """FHIR code and own code edited together: the record has the new value, in silence."""
    server = with_status((STATUS, "recruiting"), (OWN, "RECRUITING"))
    assert server.changes() == {STATUS_PATH: ("TERMINATED", "RECRUITING")}
    assert [code for code, _ in server.told(verify=False)] == []


def test_status_fhir_code_only() -> None:
    """The FHIR code edited: it wins over the own code, and one issue names both."""
    server = with_status((STATUS, "recruiting"), (OWN, "TERMINATED"))
    assert server.changes() == {STATUS_PATH: ("TERMINATED", "RECRUITING")}
    (issue,) = server.restored(verify=False).issues
    assert (issue.code, issue.path) == ("disagreement", STATUS_PATH)
    assert issue.message == (
        "the FHIR code 'recruiting' (RECRUITING) was edited and wins over the registry's own 'TERMINATED'"
    )
    assert re.fullmatch(r"ctgov/study\.yaml:\d+", issue.mapping)


def test_status_own_code_only() -> None:
    """
    The own code edited: the FHIR code, which disagrees and leads to one row, wins.

    Nobody but this library writes the own code, so what the record gets is the FHIR code's; the issue names both.
    """
    server = with_status((STATUS, "terminated"), (OWN, "RECRUITING"))
    fhir = next(iter(codes({"coding": MAPPER.convert(DRUG).resources[0]["progressStatus"][0]["state"]["coding"]})))
    server = with_status((STATUS, fhir), (OWN, "RECRUITING"))
    assert server.changes() == {}
    (issue,) = server.restored(verify=False).issues
    assert issue.code == "disagreement"
    assert "'RECRUITING'" in issue.message
    assert fhir in issue.message


def test_status_fhir_code_alone() -> None:
    """The concept replaced by the FHIR code alone: it is the value, if it has exactly one way back."""
    server = with_status((STATUS, "recruiting"))
    assert server.changes() == {STATUS_PATH: ("TERMINATED", "RECRUITING")}


def test_status_fhir_code_without_a_way_back() -> None:
    """A FHIR code that stands for no value of the registry is not guessed: the entry is told as not carried."""
    server = with_status((STATUS, "in-review"))
    assert server.changes() == {STATUS_PATH: ("TERMINATED", None)}
    assert any("in-review" in message for message in server.messages())


def test_own_code_that_fhir_does_not_know() -> None:
    """An own code without a FHIR code beside it is the value."""
    server = with_status((OWN, "WITHHELD"))
    assert server.changes() == {STATUS_PATH: ("TERMINATED", "WITHHELD")}


def test_class_to_an_ambiguous_code() -> None:
    """A FHIR code that two classes lead to cannot be read back: the own code stays, and an issue names both."""
    server = Server(RARE)
    codings = server.party("lead-sponsor")["classifier"][0]["coding"]
    assert codings[0]["code"] == "industry"
    codings[0]["code"] = "government"
    codings[0].pop("display", None)
    assert server.changes() == {}
    told = [issue for issue in server.restored(verify=False).issues if issue.code == "disagreement"]
    assert [issue.path for issue in told] == [f"{P}sponsorCollaboratorsModule.leadSponsor.class"]
    assert "'government'" in told[0].message
    assert "'INDUSTRY'" in told[0].message


def test_class_alone_and_ambiguous() -> None:
    """The ambiguous code without the own one: the value is missing, and an issue says why."""
    server = Server(RARE)
    concept = server.party("lead-sponsor")["classifier"][0]
    concept["coding"] = [{**concept["coding"][0], "code": "government"}]
    assert server.changes() == {f"{P}sponsorCollaboratorsModule.leadSponsor.class": ("INDUSTRY", None)}
    assert any("'government'" in message for message in server.messages()), server.messages()


def test_phase_by_fhir_code() -> None:
    """The FHIR phase edited: the record has the phases that it stands for."""
    server = Server()
    assert DRUG.data["protocolSection"]["designModule"]["phases"] == ["PHASE4"]
    server.study["phase"]["coding"][0].update(code="phase-1-phase-2")
    server.study["phase"]["coding"][0].pop("display", None)
    assert server.changes() == {
        f"{P}designModule.phases[0]": ("PHASE4", "PHASE1"),
        f"{P}designModule.phases[1]": (None, "PHASE2"),
    }
    assert [code for code, _ in server.told(verify=False)] == ["disagreement"]


def test_study_design_by_fhir_code_alone() -> None:
    """One of several design entries replaced by its FHIR code alone still belongs to its field."""
    server = Server(DEVICE)
    entry = next(found for found in server.study["studyDesign"] if "PARALLEL" in codes(found))
    entry["coding"] = [{"system": "http://hl7.org/fhir/study-design", "code": "SEVCO:01012"}]
    assert server.changes() == {f"{P}designModule.designInfo.interventionModel": ("PARALLEL", "CROSSOVER")}


def coded(resources: list[Json]) -> Iterator[tuple[str, list[Json], Table]]:
    """Every list of codings that holds a FHIR code and the registry's own, with its table; its way first."""

    def walk(node: Any, way: str) -> Iterator[tuple[str, list[Json], Table]]:
        if isinstance(node, list):
            for place, item in enumerate(node):
                yield from walk(item, f"{way}[{place}]")
        elif isinstance(node, dict):
            for key, value in node.items():
                if key == "coding" and len(value) > 1 and value[-1]["system"] in TABLES:
                    table = TABLES[value[-1]["system"]]
                    if value[0]["system"] in table.systems:
                        yield way, value, table
                yield from walk(value, f"{way}.{key}")

    for found in resources:
        yield from walk(found, f"{found['resourceType']}")


TABLES = {table.own: table for name, table in load_tables(MappingFiles()).items() if name not in SPECIAL}
CODED = [
    (record, way) for record in (DRUG, RARE, SITES, DEVICE) for way, _, _ in coded(MAPPER.convert(record).resources)
]


def at_way(server: Server, way: str) -> tuple[list[Json], Table]:
    """The codings at a way, and their table."""
    return next((codings, table) for found, codings, table in coded(server.resources) if found == way)


@pytest.mark.parametrize(("record", "way"), CODED, ids=[f"{record.id}-{way}" for record, way in CODED])
def test_any_fhir_code_edited(record: Record, way: str) -> None:
    """Wherever two codings stand, another FHIR code beside the old own one changes that value and nothing else."""
    server = Server(record)
    codings, table = at_way(server, way)
    before = codings[-1]["code"]
    (system, code), after = next((pair, own) for pair, own in table.unique.items() if own != before)
    codings[0] = {"system": system, "code": code}
    assert list(server.changes().values()) == [(before, after)]
    assert "disagreement" in [found for found, _ in server.told(verify=False)]


@pytest.mark.parametrize(("record", "way"), CODED, ids=[f"{record.id}-{way}" for record, way in CODED])
def test_any_fhir_code_alone(record: Record, way: str) -> None:
    """Wherever two codings stand, another FHIR code instead of both changes that value and nothing else."""
    server = Server(record)
    codings, table = at_way(server, way)
    before = codings[-1]["code"]
    (system, code), after = next((pair, own) for pair, own in table.unique.items() if own != before)
    codings[0] = {"system": system, "code": code}
    del codings[-1]
    assert list(server.changes().values()) == [(before, after)]


def test_unknown_own_code() -> None:
    """An own code that no table has is the value all the same: registries add codes."""
    server = with_status((OWN, "PAUSED"))
    assert server.changes() == {STATUS_PATH: ("TERMINATED", "PAUSED")}


def test_words_for_people_do_not_count() -> None:
    """The display of a mark, and the text beside it, can be reworded or dropped: the entry stays what it is."""
    server = Server(RARE)
    for outcome in server.study["outcomeMeasure"]:
        for concept in outcome["type"]:
            concept["text"] = "reworded"
            for coding in concept["coding"]:
                coding["display"] = "reworded"
    for party in server.study["associatedParty"]:
        for coding in party["role"]["coding"]:
            coding.pop("display", None)
    assert server.changes() == {}


# ---------------------------------------------------------------- counts, sex, ages


def test_estimated_to_actual() -> None:
    """The count moved from targetNumber to actualNumber: its type is ACTUAL now."""
    for record, old, new, type in ((DRUG, "actualNumber", "targetNumber", "ESTIMATED"),):
        server = Server(record)
        recruitment = server.study["recruitment"]
        recruitment[new] = recruitment.pop(old)
        assert server.changes() == {f"{P}designModule.enrollmentInfo.type": ("ACTUAL", type)}
        assert server.told() == []


def test_both_counts() -> None:
    """Both counts there: the later line of the mapping (actualNumber) wins, and issues name both."""
    server = Server()
    count = server.study["recruitment"]["actualNumber"]
    server.study["recruitment"]["targetNumber"] = count + 50
    assert server.changes() == {}
    told = server.restored(verify=True).issues
    path = f"{P}designModule.enrollmentInfo"
    assert [(issue.code, issue.path) for issue in told] == [
        ("disagreement", f"{path}.type"),
        ("disagreement", f"{path}.count"),
        ("not-carried", f"ResearchStudy/{DRUG.id}.recruitment.targetNumber"),
    ]
    assert told[1].message == f"{count} here wins over {count + 50} said before"


def test_sex() -> None:
    """The sex characteristic added, edited and removed."""
    group = f"{P}eligibilityModule.sex"
    server = Server(RARE)
    characteristic = next(
        found for found in server.of("Group")[0]["characteristic"] if "46098-0" in codes(found["code"])
    )
    characteristic["valueCodeableConcept"] = {
        "coding": [
            {"system": "http://hl7.org/fhir/administrative-gender", "code": "male"},
            {"system": "https://fhirtrial.org/CodeSystem/ctgov-Sex", "code": "MALE"},
        ]
    }
    assert server.changes() == {group: ("FEMALE", "MALE")}
    server.of("Group")[0]["characteristic"].remove(characteristic)
    assert server.changes() == {group: ("FEMALE", None)}


def test_sex_by_fhir_code_only() -> None:
    """The administrative gender edited, our own code left: the FHIR code wins, as ever, and an issue says so."""
    server = Server(RARE)
    characteristic = next(
        found for found in server.of("Group")[0]["characteristic"] if "46098-0" in codes(found["code"])
    )
    characteristic["valueCodeableConcept"]["coding"][0] = {
        "system": "http://hl7.org/fhir/administrative-gender",
        "code": "male",
    }
    assert server.changes() == {f"{P}eligibilityModule.sex": ("FEMALE", "MALE")}


def test_age_limits() -> None:
    """An age limit's number, its unit and its removal."""
    path = f"{P}eligibilityModule.minimumAge"
    server = Server(RARE)
    characteristic = next(found for found in server.of("Group")[0]["characteristic"] if "valueRange" in found)
    low = characteristic["valueRange"]["low"]
    low["value"] = 21
    assert server.changes() == {path: ("18 Years", "21 Years")}
    assert server.told() == []
    low["code"] = "mo"
    assert server.changes() == {path: ("18 Years", "21 Months")}
    low["unit"] = "month"
    assert server.changes() == {path: ("18 Years", "21 Months")}
    characteristic["valueRange"]["high"] = {"value": 90, "unit": "Years", "system": low["system"], "code": "a"}
    assert server.changes()[f"{P}eligibilityModule.maximumAge"] == (None, "90 Years")
    del characteristic["valueRange"]["low"]
    assert server.changes()[path] == ("18 Years", None)


def test_age_from_elsewhere() -> None:
    """A limit written by others, a UCUM code and no text, gets the registry's unit."""
    server = Server(RARE)
    characteristic = next(found for found in server.of("Group")[0]["characteristic"] if "valueRange" in found)
    characteristic["valueRange"]["low"] = {"value": 1.0, "system": "http://unitsofmeasure.org", "code": "a"}
    assert server.changes() == {f"{P}eligibilityModule.minimumAge": ("18 Years", "1 Year")}


# ---------------------------------------------------------------- lists


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


def test_site_status() -> None:
    """A site's status by its FHIR code."""
    server = Server(RARE)
    concept = extension(server.study["site"][0], "site-status")["valueCodeableConcept"]
    concept["coding"] = [{"system": STATUS, "code": "recruiting"}]
    changes = server.changes()
    assert changes == {f"{P}contactsLocationsModule.locations[0].status": ("AVAILABLE", "RECRUITING")}


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
