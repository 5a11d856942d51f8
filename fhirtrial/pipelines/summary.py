"""What a run did, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from fhirtrial.issue import Issue

Noticed = Callable[[Issue], object]
"""Takes each issue as it is found."""


@dataclass(slots=True, kw_only=True)
class Summary:
    """
    The numbers of a run; they grow while it goes on.

    ``noun`` says what is counted. ``records`` were written, ``refused`` were not (records, and files that could not be
    read); ``resources`` counts those of each type that were written or read, ``issues`` those of each code.

    >>> summary = Summary(records=2)
    >>> summary.note(Issue(severity="warning", code="absent", message="…"))
    >>> print(summary)
    2 records, 0 refused; issues: 1 absent
    """

    noun: str = "record"
    records: int = 0
    refused: int = 0
    resources: Counter[str] = field(default_factory=Counter)
    issues: Counter[str] = field(default_factory=Counter)

    def note(self, issue: Issue) -> None:
        """Counts an issue."""
        self.issues[issue.code] += 1

    def __str__(self) -> str:
        parts = [f"{self.records:,} {self.noun}{'' if self.records == 1 else 's'}, {self.refused:,} refused"]
        if self.resources:
            listed = ", ".join(f"{count:,} {name}" for name, count in sorted(self.resources.items()))
            total = "" if self.noun == "resource" else f"{self.resources.total():,} resources: "
            parts.append(total + listed)
        if self.issues:
            parts.append("issues: " + ", ".join(f"{count:,} {code}" for code, count in sorted(self.issues.items())))
        return "; ".join(parts)
