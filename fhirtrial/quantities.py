"""Ages and other numbers with units: as the registry writes them, and as FHIR does."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

Json = Any

# https://ucum.org/ucum#section-Derived-Unit-Atoms; the registry's units: https://clinicaltrials.gov/policy/protocol-definitions#MinimumAge
UCUM = {"Year": "a", "Month": "mo", "Week": "wk", "Day": "d", "Hour": "h", "Minute": "min"}
DAYS = {"a": 365.25, "mo": 30.4375, "wk": 7.0, "d": 1.0, "h": 1 / 24, "min": 1 / 1440}
# What FHIR takes as text, on one line, and what is not mistaken for a JSON string.
TEXT = re.compile(r'[^\s"\x00-\x1f][^\x00-\x1f]*')
_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}", re.ASCII)


def quantity_text(quantity: Json) -> str | None:
    """
    The inverse of ``quantity``; a quantity from elsewhere gets the unit of its UCUM code.

    >>> quantity_text({"value": 18, "unit": "Years", "system": "http://unitsofmeasure.org", "code": "a"})
    '18 Years'
    >>> quantity_text({"value": 1, "code": "mo"})
    '1 Month'
    """
    unit = quantity.get("unit")
    value = quantity.get("value")
    if value is None:
        return _plain(unit) if isinstance(unit, str) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    code = quantity.get("code")
    named = UCUM.get(unit.removesuffix("s")) if unit else None
    if unit is None or (code is not None and named != code):
        # No text, a text that the registry does not use, or one that was left when the code was edited.
        unit = next((name + ("" if value == 1 else "s") for name, known in UCUM.items() if known == code), unit)
    return None if unit is None else f"{value} {unit}"


def quantity(text: str) -> Json:
    """
    ``18 Years`` as a Quantity in UCUM that keeps the unit as written; what is no number and unit stays text.

    >>> quantity("18 Years")
    {'value': 18, 'unit': 'Years', 'system': 'http://unitsofmeasure.org', 'code': 'a'}
    >>> quantity("N/A"), quantity(" ")
    ({'unit': 'N/A'}, {'unit': '" "'})
    """
    number, _, unit = text.partition(" ")
    code = UCUM.get(unit.removesuffix("s"))
    if code and _WHOLE_NUMBER.fullmatch(number):
        return {"value": int(number), "unit": unit, "system": "http://unitsofmeasure.org", "code": code}
    return {"unit": text if TEXT.fullmatch(text) else json.dumps(text)}


def _plain(unit: str) -> str:
    """The text that a unit stands for; what FHIR takes for no text is written as a JSON string."""
    try:
        found = json.loads(unit) if unit.startswith('"') else unit
    except ValueError:
        return unit
    return found if isinstance(found, str) else unit


def ages_of_ranges(ranges: list[Json]) -> tuple[str | None, str | None]:
    """
    The inverse of ``age_ranges``: the lowest and the highest age of one or two ranges.

    >>> ages_of_ranges(age_ranges("6 Months", "3 Years"))
    ('6 Months', '3 Years')
    """
    low = next((quantity_text(found["low"]) for found in ranges if "low" in found), None)
    high = next((quantity_text(found["high"]) for found in ranges if "high" in found), None)
    return low, high


@lru_cache(maxsize=4096)  # a registry's studies share a few hundred pairs of limits
def ages_contradict(minimum: str | None, maximum: str | None) -> str | None:
    """
    What is wrong with two age limits.

    >>> ages_contradict("70 Years", "18 Years")
    'the lowest age, 70 Years, is above the highest, 18 Years'
    >>> ages_contradict("6 Months", "3 Years")
    """
    low, high = (quantity(age) if age is not None else {} for age in (minimum, maximum))
    if "value" not in low or "value" not in high:
        return None
    if low["value"] * DAYS[low["code"]] <= high["value"] * DAYS[high["code"]]:
        return None
    return f"the lowest age, {minimum}, is above the highest, {maximum}"


@lru_cache(maxsize=4096)
def age_ranges(minimum: str | None, maximum: str | None) -> list[Json] | None:
    """
    The ages as one Range, or as two where one range would break rng-2 (low ≤ high, comparable).

    Two units (``6 Months`` to ``3 Years``) cannot be compared by a server that does not convert, and HAPI goes by the
    unit's text (``1 Year`` to ``29 Years``); a minimum above the maximum is the record's own contradiction and stays
    as written. https://hl7.org/fhir/R5/datatypes.html#Range

    >>> age_ranges("18 Years", "70 Years")[0]["high"]["value"]
    70
    >>> [len(age_ranges(*each)) for each in (("6 Months", "3 Years"), ("1 Year", "29 Years"), ("70 Years", "18 Years"))]
    [2, 2, 2]
    """
    low = None if minimum is None else quantity(minimum)
    high = None if maximum is None else quantity(maximum)
    if low is None or high is None:
        return [{"low": low} if high is None else {"high": high}] if low or high else None
    if low.get("unit") != high.get("unit") or low.get("value", 0) > high.get("value", 0):
        return [{"low": low}, {"high": high}]
    return [{"low": low, "high": high}]
