"""How often a dose is given: the frequencies of clinical data as the parts of a FHIR Timing, and doses in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Frequency:
    """``times`` per ``period`` of ``unit``, the last a code of UCUM: https://hl7.org/fhir/R5/datatypes.html#Timing"""

    times: int
    period: int
    unit: str


# CDISC terms that follow no pattern (code list C71113, https://evs.nci.nih.gov/ftp1/CDISC/SDTM/). What says nothing
# about how often, such as PRN, AD LIBITUM, CONTINUOUS or per cycle, is left to the code.
_WORDS = {
    "QD": Frequency(1, 1, "d"),
    "DAILY": Frequency(1, 1, "d"),
    "BID": Frequency(2, 1, "d"),
    "TID": Frequency(3, 1, "d"),
    "QID": Frequency(4, 1, "d"),
    "QAM": Frequency(1, 1, "d"),
    "QPM": Frequency(1, 1, "d"),
    "QHS": Frequency(1, 1, "d"),
    "QH": Frequency(1, 1, "h"),
    "QOD": Frequency(1, 2, "d"),
    "QM": Frequency(1, 1, "mo"),
    "EVERY WEEK": Frequency(1, 1, "wk"),
    "PA": Frequency(1, 1, "a"),
}
_COMPACT = re.compile(r"Q([1-9][0-9]{0,2})(MIN|H|D|W|WK|M)", re.ASCII)
_EVERY = re.compile(r"EVERY ([1-9][0-9]{0,2}) (HOUR|DAY|WEEK|MONTH|YEAR)S?", re.ASCII)
_TIMES = re.compile(r"([1-9][0-9]{0,2}) TIMES? PER (HOUR|DAY|WEEK|MONTH|YEAR)", re.ASCII)
_UNITS = {"MIN": "min", "H": "h", "D": "d", "W": "wk", "WK": "wk", "M": "mo"} | {
    "HOUR": "h",
    "DAY": "d",
    "WEEK": "wk",
    "MONTH": "mo",
    "YEAR": "a",
}


@lru_cache(maxsize=1024)
def frequency(term: str) -> Frequency | None:
    """
    What a CDISC term says about how often; None if it says nothing that a Timing can hold.

    >>> frequency("Q4H"), frequency("3 TIMES PER WEEK"), frequency("PRN")
    (Frequency(times=1, period=4, unit='h'), Frequency(times=3, period=1, unit='wk'), None)
    """
    text = " ".join(term.upper().split())
    if text in _WORDS:
        return _WORDS[text]
    if found := _COMPACT.fullmatch(text) or _EVERY.fullmatch(text):
        return Frequency(1, int(found[1]), _UNITS[found[2]])
    if found := _TIMES.fullmatch(text):
        return Frequency(int(found[1]), 1, _UNITS[found[2]])
    return None


def is_once(term: str) -> bool:
    """
    Whether a CDISC term says that there is one dose, and no more.

    >>> is_once("Once"), is_once("QD")
    (True, False)
    """
    return " ".join(term.upper().split()) == "ONCE"


def dosage_text(said: Any, dose: Any, unit: Any, often: Any, route: Any, site: Any) -> str | None:
    """
    A dose in words, of whatever is said of it; ``said`` is what stands in place of a number.

    >>> dosage_text("400-800", None, "mg", None, "ORAL", None)
    '400-800 mg, ORAL'
    """
    amount = " ".join(printable(part) for part in (said if dose is None else dose, unit) if part is not None)
    parts = [amount, *(printable(part) for part in (often, route, site) if part is not None)]
    return ", ".join(part for part in parts if part) or None


def dose_text(dose: Any, unit: Any, often: Any, route: Any) -> str | None:
    """
    The same of a dose that is a number.

    >>> dose_text(54, "mg", "QD", "TRANSDERMAL")
    '54 mg, QD, TRANSDERMAL'
    """
    return dosage_text(None, dose, unit, often, route, None)


def printable(part: Any) -> str:
    r"""
    A value as a text that FHIR takes: without control characters, escaped if nothing else is in it.

    >>> printable("a\x07 b"), printable(" ")
    ('a b', "' '")
    """
    text = str(part)
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(text.split()) or ascii(part)
