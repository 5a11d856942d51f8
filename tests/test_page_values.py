"""The values of a page: what is taken as it is written, what is left out, and what is reported of either."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .page_texts import SEED, odd, read
from .page_writer import SENTENCES


@pytest.mark.parametrize(
    ("old", "new", "path", "value", "code"),
    [
        ("\nUNKNOWN\n", "\nRECRUTING\n", "statusModule.overallStatus", "RECRUTING", "unknown-value"),
        ("PHASE1/PHASE2", "PHASE1/PHASE9", "designModule.phases", ["PHASE1", "PHASE9"], "unknown-value"),
        ("PHASE1/PHASE2", "PHASE1/", "designModule.phases", ["PHASE1"], "unknown-value"),
        ("60 participants", "sixty participants", "designModule.enrollmentInfo", None, "unknown-value"),
        ("60 participants", "60 sites", "designModule.enrollmentInfo", None, "unknown-value"),
        ("60 participants", "-60 participants", "designModule.enrollmentInfo", None, "unknown-value"),
        ("2021-02-05", "2021-02-30", "statusModule.startDateStruct.date", "2021-02-30", "impossible-date"),
        ("2021-02-05", "in spring", "statusModule.startDateStruct.date", "in spring", "wrong-shape"),
        ("\nNo\n", "\nMaybe\n", "eligibilityModule.healthyVolunteers", None, "unknown-value"),
        ("18 Years", "eighteen", "eligibilityModule.minimumAge", "eighteen", "wrong-shape"),
        ("\nALL\n", "\nBOTH\n", "eligibilityModule.sex", "BOTH", "unknown-value"),
        ("Sponsor Role lead", "Sponsor Role payer", "sponsorCollaboratorsModule.leadSponsor", None, "no-place"),
        ("Site Status RECRUITING", "Site Status", "contactsLocationsModule.locations.0.status", None, ""),
        (
            "Shenzhen, Guangdong, China",
            "A, B, C, China",
            "contactsLocationsModule.locations.0.city",
            None,
            "ambiguous-lines",
        ),
        ("Results pending", "Results maybe", "", None, "unknown-line"),
        ("NCT ID: NCT05143125", "", "identificationModule.nctId", None, ""),
    ],
)
def test_a_value_that_cannot_be_read_is_an_issue(old: str, new: str, path: str, value: Any, code: str) -> None:
    """What the schema can hold stays as written, all else is left out; both are reported with the line."""
    assert old in SEED
    text = SEED.replace(old, new, 1)
    data, issues = read(text)
    found: Any = data["protocolSection"]
    for name in path.split(".") if path else ():
        found = found[int(name)] if isinstance(found, list) else found.get(name, {})
    assert (found or None) == value or not path
    assert (code in odd(issues)) if code else odd(issues) == []
    if code and new.strip():
        line = text[: text.index(new.strip())].count("\n") + 1
        shown = [issue for issue in issues if issue.code == code]
        assert any(abs(int(issue.place.rpartition(":")[2]) - line) <= 4 for issue in shown)
        assert all(re.fullmatch(r"ctgov/page\.yaml:\d+", issue.mapping) for issue in shown)


def test_the_nearest_right_value_is_named() -> None:
    """A value with a slip of the pen, or the registry's label for it, comes with the value that may be meant."""
    for wrong, right in (("RECRUTING", "RECRUITING"), ("Not yet recruiting", "NOT_YET_RECRUITING")):
        _, issues = read(SEED.replace("\nUNKNOWN\n", f"\n{wrong}\n"))
        assert f"did you mean {right}?" in [issue.hint for issue in issues]


def test_a_hidden_address_is_no_address() -> None:
    """What the page shows instead of an e-mail address is left out and reported; a real one is taken."""
    data, issues = read(SEED)
    contact = data["protocolSection"]["contactsLocationsModule"]["centralContacts"][0]
    assert contact == {"name": "Li Yu, Dr", "role": "CONTACT", "phone": "+8675521839178"}
    assert [issue.path for issue in issues if issue.code == "masked-value"] == [
        "protocolSection.contactsLocationsModule.centralContacts[0].email"
    ]
    data, issues = read(SEED.replace("[email\xa0protected]", "li@example.org"))
    assert data["protocolSection"]["contactsLocationsModule"]["centralContacts"][0]["email"] == "li@example.org"
    assert "masked-value" not in [issue.code for issue in issues]


def test_what_the_page_made_up_is_told() -> None:
    """The last day of a month may stand for the month, and one of two dates of update is meant: both are said."""
    _, issues = read(SEED)
    told = {issue.path.rsplit(".", 2)[1]: issue.code for issue in issues if issue.severity == "information"}
    assert told == {"lastUpdatePostDateStruct": "uncertain-field", "completionDateStruct": "uncertain-day"}


def test_what_the_page_writes_for_nothing_is_nothing() -> None:
    """A dash, and N/A for an age, are no values and no loss: the record lacks them, and no issue is made."""
    data, issues = read(SEED.replace("70 Years", "N/A").replace("\nALL\n", "\n-\n"))
    assert data["protocolSection"]["eligibilityModule"].keys() == {
        "eligibilityCriteria",
        "minimumAge",
        "healthyVolunteers",
    }
    assert odd(issues) == []


def test_paragraphs_and_indents_of_a_text_stay() -> None:
    """A text keeps its blank lines and the indents of nested lists."""
    wanted = "One.\n\n* a\n\n  1. b\n\nTwo."
    text = f"T\nNCT ID: NCT00000102\n\nBrief Summary\n\n{SENTENCES['Brief Summary']}\n\n{wanted}\n\n"
    assert read(text)[0]["protocolSection"]["descriptionModule"] == {"briefSummary": wanted}
