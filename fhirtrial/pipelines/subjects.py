"""The run from FHIR to figures: subjects and administrations pass by once, and are added up arm by arm."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from fhirtrial.dates import is_date
from fhirtrial.errors import InputError, UsageError
from fhirtrial.figures import ArmFigures, DoseTotal, Stopped, StudyFigures, SubjectFigures
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.pipelines.summary import Noticed
from fhirtrial.pipelines.tallies import CACHE, Tallies, Tally
from fhirtrial.prefixes import load_prefixes
from fhirtrial.readers.fhir import ResourceFound, ResourceSource, read_resources
from fhirtrial.releases.copies.entries import present
from fhirtrial.releases.detect import release_of
from fhirtrial.releases.release import Release
from fhirtrial.resources import Resource, codings_of, objects, spellings
from fhirtrial.single_doses import is_single_dose
from fhirtrial.store import KeySet

By = Literal["assigned", "actual"]

GIVEN, STUDY, SUBJECT = "MedicationAdministration", "ResearchStudy", "ResearchSubject"
_KINDS = frozenset({GIVEN, STUDY, SUBJECT})
_SEEN_IN_MEMORY = 20_000
_NCIT = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
_COMPLETED = (_NCIT, "C25250")
_RANDOMISED = frozenset(
    {(_NCIT, "C114209"), ("http://terminology.hl7.org/CodeSystem/research-subject-milestone", "Randomized")}
)
"""https://terminology.hl7.org/ValueSet-research-subject-milestones.html"""
_OF_STUDY = "http://hl7.org/fhir/StructureDefinition/workflow-researchStudy"
"""https://hl7.org/fhir/extensions/StructureDefinition-workflow-researchStudy.html"""
_STARTED = frozenset({"on-study", "on-study-intervention", "on-study-observation", "follow-up", "off-study"})
"""The states of those who take part: https://terminology.hl7.org/CodeSystem-research-subject-state.html"""
_DONE = frozenset({"in-progress", "on-hold", "completed", "stopped"})
"""https://hl7.org/fhir/R5/valueset-medication-admin-status.html; one entered in error is none."""


def subject_figures(
    sources: Iterable[ResourceSource] | ResourceSource,
    *,
    by: By = "assigned",
    source_release: str | None = None,
    mappings: str | None = None,
    more: Callable[[Noticed], Iterable[ResourceFound]] | None = None,
    noticed: Noticed = lambda _: None,
) -> SubjectFigures:
    """
    The figures of the subjects in FHIR resources of any release, arm by arm, in one pass and little memory.

    Args:
        sources: as `read_resources` takes them; studies, subjects and administrations may come in any order.
        by: which arm counts: the one that subjects were ``assigned`` to, or the ``actual`` one.
        source_release: the release of FHIR; found by what stands in each resource if not given.
        mappings: a folder of your own mapping files.
        more: gives resources from elsewhere, a server for instance; it is handed what takes its issues.
        noticed: is called with each issue: a line that cannot be read, a resource that is not FHIR-shaped.

    Raises:
        UsageError: there is no such release, or ``by`` is another word.
        MappingError: a mapping file is wrong.

    """
    if by not in ("assigned", "actual"):
        raise UsageError(f"{by!r} is no way to count arms; known: assigned, actual")
    alone = isinstance(sources, str | bytes | os.PathLike) or hasattr(sources, "read")
    given: Iterable[Any] = [sources] if alone else sources  # type: ignore[assignment]
    counting = _Counting(by, source_release, mappings)
    there = (found for source in given for found in read_resources(source, refused=noticed))
    try:
        for found in chain(there, () if more is None else more(noticed)):
            try:
                counting.take(found.resource)
            except InputError as error:
                noticed(error.issue)
            except (TypeError, AttributeError, LookupError, ValueError) as error:
                message = f"the resource is not FHIR-shaped, and not counted: {error}"
                noticed(Issue(severity="error", code="not-fhir-shaped", message=message, place=str(found.origin)))
        return counting.figures()
    finally:
        counting.close()


@dataclass
class _Arm:
    """The figures of an arm while they grow."""

    counts: Counter[str] = field(default_factory=Counter)
    stopped: Counter[tuple[str, str]] = field(default_factory=Counter)
    given: Tally = field(default_factory=Tally)

    def add(self, facts: dict[str, Any], tally: Tally) -> None:
        """Adds a subject."""
        started = facts["state"] in _STARTED
        ended = facts["state"] == "off-study"
        self.counts["subjects"] += 1
        self.counts["randomised"] += facts["randomised"]
        self.counts["started"] += started
        self.counts["exposed"] += tally.done > 0
        self.counts["ongoing"] += started and not ended
        if ended and facts["completed"]:
            self.counts["completed"] += 1
        elif ended:
            self.stopped[tuple(facts["reason"])] += 1
        self.given.merge(tally)

    def figures(self, name: str) -> ArmFigures:
        """The figures as they are."""
        stopped = sorted(self.stopped.items(), key=lambda each: (-each[1], each[0]))
        return ArmFigures(
            arm=name,
            subjects=self.counts["subjects"],
            randomised=self.counts["randomised"],
            started=self.counts["started"],
            completed=self.counts["completed"],
            stopped=tuple(Stopped(reason=reason, code=code, subjects=n) for (reason, code), n in stopped),
            ongoing=self.counts["ongoing"],
            exposed=self.counts["exposed"],
            administrations=self.given.done,
            not_done=self.given.not_done,
            doses=tuple(
                DoseTotal(treatment=treatment, unit=unit, total=total, counted=counted, uncounted=uncounted)
                for (treatment, unit), (total, counted, uncounted) in sorted(self.given.doses.items())
            ),
        )


class _Counting:
    """Takes resources, and gives the figures at the end."""

    def __init__(self, by: By, source_release: str | None, mappings: str | None) -> None:
        self.by = by
        self.given = source_release
        self.mappings = mappings
        self.releases: dict[str, Release] = {}
        self.last = "R5"
        base = load_prefixes(MappingFiles(None if mappings is None else Path(mappings)))["our"]
        self.label_url = f"{base}StructureDefinition/{by}-arm"
        self.base = base
        self.seen = KeySet(limit=_SEEN_IN_MEMORY, cache=CACHE)
        self.studies: dict[str, Resource] = {}
        self.tallies = Tallies()
        self.linked = False
        """Whether an administration names a subject or a study: then one that names only a person is of no study."""
        self.release("R5" if source_release is None else source_release)

    def release(self, name: str) -> Release:
        """The release of a name."""
        if name not in self.releases:
            self.releases[name] = Release(name, mappings=self.mappings)
        return self.releases[name]

    def close(self) -> None:
        """Gives the disk space back."""
        self.tallies.close()
        self.seen.close()

    def take(self, resource: Resource) -> None:
        """Takes a resource in, unless it was read before."""
        kind = resource["resourceType"]
        if kind not in _KINDS:
            return
        name = f"{kind}/{resource.get('id', '')}"
        if is_single_dose(resource, self.base):
            return  # the interval that it is part of is counted
        if "id" in resource and not self.seen.add(name.encode()):
            return
        self.last = self.given or release_of(resource) or self.last
        r5 = self.release(self.last).up(resource, find=self.studies.get, foreign=False).resource
        if kind == STUDY:
            self.studies[name] = r5
            for number in objects(r5.get("identifier")):
                self.studies.setdefault(str(number.get("value", "")), r5)
        elif kind == SUBJECT:
            person = _reference(r5.get("subject"))
            facts = self.facts(r5)
            self.tallies.subject(name, person, facts, studies={facts["study"], facts["number"]} - {""})
        else:
            self.dose(r5)

    def facts(self, subject: Resource) -> dict[str, Any]:
        """What is counted of a subject."""
        entries = subject.get("progress", [])
        now = present(
            [each for each in entries if "subjectState" in each],
            lambda entry: entry.get("startDate"),
            lambda entry: entry.get("endDate"),
        )
        states = [coding.get("code") for coding in codings_of((now or {}).get("subjectState"))]
        said = str((now or {}).get("subjectState", {}).get("text", "")).strip().casefold()
        reasons = [each["reason"] for each in ([now] if now else []) + entries[::-1] if "reason" in each]
        reason = reasons[0] if reasons else {}
        codings = codings_of(reason)
        study = subject.get("study", {})
        number = study.get("identifier", {}).get("value", "")
        extensions = objects(subject.get("extension"))
        labels = [str(each.get("valueString", "")) for each in extensions if each.get("url") == self.label_url]
        first = codings[0] if codings else {}
        text = first.get("display") or reason.get("text") or first.get("code") or "no reason said"
        return {
            "study": _reference(study) or number,
            "number": number,
            "arm": subject.get(f"{self.by}ComparisonGroup", ""),
            "label": labels[0] if labels else "",
            "state": next((code for code in states if code), ""),
            "completed": any(_token(coding) == _COMPLETED for coding in codings)
            or (not codings and said == "completed"),
            "randomised": any(
                _token(coding) in _RANDOMISED
                for entry in entries
                for milestone in objects(entry.get("milestone"))
                for coding in codings_of(milestone)
            ),
            "reason": [text, first.get("code", "")],
        }

    def dose(self, given: Resource) -> None:
        """Adds an administration to whom it was given."""
        owners = [_reference(each) for each in given.get("supportingInformation", ())]
        subject = next((each for each in owners if each.startswith(f"{SUBJECT}/")), "")
        study = "" if subject else _study_of(given)
        self.linked = self.linked or bool(subject or study)
        owner = subject or _reference(given.get("subject"))
        status = given.get("status")
        if status == "not-done":
            self.tallies.of(owner, study).not_done += 1
        elif status in _DONE or (status == "unknown" and self.is_received(given)):
            tally = self.tallies.of(owner, study)
            tally.done += 1
            dose = given.get("dosage", {}).get("dose", {})
            value, days = dose.get("value"), _days(given)
            amount = None if value is None or days is None else Decimal(str(value)) * days
            tally.add(_treatment(given), str(dose.get("code") or dose.get("unit") or ""), amount)

    def is_received(self, given: Resource) -> bool:
        """Whether an administration of unknown status is one of ours: then it is not known if it is over, no more."""
        return any(
            coding.get("system") == f"{self.base}CodeSystem/dose-record" for coding in codings_of(given.get("category"))
        )

    def figures(self) -> SubjectFigures:
        """The figures of all that was taken in."""
        arms: dict[str, dict[str, _Arm]] = {}
        numbers: dict[str, str] = {}
        unattributed = 0
        for facts, tally in self.tallies.joined(by_person=not self.linked):
            if facts is None:
                unattributed += tally.done
                continue
            study = facts["study"]
            numbers[study] = facts["number"] or study.rpartition("/")[2]
            name = self._arm_name(study, facts["arm"], facts["label"])
            arms.setdefault(study, {}).setdefault(name, _Arm()).add(facts, tally)
        return SubjectFigures(
            by=self.by,
            studies=tuple(self._study(study, numbers[study], arms[study]) for study in sorted(arms)),
            unattributed=unattributed,
        )

    def _groups(self, study: str) -> list[dict[str, Any]]:
        return objects(self.studies.get(study, {}).get("comparisonGroup"))

    def _arm_name(self, study: str, arm: str, label: str) -> str:
        for group in self._groups(study):
            if arm and arm in (group.get("linkId"), group.get("name")):
                return str(group.get("name") or arm)
        return label or arm

    def _study(self, study: str, number: str, arms: dict[str, _Arm]) -> StudyFigures:
        mine = self.studies.get(study, {})
        recruitment = mine.get("recruitment", {})
        own = [str(group["name"]) for group in self._groups(study) if "name" in group]
        others = sorted(arms.keys() - set(own), key=lambda name: (not name, name))
        label = f"{study.rpartition('/')[2]} ({number})" if mine and number not in study else number
        return StudyFigures(
            study=label,
            planned=recruitment.get("targetNumber", recruitment.get("actualNumber")),
            arms=tuple(arms.get(name, _Arm()).figures(name) for name in dict.fromkeys([*own, *others])),
        )


def _token(coding: dict[str, Any]) -> tuple[Any, Any]:
    return coding.get("system"), coding.get("code")


def _reference(value: Any) -> str:
    """A reference, of a server or not, as type and id; empty if there is none."""
    address = value.get("reference") if isinstance(value, dict) else None
    return spellings(address)[-1] if isinstance(address, str) else ""


def _study_of(given: Resource) -> str:
    """The study that an administration was part of, by type and id, else by number; empty if it is not said."""
    links = [each.get("valueReference") for each in objects(given.get("extension")) if each.get("url") == _OF_STUDY]
    numbers = [each.get("value") for link in objects(links) for each in objects(link.get("identifier"))]
    return next((name for name in (*map(_reference, links), *numbers) if isinstance(name, str) and name), "")


def _treatment(given: Resource) -> str:
    medication = given.get("medication", {})
    reference, concept = medication.get("reference", {}), medication.get("concept", {})
    codings = codings_of(concept)
    named = [reference.get("display"), concept.get("text"), *(each.get("display") for each in codings)]
    return str(next((name for name in named if name), reference.get("reference", "")))


def _days(given: Resource) -> int | None:
    """How many days an administration lasted, both ends counted; None if that is not known."""
    if isinstance(given.get("occurenceDateTime"), str):
        return 1
    timing = given.get("occurenceTiming", {})
    period = given.get("occurencePeriod") or timing.get("repeat", {}).get("boundsPeriod") or {}
    start, end = (_day(period.get(name)) for name in ("start", "end"))
    if start is None or end is None or end < start:
        return None
    return (end - start).days + 1


def _day(value: Any) -> date | None:
    text = str(value)[:10]
    return date.fromisoformat(text) if len(text) == 10 and is_date(text) else None
