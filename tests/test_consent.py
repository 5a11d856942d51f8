"""The consent of a subject: made where there is a date, and of nothing that the way back needs."""

from __future__ import annotations

from typing import Any

import pytest

from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release
from fhirtrial.releases.view import as_r5
from fhirtrial.resources import Resources

from .golden_update import mapper_of
from .subjects import subject

Json = dict[str, Any]
SDTM: Json = {"dm": {"STUDYID": "S", "USUBJID": "1", "RFICDTC": "2020-01"}}
ROSTER: Json = {"subject": {"subject_id": "1", "study": "S", "consent_date": "2020-01-02T10:00"}}


def made(data: Json, registry: str) -> list[Json]:
    """What a subject becomes."""
    return list(mapper_of(registry).convert(subject(data, registry)).resources)


def consents(data: Json, registry: str) -> list[Json]:
    """The consents among that."""
    return [each for each in made(data, registry) if each["resourceType"] == "Consent"]


@pytest.mark.parametrize(("data", "registry", "date"), [(SDTM, "sdtm", "2020-01"), (ROSTER, "roster", "2020-01-02")])
def test_a_date_makes_a_consent(data: Json, registry: str, date: str) -> None:
    """One Consent, of the Patient, with the day that is certain, to which the ResearchSubject refers; else none."""
    (consent,) = consents(data, registry)
    main, *others = made(data, registry)
    assert main["consent"] == [{"reference": f"Consent/{consent['id']}"}]
    assert (consent["status"], consent["date"], "decision" in consent) == ("active", date, False)
    assert consent["subject"]["reference"] in {f"{each['resourceType']}/{each['id']}" for each in others}
    ((root, fields),) = data.items()
    without = {root: {name: value for name, value in fields.items() if name not in ("RFICDTC", "consent_date")}}
    assert consents(without, registry) == [] and "consent" not in made(without, registry)[0]


@pytest.mark.parametrize("release", ["R5", "R4", "R4B"])
@pytest.mark.parametrize(("data", "registry"), [(SDTM, "sdtm"), (ROSTER, "roster")])
def test_the_way_back_does_not_need_it(data: Json, registry: str, release: str) -> None:
    """Without the Consent among the resources nothing is missing and nothing is said."""
    mapper = mapper_of(registry)
    step = Release(release)
    found = released(mapper.convert(subject(data, registry)), step).resources
    kept = Resources([each for each in found if each["resourceType"] != "Consent"])
    restored = mapper.restore(kept if release == "R5" else as_r5(kept, step)[0])
    assert (restored.data, restored.issues) == (data, ())


def test_an_edited_consent_is_compared() -> None:
    """The date of the Consent is a copy: an edit there changes no record, and a check names both dates."""
    resources = made(SDTM, "sdtm")
    next(each for each in resources if each["resourceType"] == "Consent")["date"] = "2020-02"
    restored = mapper_of("sdtm").restore(resources, verify=True)
    assert restored.data == SDTM
    (issue,) = restored.issues
    assert (issue.code, issue.message) == (
        "disagreement",
        "'2020-02' is not carried: what was read elsewhere makes '2020-01' here",
    )


@pytest.mark.parametrize(
    ("data", "registry"),
    [
        (SDTM | {"ds": [{"DSSEQ": 1, "DSCAT": "DISPOSITION EVENT", "DSDECOD": "WITHDRAWAL OF CONSENT"}]}, "sdtm"),
        ({"subject": ROSTER["subject"] | {"status": "Withdrew consent"}}, "roster"),
    ],
)
def test_a_consent_that_was_withdrawn(data: Json, registry: str) -> None:
    """It is inactive where the data say that the consent was withdrawn; who leaves a study has not said that."""
    assert [each["status"] for each in consents(data, registry)] == ["inactive"]
    left = SDTM | {"ds": [{"DSSEQ": 1, "DSCAT": "DISPOSITION EVENT", "DSDECOD": "WITHDRAWAL BY SUBJECT"}]}
    assert [each["status"] for each in consents(left, "sdtm")] == ["active"]
