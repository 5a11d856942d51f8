"""A record read by its schema: parsed and checked in one go, as fast as it is parsed without."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import orjson
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
    "text": str,
    "markup": str,
    "boolean": bool,
    "integer": Annotated[int, Meta(ge=INTEGERS.start, le=INTEGERS.stop - 1)],
    "number": Annotated[int, Meta(ge=INTEGERS.start, le=INTEGERS.stop - 1)] | float,
}

_LONGEST = 64
"""No text of a type with a shape has more letters."""

_object: Any = TypedDict
_WITHOUT_MEMBERS = re.compile(rb"\{\}").search  # three times as fast as ``in``


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


class Typed:
    """
    Records by their schema, from bytes.

    It gives what has nothing odd about it, and None for all else: finding out what is odd is slower, and done
    elsewhere. The types are checked by msgspec while it parses: https://jcristharif.com/msgspec/
    """

    def __init__(self, root: Field, enums: Mapping[str, Mapping[str, str]]) -> None:
        self._decode = msgspec.json.Decoder(checked_type(root, enums)).decode

    def __call__(self, raw: bytes) -> tuple[dict[str, Any], bytes] | None:
        """
        The tree that the bytes are, and its text without blanks; None if there is something to be said about it.

        A field that the schema does not have is not in the tree: if nothing was, the text is the bytes, but for the
        way they are written.
        """
        try:
            tree: dict[str, Any] = self._decode(raw)
            written = orjson.dumps(tree)
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
            return None
        # An object without members: its type does not forbid it. Where it stands in a text the record is looked at
        # more slowly, and that is all.
        return None if _WITHOUT_MEMBERS(written) else (tree, written)


def checked_type(field: Field, enums: Mapping[str, Mapping[str, str]], *, carried: bool = False) -> Any:
    """
    The type of a field as msgspec checks it. What the mapping leaves out is any object or list.

    ``carried``: what is left out is not looked into, no text may be empty, and its shape is not looked at: `Carried`
    does that faster.
    """
    kind: Any
    if field.left_out:
        if carried:
            return msgspec.Raw
        return Annotated[list[Any] if field.is_list else dict[str, Any], Meta(min_length=1)]
    if field.fields is not None:
        members = {}
        for name, inner in field.fields.items():
            members[name] = checked_type(inner, enums, carried=carried)
        kind = _object(field.name, members, total=False)
    elif field.type in PATTERNS and not carried:
        kind = Annotated[str, Meta(pattern=rf"^(?:{PATTERNS[field.type]})\Z")]
    elif field.type in enums:
        kind = Literal[tuple(enums[field.type])]
    else:
        kind = _PLAIN.get(field.type, str)
        if carried and kind is str:
            kind = Annotated[str, Meta(min_length=1, max_length=_LONGEST if field.type in PATTERNS else None)]
    return Annotated[list[kind], Meta(min_length=1)] if field.is_list else kind
