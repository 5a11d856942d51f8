"""Studies that somebody edited on a server: the record shows the edit and nothing else, and what is not carried is told."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fhirtrial.codes import Table, load_tables
from fhirtrial.errors import RestoreError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.mapping.difference import MISSING, differences
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.record import Record

from .golden_update import FOLDER, source
from .properties import exact
from .records import SCHEMA

Json = dict[str, Any]
MAPPER = Mapper()
RARE = source(FOLDER / "invented-rare-fields")
DRUG = source(FOLDER / "drug")
SITES = source(FOLDER / "many-sites")
DEVICE = source(FOLDER / "namesakes")
P = "protocolSection."
SPECIAL = {"phase-combination", "phase", "sex", "country", "outcome-measure-type", "responsible-party-type"}
"""Tables of codes that have a test of their own, or that only mark what kind of entry it is."""
SERVER = "https://fhir.example.org/r5/"


class Server:
    """The resources of one record on a server, to be edited."""

    def __init__(self, record: Record = DRUG) -> None:
        self.record = record
        self.resources = MAPPER.convert(record).resources

    @property
    def study(self) -> Json:
        """The ResearchStudy."""
        return self.resources[0]

    def of(self, kind: str) -> list[Json]:
        """All resources of a type."""
        return [found for found in self.resources if found["resourceType"] == kind]

    def at(self, reference: str) -> Json:
        """The resource of that reference."""
        return next(found for found in self.resources if f"{found['resourceType']}/{found['id']}" == reference)

    def party(self, code: str) -> Json:
        """The associatedParty with that mark."""
        return next(found for found in self.study["associatedParty"] if code in codes(found["role"]))

    def restored(self, *, verify: bool = True) -> Record:
        """The record that the resources stand for now."""
        return MAPPER.restore(self.resources, verify=verify)

    def changes(self) -> dict[str, tuple[Any, Any]]:
        """What differs in the record now: path → before and after (None: nothing there)."""
        found = differences(SCHEMA.wanted(self.record.data), self.restored(verify=False).data)
        return {path: (None if a is MISSING else a, None if b is MISSING else b) for path, a, b in found}

    def told(self, *, verify: bool = True) -> list[tuple[str, str]]:
        """The issues' codes and paths."""
        return [(issue.code, issue.path) for issue in self.restored(verify=verify).issues]

    def messages(self) -> list[str]:
        """The issues' texts."""
        return [issue.message for issue in self.restored().issues]


def codes(concept: Json) -> list[str]:
    """The codes of a concept."""
    return [coding["code"] for coding in concept.get("coding", ()) if "code" in coding]


def extension(node: Json, name: str) -> Json:
    """The first extension whose address ends in that name."""
    return next(found for found in node["extension"] if found["url"].rpartition("/")[2] == name)


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
    """Editing a copy changes nothing in the record; verify says that it is not carried, and what stands at its source."""
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
    """The administrative gender edited, our own code left: as for every code, the FHIR code wins and an issue says so."""
    server = Server(RARE)
    characteristic = next(
        found for found in server.of("Group")[0]["characteristic"] if "46098-0" in codes(found["code"])
    )
    characteristic["valueCodeableConcept"]["coding"][0] = {
        "system": "http://hl7.org/fhir/administrative-gender",
        "code": "male",
    }
    assert server.changes() == {f"{P}eligibilityModule.sex": ("FEMALE", "MALE")}
    assert server.told(verify=False) != []


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
    assert server.changes() == {path: ("18 Years", "21 month")}
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


# ---------------------------------------------------------------- what is not ours

FOREIGN: list[tuple[str, str, Json]] = [
    ("identifier", "identifier", {"system": "https://hospital.example/ids", "value": "H-1"}),
    ("classifier", "classifier", {"coding": [{"system": "https://hospital.example/tags", "code": "local"}]}),
    ("extension", "extension", {"url": "https://hospital.example/ext", "valueString": "x"}),
    ("label", "label", {"type": {"text": "Nickname"}, "value": "ACE"}),
    ("related", "relatedArtifact", {"type": "documentation", "display": "A local file"}),
    ("party", "associatedParty", {"role": {"text": "monitor"}, "name": "CRO"}),
    ("progress", "progressStatus", {"state": {"text": "archived"}}),
]


@pytest.mark.parametrize(("element", "entry"), [(e, x) for _, e, x in FOREIGN], ids=[name for name, _, _ in FOREIGN])
@pytest.mark.parametrize("place", [0, None], ids=["first", "last"])
def test_foreign_entry(element: str, entry: Json, place: int | None) -> None:
    """An entry that no line of the mapping made leaves the record alone, and is told once, wherever it stands."""
    server = Server()
    entries = server.study[element]
    entries.insert(len(entries) if place is None else place, entry)
    assert server.changes() == {}
    (issue,) = server.restored(verify=False).issues
    assert issue.code == "foreign-entry"
    assert issue.message.startswith(f"ResearchStudy.{element} holds an entry that no line reads: ")
    assert issue.severity == "information"


@pytest.mark.parametrize(("element", "entry"), [(e, x) for _, e, x in FOREIGN], ids=[name for name, _, _ in FOREIGN])
def test_one_foreign_entry_is_one_finding(element: str, entry: Json) -> None:
    """With verify, one foreign entry at the head of a list is one finding, not one for each entry behind it."""
    server = Server()
    server.study[element].insert(0, entry)
    told = server.told()
    assert len(told) <= 2, told


@pytest.mark.parametrize(
    ("element", "value"),
    [("note", [{"text": "Call the sponsor"}]), ("version", "2"), ("objective", [{"name": "An aim"}])],
)
def test_foreign_element(element: str, value: Any) -> None:
    """An element that the mapping does not use changes nothing, and verify names it."""
    server = Server()
    server.study[element] = value
    assert server.changes() == {}
    assert server.told() == [("not-carried", f"ResearchStudy/{DRUG.id}.{element}")]


def test_what_servers_add() -> None:
    """Meta, narrative and language of a server mean nothing, on any resource."""
    server = Server()
    for found in server.resources:
        found["meta"] = {"versionId": "3", "lastUpdated": "2024-01-01T00:00:00Z"}
        found["text"] = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
        found["language"] = "en"
    assert server.changes() == {}
    assert server.told() == []


# ---------------------------------------------------------------- references


def renamed(resources: list[Json], name: Callable[[str, str], str]) -> Iterator[Json]:
    """The resources with other ids, and all references written as ``name`` says."""
    ids = {f"{found['resourceType']}/{found['id']}": f"srv{place}" for place, found in enumerate(resources)}

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        made = {key: walk(value) for key, value in node.items()}
        if isinstance(old := made.get("reference"), str) and old in ids:
            made["reference"] = name(old.partition("/")[0], ids[old])
        return made

    for found in resources:
        yield {**walk(found), "id": ids[f"{found['resourceType']}/{found['id']}"]}


@pytest.mark.parametrize("record", [DRUG, RARE, SITES], ids=lambda record: record.id)
@pytest.mark.parametrize(
    "name",
    [
        lambda kind, id: f"{kind}/{id}",
        lambda kind, id: f"{SERVER}{kind}/{id}",
        lambda kind, id: f"{kind}/{id}/_history/7",
        lambda kind, id: f"{SERVER}{kind}/{id}/_history/7",
    ],
    ids=["relative", "absolute", "versioned", "absolute-versioned"],
)
def test_ids_of_the_server(record: Record, name: Callable[[str, str], str]) -> None:
    """A server that gives its own ids and writes references its own way changes nothing, and verify is silent."""
    restored = MAPPER.restore(renamed(MAPPER.convert(record).resources, name), verify=True)
    assert exact(restored.data) == exact(SCHEMA.wanted(record.data))
    assert restored.issues == ()


@pytest.mark.parametrize("record", [DRUG, RARE, SITES], ids=lambda record: record.id)
def test_urns_of_a_bundle(record: Record) -> None:
    """A bundle whose entries call each other by urn:uuid, without ids, gives the record."""
    resources = MAPPER.convert(record).resources
    names = {f"{found['resourceType']}/{found['id']}": place for place, found in enumerate(resources)}

    def urn(kind: str, id: str) -> str:
        return f"urn:uuid:00000000-0000-4000-8000-{int(id.removeprefix('srv')):012d}"

    made = list(renamed(resources, urn))
    assert len(names) == len(made)
    entries = [{"fullUrl": urn("", found.pop("id")), "resource": found} for found in made]
    restored = MAPPER.restore({"resourceType": "Bundle", "type": "collection", "entry": entries[::-1]}, verify=True)
    assert exact(restored.data) == exact(SCHEMA.wanted(record.data))
    assert [issue for issue in restored.issues if issue.code == "unresolved"] == []
    assert restored.issues == ()


@pytest.mark.parametrize(
    "kind", ["Location", "Practitioner", "PractitionerRole", "ActivityDefinition", "Group", "PlanDefinition"]
)
def test_a_deleted_resource(kind: str) -> None:
    """What a reference cannot reach is missing, not guessed; the issue names the reference and the field."""
    server = Server(RARE)
    gone = server.of(kind)[0]
    server.resources.remove(gone)
    restored = server.restored(verify=False)
    wanted = SCHEMA.wanted(RARE.data)
    assert all(found.second is MISSING for found in differences(wanted, restored.data))
    issues = [issue for issue in restored.issues if issue.code == "unresolved"]
    assert issues
    name = gone["url"] if kind == "ActivityDefinition" else f"{kind}/{gone['id']}"
    assert all(name in issue.message for issue in issues), [issue.message for issue in issues]
    assert all(issue.mapping for issue in issues)


def test_deleted_organization_without_own_data() -> None:
    """An Organization whose name the study says itself can be missing: nothing is lost, and nothing is said of fields."""
    server = Server(SITES)
    for found in server.of("Organization"):
        server.resources.remove(found)
    lost = {path for path, (_, after) in server.changes().items() if after is None}
    assert all("ffiliation" in path or "oldOrganization" in path for path in lost)


def test_reference_of_the_wrong_kind() -> None:
    """A site that refers to something else than a Location is told and not read."""
    server = Server(RARE)
    server.study["site"][0]["reference"] = f"Group/{RARE.id}-eligibility"
    restored = server.restored(verify=False)
    (issue,) = restored.issues
    assert issue.code == "unresolved"
    assert issue.message == f"'Group/{RARE.id}-eligibility' is a Group, not a Location: not read"


def test_provenance_missing() -> None:
    """Without Provenance the date of the data release is missing, one issue says so, and the rest is there."""
    server = Server(RARE)
    server.resources = [found for found in server.resources if found["resourceType"] != "Provenance"]
    assert set(server.changes()) == {"derivedSection.miscInfoModule.versionHolder"}
    told = server.restored(verify=False).issues
    assert [(issue.code, issue.message) for issue in told] == [
        ("unresolved", "no Provenance points at the study: what it holds is missing")
    ]


def test_provenance_of_another_study() -> None:
    """The Provenance of another study beside it is not read."""
    server = Server(RARE)
    other = MAPPER.convert(DRUG).resources
    server.resources += [found for found in other if found["resourceType"] == "Provenance"]
    assert server.changes() == {}


def test_no_study() -> None:
    """Resources without a study are refused with one sentence."""
    with pytest.raises(RestoreError) as caught:
        MAPPER.restore(Server().of("Location"))
    assert str(caught.value) == (
        "error: there is no ResearchStudy among the resources, where one is wanted "
        "(the study itself must be among the resources) [no-single-study]"
    )


def test_two_studies() -> None:
    """Two studies where one is asked for are refused, and the error says what takes several."""
    with pytest.raises(RestoreError) as caught:
        MAPPER.restore(Server(DRUG).resources + Server(RARE).resources)
    assert str(caught.value) == (
        "error: there is 2 ResearchStudy among the resources, where one is wanted "
        "(restore_all() takes several) [no-single-study]"
    )


def test_study_without_number() -> None:
    """A study whose registry number was removed cannot be named, and is refused."""
    server = Server()
    server.study["identifier"] = [found for found in server.study["identifier"] if found["use"] != "official"]
    with pytest.raises(RestoreError) as caught:
        server.restored()
    assert caught.value.issue.code == "no-id"
    assert caught.value.issue.hint == "an identifier like NCT00000102"


def test_number_under_an_older_system() -> None:
    """The number under a system that others use is read, and an issue says so."""
    server = Server()
    entry = next(found for found in server.study["identifier"] if found["use"] == "official")
    entry.clear()
    entry.update(system="http://clinicaltrials.gov", value=DRUG.id)
    assert server.changes() == {}
    assert [code for code, _ in server.told(verify=False)] == ["older-system"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda study: study.update(identifier={"system": "x"}),
        lambda study: study.update(title=["a"]),
        lambda study: study.update(progressStatus="recruiting"),
        lambda study: study.update(progressStatus=[None]),
        lambda study: study.update(site=[{"reference": ["Location/1"]}]),
        lambda study: study.update(recruitment=[]),
        lambda study: study.update(recruitment={"targetNumber": "many"}),
        lambda study: study.update(period="2020"),
        lambda study: study.update(extension=[{"url": ["x"]}]),
        lambda study: study.update(phase={"coding": [None]}),
        lambda study: study.update(phase={"coding": [{"system": [], "code": {}}]}),
        lambda study: study.update(associatedParty=[{"role": {"coding": [{"code": {}}]}}]),
        lambda study: study.update(title=5),
        lambda study: study.update(description={"a": 1}),
        lambda study: study.update(keyword=["x"]),
        lambda study: study.update(relatedArtifact=[{"document": {"url": 5, "size": "x"}}]),
    ],
)
def test_what_is_not_fhir_shaped(spoil: Callable[[Json], None]) -> None:
    """Resources that are no FHIR are refused with our error, or give a record that the registry's schema takes."""
    server = Server()
    spoil(server.study)
    try:
        restored = server.restored(verify=True)
    except RestoreError as error:
        assert error.issue.code == "not-fhir-shaped"
        assert error.issue.place == f"ResearchStudy/{DRUG.id}"
        return
    _, issues = SCHEMA.check(copy.deepcopy(restored.data))
    assert [issue for issue in issues if issue.severity == "error"] == []


def test_edited_beside_verbatim() -> None:
    """Text that FHIR refused comes back; once somebody edits what stands in its place, the edit counts."""
    odd = source(FOLDER / "invented-odd-values")
    server = Server(odd)
    assert server.changes() == {}
    assert "_title" in server.study
    server.study["title"] = "Edited"
    assert server.changes() == {f"{P}identificationModule.briefTitle": ("Tab\tand bell\x07", "Edited")}


def test_issues_say_the_study() -> None:
    """Each issue names the record and the resource it was read from."""
    server = Server()
    server.study["note"] = [{"text": "x"}]
    (issue,) = server.restored().issues
    assert isinstance(issue, Issue)
    assert (issue.record, issue.place) == (DRUG.id, f"ResearchStudy/{DRUG.id}")
