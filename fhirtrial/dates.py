"""Dates as FHIR writes them, and the certain part of what ISO 8601 allows besides."""

from __future__ import annotations

import re
from calendar import monthrange
from functools import lru_cache

_BEGINS_WITH_DATE = re.compile(r"([0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?)(?:(?:T|--).*)?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01]))?)?", re.ASCII)


@lru_cache(maxsize=32768)
def is_date(value: str) -> bool:
    """Whether it is a possible day, month or year as FHIR writes it."""
    found = _DATE.fullmatch(value)
    if found is None or value[:4] == "0000":
        return False
    return found[2] is None or int(found[2]) <= monthrange(int(value[:4]), int(found[1]))[1]


def begins_with_date(value: str) -> str | None:
    """The date that a longer text of ISO 8601 begins with, at the precision that is certain; None if there is none."""
    ends = [found[1].split("-") for end in value.split("/") if (found := _BEGINS_WITH_DATE.fullmatch(end))]
    if len(ends) != value.count("/") + 1:
        return None
    shared = [parts[0] for parts in zip(*ends, strict=False) if len(set(parts)) == 1]
    certain = "-".join(shared) if ends[0][: len(shared)] == shared else ""
    return certain if is_date(certain) else None
