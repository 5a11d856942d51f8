"""Whether a JSON value is a legal FHIR primitive, by HL7's published patterns and the rules that stand beside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

WHOLE = {"integer": (-(2**31), 2**31 - 1), "unsignedInt": (0, 2**31 - 1), "positiveInt": (1, 2**31 - 1)}
LONGEST = 1024 * 1024
CALENDAR = ("date", "dateTime", "instant")
UNREADABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""All but the characters that XML 1.0 allows: https://www.w3.org/TR/xml/#charsets"""


def checks(types: Mapping[str, Mapping[str, Any]]) -> dict[str, Callable[[Any], bool]]:
    """One check for each primitive type of the definitions."""
    return {name: _check(name, each.get("pattern", r"[\s\S]+")) for name, each in types.items() if _is_primitive(each)}


def _is_primitive(definition: Mapping[str, Any]) -> bool:
    return bool(definition["kind"] == "primitive-type")


def _check(name: str, published: str) -> Callable[[Any], bool]:
    pattern = re.compile(published, re.ASCII if name in (*CALENDAR, "time") else 0)
    if name == "boolean":
        return lambda value: value is True or value is False
    if name in WHOLE:
        low, high = WHOLE[name]
        return lambda value: type(value) is int and low <= value <= high
    if name == "decimal":
        return lambda value: _is_number(value) and bool(pattern.fullmatch(repr(value)))
    if name == "integer64":
        return lambda value: _matches(value, pattern) and len(value) < 21 and -(2**63) <= int(value) < 2**63
    if name in CALENDAR:
        return lambda value: _matches(value, pattern) and ("T" in value) == _has_zone(value) and _is_day(value[:10])
    if name == "base64Binary":
        return lambda value: _matches(value, pattern)
    return lambda value: _matches(value, pattern) and len(value) <= LONGEST and _is_readable(value)


def _is_readable(value: str) -> bool:
    return not value.isspace() and not UNREADABLE.search(value)


def _is_number(value: object) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 10**18)


def _matches(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and value != "" and pattern.fullmatch(value) is not None


def _has_zone(value: str) -> bool:
    return value.endswith("Z") or (value[-6:-5] in ("+", "-") and value[-3:-2] == ":")


def _is_day(value: str) -> bool:
    if len(value) < 10:
        return True
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
