"""Figures of the participants of studies, arm by arm: how many there are, what became of them, what they were given."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseTotal:
    """
    How much of one treatment was given, in one unit.

    ``total`` is the sum of dose × days: an interval counts each of its days, the first and the last too, whatever the
    frequency is; a dose at one time counts once. ``uncounted`` are administrations without a dose, or without the two
    full dates that an interval needs.
    """

    treatment: str
    unit: str
    total: Decimal
    counted: int
    uncounted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """How many subjects ended their participation for one reason; ``code`` is empty where the reason is not coded."""

    reason: str
    code: str
    subjects: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFigures:
    """
    The figures of one arm; ``arm`` is empty for subjects that have none.

    ``randomised`` have that milestone. ``started`` are past eligibility by their present state: on study, on study
    intervention or observation, in follow-up or off study. ``completed`` and ``stopped`` are off study, the first with
    that reason; ``ongoing`` started and did not end. ``exposed`` have an administration that was done, of dose 0, too;
    ``not_done`` counts those that were not.
    """

    arm: str
    subjects: int
    randomised: int
    started: int
    completed: int
    stopped: tuple[Stopped, ...]
    ongoing: int
    exposed: int
    administrations: int
    not_done: int
    doses: tuple[DoseTotal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFigures:
    """The figures of one study: its arms in the study's order, then others by name, then subjects without one."""

    study: str
    planned: int | None
    """How many participants the study says it has or wants; None if it does not, or is not at hand."""
    arms: tuple[ArmFigures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFigures:
    """
    The figures of all studies; ``by`` says which arm counts: ``assigned`` or ``actual``.

    ``unattributed`` are administrations of nobody who is among the subjects.
    """

    by: str
    studies: tuple[StudyFigures, ...]
    unattributed: int

    def as_dict(self) -> dict[str, Any]:
        """The figures as JSON objects; totals are numbers."""
        return {
            "by": self.by,
            "studies": [
                {"study": each.study, "planned": each.planned, "arms": [_arm(arm) for arm in each.arms]}
                for each in self.studies
            ],
            "unattributed": self.unattributed,
        }


def _arm(arm: ArmFigures) -> dict[str, Any]:
    plain = {name: getattr(arm, name) for name in arm.__slots__}
    stopped = [{name: getattr(each, name) for name in each.__slots__} for each in arm.stopped]
    doses = [{name: getattr(each, name) for name in each.__slots__} for each in arm.doses]
    return plain | {"stopped": stopped, "doses": [each | {"total": number(each["total"])} for each in doses]}


def number(total: Decimal) -> int | float:
    """
    A sum as a number of JSON.

    >>> number(Decimal("54.0")), number(Decimal("0.5"))
    (54, 0.5)
    """
    return int(total) if total == total.to_integral_value() else float(total)
