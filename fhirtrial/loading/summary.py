"""What a load did, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fhirtrial.issue import Issue

SHOWN = 5
"""How many of the slowest bundles are kept."""
OUTCOMES = ("created", "updated", "unchanged", "edited", "failed", "deleted")


class Slow(NamedTuple):
    """
    A bundle that took its time, with the studies, and the subjects (by reference), that it was of.

    >>> print(Slow(1.5, 40, ("NCT00000001", "NCT00000002")))
    1.5 s for 40 resources of NCT00000001 and 1 more
    >>> print(Slow(0.25, 1, ()))
    0.25 s for 1 resource that studies share
    """

    seconds: float
    entries: int
    studies: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As JSON: a study is named by its number, a subject by a reference."""
        named: dict[bool, list[str]] = {False: [], True: []}
        for name in self.studies:
            named["/" in name].append(name)
        return {**self._asdict(), "studies": named[False], "subjects": named[True]}

    def __str__(self) -> str:
        others = f" and {len(self.studies) - 1:,} more" if len(self.studies) > 1 else ""
        of = f"of {self.studies[0]}{others}" if self.studies else "that studies share"
        return f"{self.seconds:g} s for {self.entries:,} resource{'' if self.entries == 1 else 's'} {of}"


@dataclass(slots=True, kw_only=True)
class LoadSummary:
    """
    The numbers of a load; they grow while it goes on.

    ``studies`` and ``subjects`` were taken in, ``refused`` could not be read or not be loaded as a whole. ``outcomes``
    counts resources by type and by what became of them: ``created``, ``updated``, ``unchanged``, ``edited`` (on the
    server: left as they are), ``failed``, ``deleted``; of a dry run, what would. They are counted when a study is done;
    ``bundles`` and ``entries`` at once: what the target has taken, or found to be the same. ``slowest`` are the bundles
    that took longest. ``statuses`` has how often which HTTP status was the answer, ``again`` how often something was
    sent again, by the status or the reason. ``share`` is how much of the sources has been read, from 0 to 1, where that
    is known.
    ``stopped`` says why a load was broken off; empty if it was not.
    """

    dry: bool = False
    studies: int = 0
    subjects: int = 0
    refused: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    issues: Counter[str] = field(default_factory=Counter)
    bundles: int = 0
    entries: int = 0
    slowest: list[Slow] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    share: float | None = None
    stopped: str = ""

    def note(self, issue: Issue) -> None:
        """Counts an issue."""
        self.issues[issue.code] += 1

    def count(self, kind: str, outcome: str) -> None:
        """Counts what became of a resource."""
        self.outcomes.setdefault(kind, Counter())[outcome] += 1

    def took(self, seconds: float, studies: Sequence[str]) -> None:
        """Counts a bundle, by the study or subject of each of its entries (empty for what several share)."""
        self.bundles += 1
        self.entries += len(studies)
        slow = Slow(round(seconds, 3), len(studies), tuple(sorted({study for study in studies if study})))
        self.slowest = sorted([*self.slowest, slow], reverse=True)[:SHOWN]

    def total(self, *outcomes: str) -> int:
        """How many resources came to one of these."""
        return sum(counts[outcome] for counts in self.outcomes.values() for outcome in outcomes)

    @property
    def records(self) -> str:
        """
        What was taken in, in words.

        >>> print(LoadSummary(studies=1, subjects=18).records)
        1 study, 18 subjects
        """
        counted = [_count(self.studies, "study", "studies")] if self.studies or not self.subjects else []
        return ", ".join(counted + ([_count(self.subjects, "subject", "subjects")] if self.subjects else []))

    @property
    def written(self) -> int:
        """How many resources were created or updated."""
        return self.total("created", "updated")

    def as_dict(self) -> dict[str, Any]:
        """The numbers as JSON."""
        return {
            "dryRun": self.dry,
            "stopped": self.stopped or None,
            "studies": self.studies,
            "subjects": self.subjects,
            "refused": self.refused,
            "resources": {outcome: self.total(outcome) for outcome in OUTCOMES},
            "byType": {kind: dict(sorted(counts.items())) for kind, counts in sorted(self.outcomes.items())},
            "issues": dict(sorted(self.issues.items())),
            "bundles": self.bundles,
            "entries": self.entries,
            "slowestBundles": [slow.as_dict() for slow in self.slowest],
            "statuses": dict(sorted(self.statuses.items())),
            "sentAgain": dict(sorted(self.again.items())),
        }

    def __str__(self) -> str:
        would = "would be " if self.dry else ""
        counted = [f"{self.total(outcome):,} {outcome}" for outcome in OUTCOMES if self.total(outcome)]
        parts = [f"{self.records}, {self.refused:,} refused"]
        parts.append(f"{would}{', '.join(counted) or 'nothing'}")
        parts += [
            f"{kind}: {', '.join(f'{counts[outcome]:,} {outcome}' for outcome in OUTCOMES if counts[outcome])}"
            for kind, counts in sorted(self.outcomes.items())
        ]
        if self.stopped:
            parts.append(f"stopped after {self.entries:,} resources in {self.bundles:,} bundles")
        if self.statuses:
            said = ", ".join(f"{count:,} of {status}" for status, count in sorted(self.statuses.items()))
            parts.append(f"answers: {said}")
        if self.again:
            said = ", ".join(f"{count:,} after {reason}" for reason, count in sorted(self.again.items()))
            parts.append(f"sent again: {said}")
        if self.slowest:
            parts.append(f"slowest bundle: {self.slowest[0]}")
        if self.issues:
            parts.append("issues: " + ", ".join(f"{count:,} {code}" for code, count in sorted(self.issues.items())))
        return "; ".join(parts)


def _count(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
