"""The order of the rows of a list, where nothing else tells it: by a number in them, then by what tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def in_order(rows: list[dict[str, Any]], fields: Sequence[str]) -> list[dict[str, Any]]:
    """
    Rows by a number in them, also one in digits, and by further fields, which may be texts, where that is the same.

    Those without stand last, in the order in which they came.

    >>> in_order([{"n": 10}, {"n": 2, "d": "2020-02"}, {"n": 2, "d": "2020-01"}], ["n", "d"])
    [{'n': 2, 'd': '2020-01'}, {'n': 2, 'd': '2020-02'}, {'n': 10}]
    """
    number, *others = fields
    return sorted(rows, key=lambda row: (_number(row.get(number)), [_text(row.get(name)) for name in others]))


def _number(value: Any) -> tuple[bool, float]:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return (False, value) if isinstance(value, int | float) else (True, 0)


def _text(value: Any) -> tuple[bool, str]:
    return (False, value) if isinstance(value, str) else (True, "")
