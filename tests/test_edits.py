"""Values that somebody edited on a server: the record shows the edit and nothing else; the rest is told."""

from __future__ import annotations

import re

import pytest

from .edits import DRUG, RARE, SITES, P, Server, codes, extension


def test_nothing_edited() -> None:
    """Resources that nobody touched give the record, and verifying has nothing to say."""
    for record in (DRUG, RARE, SITES):
        server = Server(record)
        assert server.changes() == {}
        assert server.told() == []


# ---------------------------------------------------------------- texts and dates


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


# ---------------------------------------------------------------- counts, sex, ages


def test_actual_to_estimated() -> None:
    """The count moved from actualNumber to targetNumber: its type is ESTIMATED now."""
    server = Server(DRUG)
    recruitment = server.study["recruitment"]
    recruitment["targetNumber"] = recruitment.pop("actualNumber")
    assert server.changes() == {f"{P}designModule.enrollmentInfo.type": ("ACTUAL", "ESTIMATED")}
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
