"""Entries of a page's lists, such as sponsors, sites and contacts: where each ends, and what several say together."""

from __future__ import annotations

from typing import Any

import pytest

from .page_texts import SEED, odd, read
from .page_writer import SENTENCES


@pytest.mark.parametrize(
    ("title", "lines", "path", "expected", "codes"),
    [
        (
            "Central Contacts",
            ["A", "Role: CONTACT", "B", "Phone: 1", "C", "Role: CONTACT", "Email: c@example.org"],
            "contactsLocationsModule.centralContacts",
            [
                {"name": "A", "role": "CONTACT"},
                {"name": "B", "phone": "1"},
                {"name": "C", "role": "CONTACT", "email": "c@example.org"},
            ],
            [],
        ),
        (
            "Principal Investigators",
            ["A", "Role: STUDY_CHAIR", "B", "Role: STUDY_DIRECTOR", "of B", "C", "Role: STUDY_CHAIR", "of C"],
            "contactsLocationsModule.overallOfficials",
            [
                {"name": "A", "role": "STUDY_CHAIR"},
                {"name": "B", "role": "STUDY_DIRECTOR", "affiliation": "of B"},
                {"name": "C", "role": "STUDY_CHAIR", "affiliation": "of C"},
            ],
            [],
        ),
        (
            "Sponsors",
            [
                "A",
                "NIH",
                "Sponsor Role lead",
                "B",
                "Sponsor Role collaborator",
                "C",
                "FED",
                "Sponsor Role collaborator",
            ],
            "sponsorCollaboratorsModule",
            {
                "leadSponsor": {"name": "A", "class": "NIH"},
                "collaborators": [{"name": "B"}, {"name": "C", "class": "FED"}],
            },
            [],
        ),
        (
            "Sponsors",
            ["A", "NIH", "Sponsor Role lead", "B", "FED", "Sponsor Role lead"],
            "sponsorCollaboratorsModule",
            {"leadSponsor": {"name": "A", "class": "NIH"}},
            ["second-value"],
        ),
        (
            "Locations",
            [
                "Berlin, Germany",
                "Site Status COMPLETED",
                "Clinic",
                "Boston, Massachusetts, United States",
                "Site Status -",
            ],
            "contactsLocationsModule.locations",
            [
                {"city": "Berlin", "country": "Germany", "status": "COMPLETED"},
                {"facility": "Clinic", "city": "Boston", "state": "Massachusetts", "country": "United States"},
            ],
            [],
        ),
        (
            "Locations",
            ["A", "Berlin, Germany", "B", "Paris, France", "Site Status COMPLETED"],
            "contactsLocationsModule.locations",
            [
                {"facility": "A", "city": "Berlin", "country": "Germany"},
                {"facility": "B", "city": "Paris", "country": "France", "status": "COMPLETED"},
            ],
            ["missing-label"],
        ),
        (
            "Locations",
            ["A", "Berlin, Germany", "Floor 2", "B", "Paris, France", "Site Status COMPLETED"],
            "contactsLocationsModule.locations",
            [{"facility": "B", "city": "Paris", "country": "France", "status": "COMPLETED"}],
            ["unknown-line"] * 3,
        ),
        (
            "Other Identifiers",
            [
                "1",
                "Identifier Type: -",
                "Identifier Source: org_study_id",
                "2",
                "Identifier Type: REGISTRY",
                "Identifier Source: secondary_id",
                "3",
                "Identifier Source: ISRCTN",
            ],
            "identificationModule",
            {
                "briefTitle": "T",
                "nctId": "NCT00000102",
                "orgStudyIdInfo": {"id": "1"},
                "secondaryIdInfos": [{"id": "2", "type": "REGISTRY"}, {"id": "3", "domain": "ISRCTN"}],
            },
            [],
        ),
        (
            "Responsible Party",
            ["Responsibility Role SPONSOR"],
            "sponsorCollaboratorsModule.responsibleParty",
            {"type": "SPONSOR"},
            [],
        ),
    ],
)
def test_entries_are_told_apart(title: str, lines: list[str], path: str, expected: Any, codes: list[str]) -> None:
    """Where one entry ends and the next begins is read from the labelled lines, also where some are missing."""
    body = "\n\n".join([title, SENTENCES[title], *lines])
    data, issues = read(f"T\nNCT ID: NCT00000102\n\n{body}\n")
    found = data["protocolSection"]
    for name in path.split("."):
        found = found[name]
    assert found == expected
    assert odd(issues) == codes


def test_countries_that_differ_from_the_sites_are_reported() -> None:
    """The list of countries is compared with the sites, both ways."""
    _, issues = read(SEED.replace("\nChina\n", "\nFrance\n"))
    assert [issue.message for issue in issues if issue.code == "contradiction"] == [
        "China: the country of a site, but not listed here",
        "'France' is the country of no site, and is left out",
    ]


def test_contacts_of_one_of_several_sites_have_no_place() -> None:
    """With two sites nothing says whose contact it is: reported, not guessed."""
    site = "Other Hospital\n\nSeoul, Korea, Republic of\n\nSite Status WITHDRAWN\n\n"
    data, issues = read(
        SEED.replace("Countries\n\n", site + "Countries\n\n").replace("\nChina\n", "\nChina\n\nKorea, Republic of\n")
    )
    sites = data["protocolSection"]["contactsLocationsModule"]["locations"]
    assert sites[1] == {
        "facility": "Other Hospital",
        "city": "Seoul",
        "country": "Korea, Republic of",
        "status": "WITHDRAWN",
    }
    assert not any("contacts" in found for found in sites)
    assert odd(issues) == ["no-place"]
