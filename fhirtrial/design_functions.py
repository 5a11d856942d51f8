"""
The named functions that the mapping of a study's design uses besides: facts that a table states one to a row.

They follow the same terms as those of `fhirtrial.functions`.
"""

from __future__ import annotations

import re
from typing import Any

from fhirtrial.codes import Table, coding_of
from fhirtrial.dosing import printable
from fhirtrial.function import named
from fhirtrial.quantities import UCUM, age_ranges

Json = Any

_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_DURATION = re.compile(r"P(?:(0|[1-9][0-9]{0,8})([YMWD])|T(0|[1-9][0-9]{0,8})([HM]))", re.ASCII)
_UNITS = {"Y": "Year", "M": "Month", "W": "Week", "D": "Day", "TH": "Hour", "TM": "Minute"}
assert set(_UNITS.values()) == set(UCUM)


def term_unknown(value: str | None, table: Table) -> str | None:
    """That a table does not have a term, in whatever case."""
    return (
        None
        if value is None or _term(value) in table.labels
        else f"{value!r} has no row in {table.file}: it stays text"
    )


@named(tables=1, members=("system", "code", "display"), doubt=term_unknown, doubt_code="unknown-value")
def term_coding(value: str, table: Table) -> Json:
    """The FHIR coding of a term, in whatever case it is written; None if the table has none."""
    codings = table.forth.get(_term(value), ())
    return next((coding_of(coding) for coding in codings if coding.system != table.own), None)


def _term(value: str) -> str:
    return " ".join(value.split()).upper()


def no_number(text: str | None) -> str | None:
    """That a text is no whole number."""
    return None if text is None or _NUMBER.fullmatch(text) else f"{text!r} is no whole number: it stays text"


@named(doubt=no_number, doubt_code="not-a-number")
def whole_number(text: str) -> int | None:
    """
    A whole number that is written as text.

    >>> whole_number("300"), whole_number("about 300")
    (300, None)
    """
    return int(text) if _NUMBER.fullmatch(text) else None


@named()
def parts_joined(
    first: str | None,
    second: str | None,
    third: str | None,
    fourth: str | None,
    fifth: str | None,
    sixth: str | None,
    seventh: str | None,
    eighth: str | None,
    ninth: str | None,
    tenth: str | None,
) -> str | None:
    """
    A text that is longer than its column: it was cut between words into several.

    >>> parts_joined("A study of", "hay fever", *[None] * 8)
    'A study of hay fever'
    """
    parts = (first, second, third, fourth, fifth, sixth, seventh, eighth, ninth, tenth)
    text = " ".join(part for part in parts if part)
    return _readable(text) if text else None


@named()
def labelled(label: str | None, value: str | None) -> str | None:
    """
    A value with what it is a value of.

    >>> labelled("Control Type", "PLACEBO")
    'Control Type: PLACEBO'
    """
    if label is None or value is None:
        return None if value is None else _readable(value)
    return _readable(f"{label}: {value}")


def _readable(text: str) -> str:
    """A text as FHIR takes it; in nearly all cases as it is."""
    return text if text.isprintable() and text.strip() else printable(text)


def duration_text(text: str) -> str | None:
    """
    A duration of ISO 8601 of one unit, as ages are written elsewhere; None if it is none.

    >>> duration_text("P50Y"), duration_text("P1M"), duration_text("50 years")
    ('50 Years', '1 Month', None)
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        return None
    number, unit = (found[1], found[2]) if found[1] else (found[3], f"T{found[4]}")
    return f"{number} {_UNITS[unit]}{'' if number == '1' else 's'}"


def no_durations(minimum: str | None, maximum: str | None) -> str | None:
    """Which of two ages are no durations."""
    wrong = [repr(age) for age in (minimum, maximum) if age is not None and duration_text(age) is None]
    if not wrong:
        return None
    some = "is no duration" if len(wrong) == 1 else "are no durations"
    return f"{' and '.join(wrong)} {some} of ISO 8601 in one unit, as P18Y is: text in their rows alone"


@named(doubt=no_durations, doubt_code="not-a-duration", members=("low", "high", "value", "unit", "system", "code"))
def duration_ranges(minimum: str | None, maximum: str | None) -> list[Json] | None:
    """
    Two ages as `age_ranges` makes ranges of them; an age that is no duration is left out.

    >>> duration_ranges("P50Y", None)[0]["low"]["value"]
    50
    """
    return age_ranges(*(None if age is None else duration_text(age) for age in (minimum, maximum)))


@named()
def yes_or_no(answer: str) -> bool | None:
    """
    The answer of CDISC's code list C66742; None if it is neither.

    >>> yes_or_no("Y"), yes_or_no("U")
    (True, None)
    """
    return {"Y": True, "N": False}.get(answer)
