"""Dates as FHIR writes them, and the certain part of what ISO 8601 allows besides."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from fhirtrial.errors import UsageError
from fhirtrial.issue import nearest

_BEGINS_WITH_DATE = re.compile(r"([0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?)(?:(?:T|--).*)?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01]))?)?", re.ASCII)


_FULL_TIME = re.compile(
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))",
    re.ASCII,
)


def is_full_time(value: str) -> bool:
    """
    Whether it is a time of a day with seconds and zone, as FHIR writes it: https://hl7.org/fhir/R5/datatypes.html#dateTime

    >>> [is_full_time(text) for text in ("2014-07-02T11:45:00+02:00", "2014-07-02T11:45:00", "2014-02-30T11:45:00Z")]
    [True, False, False]
    """
    return _FULL_TIME.fullmatch(value, 10) is not None and is_date(value[:10])


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


_LOCAL = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]+)?)?", re.ASCII)
_TIMED = re.compile(
    r".{10}T((?:[01][0-9]|2[0-3]):[0-5][0-9])(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z|([+-])([0-9]{2}):([0-9]{2}))?", re.ASCII
)
_ZONED = re.compile(r"(.+?)(:00)?(?:Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII)
_OFFSET = re.compile(r"([+-])(0[0-9]|1[0-4]):([0-5][0-9])", re.ASCII)


def zone_of(name: str) -> tzinfo:
    """
    The time zone of a name (https://www.iana.org/time-zones) or an offset.

    Raises UsageError, with the nearest name, if there is none.

    >>> zone_of("+08:00"), zone_of("Europe/Berlin")
    (datetime.timezone(datetime.timedelta(seconds=28800)), zoneinfo.ZoneInfo(key='Europe/Berlin'))
    """
    if name == "Z":
        return UTC
    if found := _OFFSET.fullmatch(name):
        size = timedelta(hours=int(found[2]), minutes=int(found[3]))
        return timezone(-size if found[1] == "-" else size)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        hint = nearest(name, available_timezones()) or "one looks like Europe/Berlin or +08:00"
        raise UsageError(f"{name!r} is no time zone; {hint}") from error


def zoned(value: str, zone: tzinfo) -> str | None:
    """
    A local time of a zone as FHIR writes it, with seconds and offset; None if it is none.

    A time that clocks showed twice in that zone, or not at all, is none: nothing says which is meant.

    >>> zoned("2014-07-02T11:45", zone_of("Europe/Berlin")), zoned("2014-03-30T02:30", zone_of("Europe/Berlin"))
    ('2014-07-02T11:45:00+02:00', None)
    """
    found = _LOCAL.fullmatch(value)
    if found is None or not is_date(value[:10]):
        return None
    seconds = found[2] or ":00"
    try:
        local = datetime.fromisoformat(found[1] + seconds[:3]).replace(tzinfo=zone)
    except ValueError:
        return None
    offset, other = local.utcoffset(), local.replace(fold=1).utcoffset()
    if offset is None or offset != other or offset % timedelta(minutes=1):
        return None
    minutes = int(offset.total_seconds()) // 60
    sign = "-" if minutes < 0 else "+"
    return f"{found[1]}{seconds}{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def is_zoned(text: str, local: str) -> bool:
    """
    Whether a text is what `zoned` makes of a local time, in some zone.

    >>> is_zoned("2014-07-02T11:45:00+02:00", "2014-07-02T11:45"), is_zoned("2014-07-02T11:46:00Z", "2014-07-02T11:45")
    (True, False)
    """
    found = _ZONED.fullmatch(text)
    return (
        found is not None and _LOCAL.fullmatch(local) is not None and local in (found[1], f"{found[1]}{found[2] or ''}")
    )


def clock(text: str) -> tuple[str, int | None] | None:
    """
    The time of day of a text of ISO 8601 as clocks show it, and its offset in minutes if it has one.

    None without a time, or with one that is not known to the minute.

    >>> clock("2014-07-02T11:45"), clock("2014-07-02T11:45:30-02:30"), clock("2014-07-02T11")
    (('11:45', None), ('11:45', -150), None)
    """
    found = _TIMED.fullmatch(text)
    if found is None:
        return None
    if text.endswith("Z"):
        return found[1], 0
    offset = None if found[2] is None else int(f"{found[2]}1") * (int(found[3]) * 60 + int(found[4]))
    return found[1], offset
