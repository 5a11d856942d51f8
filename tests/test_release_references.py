"""References that R4 does not allow where R5 does, and what is contained: both come back as they were."""

from __future__ import annotations

from copy import deepcopy

import pytest

from .releases import Json, X, both, study

ALTERNATE = "http://hl7.org/fhir/StructureDefinition/alternate-reference"


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
