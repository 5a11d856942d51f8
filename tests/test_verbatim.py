"""Values that FHIR cannot hold travel beside their element and come back exactly, unless somebody edits them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fhirtrial.dates import is_date, is_full_time
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.mapping.verbatim import (
    FITTING,
    FITTING_SOUND,
    allowed_part,
    beside,
    inside,
    is_code,
    is_decimal,
    is_later,
    is_text,
    is_uri,
    said_beside,
    said_inside,
)

from .conformance.primitives import checks
from .conformance.scope import TYPES
from .properties import exact
from .records import DATES, EDGES, ODD, record_of

MAPPER = Mapper()
PRIMITIVES = checks(TYPES)
URL = "https://fhirtrial.org/StructureDefinition/verbatim"
TEXT = st.one_of(st.sampled_from((*ODD, *DATES)), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
many = settings(derandomize=True, deadline=None, database=None, max_examples=800)
NAMES = {each.__name__: each for each in (is_text, is_code, is_uri, is_date, is_full_time, is_decimal)}


def fits(fhir_type: str, value: Any, *, sound: bool = False) -> bool:
    """What the generated code decides."""
    return bool(eval((FITTING_SOUND if sound else FITTING)[fhir_type].format("value"), {**NAMES, "value": value}))


def is_valid(fhir_type: str, value: Any) -> bool:
    """What the independent checker decides."""
    return PRIMITIVES[fhir_type](value)


@many
@given(st.sampled_from(["string", "markdown", "code", "uri", "url", "date", "dateTime"]), TEXT)
@example("string", "\u00a0")
@example("string", "\u2003")
@example("string", "\x85")
@example("string", "a\x08b")
@example("string", "a\x0cb")
@example("code", "a\u00a0")
@example("uri", "a\tb")
def test_what_fits_is_valid(fhir_type: str, value: str) -> None:
    """Whatever the mapping puts into an element is valid there, as the independent checker sees it."""
    if fits(fhir_type, value):
        assert is_valid(fhir_type, value), (fhir_type, value)


@pytest.mark.parametrize("moment", ["00:00:00", "23:59:59", "24:00:00", "08:60:00", "08:00", "08", "08:00:00.123"])
@pytest.mark.parametrize("day", ["2020-02-29", "2021-02-29", "2020-02", "0000-01-01"])
@pytest.mark.parametrize("zone", ["Z", "+14:00", "+14:30", "-03:30", "+0100", "", " Z"])
def test_a_whole_time_stays_in_its_element(day: str, moment: str, zone: str) -> None:
    """A time with seconds and zone fits if and only if FHIR takes it; one that lacks either never does."""
    value = f"{day}T{moment}{zone}"
    whole = moment.count(":") == 2 and zone in ("Z", "+14:00", "-03:30")
    assert fits("dateTime", value) == (whole and is_valid("dateTime", value))


@many
@given(st.sampled_from(["integer", "unsignedInt", "positiveInt"]), st.sampled_from(EDGES))
def test_integers_fit_exactly(fhir_type: str, value: int) -> None:
    """Integers fit if and only if FHIR takes them."""
    assert fits(fhir_type, value) == is_valid(fhir_type, value)


@many
@given(st.floats(allow_nan=False, allow_infinity=False) | st.floats(-1e3, 1e3) | st.integers(-(2**63), 2**63 - 1))
@example(1e17)
@example(99999999999999984.0)
@example(-1e17)
@example(0.12345678901234567)
@example(-0.0012345678901234567)
@example(10**17)
@example(10**18)
@example(1.0)
def test_decimals_fit_exactly(value: float) -> None:
    """The quick look at a number decides as the count of its digits does."""
    assert fits("decimal", value) == is_decimal(value)


@many
@given(TEXT)
def test_sound_texts(value: str) -> None:
    """For text that is not empty, without control characters, the quicker test says what the careful one says."""
    if value and not any(ord(letter) < 32 and letter not in "\t\n\r" for letter in value):
        assert fits("string", value, sound=True) == fits("string", value)


@pytest.mark.parametrize(
    "value", ["x", "Größe", "a b", "two\nlines", "tab\tbed", "a\r\nb", "e\u0301", "😀", "<b>", "a" * 100_000]
)
def test_ordinary_text_is_text(value: str) -> None:
    """What people write goes into the element as it is."""
    assert is_text(value)


@pytest.mark.parametrize(
    "value", ["", " ", "\n", "\u00a0", "\u2003 ", "\x85", "a\x00", "a\x08", "a\x0b", "a\x0c", "\x1fa", "a\x1b[0m"]
)
def test_no_text(value: str) -> None:
    """Blank text and control characters are refused."""
    assert not is_text(value)


@pytest.mark.parametrize("value", ["2020", "2020-02", "2020-02-29", "0001", "9999-12-31"])
def test_dates(value: str) -> None:
    """Years, months and days of the calendar."""
    assert is_date(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0000",
        "20",
        "2020-2",
        "2020-00",
        "2020-13",
        "2021-02-29",
        "2020-04-31",
        "2020-01-01T10:00",
        " 2020",
        "2020\n",
        "２０２０",
    ],
)
def test_no_dates(value: str) -> None:
    """Days that the calendar does not have, and other ways to write one."""
    assert not is_date(value)


@pytest.mark.parametrize(
    ("start", "end", "later"),
    [
        ("2020-01-02", "2020-01-01", True),
        ("2020-01-01", "2020-01-01", False),
        ("2020", "2019-12-31", True),
        ("2020-01-31", "2020-01", False),
        ("2020-05", "2020", False),
        (None, "2020", False),
        ("2021-02-30", "2020", False),
        ("z", "2020", False),
    ],
)
def test_later(start: str | None, end: str, later: bool) -> None:
    """A start after the end, at the precision that both have."""
    assert is_later(start, end) is later


@many
@given(
    st.sampled_from(["string", "markdown", "uri", "code", "date", ""]),
    st.one_of(TEXT, st.sampled_from(EDGES), st.booleans()),
)
def test_beside(fhir_type: str, value: Any) -> None:
    """The value comes back of what stands beside the element; what stays in the element is valid."""
    made = beside("title", value, fhir_type, URL)
    assert exact(said_beside(made, "title", URL)) == exact(value)
    if "title" in made:
        assert made["title"] == allowed_part(fhir_type, value)
        assert is_valid(fhir_type, made["title"])


@many
@given(TEXT)
def test_inside(value: str) -> None:
    """The same for an extension, which holds it instead of its own value."""
    assert said_inside(inside(value, URL), URL) == value


def test_an_edit_counts() -> None:
    """Where somebody edited the element, the edit counts; where they removed it, what is beside still does."""
    made = beside("title", "a\x08b", "string", URL)
    assert made["title"] == "ab"
    assert said_beside({**made, "title": "edited"}, "title", URL) is None
    del made["title"]
    assert said_beside(made, "title", URL) == "a\x08b"


@pytest.mark.parametrize(
    "holder",
    [
        None,
        [],
        "x",
        {},
        {"extension": []},
        {"extension": [{"url": "x", "valueBase64Binary": "IiI="}]},
        {"extension": [{"url": URL}]},
        {"extension": [{"url": URL, "valueBase64Binary": "!"}]},
        {"extension": [{"url": URL, "valueBase64Binary": "IiI"}]},
        {"extension": [{"url": URL, "valueBase64Binary": 5}]},
        {"extension": [{"url": URL, "valueBase64Binary": "/w=="}]},
    ],
)
def test_nothing_inside(holder: Any) -> None:
    """An extension that is not as we write it carries nothing."""
    assert said_inside(holder, URL) is None


def test_a_stranger_beside() -> None:
    """Another extension beside an element does not hide its value."""
    record = record_of({"protocolSection": {"identificationModule": {"nctId": "NCT00000001", "briefTitle": "T"}}})
    resources = MAPPER.convert(record).resources
    resources[0]["_title"] = {"extension": [{"url": "https://example.org/translation", "valueString": "Titel"}]}
    restored = MAPPER.restore(resources)
    assert restored.data == record.data


def test_issue_of_a_refused_value() -> None:
    """A value that is carried beside its element is told: what, where, and by which line."""
    record = record_of({"protocolSection": {"identificationModule": {"nctId": "NCT00000001", "briefTitle": "a\x07"}}})
    (issue,) = MAPPER.convert(record).issues
    assert (issue.severity, issue.code) == ("information", "not-fhir")
    assert issue.path == "protocolSection.identificationModule.briefTitle"
    assert issue.message == "'a\\x07' is no FHIR string: carried beside the element"
    assert issue.mapping.startswith("ctgov/study.yaml:")
