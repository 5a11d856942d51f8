"""What is to be said of many subjects in the same words is said once, and at the end of how many more it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from fhirtrial.issue import Issue

OF_THE_STUDY = frozenset({"unknown-study", "unknown-arm", "unknown-intervention"})
"""Codes of issues that speak of a study, an arm or a treatment, and not of the subject in which it was met."""

REMEMBERED = 1000
"""How many of them are remembered; what comes after them is said each time."""


@dataclass(slots=True)
class _Met:
    """An issue as it was said first, of whom it was met last, and how many more there were."""

    issue: Issue
    last: str
    more: int = 0


class Repeats:
    """
    Takes the issues of records in their order, and leaves out what was said already.

    >>> repeats = Repeats()
    >>> arm = Issue(severity="warning", code="unknown-arm", message="'X' is no arm", record="1", path="dm.ARM")
    >>> len(list(repeats.left([arm]))), len(list(repeats.left([replace(arm, record="2"), replace(arm, record="3")])))
    (1, 0)
    >>> [str(issue) for issue in repeats.rest()]
    ["warning: dm.ARM: 'X' is no arm; so it is for 2 more subjects [unknown-arm]"]
    """

    def __init__(self) -> None:
        self._met: dict[tuple[str, str], _Met] = {}

    def left(self, issues: Iterable[Issue]) -> Iterator[Issue]:
        """Those of some issues that are to be said now."""
        for issue in issues:
            if issue.code not in OF_THE_STUDY:
                yield issue
                continue
            key = issue.code, issue.message
            met = self._met.get(key)
            if met is None:
                if len(self._met) < REMEMBERED:
                    self._met[key] = _Met(issue, issue.record)
                yield issue
            elif met.last != issue.record:
                met.last = issue.record
                met.more += 1

    def rest(self) -> Iterator[Issue]:
        """Of how many more subjects each of them was to be said, in the order in which they were met."""
        for met in self._met.values():
            if met.more:
                subjects = f"{met.more:,} more subject{'' if met.more == 1 else 's'}"
                yield replace(met.issue, message=f"{met.issue.message}; so it is for {subjects}", record="", place="")
