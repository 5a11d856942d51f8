"""Figures of participants as a table for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table

from fhirtrial.figures import ArmFigures, StudyFigures, SubjectFigures, number

_COUNTS = ("subjects", "randomised", "started", "completed", "ongoing", "exposed", "administrations", "not_done")

HOW = (
    "dose × days: each day of an interval counts, the first and the last too, whatever the frequency; "
    "what has no dose, or no two full dates, is not counted"
)


def show_figures(figures: SubjectFigures, console: Console) -> None:
    """Prints the figures of each study: a line for each count, a column for each arm."""
    for study in figures.studies:
        planned = "" if study.planned is None else f", {study.planned:,} planned"
        subjects = sum(arm.subjects for arm in study.arms)
        console.print(f"{study.study}: {subjects:,} subjects{planned}", markup=False, highlight=False)
        console.print(_table(study, figures.by))
    if figures.unattributed:
        console.print(f"{figures.unattributed:,} administrations of nobody among the subjects", highlight=False)
    if any(arm.doses for study in figures.studies for arm in study.arms):
        console.print(HOW, highlight=False)


def _table(study: StudyFigures, by: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column(f"arm ({by})")
    for arm in study.arms:
        table.add_column(arm.arm or "no arm", justify="right")
    for name in _COUNTS:
        values = [getattr(arm, name) for arm in study.arms]
        if any(values) or name not in ("not_done", "ongoing", "randomised"):
            table.add_row(name.replace("_", " "), *(f"{value:,}" for value in values))
        if name == "completed":
            for reason in _reasons(study):
                counts = [sum(each.subjects for each in arm.stopped if each.reason == reason) for arm in study.arms]
                table.add_row(f"stopped: {reason}", *(f"{count:,}" for count in counts))
    for treatment, unit in sorted({(each.treatment, each.unit) for arm in study.arms for each in arm.doses}):
        cells = [_total(arm, treatment, unit) for arm in study.arms]
        table.add_row(f"{treatment}, {unit or 'no unit'} × days", *cells)
    return table


def _reasons(study: StudyFigures) -> Iterator[str]:
    """The reasons of all arms, the one that most subjects have first."""
    counts: dict[str, int] = {}
    for arm in study.arms:
        for each in arm.stopped:
            counts[each.reason] = counts.get(each.reason, 0) + each.subjects
    yield from sorted(counts, key=lambda reason: (-counts[reason], reason))


def _total(arm: ArmFigures, treatment: str, unit: str) -> str:
    for each in arm.doses:
        if (each.treatment, each.unit) == (treatment, unit):
            return f"{number(each.total):,}" + (f" (+{each.uncounted:,})" if each.uncounted else "")
    return ""
