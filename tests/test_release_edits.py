"""Edits by somebody who works on an R4 server and sees native elements only: they arrive in the record, or are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fhirtrial.mapping.difference import MISSING, differences
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.record import Record
from fhirtrial.releases.conversion import released
from fhirtrial.releases.view import as_r5
from fhirtrial.resources import Resources

from .edits import DRUG, RARE
from .records import SCHEMA, Json, record_of
from .releases import R4, changes, down, examples, said, up
from .test_generated_records import study

MAPPER = Mapper()
P = "protocolSection."
STATUS = f"{P}statusModule.overallStatus"
CONTACTS = f"{P}contactsLocationsModule."
SPONSOR = f"{P}sponsorCollaboratorsModule.leadSponsor."
PEOPLE = study(
    statusModule={"overallStatus": "RECRUITING"},
    descriptionModule={"briefSummary": "in short"},
    sponsorCollaboratorsModule={"leadSponsor": {"name": "Acme", "class": "INDUSTRY"}},
    contactsLocationsModule={
        "centralContacts": [
            {"name": "Ann", "role": "CONTACT", "phone": "1", "email": "ann@x.example"},
            {"name": "Bob", "role": "BACKUP", "phone": "2"},
        ],
        "overallOfficials": [{"name": "Dr Old", "affiliation": "Clinic", "role": "PRINCIPAL_INVESTIGATOR"}],
    },
    armsInterventionsModule={"armGroups": [{"label": "A", "type": "EXPERIMENTAL"}]},
    eligibilityModule={"eligibilityCriteria": "grown up\nand well"},
)
PEOPLE_RECORD = record_of(PEOPLE)


class Server:
    """The R4 resources of a record on a server."""

    def __init__(self, record: Record = PEOPLE_RECORD) -> None:
        self.record = record
        self.resources = released(MAPPER.convert(record), R4).resources
        self.study = self.resources[0]

    def of(self, kind: str) -> Json:
        """The first resource of a type."""
        return next(found for found in self.resources if found["resourceType"] == kind)

    def outcome(self) -> tuple[dict[str, tuple[Any, Any]], list[str]]:
        """What differs in the restored record, and what the release step says."""
        index, issues = as_r5(Resources(self.resources), R4)
        restored = MAPPER.restore(index)
        found = differences(SCHEMA.wanted(self.record.data), restored.data)
        shown = {path: (None if a is MISSING else a, None if b is MISSING else b) for path, a, b in found}
        return shown, [f"{issue.code} {issue.path.partition('.')[2]}: {issue.message}" for issue in issues]


def edited(
    edit: Callable[[Server], Any], record: Record = PEOPLE_RECORD
) -> tuple[dict[str, tuple[Any, Any]], list[str]]:
    """The outcome of an edit."""
    server = Server(record)
    edit(server)
    return server.outcome()


def test_nothing_edited() -> None:
    """Nothing is said, and nothing changes, also where a server drops the copies or the narrative."""
    assert edited(lambda server: None) == ({}, [])
    for name in ("status", "sponsor", "principalInvestigator", "contact"):
        assert edited(lambda server, name=name: server.study.pop(name)) == ({}, [])
    assert edited(lambda server: server.of("Group").pop("text")) == ({}, [])
    assert edited(lambda server: server.of("Group").pop("actual")) == ({}, [])


def test_references_as_servers_write_them() -> None:
    """A server makes references absolute and versioned, and adds a display: that is no edit."""

    def absolute(server: Server) -> None:
        for name in ("sponsor", "principalInvestigator"):
            reference = server.study[name]
            reference["reference"] = f"https://server.example/fhir/{reference['reference']}/_history/2"
            reference.setdefault("display", "as the server shows it")

    assert edited(absolute) == ({}, [])


def test_status() -> None:
    """A new status becomes the present state, alone; the record has the one value that it leads back to."""
    assert edited(lambda server: server.study.update(status="completed")) == (
        {STATUS: ("RECRUITING", "COMPLETED")},
        [
            "conflict status: 'completed' wins over 'active', which progressStatus says: the present state becomes 'completed'"
        ],
    )


def test_status_that_was_inexact() -> None:
    """The mark of an inexact status does not protect it: the edit wins, with the mark left or taken off."""
    unknown = record_of(study(statusModule={"overallStatus": "UNKNOWN"}))
    for take_off in (False, True):

        def edit(server: Server, take_off: bool = take_off) -> None:
            server.study["status"] = "withdrawn"
            if take_off:
                del server.study["_status"]

        found, told = edited(edit, unknown)
        assert found == {STATUS: ("UNKNOWN", "WITHDRAWN")}
        # The publication status stands on the same element: with the element's extensions it is gone.
        assert told[-1] == (
            "conflict status: 'withdrawn' wins over 'approved', which progressStatus says: the present state becomes 'withdrawn'"
        )
        assert len(told) == 1 + take_off


def test_status_without_a_way_back() -> None:
    """A status that stands for no value of the registry is not guessed."""
    found, told = edited(lambda server: server.study.update(status="in-review"))
    assert found == {f"{P}statusModule": ({"overallStatus": "RECRUITING"}, None)}
    assert len(told) == 1


def test_sponsor() -> None:
    """Another sponsor: the party gets the reference and the name, and what belonged to the old one goes."""
    new = {"reference": "Organization/other", "display": "Other Ltd"}
    found, told = edited(lambda server: server.study.update(sponsor=new))
    assert found == {f"{SPONSOR}name": ("Acme", "Other Ltd"), f"{SPONSOR}class": ("INDUSTRY", None)}
    assert told == ["conflict sponsor: 'Other Ltd' wins over 'Acme', which associatedParty says"]


def test_principal_investigator() -> None:
    """A principal investigator who is shown by another name only is another one."""
    found, told = edited(lambda server: server.study.update(principalInvestigator={"display": "Dr New"}))
    assert {path: after for path, (_, after) in found.items()} == {
        f"{CONTACTS}overallOfficials[0].name": "Dr New",
        f"{CONTACTS}overallOfficials[0].affiliation": None,
    }
    assert told == ["conflict principalInvestigator: 'Dr New' wins over 'Dr Old', which associatedParty says"]


def test_contact_added() -> None:
    """A new contact becomes a party by name; phone and e-mail need a Practitioner, which is said."""
    new = {"name": "Cyd", "telecom": [{"system": "phone", "value": "3"}]}
    found, told = edited(lambda server: server.study["contact"].append(new))
    assert found == {f"{CONTACTS}centralContacts[2]": (None, {"name": "Cyd", "role": "CONTACT"})}
    assert told == [
        "conflict contact: 'Ann', 'Bob', 'Cyd' wins over 'Ann', 'Bob', which associatedParty says",
        "not-carried contact.telecom: phone or e-mail of 'Cyd' need a Practitioner, and are not carried",
    ]


def test_contact_removed() -> None:
    """A contact that is gone takes its party along; the other stays as it is, with all that belongs to it."""
    found, told = edited(lambda server: server.study["contact"].pop(0))
    ann = {"name": "Ann", "role": "CONTACT", "phone": "1", "email": "ann@x.example"}
    assert found == {f"{CONTACTS}centralContacts[0]": (ann, None)}
    assert told == ["conflict contact: 'Bob' wins over 'Ann', 'Bob', which associatedParty says"]


def test_contact_phone() -> None:
    """A phone stays the Practitioner's; the issue says where to edit it. Edited there, it arrives in silence."""

    def here(server: Server) -> None:
        server.study["contact"][0]["telecom"][0]["value"] = "9"

    assert edited(here) == (
        {},
        ["conflict contact.telecom: phone or e-mail differ from the Practitioner's, which stay: edit them there"],
    )

    def there(server: Server) -> None:
        person = next(found for found in server.resources if found.get("telecom"))
        person["telecom"][0]["value"] = "9"
        server.study.pop("contact")

    found, told = edited(there)
    assert list(found.values()) == [("1", "9")]
    assert told == []


def test_summary_copy() -> None:
    """An edited copy of the summary becomes the description; one without our mark is one anyhow."""
    path = f"{P}descriptionModule.detailedDescription"
    found, told = edited(lambda server: server.study.update(description="at length"))
    assert found == {path: (None, "at length")}
    assert told == ["conflict description: the copy of the summary was edited: it becomes the description"]

    def unmarked(server: Server) -> None:
        server.study["description"] = "at length"
        del server.study["_description"]

    assert edited(unmarked) == ({path: (None, "at length")}, [])
    assert edited(lambda server: server.study.pop("description")) == ({}, [])


def test_native_elements() -> None:
    """Elements that hold the only value are simply the new value: title, arm, reason, description."""
    assert edited(lambda server: server.study.update(title="New")) == (
        {f"{P}identificationModule.briefTitle": (None, "New")},
        [],
    )
    assert edited(lambda server: server.study["arm"][0].update(name="B")) == (
        {f"{P}armsInterventionsModule.armGroups[0].label": ("A", "B")},
        [],
    )
    assert edited(lambda server: server.study.update(reasonStopped={"text": "no money"})) == (
        {f"{P}statusModule.whyStopped": (None, "no money")},
        [],
    )


def test_phase() -> None:
    """A phase edited under R4's address of the code system arrives as the registry's phases."""

    def edit(server: Server) -> None:
        server.study["phase"]["coding"] = [
            {"system": "http://terminology.hl7.org/CodeSystem/research-study-phase", "code": "phase-2-phase-3"}
        ]

    found, told = edited(edit, DRUG)
    assert list(found.values()) == [("PHASE4", "PHASE2"), (None, "PHASE3")]
    assert told == []


def test_group() -> None:
    """The narrative is generated: an edit of it is told and made again. `actual` wins over the membership."""

    def narrative(server: Server) -> None:
        text = server.of("Group")["text"]
        text["div"] = text["div"].replace("</div>", " more</div>")

    message = "the narrative says something else than the description, which stays: a narrative is made of it again"
    assert edited(narrative) == ({}, [f"conflict text: {message}"])
    found, told = edited(lambda server: server.of("Group").update(actual=True))
    assert told == ["conflict actual: true wins over 'definitional': membership becomes 'enumerated'"]
    assert found == {}


def test_narrative_as_servers_write_it() -> None:
    """Blanks, entities and breaks that a server writes in its own way are no edit."""

    def rewrite(server: Server) -> None:
        text = server.of("Group")["text"]
        text["div"] = (
            text["div"]
            .replace("<br/>", "<br></br>\n ")
            .replace(' class="fhirtrial"', "")
            .replace("<div", '<div class="fhirtrial"', 1)
        )

    assert "<br/>" in Server().of("Group")["text"]["div"]
    assert edited(rewrite) == ({}, [])


def test_all_extensions_dropped() -> None:
    """From a server that keeps no extension at all the natives alone come back, and what misses is missing."""

    def bare(node: Any) -> None:
        if isinstance(node, dict):
            for name in [name for name in node if name == "extension" or name.startswith("_")]:
                del node[name]
        for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            bare(each)

    found, told = edited(lambda server: bare(server.resources), RARE)
    kept = {"nctId", "briefTitle", "conditions", "keywords"}
    assert not {path for path in found if path.rpartition(".")[2].partition("[")[0] in kept}
    assert any("publication" in text for text in told)


# ---------------------------------------------------------------- subjects and treatments

MADE = examples("R5")


def subject(name: str, edit: Callable[[Json], Any]) -> tuple[dict[str, tuple[Any, Any]], list[str]]:
    """What an edit of an example in R4 changes in R5, and what is said."""
    there = down(MADE[name], MADE.values(), check=True).resource
    edit(there)
    back = up(there, MADE.values())
    return changes(MADE[name], back.resource), [text.partition(": ")[2] for text in said(back.issues)]


CASES: dict[str, tuple[str, Callable[[Json], Any], dict[str, Any], list[str]]] = {
    "subject's status": (
        "ResearchSubject/rs1",
        lambda found: found.update(status="withdrawn"),
        {"/progress/3/subjectState/coding/0/code": "withdrawn"},
        ["'withdrawn' wins over 'off-study', which progress says: the present state becomes 'withdrawn'"],
    ),
    "subject's status, where there was none": (
        "ResearchSubject/rs-bare",
        lambda found: found.update(status="screening"),
        {"/progress": [{"subjectState": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/research-subject-state", "code": "screening"}]}}]},
        [],
    ),
    "arm": (
        "ResearchSubject/rs1",
        lambda found: found.update(assignedArm="Placebo"),
        {"/assignedComparisonGroup": "arm-b"},
        ["'Placebo' is not the arm arm-a: the name wins"],
    ),
    "arm that the study does not have": (
        "ResearchSubject/rs1",
        lambda found: found.update(actualArm="No such arm!"),
        {"/actualComparisonGroup": None},
        ["'No such arm!' is not the arm arm-b: the name wins", "no arm of the study is called 'No such arm!'"],
    ),
    "period of a Timing": (
        "MedicationAdministration/ma-timing",
        lambda found: found.update(effectivePeriod={"start": "2020"}),
        {"/occurenceTiming": None, "/occurencePeriod": {"start": "2020"}},
        ["the time was edited: it wins, and the Timing is dropped"],
    ),
    "time instead of the period of a Timing": (
        "MedicationAdministration/ma-timing",
        lambda found: (found.pop("effectivePeriod"), found.update(effectiveDateTime="2020")),
        {"/occurenceTiming": None, "/occurenceDateTime": "2020"},
        ["the time was edited: it wins, and the Timing is dropped"],
    ),
    "dose filled in": (
        "MedicationAdministration/ma-mad1",
        lambda found: found["dosage"].update(dose={"value": 50}),
        {"/dosage/dose": {"value": 50}},
        [],
    ),
    "volume": (
        "Medication/m1",
        lambda found: found["amount"].update(numerator={"value": 6}),
        {"/totalVolume/value": 6, "/totalVolume/unit": None, "/totalVolume/system": None, "/totalVolume/code": None},
        ["{'value': 6} wins over {'value': 5, 'unit': 'mL', 'system': 'http://unitsofmeasure.org', 'code': 'mL'}, which the extension says"],
    ),
    "reasons": (
        "MedicationAdministration/ma-interval",
        lambda found: found.update(reasonCode=[{"text": "other"}]),
        {
            "/reason/0/concept": {"text": "other"},
            "/reason/0/reference": None,
            "/reason/1/concept": None,
            "/reason/1/reference": {"reference": "Condition/c1"},
        },
        ["reasonCode says something else than the extension: reasonCode and reasonReference win"],
    ),
    "code with a nearest one": (
        "ActivityDefinition/ad",
        lambda found: found["relatedArtifact"][0].update(type="justification"),
        {"/relatedArtifact/0/type": "justification"},
        ["RelatedArtifact.type: 'justification' does not stand for 'cite-as', which the extension says: the element wins"],
    ),
    "type of a group": (
        "Group/g-rel",
        lambda found: found.update(type="animal"),
        {"/type": "animal"},
        ["'animal' does not stand for 'relatedperson', which the extension says: the element wins"],
    ),
    "phase beside a kept address": (
        "ResearchStudy/foreign",
        lambda found: found["phase"]["coding"][0].update(code="phase-3"),
        {"/phase/coding/0/code": "phase-3"},
        [],
    ),
    "size that R4 could not say": (
        "ActivityDefinition/ad",
        lambda found: found["relatedArtifact"][0]["document"].update(size=7),
        {"/relatedArtifact/0/document/size": "7"},
        ["Attachment.size: 7 wins over 5000000000, which the extension says"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_subjects_and_treatments(case: str) -> None:
    """Each edit arrives in R5 and nothing else changes; where two places said it, an issue names both."""
    name, edit, wanted, told = CASES[case]
    found, messages = subject(name, edit)
    assert {path: after for path, (_, after) in found.items()} == wanted
    assert messages == told
