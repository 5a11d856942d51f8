"""Which visit of a subject a dose was given at: by its number, never by guess."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import orjson

from fhirtrial.issue import Notice
from fhirtrial.matching import folded

Json = Any


def visit_id(study: str | None, subject: str | None, visit: Json) -> str:
    """
    The id of what a visit becomes, as ``sdtm/visit.yaml`` makes it of study, subject, number and name.

    >>> visit_id("S", "1", {"VISITNUM": 1, "VISIT": "WEEK 1"})
    'visit-c7afd728e299e2df718575137a2deb43'
    """
    facts = orjson.dumps((study, subject, visit.get("VISITNUM"), visit.get("VISIT")))
    return f"visit-{hashlib.sha256(facts).hexdigest()[:32]}"


def visit_link(
    number: float | None, name: str | None, visits: Sequence[Json] | None, study: str | None, subject: str | None
) -> str | None:
    """
    The literal reference to the one visit of a subject that has this number; without a number, this name, in any case.

    A visit that is repeated is none: nothing says which of them is meant.

    >>> visit_link(2, "WEEK 2", [{"VISITNUM": 1}, {"VISITNUM": 1}], "S", "1") is None
    True
    """
    found = _named(number, name, visits or ())
    return f"Encounter/{visit_id(study, subject, found[0])}" if len(found) == 1 else None


def visit_unknown(
    number: float | None, name: str | None, visits: Sequence[Json] | None, *_: str | None
) -> str | Notice | None:
    """
    Why a dose has no visit, though it names one and there are visits; the same words for all doses of a subject.

    That a visit is repeated is nothing wrong.

    >>> visit_unknown(1, None, [{"VISITNUM": 1}, {"VISITNUM": 1}]).message
    'SV has this visit 2 times: the doses of it refer to none'
    """
    if (number is None and name is None) or not visits:
        return None
    found = _named(number, name, visits)
    if len(found) > 1:
        return Notice("repeated-visit", f"SV has this visit {len(found)} times: the doses of it refer to none")
    if found:
        return None
    return "the dose is of a visit that SV does not have: it refers to none"


def _named(number: float | None, name: str | None, visits: Sequence[Json]) -> list[Json]:
    if number is not None:
        return [visit for visit in visits if visit.get("VISITNUM") == number]
    if name is None:
        return []
    return [visit for visit in visits if "VISIT" in visit and folded(visit["VISIT"]) == folded(name)]
