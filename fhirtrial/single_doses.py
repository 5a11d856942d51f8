"""
Single doses that follow from an interval and how often in it: for those who count doses and not intervals.

Mostly nobody has recorded them one by one, so they are marked by a category of their own, and are part of the
administration that the data do hold; of one that was recorded as a single dose the note says so. The administration is
left as it is: it alone is read on the way back, and counted in figures.

MedicationAdministration: https://hl7.org/fhir/R5/medicationadministration.html
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import orjson

from fhirtrial.conversion import Conversion
from fhirtrial.dates import clock, is_date
from fhirtrial.issue import Issue
from fhirtrial.resources import Resource, codings_of

MOST = 10_000
"""How many doses may follow from one interval: more than 27 years of one a day are a mistake in its dates."""

MOST_OF_RECORD = 100_000
"""How many may follow from all intervals of a record; one that would make more of them makes none."""

KIND = "single-dose"
"""The code of their category."""
_MINUTES = {"min": 1, "h": 60, "d": 1440, "wk": 7 * 1440}
"""The units of time that have a fixed length: https://hl7.org/fhir/R5/valueset-units-of-time.html"""
_DAY = 1440
_ADMINISTRATION = "MedicationAdministration"


class NotExploded(Exception):  # noqa: N818  # no error: what is told of the interval
    """Why no doses follow from an interval."""


def is_single_dose(resource: Mapping[str, Any], base: str) -> bool:
    """Whether a resource, in whatever release, is one that `with_single_doses` has made."""
    if resource.get("resourceType") != _ADMINISTRATION:
        return False
    kind = (f"{base}CodeSystem/dose-record", KIND)
    return any((coding.get("system"), coding.get("code")) == kind for coding in codings_of(resource.get("category")))


def with_single_doses(conversion: Conversion, places: Mapping[str, str]) -> Conversion:
    """
    A conversion to R5 with the single doses of each administration in it, behind all that it has.

    ``places`` says by reference which row of the record an administration is. One from which no doses follow for
    certain is an issue (``not-exploded``); one that was not done has none.
    """
    texts = dict(conversion.texts)
    issues = list(conversion.issues)
    room = MOST_OF_RECORD
    for reference, text in conversion.texts.items():
        if not reference.startswith(f"{_ADMINISTRATION}/"):
            continue
        given = orjson.loads(text)
        try:
            for dose in single_doses(given, conversion.base, room=room):
                room -= 1
                texts[f"{_ADMINISTRATION}/{dose['id']}"] = orjson.dumps(dose)
        except NotExploded as why:
            issues.append(
                Issue(
                    severity="warning",
                    code="not-exploded",
                    message=f"no single doses are made of it: {why}",
                    record=conversion.record.id,
                    place=str(conversion.record.origin),
                    path=places.get(reference, ""),
                )
            )
    return replace(conversion, texts=texts, issues=tuple(issues))


def single_doses(given: Resource, base: str, *, room: int = MOST_OF_RECORD) -> Iterator[Resource]:
    """
    The doses that follow from an administration of R5.

    Raises NotExploded where none do for certain, and where they are more than there is ``room`` for.
    """
    if given.get("status") in ("not-done", "entered-in-error"):
        return
    days, term = dose_days(given, base)
    if len(days) > room:
        raise NotExploded(f"with its {len(days):,} the record would have more than {MOST_OF_RECORD:,}")
    shared = _shared(given)
    if "occurenceDateTime" in given:
        said = "the recorded dose itself."
    else:
        said = f"which follows from an interval and its frequency{term}; it was not recorded by itself."
    for number, day in enumerate(days, 1):
        # The id of the administration stands for study, subject and row.
        name = f"{KIND}-{hashlib.sha256(orjson.dumps((given['id'], number))).hexdigest()[:32]}"
        yield {
            "resourceType": _ADMINISTRATION,
            "id": name,
            "identifier": [{"system": f"{base}sid/{KIND}", "value": name}],
            "partOf": [{"reference": f"{_ADMINISTRATION}/{given['id']}"}],
            "status": given["status"],
            "category": [
                {
                    "coding": [
                        {"system": f"{base}CodeSystem/dose-record", "code": KIND, "display": "Single dose, derived"}
                    ]
                }
            ],
            "occurenceDateTime": day,
            "note": [{"text": f"Dose {number} of {len(days)}, {said}"}],
            **shared,
        }


def _shared(given: Resource) -> Resource:
    """What each dose has of its interval; not the words about it, where a number says how much."""
    found = {key: _plain(given[key]) for key in ("medication", "subject", "supportingInformation") if key in given}
    dosage = _plain(given.get("dosage", {}))
    if "value" in dosage.get("dose", {}) or dosage.keys() & {"rateRatio", "rateQuantity"}:
        dosage.pop("text", None)
    links = [each for each in given.get("extension", ()) if "valueReference" in each]
    return found | ({"dosage": dosage} if dosage else {}) | ({"extension": links} if links else {})


def _plain(value: Any) -> Any:
    """A value without what stands beside its parts: how they are written in the data is said once, in the interval."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _plain(part) for key, part in value.items() if key != "extension" and not key.startswith("_")}
    return {key: part for key, part in kept.items() if part not in ({}, [])}


def dose_days(given: Resource, base: str) -> tuple[list[str], str]:
    """
    The day of each dose in an interval, and how often in the words of the data, whose code systems are below ``base``.

    Raises NotExploded where the days are not certain.

    >>> timing = {"repeat": {"boundsPeriod": {"start": "2020-02-28", "end": "2020-03-01"}, "frequency": 1, "period": 2,
    ...           "periodUnit": "d"}}
    >>> dose_days({"status": "completed", "occurenceTiming": timing}, "https://fhirtrial.org/")
    (['2020-02-28', '2020-03-01'], '')
    """
    if isinstance(given.get("occurenceDateTime"), str):
        repeat: dict[str, Any] = {"count": 1}
        term, period = "", dict.fromkeys(("start", "end"), given["occurenceDateTime"])
    else:
        timing = given.get("occurenceTiming", {})
        repeat, term = timing.get("repeat", {}), _term(timing, base)
        period = repeat.get("boundsPeriod", {})
    each, every = _rhythm(repeat, term)
    first, last = (_day(period, name) for name in ("start", "end"))
    if given.get("status") not in ("completed", "stopped"):
        raise NotExploded(f"its status is {given.get('status')}")
    if last < first:
        raise NotExploded(f"its end, {last}, is before its start, {first}")
    length = (last - first).days + 1
    if every == 0:
        if length > 1:
            raise NotExploded(f"one dose in {length} days: on which of them is not said")
        every = 1
    elif not _is_whole(period, each, every, length):
        raise NotExploded("its start or end has a time of day: how many doses there are between them is not certain")
    count = -(-length // every) * each
    if count > MOST:
        raise NotExploded(f"there would be {count:,}, more than {MOST:,}")
    days = [str(first + timedelta(days=gone)) for gone in range(0, length, every) for _ in range(each)]
    return days, f" ({term})" if term else ""


def _rhythm(repeat: dict[str, Any], term: str) -> tuple[int, int]:
    """So many doses every so many days; every 0 days: one and no more."""
    if repeat.get("count") == 1:
        return 1, 0
    times, period, unit = (repeat.get(name) for name in ("frequency", "period", "periodUnit"))
    if times is None or period is None or unit is None:
        raise NotExploded(f"{term!r} does not say how often" if term else "it has no frequency")
    said = repr(term) if term else f"{times} in {period} {unit}"
    if unit not in _MINUTES:
        raise NotExploded(f"{said} is no number of doses in a number of days")
    minutes = period * _MINUTES[unit]
    if minutes % _DAY == 0 and (times == 1 or minutes == _DAY):
        return times, minutes // _DAY
    if _DAY % minutes == 0:
        return times * (_DAY // minutes), 1
    raise NotExploded(f"{said} is no number of doses in a number of days")


def _term(timing: dict[str, Any], base: str) -> str:
    """How often in the words of the data; empty if they do not say."""
    codings = timing.get("code", {}).get("coding", ())
    return next((str(each["code"]) for each in codings if each["system"].startswith(base) and "code" in each), "")


def _day(period: dict[str, Any], name: str) -> date:
    text = period.get(name)
    if text is None:
        raise NotExploded(f"its {name} is not known")
    if len(text) < len("2020-01-01") or not is_date(text[:10]):
        raise NotExploded(f"its {name}, {text}, is no full date")
    return date.fromisoformat(text[:10])


def _is_whole(period: dict[str, Any], each: int, every: int, length: int) -> bool:
    """
    Whether its times of day, if it has any, leave the number of doses certain.

    They do if one dose every so many days, counted from time to time, makes as many as counted day by day. Offsets
    that differ by more than the clocks of summer do not.
    """
    texts = [_written(period, name) for name in ("start", "end")]
    if all(len(text) == len("2020-01-01") for text in texts):
        return True
    started, ended = (clock(text) for text in texts)
    if each != 1 or started is None or ended is None:
        return False
    (start, first), (end, last) = started, ended
    if (first is None) != (last is None) or abs((first or 0) - (last or 0)) > 60:
        return False
    return end >= start or (length - 1) % every != 0


def _written(period: dict[str, Any], name: str) -> str:
    """A bound with its time of day, which stands beside the element if FHIR does not take it: it wants an offset."""
    text = str(period[name])
    beside = period.get(f"_{name}", {}).get("extension", ())
    carried = [str(orjson.loads(b64decode(found[key]))) for found in beside if (key := "valueBase64Binary") in found]
    return carried[0] if carried and len(text) == len("2020-01-01") else text
