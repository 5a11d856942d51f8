"""The named functions of the mapping files: each inverse gives back what its function took, and nothing crashes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fhirtrial.codes import load_tables
from fhirtrial.dates import is_date
from fhirtrial.files import MappingFiles
from fhirtrial.functions import (
    FUNCTIONS,
    age_ranges,
    ages_contradict,
    ages_of_ranges,
    arms_with_interventions,
    content_type,
    countries,
    day,
    document_name,
    document_url,
    integer64,
    is_actual,
    midnight,
    phase_codings,
    phases_of_codings,
    pubmed_number,
    pubmed_url,
    quantity,
    quantity_text,
    text_of_integer64,
)
from fhirtrial.matching import link_id

from .records import DATES, MINUTES, NAMES, ODD, SCHEMA, TIMES
from .test_design_functions import TESTED as DESIGN
from .test_subject_functions import TESTED

TABLES = load_tables(MappingFiles())
TEXT = st.one_of(
    st.sampled_from((*NAMES, *ODD, *TIMES, *DATES, *MINUTES)), st.text(st.characters(exclude_categories=["Cs"]))
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
many = settings(derandomize=True, deadline=None, database=None, max_examples=500)


def test_all_are_tested() -> None:
    """Every function that a mapping file can call stands here with its tests, and no other."""
    tested = {
        "quantity",
        "age_ranges",
        "integer64",
        "is_actual",
        "pubmed_url",
        "document_url",
        "study_url",
        "study_reference",
        "content_type",
        "day",
        "midnight",
        "phase_codings",
        "countries",
        "arms_with_interventions",
        "identifier_system",  # test_identifier_systems.py
    }
    assert FUNCTIONS.keys() == tested | TESTED | DESIGN
    two_way = {name for name, function in FUNCTIONS.items() if function.back}
    assert two_way == {
        "quantity",
        "age_ranges",
        "integer64",
        "is_actual",
        "pubmed_url",
        "document_url",
        "phase_codings",
    }


@many
@given(TEXT)
@example("0 Years")
@example("00 Years")
@example("1.0 Years")
@example("999999999999999 Days")
@example("1 Years")
@example("5 Year")
def test_quantity(text: str) -> None:
    """Any text comes back of its Quantity, digit for digit."""
    assert quantity_text(quantity(text)) == text


@many
@given(TEXT)
@example("31995857")
@example("１")
@example("ü")
def test_pubmed_url_is_quoted(number: str) -> None:
    """The number stands in the address as quote() writes it, and comes back."""
    made = pubmed_url(number)
    assert made == (f"https://pubmed.ncbi.nlm.nih.gov/{quote(number, safe='')}/" if number else None)
    assert (pubmed_number(made) or "") == number


@pytest.mark.parametrize("number", ["018", "1e3", "1_0", "+1", "-1", "１", "1.", " 1", ""])
def test_odd_numbers_stay_text(number: str) -> None:
    """What Python takes for a number but the registry does not write is no value."""
    made = quantity(f"{number} Years")
    assert made.keys() == {"unit"}
    assert quantity_text(made) == f"{number} Years"


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ({"value": 18, "code": "a"}, "18 Years"),
        ({"value": 18.0, "code": "a"}, "18 Years"),
        ({"value": 1, "code": "a"}, "1 Year"),
        ({"value": 2.5, "code": "mo"}, "2.5 Months"),
        ({"value": 3, "unit": "Years", "code": "mo"}, "3 Months"),
        ({"value": 3, "unit": "years", "code": "a"}, "3 Years"),
        ({"value": 3, "unit": "Years"}, "3 Years"),
        ({"value": 3}, None),
        ({"value": 3, "code": "furlong"}, None),
        ({"unit": "N/A"}, "N/A"),
        ({}, None),
    ],
)
def test_quantities_from_elsewhere(found: Any, text: str | None) -> None:
    """A Quantity that others wrote: the code counts over a text that contradicts it; without a unit it says nothing."""
    assert quantity_text(found) == text


@many
@given(st.none() | TEXT, st.none() | TEXT)
@example("6 Months", "3 Years")
@example("1 Year", "29 Years")
@example("70 Years", "18 Years")
@example("N/A", "18 Years")
@example("N/A", "N/A")
def test_age_ranges(minimum: str | None, maximum: str | None) -> None:
    """Any two limits come back of their ranges, and no range breaks rng-2, not even where units are compared as text."""
    assume(minimum is not None or maximum is not None)
    ranges = age_ranges(minimum, maximum)
    assert ranges is not None
    assert ages_of_ranges(ranges) == (minimum, maximum)
    for found in ranges:
        if "low" in found and "high" in found:
            low, high = found["low"], found["high"]
            assert low.get("unit") == high.get("unit")
            assert low.get("value", 0) <= high.get("value", 0)


def test_no_ages_no_range() -> None:
    """Without limits there is no range."""
    assert age_ranges(None, None) is None


@pytest.mark.parametrize(
    ("minimum", "maximum", "doubted"),
    [
        ("18 Years", "18 Years", False),
        ("12 Months", "1 Year", False),
        ("13 Months", "1 Year", True),
        ("3 Years", "6 Months", True),
        ("N/A", "6 Months", False),
        (None, "6 Months", False),
        ("8 Days", "1 Week", True),
        ("24 Hours", "1 Day", False),
        ("61 Minutes", "1 Hour", True),
    ],
)
def test_contradicting_ages(minimum: str | None, maximum: str | None, doubted: bool) -> None:
    """A lowest age above the highest is a contradiction, across units, too; what has no number is none."""
    expected = f"the lowest age, {minimum}, is above the highest, {maximum}" if doubted else None
    assert ages_contradict(minimum, maximum) == expected


@many
@given(st.integers(-(2**63), 2**63 - 1))
def test_integer64(number: int) -> None:
    """64 bits there and back."""
    made = integer64(number)
    assert made == str(number)
    assert text_of_integer64(made) == number
    assert text_of_integer64(number) == number


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, True, 1.0])
def test_no_integer64(number: Any) -> None:
    """What is none is refused: the mapping carries it beside the element."""
    assert integer64(number) is None


def test_is_actual() -> None:
    """The two types of a date are yes and no; any other has no place there."""
    assert [is_actual(value) for value in (*SCHEMA.enums["DateType"], "OTHER", "")] == [True, False, None, None]
    inverse = FUNCTIONS["is_actual"].back
    assert inverse is not None
    elsewhere: list[Any] = [True, False, None, "true", 1, []]
    assert [inverse(value) for value in elsewhere] == [
        "ACTUAL",
        "ESTIMATED",
        None,
        None,
        None,
        None,
    ]


@many
@given(TEXT)
@example("../x")
@example("%2F")
@example("a/b")
def test_addresses(text: str) -> None:
    """Any text that becomes an address comes back of it, and the address holds no blank; empty text becomes none."""
    for made, back in ((pubmed_url(text), pubmed_number), (document_url(text, "NCT01234567"), document_name)):
        if not text:
            assert made is None
        else:
            assert made is not None
            assert " " not in made
            assert made.isascii()
            assert back(made) == text


@pytest.mark.parametrize(
    "url",
    ["", "https://pubmed.ncbi.nlm.nih.gov/", "https://doi.org/10.1/x", None, 5, [], "http://pubmed.ncbi.nlm.nih.gov/1"],
)
def test_no_pubmed_address(url: Any) -> None:
    """Another address holds no PubMed number."""
    assert pubmed_number(url) is None


@many
@given(st.sampled_from((*DATES, *MINUTES)))
def test_days(text: str) -> None:
    """A day of the calendar, or nothing: never a date that is none."""
    found = day(text)
    assert found is None or (text.startswith(found) and len(found) == 10 and is_date(found))
    assert midnight(text) == (f"{found}T00:00:00Z" if found else None)


@many
@given(st.lists(st.sampled_from([*SCHEMA.enums["Phase"], "PHASE9"]), min_size=1, max_size=4))
def test_phases(codes: list[str]) -> None:
    """Any list of phases comes back in its order, with repetitions."""
    combinations, phases = TABLES["phase-combination"], TABLES["phase"]
    assert phases_of_codings(phase_codings(codes, combinations, phases), combinations, phases) == codes


def test_every_combination_of_phases() -> None:
    """The combinations that FHIR has a code for lead there and back by the FHIR code alone, where that is unique."""
    combinations, phases = TABLES["phase-combination"], TABLES["phase"]
    assert combinations.unique
    for (system, code), key in combinations.unique.items():
        assert phases_of_codings([{"system": system, "code": code}], combinations, phases) == key.split("+")
    assert phases_of_codings([{"system": "x", "code": "y"}], combinations, phases) is None


@many
@given(TEXT, TEXT)
def test_link_ids(first: str, second: str) -> None:
    """A name for an arm is a FHIR id, the same for the same label, another for another."""
    assert link_id(first).replace("-", "").isalnum()
    assert len(link_id(first)) <= 64
    assert (link_id(first) == link_id(second)) == (first == second)


def test_countries() -> None:
    """The distinct countries in order, with their code where the table has one; sites without a country say nothing."""
    sites = [{"country": name} for name in ("Germany", "Atlantis", "Germany", "France")] + [{"city": "x"}]
    found = countries(sites, TABLES["country"])
    assert found is not None
    assert [concept["text"] for concept in found] == ["Germany", "Atlantis", "France"]
    assert [[coding["code"] for coding in concept.get("coding", ())] for concept in found] == [["DE"], [], ["FR"]]
    assert countries([{"city": "x"}], TABLES["country"]) is None


@many
@given(TEXT)
def test_content_types(name: str) -> None:
    """Only names that end in .pdf are PDF."""
    assert content_type(name) == ("application/pdf" if name.lower().endswith(".pdf") else None)
    assert content_type(f"{name}.pdf") == "application/pdf"


def arm(label: str, *names: str) -> dict[str, Any]:
    """An arm."""
    return {"label": label, "interventionNames": list(names)}


def drug(name: str, *labels: str, kind: str = "DRUG") -> dict[str, Any]:
    """An intervention."""
    return {"type": kind, "name": name, "armGroupLabels": list(labels)}


def joined(arms: Any, interventions: Any) -> list[tuple[Any, list[Any]]]:
    """Who gets what."""
    found = arms_with_interventions(arms, interventions) or []
    return [(each.get("label"), [interventions.index(one) for one in each["interventions"]]) for each in found]


def test_arms() -> None:
    """Interventions belong to the arms that name them, by type and name; the rest stands last."""
    x, y, z = drug("X"), drug("Y"), drug("Z", kind="DIETARY_SUPPLEMENT")
    assert joined([arm("A", "Drug: X", "Dietary Supplement: Z"), arm("B", "drug: X")], [x, y, z]) == [
        ("A", [0, 2]),
        ("B", [0]),
        (None, [1]),
    ]
    assert joined([arm("A", "Device: X")], [x]) == [("A", []), (None, [0])]
    assert joined(None, [x]) == [(None, [0])]
    assert joined([arm("A")], None) == [("A", [])]
    assert arms_with_interventions(None, None) is None


def test_namesakes() -> None:
    """Of two interventions with one name the arm gets the one that names it; both where neither does."""
    first, second = drug("Placebo", "A"), drug("Placebo", "B")
    assert joined([arm("A", "Drug: Placebo"), arm("B", "Drug: Placebo")], [first, second]) == [("A", [0]), ("B", [1])]
    same = [drug("Placebo"), drug("Placebo", kind="DRUG")]
    found = arms_with_interventions([arm("A", "Drug: Placebo")], same)
    assert found is not None
    assert [id(one) for one in found[0]["interventions"]] == [id(one) for one in same]


@many
@given(JSON)
@example(float("inf"))
def test_inverses_do_not_crash(value: Any) -> None:
    """What somebody wrote on a server can be anything: an inverse gives nothing then, and raises nothing unexpected."""
    for function in FUNCTIONS.values():
        if function.back is None:
            continue
        tables = [TABLES["phase-combination"], TABLES["phase"]][: function.tables]
        try:
            function.back(value, *tables)
        except (TypeError, AttributeError, KeyError, ValueError):
            continue  # the mapper makes one error of these: the resources are not FHIR-shaped
