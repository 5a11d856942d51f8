"""The order of the rows of a list, where nothing else tells it: by what numbers them, then by what tells them apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

_DIGITS = re.compile("([0-9]+)")


def in_order(rows: list[dict[str, Any]], fields: Sequence[str]) -> list[dict[str, Any]]:
    """
    Rows by a field, and by further ones where that is the same: numbers, also in digits, then texts.

    Of texts the numbers in them count. Rows without stand last, in the order in which they came. Tables are read and
    restored in the same order.

    >>> in_order([{"n": 10}, {"n": 2, "d": "2020-02"}, {"n": 2, "d": "2020-01"}], ["n", "d"])
    [{'n': 2, 'd': '2020-01'}, {'n': 2, 'd': '2020-02'}, {'n': 10}]
    >>> in_order([{"n": "D10"}, {}, {"n": "D2"}], ["n"])
    [{'n': 'D2'}, {'n': 'D10'}, {}]
    """
    return sorted(rows, key=lambda row: [_place(row.get(name)) for name in fields])


def _place(value: Any) -> tuple[Any, ...]:
    if isinstance(value, int | float):
        return 0, value, ""
    if not isinstance(value, str):
        return (2,)
    # As decimals, since digits may be more than what `int` takes.
    texts: list[Any] = _DIGITS.split(value)
    texts[1::2] = map(Decimal, texts[1::2])
    return (0, texts[1], value) if len(texts) == 3 and not texts[0] and not texts[2] else (1, texts, value)
