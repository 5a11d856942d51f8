"""The readable view of a study shows what its resources say."""

from __future__ import annotations

import re
from collections import Counter
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from rich.console import Console

from fhirtrial.mapping.mapper import Mapper
from fhirtrial.readers import read
from fhirtrial.record import Record
from fhirtrial.report.show import OFFSTAGE, SITES_SHOWN, show_record

from .records import SHARED, golden, record_of, shared, trees

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent
MAPPER = Mapper()
COLOUR = re.compile("\x1b\\[[0-9;]*3[0-9]")


def shown(record: Record, width: int = 200, **options: Any) -> str:
    """What a console of a width would show of a record."""
    file = StringIO()
    show_record(MAPPER.convert(record), Console(file=file, width=width, **options))
    return file.getvalue()


def flat(text: str) -> str:
    """A text without its line breaks and indentation."""
    return " ".join(text.split())


def study(**modules: Json) -> Record:
    """A record of a few modules."""
    identification = {"nctId": "NCT00000102", **modules.pop("identificationModule", {})}
    return record_of({"protocolSection": {"identificationModule": identification, **modules}})


def label(enum: str, value: str) -> str:
    """How the registry writes a value of an enumeration for people."""
    return MAPPER.mapping.schema.enums[enum].get(value, value)


def facts(record: Record) -> list[str]:
    """What a reader of a record looks for, taken from the record itself."""
    protocol = record.data["protocolSection"]
    status, design = protocol.get("statusModule", {}), protocol.get("designModule", {})
    found = [record.id]
    found += [
        protocol["identificationModule"][key]
        for key in ("briefTitle", "officialTitle", "acronym")
        if key in protocol["identificationModule"]
    ]
    if "overallStatus" in status:
        found.append(f"Status {label('Status', status['overallStatus'])}")
    for key, name in (
        ("startDateStruct", "Start"),
        ("primaryCompletionDateStruct", "Primary completion"),
        ("completionDateStruct", "Completion"),
    ):
        if "date" in status.get(key, {}):
            kind = status[key].get("type")
            found.append(f"{name} {status[key]['date']}" + (f" ({kind.lower()})" if kind else ""))
    if "count" in design.get("enrollmentInfo", {}):
        kind = design["enrollmentInfo"].get("type")
        found.append(
            f"{design['enrollmentInfo']['count']} ({kind.lower() if kind else 'not said whether actual or estimated'})"
        )
    if "studyType" in design:
        found.append(f"Design {label('StudyType', design['studyType'])}")
    found += [label("Phase", phase) for phase in design.get("phases", ())]
    sponsors = protocol.get("sponsorCollaboratorsModule", {})
    found += [f"Lead sponsor {sponsors['leadSponsor']['name']}"] if "leadSponsor" in sponsors else []
    found += [f"Collaborator {party['name']}" for party in sponsors.get("collaborators", ())]
    found += protocol.get("conditionsModule", {}).get("conditions", [])
    arms = protocol.get("armsInterventionsModule", {})
    found += [arm["label"] for arm in arms.get("armGroups", ())]
    for intervention in arms.get("interventions", ()):
        found.append(f"{label('InterventionType', intervention['type'])}: {intervention['name']}")
    for outcomes in protocol.get("outcomesModule", {}).values():
        for outcome in outcomes:
            found.append(
                outcome["measure"] + (f" Time frame: {outcome['timeFrame']}" if "timeFrame" in outcome else "")
            )
    eligibility = protocol.get("eligibilityModule", {})
    found += [
        eligibility[key]
        for key in ("minimumAge", "maximumAge", "eligibilityCriteria", "studyPopulation")
        if key in eligibility
    ]
    if "sex" in eligibility:
        found.append(f"Sex {label('Sex', eligibility['sex'])}")
    if "healthyVolunteers" in eligibility:
        found.append(f"Accepts healthy volunteers {'yes' if eligibility['healthyVolunteers'] else 'no'}")
    contacts = protocol.get("contactsLocationsModule", {})
    found += [
        contact[key]
        for contact in contacts.get("centralContacts", ())
        for key in ("name", "phone", "email")
        if key in contact
    ]
    found += [official["name"] for official in contacts.get("overallOfficials", ()) if "name" in official]
    countries = Counter(place.get("country", "(no country)") for place in contacts.get("locations", ()))
    found += [f"{country} ({count}: " for country, count in countries.items()]
    references = protocol.get("referencesModule", {})
    found += [reference["citation"] for reference in references.get("references", ())]
    found += [link["url"] for link in references.get("seeAlsoLinks", ())]
    found += [
        document["filename"]
        for document in record.data.get("documentSection", {}).get("largeDocumentModule", {}).get("largeDocs", ())
    ]
    return found


def missing(record: Record) -> list[str]:
    """The facts of a record that its view does not show."""
    text = flat(shown(record, 1000))
    odd = re.compile(r"[\s\x00-\x1f]+")
    return [fact for fact in facts(record) if flat(odd.sub(" ", fact)) not in text]


def test_example_shows_the_facts_of_its_page() -> None:
    """The study that the project started from: number, title, phase, people, ages, site and issues are there."""
    text = flat(shown(next(read(ROOT / "examples" / "NCT05143125.page.txt"))))

    for fact in (
        "NCT05143125",
        "Treatment of Malignant Tumors With NK Cell",
        "Phase Phase 1; Phase 2",
        "Participants 60 (not said whether actual or estimated)",
        "Lead sponsor Shenzhen University General Hospital",
        "Current chronological age 18 Years to 70 Years",
        "China (1: 1 recruiting)",
        "Shenzhen University General hospital, Shenzhen, Guangdong",
        "ResearchStudy 1",
        "[masked-value]",
    ):
        assert fact in text


def test_golden_records_show_their_facts() -> None:
    """Each golden record shows its title, state, dates, parties, arms, outcomes, criteria, sites and documents."""
    for name, record in golden():
        if not name.startswith("invented"):  # what FHIR cannot hold is not shown: see the next test
            assert missing(record) == [], name


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared records is not beside the checkout")
def test_shared_records_show_their_facts() -> None:
    """So does each real record."""
    for record in shared():
        assert missing(record) == [], record.id


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees())
def test_any_record_can_be_shown(tree: Json) -> None:
    """Whatever a record holds, there is a view of it, and nothing in it steers the terminal."""
    text = shown(record_of(tree), 60)

    assert tree["protocolSection"]["identificationModule"]["nctId"] in text
    assert not OFFSTAGE.search(text)


def test_markup_in_a_record_is_text() -> None:
    """Brackets in a record are shown as they are: nothing in it is taken for an instruction."""
    record = study(
        identificationModule={"briefTitle": "A [bold]study[/bold] [/]"},
        descriptionModule={"briefSummary": "See [link=file:///etc/passwd]here[/link] :smile:"},
    )
    text = shown(record, force_terminal=True)

    assert "A [bold]study[/bold] [/]" in text
    assert "[link=file:///etc/passwd]here[/link] :smile:" in text


def test_a_record_does_not_steer_the_terminal() -> None:
    """Control characters that FHIR allows, like the one-byte start of an escape sequence, are shown as a mark."""
    text = shown(study(identificationModule={"briefTitle": "A\x9b31m red\x7f study\x1b[2J"}))

    assert "A\ufffd31m red\ufffd study" in text
    assert not OFFSTAGE.search(text)


def test_what_is_absent_is_said_to_be() -> None:
    """A record of a number alone shows its number, and says what is not given; nothing is invented."""
    text = flat(shown(study()))

    assert "NCT00000102" in text
    assert "(no title)" in text
    assert (
        "Not given status; phase; design; start; completion; participants; conditions; parties; summary; arms; "
        "interventions; outcomes; eligibility; sites" in text
    )
    assert "As FHIR ResearchStudy 1 " in text
    assert text.endswith("Issues none")


def test_what_is_given_is_not_said_to_be_absent() -> None:
    """A fact that is there is not among those that are not given."""
    text = flat(shown(study(statusModule={"overallStatus": "WITHDRAWN", "whyStopped": "No [funds]"})))

    assert "Status Withdrawn" in text
    assert "Why stopped No [funds]" in text
    assert "Not given phase;" in text


def test_dates_say_whether_they_are_facts() -> None:
    """A date is actual, estimated, or neither is said."""
    record = study(
        statusModule={
            "startDateStruct": {"date": "2020-01", "type": "ACTUAL"},
            "primaryCompletionDateStruct": {"date": "2021-02-03"},
            "completionDateStruct": {"date": "2031", "type": "ESTIMATED"},
        }
    )
    lines = [flat(line) for line in shown(record).splitlines()]

    assert "Start 2020-01 (actual)" in lines
    assert "Primary completion 2021-02-03" in lines
    assert "Completion 2031 (estimated)" in lines


def test_sites_are_counted_by_country_and_status() -> None:
    """Sites stand under their country with the number in each state; of many, a few are named and the rest counted."""
    places = [{"facility": f"Clinic {number}", "country": "France", "status": "RECRUITING"} for number in range(12)]
    places += [{"city": "Bonn", "country": "Germany", "status": "WITHDRAWN"}, {"country": "Germany"}]
    text = flat(shown(study(contactsLocationsModule={"locations": places})))

    assert "Sites (14) France (12: 12 recruiting) Clinic 0 " in text
    assert f"Clinic {SITES_SHOWN - 1} … {12 - SITES_SHOWN} more Germany (2: 1 withdrawn, 1 status not given)" in text
    assert "Bonn (no name)" in text


@pytest.mark.parametrize("width", [40, 80, 160])
def test_lines_fit_the_console(width: int) -> None:
    """No line is wider than the console, and no word of a title is lost on a narrow one."""
    for _, record in golden():
        text = shown(record, width)

        assert max(map(len, text.splitlines())) <= width
        title = record.data["protocolSection"]["identificationModule"].get("briefTitle", "")
        assert all(word in text for word in title.split() if len(word) < width and not OFFSTAGE.search(word))


def test_colour_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file gets no escape sequence; a terminal gets colour, unless NO_COLOR asks for none."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    record = study()

    assert "\x1b" not in shown(record)
    assert COLOUR.search(shown(record, force_terminal=True))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOUR.search(shown(record, force_terminal=True))
