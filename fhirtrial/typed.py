"""The types of a record's fields, as a parser checks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import msgspec
from msgspec import Meta

INTEGERS = range(-(2**63), 2**63)
"""The integers that survive JSON: those of 64 bits."""

_LEAP_YEAR = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
_DAY = (
    f"(?:(?!0000)[0-9]{{4}}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
PATTERNS = {
    "date": f"{_DAY}|(?!0000)[0-9]{{4}}(?:-(?:0[1-9]|1[0-2]))?",
    "day": _DAY,
    "minute": f"{_DAY}T(?:[01][0-9]|2[0-3]):[0-5][0-9]",
    "time": "[0-9]+ (?:Year|Month|Week|Day|Hour|Minute)s?",
}
"""Types whose text has a shape: what fits in full is a day of the calendar, and needs no further look."""

_PLAIN: dict[str, Any] = {
    "text": Annotated[str, Meta(min_length=1)],
    "markup": Annotated[str, Meta(min_length=1)],
    "boolean": bool,
    "integer": Annotated[int, Meta(ge=INTEGERS.start, le=INTEGERS.stop - 1)],
    "number": Annotated[int, Meta(ge=INTEGERS.start, le=INTEGERS.stop - 1)] | float,
}

_LONGEST = 64
"""No text of a type with a shape has more letters."""

_object: Any = TypedDict


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """
    One field of a record: its type is a word of schema.json, the name of an enumeration, or ``object``.

    ``beside``: it is no part of the registry's record, but put beside it.
    """

    name: str
    type: str
    is_list: bool
    fields: Mapping[str, Field] | None
    left_out: str
    beside: bool = False


def checked_type(field: Field, enums: Mapping[str, Mapping[str, str]], *, whole: bool) -> Any:
    """
    The type of a field as msgspec checks it: https://jcristharif.com/msgspec/

    What the mapping leaves out is any object or list; not ``whole``: it stays text. The shape of a text is not checked.
    """
    kind: Any
    if field.left_out:
        anything: Any = Annotated[list[Any] if field.is_list else dict[str, Any], Meta(min_length=1)]
        return anything if whole else msgspec.Raw
    if field.fields is not None:
        members = {name: checked_type(inner, enums, whole=whole) for name, inner in field.fields.items()}
        kind = _object(field.name, members, total=False)
    elif field.type in enums:
        kind = Literal[tuple(enums[field.type])]
    elif field.type in PATTERNS:
        kind = Annotated[str, Meta(min_length=1, max_length=_LONGEST)]
    else:
        kind = _PLAIN[field.type]
    return Annotated[list[kind], Meta(min_length=1)] if field.is_list else kind
