"""
Values that FHIR cannot hold: blank text, control characters, a date that is none, a word where FHIR has yes and no.

Such a value travels in an extension beside its element, and comes back exactly. What FHIR allows of it stays in the
element for readers. An element that FHIR requires and the record lacks gets a data-absent-reason.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any

import orjson

from fhirtrial.dates import begins_with_date, is_full_time, is_zoned, zoned

ABSENT = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
"""https://hl7.org/fhir/R5/extensions/StructureDefinition-data-absent-reason.html"""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ESCAPED = re.compile(rb"\\(?:u00|[bf])")
_BLANK = re.compile(r"\s+")
_DAY = len("2020-01-31")
_CODE = re.compile(r"[^\s]+( [^\s]+)*")


def is_text(value: str) -> bool:
    """Whether FHIR takes it as string or markdown: something to see, no control characters but tab, CR and LF."""
    if "!" < value < "\x7f" and _ESCAPED.search(orjson.dumps(value)) is None:
        return True  # JSON escapes control characters: nearly every text of several lines ends here
    return bool(value) and not value.isspace() and _CONTROL.search(value) is None


def is_code(value: str) -> bool:
    """Whether FHIR takes it as a code: no blank at the ends, no two together."""
    return _CODE.fullmatch(value) is not None and _CONTROL.search(value) is None


def is_uri(value: str) -> bool:
    """Whether FHIR takes it as an address: no blanks, nothing that cannot be printed."""
    return bool(value) and " " not in value and value.isprintable()


def is_decimal(value: float) -> bool:
    """Whether FHIR takes it as a decimal: at most 18 digits before the point, and 17 behind it."""
    _, digits, exponent = Decimal(repr(value)).as_tuple()
    return isinstance(exponent, int) and len(digits) + exponent <= 18 and -exponent <= 17


def is_later(start: str | None, end: str) -> bool:
    """
    Whether a period would end before it starts, at the precision that both have.

    >>> is_later("2020-01-15", "2020-01"), is_later("2020-02", "2020-01-31"), is_later("May", "2020")
    (False, True, False)
    >>> is_later("2020-02-01T10:00", "2020-01-31T09:00"), is_later("2020-02-01T10:00:00Z", "2020-02-01T11:30:00+02:00")
    (True, True)
    """
    if start is None:
        return False
    if len(start) > _DAY < len(end) and is_full_time(start) and is_full_time(end):
        return datetime.fromisoformat(start) > datetime.fromisoformat(end)
    if start <= end:
        return False
    first, last = begins_with_date(start), begins_with_date(end)
    if first is None or last is None:
        return False
    shared = min(len(first), len(last))
    return first[:shared] > last[:shared]


FITTING = {
    "string": "'!' < {0} < '\\x7f' and {0}.isprintable() or is_text({0})",
    "markdown": "'!' < {0} < '\\x7f' and {0}.isprintable() or is_text({0})",
    "code": "{0}.isidentifier() or is_code({0})",
    "id": "is_code({0})",
    "uri": "is_uri({0})",
    "url": "is_uri({0})",
    "canonical": "is_uri({0})",
    "date": "is_date({0})",
    "dateTime": "is_date({0}) or is_full_time({0})",
    "integer": "{0}.__class__ is int and -2147483648 <= {0} < 2147483648",
    "unsignedInt": "{0}.__class__ is int and 0 <= {0} < 2147483648",
    "positiveInt": "{0}.__class__ is int and 0 < {0} < 2147483648",
    "decimal": "1 <= {0} < 1e17 or -1e17 < {0} <= -1 or is_decimal({0})",
}
"""
By FHIR primitive: the test, as Python source, that FHIR takes a value; cheap for what nearly every value is.

A float has at most 17 digits, so one from 1 to 1e17 fits whatever its digits are.
"""

FITTING_SOUND = FITTING | {
    "string": "not {0}.isspace()",
    "markdown": "not {0}.isspace()",
}
"""The same for records of which it is known that no text is empty or has control characters."""


def allowed_part(fhir_type: str, value: Any) -> str | None:
    """
    What may stay in the element for readers; None if nothing may.

    Of a time without a zone the day stays, of an interval the part that both of its ends share, of a date with unknown
    parts what stands before them: ISO 8601 in clinical data (SDTMIG 4.4). Nothing is ever added.

    >>> [allowed_part("dateTime", text) for text in ("2014-07-02T11:45", "2003---15", "2003-12-01/2003-12-10", "--12")]
    ['2014-07-02', '2003', '2003-12', None]
    """
    if not isinstance(value, str):
        return None
    if fhir_type in {"date", "dateTime"}:
        return begins_with_date(value)
    legal = _CONTROL.sub("", value)
    if fhir_type in {"uri", "url", "canonical"}:
        legal = _BLANK.sub("%20", legal)
        return legal if is_uri(legal) else None
    return legal if fhir_type in {"string", "markdown"} and is_text(legal) else None


def beside(key: str, value: Any, fhir_type: str, url: str, zone: tzinfo | None = None) -> dict[str, Any]:
    """
    The members that carry a refused value: what FHIR allows of it in the element, all of it in its extension.

    With a zone, a time without one gets its offset, and stays in the element as a whole.
    """
    legal = zoned(value, zone) if zone is not None and fhir_type == "dateTime" and isinstance(value, str) else None
    legal = legal or allowed_part(fhir_type, value)
    said = {f"_{key}": inside(value, url)}
    return said if legal is None else {key: legal, **said}


def inside(value: Any, url: str) -> dict[str, Any]:
    """The extension that carries a refused value."""
    kept = base64.b64encode(orjson.dumps(value)).decode("ascii")
    return {"extension": [{"url": url, "valueBase64Binary": kept}]}


def said_beside(target: dict[str, Any], key: str, url: str) -> Any:
    """The value that stands beside an element, unless somebody has edited the element since; None if none does."""
    kept = said_inside(target.get(f"_{key}"), url)
    now = target.get(key)
    edited = now is not None and now not in {allowed_part(kind, kept) for kind in ("string", "uri", "date")}
    if edited and isinstance(now, str) and isinstance(kept, str) and is_zoned(now, kept):
        return kept
    return None if edited else kept


def said_inside(holder: Any, url: str) -> Any:
    """The value that an extension carries; None if there is none, or if it is not as we write it."""
    for extension in holder.get("extension", ()) if isinstance(holder, dict) else ():
        if extension.get("url") == url:
            try:
                return orjson.loads(base64.b64decode(extension["valueBase64Binary"], validate=True))
            except (KeyError, TypeError, ValueError):
                return None
    return None
