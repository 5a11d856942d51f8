"""What clinical data call an arm or a treatment, found in the registry's record: by name, never by guess."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import orjson

from fhirtrial.codes import Table
from fhirtrial.issue import nearest

Json = Any


@lru_cache(maxsize=8192)
def link_id(label: str) -> str:
    """
    A name for an arm that FHIR takes as an id and that stays when the arms are reordered.

    >>> link_id("Arm A")
    'arm-d5b88ca890f3'
    """
    return "arm-" + hashlib.sha256(label.encode("utf-8", "surrogatepass")).hexdigest()[:12]


@lru_cache(maxsize=8192)
def folded(name: str) -> str:
    """
    A name without regard to case and to how many blanks there are.

    >>> folded(" Arm  A ") == folded("ARM A")
    True
    """
    return " ".join(name.split()).casefold()


def arm_link(label: str | None, code: str | None, arms: list[Json] | None, not_arms: Table) -> str | None:
    """
    The id of a subject's arm: of the study's arm that has its label, else of the one that has its code as label.

    Without the study's arms it is made of the code. ``not_arms`` has what stands for no arm (screen failures): None.

    >>> from fhirtrial.codes import load_tables
    >>> from fhirtrial.files import MappingFiles
    >>> table = load_tables(MappingFiles(), "sdtm/codes")["not-an-arm"]
    >>> arm_link("Arm  A", "A", [{"label": "arm a"}], table) == link_id("arm a")
    True
    >>> arm_link("Screen Failure", "Scrnfail", None, table), arm_link("Arm B", "B", [{"label": "arm a"}], table)
    (None, None)
    """
    if stands_for_none(code, not_arms):
        return None
    names = [name for name in (label, code) if name]
    if arms is None:
        return link_id(code or label or "") if names else None
    labels = {folded(arm["label"]): arm["label"] for arm in arms if arm.get("label")}
    found = next((labels[folded(name)] for name in names if folded(name) in labels), None)
    return None if found is None else link_id(found)


def arm_unknown(label: str | None, code: str | None, arms: list[Json] | None, not_arms: Table) -> str | None:
    """Why a subject's arm is none of the study's; None if it is one, or if there is nothing to compare with."""
    if arms is None or stands_for_none(code, not_arms) or not (label or code):
        return None
    if arm_link(label, code, arms, not_arms) is not None:
        return None
    return _none_of("arm", label or code or "", [arm["label"] for arm in arms if arm.get("label")])


def stands_for_none(code: str | None, not_arms: Table) -> bool:
    """Whether an arm's code says that there is no arm; codes are compared without regard to case."""
    return code is not None and code.strip().upper() in not_arms.labels


def subject_study(study: str | None, number: str | None, numbers: Json) -> str | None:  # noqa: ARG001
    """The literal reference to the study of that id, which a subject is tied to whatever number it has of it."""
    return None if study is None else f"ResearchStudy/{study}"


def study_unknown(study: str | None, number: str | None, numbers: Json) -> str | None:
    """
    Why a subject's study may be another than the one it is tied to; None if it has a number of that one.

    >>> study_unknown("NCT00000001", "ABC 2", {"orgStudyIdInfo": {"id": "ABC-1"}})
    "'ABC 2' is no number of the study NCT00000001, which has 'ABC-1': the subject is tied to it all the same"
    """
    if study is None or number is None:
        return None
    known = [numbers.get("orgStudyIdInfo", {}).get("id")]
    known += [each.get("id") for each in numbers.get("secondaryIdInfos", ())]
    known = [each for each in known if each]
    if folded(number) in map(folded, [study, *known]):
        return None
    listed = f", which has {', '.join(map(repr, known[:5]))}" if known else ""
    return f"{number!r} is no number of the study {study}{listed}: the subject is tied to it all the same"


def intervention_id(study: str, intervention: Json) -> str:
    """
    The id of what a study's intervention becomes, as ``ctgov/intervention.yaml`` makes it of study, type and name.

    >>> intervention_id("NCT00000001", {"type": "DRUG", "name": "X"})
    'NCT00000001-intervention-075a01b29e48aaf6'
    """
    facts = orjson.dumps((study, intervention.get("type"), intervention.get("name")))
    return f"{study}-intervention-{hashlib.sha256(facts).hexdigest()[:16]}"


def intervention_link(treatment: str, study: str | None, interventions: list[Json] | None) -> str | None:
    """The literal reference to the study's intervention that has this name, or has it as another name; None if none."""
    if study is None:
        return None
    wanted = folded(treatment)
    for intervention in interventions or ():
        if wanted in map(folded, _names(intervention)):
            return f"ActivityDefinition/{intervention_id(study, intervention)}"
    return None


def intervention_unknown(treatment: str | None, study: str | None, interventions: list[Json] | None) -> str | None:
    """Why a treatment is none of the study's interventions; None if it is one, or if there is no study."""
    if study is None or treatment is None or intervention_link(treatment, study, interventions) is not None:
        return None
    return _none_of("intervention", treatment, [name for each in interventions or () for name in _names(each)])


def _names(intervention: Json) -> Iterator[str]:
    if intervention.get("name"):
        yield intervention["name"]
    yield from intervention.get("otherNames", ())


def _none_of(what: str, name: str, known: Iterable[str]) -> str:
    listed = list(dict.fromkeys(known))
    hint = nearest(name, listed) or f"it has {', '.join(map(repr, listed[:5]))}" if listed else "it has none"
    return f"{name!r} is no {what} of the study; {hint}"
