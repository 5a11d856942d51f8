"""The named functions for participants' data: what they make of each value, and what they say of what they do not know."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirtrial.codes import load_tables
from fhirtrial.dates import begins_with_date, is_date
from fhirtrial.dosing import Frequency, dosage_text, dose_text, frequency, printable
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Notice
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.mapping.verbatim import is_text
from fhirtrial.matching import (
    arm_link,
    arm_unknown,
    intervention_id,
    intervention_link,
    intervention_unknown,
    link_id,
    study_unknown,
    subject_study,
)
from fhirtrial.record import Record
from fhirtrial.subject_functions import (
    certain_end,
    count,
    died_undated,
    further_coding,
    known_code,
    no_row,
    period,
    period_unit,
    system_of,
    times,
)
from fhirtrial.visits import visit_id, visit_link, visit_unknown

from .subjects import STAMPS, terms

TABLES = load_tables(MappingFiles(), "sdtm/codes")
TESTED = {
    "visit_link",
    "us_core_race",  # this and the next: test_us_core.py
    "us_core_category",
    "reason_if_cancelled",
    "known_code",
    "system_of",
    "further_coding",
    "rule_code",  # this and the next three: test_beside.py
    "rule_codings",
    "decided_here",
    "decided_elsewhere",
    "certain_date",
    "certain_end",
    "died_undated",
    "count",
    "times",
    "period",
    "period_unit",
    "link_id",
    "printable",
    "dosage_text",
    "dose_text",
    "arm_link",
    "intervention_link",
    "subject_study",
}
many = settings(derandomize=True, deadline=None, database=None, max_examples=300)
ANY = st.one_of(st.sampled_from(terms()), st.text(st.characters(exclude_categories=["Cs"])))


@pytest.mark.parametrize(
    ("term", "wanted"),
    [
        ("QD", Frequency(1, 1, "d")),
        ("bid", Frequency(2, 1, "d")),
        ("Q12H", Frequency(1, 12, "h")),
        ("Q2W", Frequency(1, 2, "wk")),
        ("Q30MIN", Frequency(1, 30, "min")),
        ("EVERY 3 WEEKS", Frequency(1, 3, "wk")),
        ("EVERY WEEK", Frequency(1, 1, "wk")),
        ("4 TIMES PER YEAR", Frequency(4, 1, "a")),
        ("QOD", Frequency(1, 2, "d")),
        *(
            (term, None)
            for term in ("PRN", "ONCE", "CONTINUOUS", "AD LIBITUM", "3 TIMES PER CYCLE", "UNKNOWN", "", "Q0H")
        ),
    ],
)
def test_frequencies(term: str, wanted: Frequency | None) -> None:
    """A term that says how often gives times, period and unit; as needed, per cycle and unknown give nothing."""
    assert frequency(term) == wanted
    given = (times(term), period(term), period_unit(term))
    assert given == ((None,) * 3 if wanted is None else (wanted.times, wanted.period, wanted.unit))
    assert count(term) == (1 if term == "ONCE" else None)


def test_once() -> None:
    """A term that says that there is one dose gives a count, and no frequency."""
    assert (count(" Once"), frequency("ONCE"), count("TWICE")) == (1, None, None)


@pytest.mark.parametrize(
    ("stamp", "wanted"),
    [
        ("2003", "2003"),
        ("2003-12", "2003-12"),
        ("2003-12-15", "2003-12-15"),
        ("2003-12-15T13:14:17.123", "2003-12-15"),
        ("2003-12-15T13", "2003-12-15"),
        ("2003---15", "2003"),
        ("2003-12-01/2003-12-10", "2003-12"),
        ("2003-12-31/2004-01-01", None),
        ("2003-12-15T10:00/2003-12-15T10:30", "2003-12-15"),
        *((stamp, None) for stamp in ("--12-15", "-----T07:15", "2003-02-30", "2003-13T10", "", "/", "15.12.2003")),
    ],
)
def test_what_is_certain_of_a_date(stamp: str, wanted: str | None) -> None:
    """The part of ISO 8601 that FHIR takes without a guess (SDTMIG 4.4)."""
    assert begins_with_date(stamp) == wanted


@many
@given(st.one_of(st.sampled_from(STAMPS), ANY), st.one_of(st.none(), st.sampled_from(STAMPS)))
def test_dates_are_dates(text: str, start: str | None) -> None:
    """Whatever is given, what is made of it is a possible date that the text begins with, and no end before its start."""
    found = begins_with_date(text)
    assert found is None or (is_date(found) and text.startswith(found))
    end = certain_end(text, start)
    assert end is None or end == found


@many
@given(st.tuples(*[st.one_of(st.none(), ANY, st.integers(), st.floats(allow_nan=False))] * 5))
def test_doses_in_words(parts: tuple[Any, ...]) -> None:
    """Where anything is said there is a text that FHIR takes; where nothing is, there is none."""
    said = dosage_text(parts[0], None, *parts[1:])
    assert (said is None) == all(part is None for part in parts)
    assert said is None or is_text(said)
    assert dose_text(*parts[1:]) == dosage_text(None, *parts[1:], None)
    assert is_text(printable(parts[0]))


def test_codes_of_tables() -> None:
    """A code has its FHIR code and system, in its system; a code without a row has neither, and is said."""
    sex, unit = TABLES["sex"], TABLES["unit"]
    assert [known_code(each, sex) for each in ("F", "UNDIFFERENTIATED", "INTERSEX", "X")] == [
        "female",
        "other",
        None,
        None,
    ]
    assert (system_of("mg", unit), system_of("U", unit), known_code("mEq", unit)) == (
        "http://unitsofmeasure.org",
        None,
        "meq",
    )
    assert no_row("mgs", unit) == "'mgs' has no row in sdtm/codes/unit.json: it stays text"
    assert (no_row("U", unit), no_row(None, unit)) == (None, None)
    assert further_coding("ORAL", TABLES["route-edqm"]) == {
        "system": "http://standardterms.edqm.eu",
        "code": "20053000",
        "display": "Oral use",
    }
    assert further_coding("INTRAVENOUS DRIP", TABLES["route-snomed"]) is None


def test_a_death_without_a_date() -> None:
    """It is a yes; with a date, or without the flag, nothing."""
    assert (died_undated("Y", None), died_undated("Y", "2020"), died_undated("N", None)) == (True, None, None)


ARMS = [{"label": "Drug X 10 mg"}, {"label": "Placebo"}, {}]


@pytest.mark.parametrize(
    ("label", "code", "arms", "wanted", "said"),
    [
        ("DRUG  x 10 MG", "X10", ARMS, link_id("Drug X 10 mg"), None),
        ("Control", "placebo", ARMS, link_id("Placebo"), None),
        ("Drug X 20 mg", "X20", ARMS, None, "'Drug X 20 mg' is no arm of the study; did you mean Drug X 10 mg?"),
        ("Z", "Z", ARMS, None, "'Z' is no arm of the study; it has 'Drug X 10 mg', 'Placebo'"),
        ("Z", "Z", [], None, "'Z' is no arm of the study; it has none"),
        ("Screen Failure", "Scrnfail", ARMS, None, None),
        ("Drug X 10 mg", "X10", None, link_id("X10"), None),
        (None, None, ARMS, None, None),
    ],
)
def test_arms(label: str | None, code: str | None, arms: Any, wanted: str | None, said: str | None) -> None:
    """An arm is the study's own by label or code; one that it does not have is said with those that it has."""
    table = TABLES["not-an-arm"]
    assert (arm_link(label, code, arms, table), arm_unknown(label, code, arms, table)) == (wanted, said)


def test_interventions() -> None:
    """A treatment is the study's own by name or other name; the link is to the very resource that the study makes."""
    interventions = [{"type": "DRUG", "name": "Drug X", "otherNames": ["DX-1"]}, {"type": "DRUG", "name": "Y"}]
    study = "NCT00000001"
    modules = {"identificationModule": {"nctId": study}, "armsInterventionsModule": {"interventions": interventions}}
    made = Mapper().convert(Record(registry="ctgov", id=study, data={"protocolSection": modules})).texts
    links = [intervention_link(name, study, interventions) for name in ("drug  x", "dx-1", "y")]
    assert links[0] == links[1] == f"ActivityDefinition/{intervention_id(study, interventions[0])}"
    assert set(links) <= set(made)
    assert intervention_link("Z", study, interventions) is None
    assert intervention_unknown("Drug Z", study, interventions) == (
        "'Drug Z' is no intervention of the study; did you mean Drug X?"
    )
    assert [
        intervention_unknown(*given) for given in (("y", study, interventions), ("Z", None, None), (None, study, []))
    ] == [
        None,
        None,
        None,
    ]


VISITS = [{"VISITNUM": 1, "VISIT": "A"}, {"VISITNUM": 2, "VISIT": "B"}, {"VISITNUM": 2, "VISIT": "B"}, {"VISIT": "C"}]


def test_visits() -> None:
    """A dose is of the one visit with its number, else its name; the link is to the very resource that the row makes."""
    data = {"dm": {"STUDYID": "S", "USUBJID": "1"}, "sv": [{**row, "SVSTDTC": "2020"} for row in VISITS]}
    made = Mapper(registry="sdtm").convert(Record(registry="sdtm", id="1", data=data)).texts
    named = [(1, "A"), (1, "other name"), (None, "A"), (None, " a"), (None, "C")]
    links = [visit_link(number, name, VISITS, "S", "1") for number, name in named]
    assert set(links) <= set(made) and len(set(links)) == 2
    ids = [visit_id("S", "1", visit) for visit in VISITS]
    assert {link for link in made if link.startswith("Encounter/")} == {
        f"Encounter/{id}" for id in (*ids[:2], f"{ids[2]}-2", ids[3])
    }
    for number, name in ((2, "B"), (None, "B"), (3, "A"), (None, "D"), (None, None)):
        assert visit_link(number, name, VISITS, "S", "1") is None
    message = "the dose is of a visit that SV does not have: it refers to none"
    twice = Notice("repeated-visit", "SV has this visit 2 times: the doses of it refer to none")
    assert [visit_unknown(number, None, VISITS, "S", "1") for number in (1, 2, 3, None)] == [None, twice, message, None]
    assert [visit_unknown(None, name, VISITS, "S", "1") for name in ("a", "b", "D")] == [None, twice, message]
    assert visit_unknown(3, None, None, "S", "1") is visit_unknown(3, None, [], "S", "1") is None


def test_a_missing_or_repeated_visit_is_said_once() -> None:
    """However many doses of a subject name visits that SV does not have, or has twice."""
    numbers = (10, 11, 1, 2, 2, 1, 12)
    rows = [{"EXSEQ": place, "EXTRT": "X", "VISITNUM": number} for place, number in enumerate(numbers)]
    visits = [{"VISITNUM": number, "SVSTDTC": f"2020-01-0{day}"} for day, number in enumerate((1, 1, 2, 2, 3), 1)]
    data = {"dm": {"STUDYID": "S", "USUBJID": "1"}, "sv": visits, "ex": rows}
    issues = Mapper(registry="sdtm").convert(Record(registry="sdtm", id="1", data=data)).issues
    assert [(issue.severity, issue.code, issue.path) for issue in issues if issue.code != "absent"] == [
        ("warning", "unknown-visit", "ex[0].VISITNUM"),
        ("information", "repeated-visit", "ex[2].VISITNUM"),
    ]


@pytest.mark.parametrize(
    ("row", "status", "reason"),
    [
        ({"SVOCCUR": "N", "SVREASOC": "ILL", "SVSTDTC": "2020"}, "cancelled", "ILL"),
        ({"SVOCCUR": "Y", "SVREASOC": "ASKED FOR"}, "completed", None),
        ({"SVENDTC": "2020-01"}, "completed", None),
        ({"SVREASOC": "?"}, "unknown", None),
    ],
)
def test_the_status_of_a_visit(row: Any, status: str, reason: str | None) -> None:
    """A visit is cancelled only where the row says that it did not occur, and took place only where it says so."""
    data = {"dm": {"STUDYID": "S", "USUBJID": "1"}, "sv": [{"VISITNUM": 1, **row}]}
    mapper = Mapper(registry="sdtm")
    conversion = mapper.convert(Record(registry="sdtm", id="1", data=data), verify=True)
    (visit,) = (each for each in conversion.resources if each["resourceType"] == "Encounter")
    texts = [
        each["valueCodeableConcept"]["text"] for each in visit["extension"] if each["url"].endswith("reasonCancelled")
    ]
    assert (visit["status"], texts) == (status, [reason] if reason else [])
    assert [issue for issue in conversion.issues if issue.code != "not-fhir"] == []
    assert mapper.restore(conversion.resources).data == data


def test_the_number_of_a_study_is_compared() -> None:
    """A subject is tied to the study that is given; a number that the study does not have is a doubt, in words."""
    numbers = {"orgStudyIdInfo": {"id": "ABC  1"}, "secondaryIdInfos": [{"id": "2020-1"}, {}]}
    known = ("NCT00000001", "abc 1", "2020-1", None)
    assert [study_unknown("NCT00000001", number, numbers) for number in known] == [None] * 4
    assert study_unknown("NCT00000001", "ABC 2", numbers) == (
        "'ABC 2' is no number of the study NCT00000001, which has 'ABC  1', '2020-1': the subject is tied to it all the "
        "same"
    )
    assert study_unknown("NCT00000001", "X", {}) == (
        "'X' is no number of the study NCT00000001: the subject is tied to it all the same"
    )
    assert (subject_study("NCT00000001", "X", {}), subject_study(None, "X", {})) == ("ResearchStudy/NCT00000001", None)
