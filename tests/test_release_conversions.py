"""Conversions in another release: what they hold, what they leave as it is, and what they refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

import fhirtrial
from fhirtrial.errors import RestoreError
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release

from .edits import DRUG
from .records import golden
from .releases import R4, R4B, STUDY

MAPPER = Mapper()


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
