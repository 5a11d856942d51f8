"""One value of a table: what it is by the type of its variable, whatever the form of the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from math import isfinite
from typing import Any

from fhirtrial.typed import INTEGERS

Cell = Callable[[Any], Any]
"""What a value becomes; None if it is missing. Raises WrongCell."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WITH_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]{1,3})?")
_MISSING = ".ABCDEFGHIJKLMNOPQRSTUVWXYZ_"
_TOO_LARGE = 2.0**63
_REMEMBERED = 1 << 14
"""How many different numbers of a column are remembered, so that each is looked at once."""
_SURE_DIGITS = 15
"""Any decimal of so many digits comes back from a float as it was."""


class WrongCell(ValueError):  # noqa: N818  # a finding about data, which an issue is made of
    """A value that does not fit its variable; ``hint`` says what would."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def cell_of(
    kind: str, *, decimal_comma: bool = False, words: Mapping[str, bool] | None = None, noticed: Callable[[str], None]
) -> Cell:
    """
    What makes a value of a type in schema.json of what stands in a table.

    ``noticed`` is told of what had to be given up, which no number of a computer holds.

    >>> number = cell_of("number", noticed=print)
    >>> number("54.0"), number(5.5), number(".")
    (54, 5.5, None)
    """
    if kind == "text":
        return text
    if kind == "boolean":
        return lambda value: _boolean(value, words or {})
    is_whole = kind == "integer"
    known: dict[str, int | float | None] = {}

    def number(value: Any) -> int | float | None:
        if type(value) is str:
            # The numbers of a trial are few: doses, days, visits.
            found = known.get(value, known)
            if found is not known:
                return found  # type: ignore[return-value]  # not the dict itself
            made = _checked(_parsed(value.strip(), decimal_comma, noticed), is_whole)
            if len(known) < _REMEMBERED:
                known[value] = made
            return made
        return _checked(value, is_whole)

    return number


def text(value: Any) -> str | None:
    """
    A value as text: text is left as it is, whatever it looks like; a number is written as CSV has it.

    >>> text("=1+2"), text(1015.0), text("")
    ('=1+2', '1015', None)
    """
    if type(value) is str:
        return value or None
    if value is None or (type(value) is float and value != value):
        return None
    if type(value) is float and isfinite(value):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if type(value) is int:
        return str(value)
    raise WrongCell(f"expected text, found {_words(value)}")


def _checked(value: Any, is_whole: bool) -> int | float | None:  # noqa: FBT001
    """A number as JSON has it: whole ones without a point, and no others than JSON knows."""
    if type(value) is float:
        if value.is_integer() and abs(value) < _TOO_LARGE:
            return int(value)
        if value != value:
            return None
        if not isfinite(value):
            raise WrongCell(f"{value} is no number that JSON knows")
        if is_whole:
            raise WrongCell(f"{value} is no whole number")
        return value
    if type(value) is int:
        if value in INTEGERS:
            return value
        raise WrongCell(f"{value} does not fit into 64 bits")
    if value is None:
        return None
    raise WrongCell(f"expected a number, found {_words(value)}")


def _parsed(value: str, decimal_comma: bool, noticed: Callable[[str], None]) -> int | float | None:  # noqa: FBT001
    if not value or (len(value) == 1 and value == "."):
        return None
    if decimal_comma:
        if "." in value:
            raise WrongCell(f"{_words(value)} is no number", "the comma is the decimal comma")
        value = value.replace(",", ".", 1)
    if not _NUMBER.fullmatch(value):
        hint = ""
        if _WITH_COMMA.fullmatch(value):
            hint = "is the comma a decimal comma? Say so"
        elif len(value) == 2 and value[0] == "." and value[1] in _MISSING:
            hint = "a missing value of SAS is left empty"
        raise WrongCell(f"{_words(value)} is no number", hint)
    if value.lstrip("+-").isdecimal():
        return int(value)
    number = float(value)
    if len(value) > _SURE_DIGITS and isfinite(number) and Decimal(value) != Decimal(repr(number)):
        noticed(f"{value} has more digits than a number holds: it is {number}")
    return number


def _boolean(value: Any, words: Mapping[str, bool]) -> bool | None:
    if value is None or type(value) is bool:
        return value
    if type(value) is int and value in (0, 1):
        value = str(value)
    if type(value) is str:
        word = value.strip().casefold()
        if not word:
            return None
        if word in words:
            return words[word]
        raise WrongCell(f"{_words(value)} is neither yes nor no", f"words: {', '.join(words)}")
    raise WrongCell(f"expected yes or no, found {_words(value)}")


def _words(value: Any) -> str:
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:39] + "…")
    if isinstance(value, bool):
        return "true" if value else "false"
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else f"the number {value}"
