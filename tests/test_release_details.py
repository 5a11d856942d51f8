"""Single rows and rules of the release step, each as one would explain it to a colleague."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

import fhirtrial
from fhirtrial.errors import RestoreError
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.releases.conversion import released
from fhirtrial.releases.detect import release_of, release_of_all
from fhirtrial.releases.release import Release

from .edits import DRUG
from .records import golden
from .releases import R4, R4B, Json, changes, down, said, up

MAPPER = Mapper()
OURS = "https://fhirtrial.org/StructureDefinition/"
X = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"
ALTERNATE = "http://hl7.org/fhir/StructureDefinition/alternate-reference"
STUDY = {"resourceType": "ResearchStudy", "id": "s", "status": "active"}


STRANGE: list[Json] = [{"url": f"https://x.example/{name}", "valueString": name} for name in "abc"]


def study(**members: Any) -> Json:
    """A study with these members."""
    return {**STUDY, **members}


def both(resource: Json, *, check: bool = False) -> tuple[Json, list[str]]:
    """The R4 form of a resource that comes back the same, and what was said on the way there."""
    made = down(resource, check=check)
    assert up(made.resource).resource == resource
    return made.resource, said(made.issues)


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        ({"reference": "Organization/o"}, "Organization/o"),
        (
            {"reference": "https://x.example/fhir/Organization/o/_history/1"},
            "https://x.example/fhir/Organization/o/_history/1",
        ),
        ({"reference": "Organization/o", "display": "Org"}, "Org"),
        ({"type": "Organization", "identifier": {"value": "1"}}, None),
    ],
)
def test_alternate_reference(reference: Json, shown: str | None) -> None:
    """A target that R4 does not allow stands in HL7's alternate-reference, with a display for people."""
    (site,) = both(study(site=[reference]))[0]["site"]
    assert site["extension"] == [{"url": ALTERNATE, "valueReference": reference}]
    assert site.get("display") == shown
    assert site.keys() <= {"extension", "display"}


def test_references_that_stay() -> None:
    """A target that R4 allows, one that does not say its type, and a contained one that R4 allows stay as they are."""
    sites = [{"reference": "Location/l"}, {"display": "somewhere"}, {"reference": "#l"}, {"reference": "urn:uuid:1"}]
    held = [{"resourceType": "Location", "id": "l"}]
    assert both(study(site=sites, contained=held))[0]["site"] == sites
    held = [{"resourceType": "Organization", "id": "l"}]
    assert both(study(site=[{"reference": "#l"}], contained=held))[0]["site"][0]["extension"][0]["url"] == ALTERNATE


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


PHASE = ("http://hl7.org/fhir/research-study-phase", "http://terminology.hl7.org/CodeSystem/research-study-phase")
STATE = ("http://hl7.org/fhir/research-study-status", "http://terminology.hl7.org/CodeSystem/research-study-status")


def test_code_systems() -> None:
    """An address that is another in R4 is swapped, of a list that both have per code; displays and versions stay."""
    coding = {"system": PHASE[0], "version": "1", "code": "phase-1", "display": "Phase 1"}
    made, _ = both(study(phase={"coding": [coding, {"system": "https://x.example", "code": "phase-1"}]}))
    assert made["phase"]["coding"] == [
        {**coding, "system": PHASE[1]},
        {"system": "https://x.example", "code": "phase-1"},
    ]
    for code, system in (("recruiting", STATE[1]), ("completed", STATE[0])):
        made, _ = both(study(progressStatus=[{"state": {"coding": [{"system": STATE[0], "code": code}]}}]))
        assert made["extension"][-1]["extension"][0]["valueCodeableConcept"]["coding"][0]["system"] == system


def test_code_system_kept() -> None:
    """R4's address in R5 already: with `check` a mark keeps it, and an edit beside it arrives."""
    given = study(phase={"coding": [{"system": PHASE[1], "code": "phase-1"}]})
    made, told = both(given, check=True)
    assert made["extension"][-1]["extension"] == [{"url": "system", "valueUri": PHASE[1]}]
    assert told[-1].startswith("information address-kept ResearchStudy/s: the resource uses")
    made["phase"]["coding"][0]["code"] = "phase-2"
    assert up(made).resource["phase"]["coding"] == [{"system": PHASE[1], "code": "phase-2"}]
    assert up(down(given).resource).resource["phase"]["coding"][0]["system"] == PHASE[0]


def test_older_addresses_are_read() -> None:
    """HL7's addresses that others write for an element are read, and never written."""
    concept = {"coding": [{"system": "https://x.example", "code": "a"}]}
    there = study(extension=[{"url": f"{X}ResearchStudy.studyDesign", "valueCodeableConcept": concept}])
    back = up(there).resource
    assert back["studyDesign"] == [concept]
    assert down(back).resource["category"] == [concept]
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True}
    old = {**group, "extension": [{"url": f"{X}Group.description", "valueMarkdown": "who"}]}
    assert up(old).resource["description"] == "who"
    (made,) = [each for each in down(up(old).resource).resource["extension"] if "escription" in each["url"]]
    assert made["url"] == "http://hl7.org/fhir/StructureDefinition/artifact-description"


def test_beside_values() -> None:
    """What stands beside a primitive goes where the primitive goes; alone, too."""
    mark = {"extension": [{"url": "https://x.example/why", "valueString": "x"}]}
    made, _ = both(study(version="1", _version=mark, title="T", _title=mark))
    assert made["extension"][0] == {"url": f"{X}ResearchStudy.version", "valueString": "1", "_valueString": mark}
    assert made["_title"] == mark
    made, _ = both(study(_version=mark))
    assert made["extension"][0] == {"url": f"{X}ResearchStudy.version", "_valueString": mark}
    action = {"relatedAction": [{"targetId": "a", "_targetId": mark, "relationship": "before"}]}
    plan = {"resourceType": "PlanDefinition", "id": "p", "status": "draft", "action": [action]}
    assert both(plan)[0]["action"][0]["relatedAction"][0]["_actionId"] == mark


def test_status_of_publication() -> None:
    """The publication status stands on R4's status, which is that of the study; both come back, with what is beside."""
    mark = {"url": "https://x.example/why", "valueString": "x"}
    made, told = both(study(_status={"id": "i", "extension": [mark]}))
    assert made["status"] == "approved"
    assert [each["url"] for each in made["_status"]["extension"]] == [
        mark["url"],
        f"{X}ResearchStudy.status",
        f"{OURS}status-inexact",
    ]
    message = "'approved' is the nearest that R4 has to 'not stated': marked as inexact"
    assert told == [f"information inexact-status ResearchStudy/s.status: {message}"]


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([("recruiting", "2020", None), ("completed", "2019", "2020")], "active"),
        ([("recruiting", "2020", "2021"), ("completed", "2021", None)], "completed"),
        ([("recruiting", "2020", None), ("withdrawn", "2021", None)], "withdrawn"),
        ([("recruiting", None, None), ("withdrawn", None, None)], "withdrawn"),
        ([("withdrawn", "2020", "2022"), ("completed", "2019", "2021")], "withdrawn"),
        ([("withdrawn", "2018", "2022"), ("completed", "2019", "2021")], "withdrawn"),
        ([("overall-study", "2022", None), ("completed", "2019", "2021")], "completed"),
    ],
)
def test_present_state(entries: list[tuple[str, str | None, str | None]], code: str) -> None:
    """The present state is the one without an end; among several the latest start; among equals the last."""
    states = []
    for name, start, end in entries:
        period = {key: value for key, value in (("start", start), ("end", end)) if value}
        state = {"coding": [{"system": STATE[0], "code": name}]}
        states.append({"state": state, "period": period} if period else {"state": state})
    assert both(study(progressStatus=states))[0]["status"] == code


def test_contained_resources() -> None:
    """What is contained changes by its own type, and is looked up for a contact; nothing given is changed."""
    person = {"resourceType": "Practitioner", "id": "c", "deceasedBoolean": False, "telecom": [{"value": "1"}]}
    role = {"coding": [{"system": "http://hl7.org/fhir/research-study-party-role", "code": "general-contact"}]}
    given = study(contained=[person], associatedParty=[{"name": "C", "role": role, "party": {"reference": "#c"}}])
    before = deepcopy(given)
    made, _ = both(given)
    assert made["contained"][0]["extension"] == [{"url": f"{X}Practitioner.deceased", "valueBoolean": False}]
    assert made["contact"] == [{"name": "C", "telecom": [{"value": "1"}]}]
    assert given == before


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


def test_event_of_a_timing() -> None:
    """One event is a time, several are the period from the first to the last, none is a period that says so."""
    base = {"resourceType": "MedicationAdministration", "id": "m", "status": "completed", "subject": {"display": "s"}}
    base["medication"] = {"concept": {"text": "m"}}
    for timing, name, value in (
        ({"event": ["2020-02-03"]}, "effectiveDateTime", "2020-02-03"),
        ({"event": ["2020-02-05", "2020-02-03"]}, "effectivePeriod", {"start": "2020-02-03", "end": "2020-02-05"}),
        ({"repeat": {"count": 1}}, "effectivePeriod", None),
    ):
        made, _ = both({**base, "occurenceTiming": timing})
        assert value is None or made[name] == value
        assert made["extension"] == [{"url": f"{X}MedicationAdministration.occurence", "valueTiming": timing}]
    assert made["effectivePeriod"]["extension"][0]["valueCode"] == "unknown"


def test_recorded() -> None:
    """A Provenance without a time says that it is unknown; one that says so itself keeps its own words."""
    base = {"resourceType": "Provenance", "id": "v", "target": [{"display": "t"}], "agent": [{"who": {"display": "w"}}]}
    assert [each["url"] for each in both(base)[0]["_recorded"]["extension"]][1] == f"{OURS}copy-of"
    own = {"extension": [{"url": "https://x.example/why", "valueString": "lost"}]}
    assert both({**base, "_recorded": own})[0]["_recorded"] == own


def test_a_plain_status_becomes_the_state() -> None:
    """A status of R4 without our mark is a state, also the one that stands for all that R4 does not know."""
    for code in ("approved", "active"):
        back = up({"resourceType": "ResearchStudy", "id": "s", "status": code}).resource
        assert back["progressStatus"] == [{"state": {"coding": [{"system": STATE[0], "code": code}]}}]


def test_reasons() -> None:
    """R4 has two lists: where their order or pairs cannot be made again, HL7's extension holds the whole."""
    base = {"resourceType": "MedicationAdministration", "id": "m", "status": "completed", "subject": {"display": "s"}}
    base |= {"medication": {"concept": {"text": "m"}}, "occurenceDateTime": "2020"}
    concept, reference = {"concept": {"text": "a"}}, {"reference": {"reference": "Condition/c"}}
    for reason, whole in (
        ([concept, concept, reference], False),
        ([concept | reference], True),
        ([reference, concept], True),
    ):
        made, _ = both({**base, "reason": reason})
        assert made["reasonReference"] == [{"reference": "Condition/c"}]
        assert ("extension" in made) == whole


# ---------------------------------------------------------------- which release it is


@pytest.mark.parametrize(
    ("release", "resource"),
    [
        ("R4", {"resourceType": "ResearchStudy", "status": "active", "arm": []}),
        ("R4", {"resourceType": "ResearchStudy", "status": "completed"}),
        ("R5", {"resourceType": "ResearchStudy", "status": "draft"}),
        ("R5", {"resourceType": "ResearchStudy", "status": "active", "comparisonGroup": []}),
        (None, {"resourceType": "ResearchStudy", "status": "active"}),
        ("R4", {"resourceType": "ResearchStudy", "status": "active", "_status": {"extension": [{"url": f"{X}ResearchStudy.status"}]}}),
        ("R4", {"resourceType": "Location", "extension": [{"url": f"{OURS}release-difference"}]}),
        ("R5", {"resourceType": "PlanDefinition", "status": "draft", "action": [{"linkId": "a"}]}),
        ("R4", {"resourceType": "PlanDefinition", "status": "draft", "action": [{"extension": [{"url": f"{X}PlanDefinition.action.linkId"}]}]}),
        ("R4", {"resourceType": "ResearchStudy", "extension": [{"url": f"{OURS}computable-name", "valueString": "N"}]}),
        ("R5", {"resourceType": "Location", "extension": [{"url": f"{OURS}earlier-difference"}]}),
        ("R5", {"resourceType": "Location", "extension": [{"url": "http://hl7.org/fhir/4.0/StructureDefinition/extension-Location.x"}]}),
        (None, {"resourceType": "Location", "extension": [{"url": "https://x.example/StructureDefinition/release-difference"}]}),
        (None, {"resourceType": "Location", "extension": [{"url": "https://x.example/copy-of"}, {"url": 3}]}),
        ("R4", {"resourceType": "ResearchStudy", "status": "active", "phase": {"coding": [{"system": PHASE[1]}]}}),
        ("R5", {"resourceType": "ResearchStudy", "status": "active", "phase": {"coding": [{"system": PHASE[0]}]}}),
        (None, {"resourceType": "ResearchStudy", "status": "active", "phase": {"coding": [{"system": each} for each in PHASE]}}),
        ("R5", {"resourceType": "ResearchStudy", "status": "draft", "phase": {"coding": [{"system": PHASE[1]}]}}),
        (None, {"resourceType": "Observation", "status": "draft"}),
        (None, {"resourceType": "Group", "type": 1, "status": [], "extension": 3}),
    ],
)  # fmt: skip
def test_release_of(release: str | None, resource: Json) -> None:
    """Members, codes and extensions that one release alone has tell it; what both may have does not."""
    assert release_of(resource) == release


def test_release_of_all() -> None:
    """The first resource that shows its release tells that of all; without one nothing is guessed."""
    plain: Json = {"resourceType": "Location", "name": "L"}
    assert release_of_all([plain, {"resourceType": "ResearchStudy", "sponsor": {}}]) == "R4"
    assert release_of_all([plain]) is None


@pytest.mark.parametrize("release", [R4, R4B], ids=["R4", "R4B"])
def test_models_and_bundles(release: Release) -> None:
    """Every golden record's R4 form parses as `fhir.resources` of R4B; its transaction updates by business identifier."""
    for _, record in golden():
        conversion = released(MAPPER.convert(record), release)
        if b'"_value' in conversion.ndjson():
            with pytest.raises(ValidationError, match=r"extension\.\d+\.extension\.\d+\._value"):
                conversion.models()
            continue
        assert [type(model).__module__.split(".")[2] for model in conversion.models()] == ["R4B"] * len(
            conversion.texts
        )
        entries = conversion.bundle()["entry"]
        assert [entry["resource"] for entry in entries] == conversion.resources
        assert entries[0]["request"]["url"].startswith("ResearchStudy?identifier=https://clinicaltrials.gov/nctid%7C")


def test_without_contacts() -> None:
    """Without contacts R4 has no name, phone or e-mail of one either, natively or in an extension."""
    for _, record in list(golden())[::3]:
        whole = released(MAPPER.convert(record), R4)
        bare = released(Mapper(contacts=False).convert(record), R4)
        assert "contact" not in bare.resources[0]
        module = record.data["protocolSection"].get("contactsLocationsModule", {})
        for person in module.get("centralContacts", ()):
            for said_there in (person.get("email"), person.get("phone")):
                if said_there and len(said_there) > 6:
                    assert said_there.encode() in whole.ndjson()
                    assert said_there.encode() not in bare.ndjson()


def test_r5_changes_nothing() -> None:
    """R5 is taken as a release too: the same objects come back, and the same conversion."""
    conversion = MAPPER.convert(DRUG)
    assert released(conversion, Release("R5")) is conversion
    assert Release("R5").down(STUDY).resource is STUDY
    assert Release("R5").up(STUDY) == (STUDY, ())


def test_most_resources_pass_by() -> None:
    """What has no other form in R4 is the same text, not made again."""
    conversion = MAPPER.convert(DRUG)
    made = released(conversion, R4)
    same = {name.partition("/")[0] for name, text in made.texts.items() if text is conversion.texts[name]}
    assert {"Organization", "Location"} <= same


def test_restore_refuses_what_is_no_fhir() -> None:
    """`restore` says of R4 that is not FHIR-shaped what it says of R5."""
    spoilt = released(MAPPER.convert(DRUG), R4).resources
    spoilt[0]["extension"] = "x"
    with pytest.raises(RestoreError, match="the resource is not FHIR-shaped"):
        fhirtrial.restore(spoilt, source_release="R4")


def plan(*actions: Json) -> Json:
    """A plan with these actions."""
    return {"resourceType": "PlanDefinition", "id": "p", "status": "draft", "action": list(actions)}


def test_actions_that_others_refer_to() -> None:
    """R4 refers to an action by the id of its element, R5 by linkId (pld-4): what is referred to in R4 gets one."""
    after: Json = {"actionId": "first", "relationship": "after-end"}
    r4 = plan({"id": "first"}, {"id": "second", "action": [{"id": "third", "relatedAction": [after]}]})
    made = up(r4)

    assert said(made.issues) == []
    first, second = made.resource["action"]
    assert first == {"id": "first", "linkId": "first"}
    assert "linkId" not in second  # nobody refers to it
    assert second["action"][0]["relatedAction"][0]["targetId"] == "first"
    assert down(made.resource).resource == r4


@pytest.mark.parametrize("ids", [{}, {"id": "other"}])
def test_actions_with_a_link_id(ids: Json) -> None:
    """The linkId of R5 comes back as it was, whether the element has an id besides or not."""
    after: Json = {"targetId": "a", "relationship": "after"}
    r4, _ = both(plan({**ids, "linkId": "a"}, {"linkId": "b", "relatedAction": [after]}))
    assert [len(each["extension"]) for each in r4["action"]] == [1, 1]
