"""Without contacts: names, phones and e-mails of contacts are nowhere in the output, and the count is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fhirtrial.mapping.mapper import Mapper
from fhirtrial.record import Record

from .conformance import problems
from .properties import exact
from .records import SCHEMA, at_hand, golden

WITH, WITHOUT = Mapper(), Mapper(contacts=False)
RECORDS = dict(golden())
PEOPLE = ("name", "phone", "phoneExt", "email")


def contacts(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All contacts of a record: the study's and its sites'."""
    module = data["protocolSection"].get("contactsLocationsModule", {})
    yield from module.get("centralContacts", ())
    for site in module.get("locations", ()):
        yield from site.get("contacts", ())


def secrets(record: Record) -> list[str]:
    """The values that must not be handed on."""
    return [contact[key] for contact in contacts(record.data) for key in PEOPLE if key in contact]


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_golden_records(record: Record) -> None:
    """Everything else comes back exactly, what is made is FHIR, and one issue counts what was left out."""
    before = exact(record.data)
    conversion = WITHOUT.convert(record)
    withheld = [issue for issue in conversion.issues if issue.code == "withheld"]
    count = len(secrets(record))
    message = f"{count} names, phones and e-mails of contacts were left out, as asked"
    assert [(issue.message, issue.severity, issue.record) for issue in withheld] == (
        [(message, "information", record.id)] if count else []
    )
    restored = WITHOUT.restore(conversion.resources).data
    wanted = SCHEMA.wanted(record.data)
    module = wanted["protocolSection"].get("contactsLocationsModule", {})
    assert exact(restored) == exact(cleaned(wanted) if module else wanted)
    assert [found for text in conversion.resources for found in problems(text, model=False)] == []
    assert exact(record.data) == before


def cleaned(data: dict[str, Any]) -> dict[str, Any]:
    """A record without the four fields, and without what is empty then."""

    def walk(node: Any, keys: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [found for item in node if (found := walk(item, keys)) not in ({}, [])]
        if isinstance(node, dict):
            kept = {
                key: walk(value, (*keys, key))
                for key, value in node.items()
                if not (keys[-1:] in (("centralContacts",), ("contacts",)) and key in PEOPLE)
            }
            return {key: value for key, value in kept.items() if value not in ({}, [])}
        return node

    found: dict[str, Any] = walk(data, ())
    return found


def test_nothing_leaks() -> None:
    """No withheld value of any record stands anywhere in its output, unless the record says it elsewhere too."""
    leaks: list[str] = []
    for record in at_hand():
        conversion = WITHOUT.convert(record)
        output = b"\n".join(conversion.texts.values()).decode()
        elsewhere = exact(cleaned(record.data)).decode()
        leaks += [
            f"{record.id}: {value}"
            for value in secrets(record)
            if len(value) > 4 and value in output and value not in elsewhere
        ]
    assert leaks == []


def test_roles_officials_and_places_stay() -> None:
    """The role of a contact, officials, the responsible party and sites stay."""
    record = RECORDS["invented-rare-fields"]
    restored = WITHOUT.restore(WITHOUT.convert(record).resources).data["protocolSection"]
    assert restored["contactsLocationsModule"]["centralContacts"] == [{"role": "CONTACT"}]
    assert restored["contactsLocationsModule"]["locations"][0]["contacts"] == [{"role": "PRINCIPAL_INVESTIGATOR"}]
    assert restored["sponsorCollaboratorsModule"] == record.data["protocolSection"]["sponsorCollaboratorsModule"]


def test_verify_expects_it() -> None:
    """What was left out as asked is no loss to verify."""
    record = RECORDS["invented-rare-fields"]
    codes = [issue.code for issue in WITHOUT.convert(record, verify=True).issues]
    assert codes == ["withheld"]


def test_with_contacts_all_is_there() -> None:
    """By default nothing is left out: the check above would fail for every value."""
    record = RECORDS["invented-rare-fields"]
    output = b"".join(WITH.convert(record).texts.values()).decode()
    assert secrets(record)
    assert all(value in output for value in secrets(record))
