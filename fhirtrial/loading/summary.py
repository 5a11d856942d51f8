"""What a load did, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from fhirtrial.issue import Issue

OUTCOMES = ("created", "updated", "unchanged", "edited", "failed", "deleted")


@dataclass(slots=True, kw_only=True)
class LoadSummary:
    """
    The numbers of a load; they grow while it goes on.

    ``studies`` were taken in, ``refused`` could not be read or not be loaded as a whole. ``outcomes`` counts resources
    by type and by what became of them: ``created``, ``updated``, ``unchanged``, ``edited`` (on the server: left as they
    are), ``failed``, ``deleted``; of a dry run, what would. ``seconds`` is how long bundles took, by number of entries,
    the slowest first; ``again`` how often something was sent again, by the status or the reason.
    ``share`` is how much of the sources has been read, from 0 to 1, where that is known.
    """

    dry: bool = False
    studies: int = 0
    refused: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    issues: Counter[str] = field(default_factory=Counter)
    bundles: int = 0
    slowest: list[tuple[float, int]] = field(default_factory=list)
    again: Counter[str] = field(default_factory=Counter)
    share: float | None = None

    def note(self, issue: Issue) -> None:
        """Counts an issue."""
        self.issues[issue.code] += 1

    def count(self, kind: str, outcome: str) -> None:
        """Counts what became of a resource."""
        self.outcomes.setdefault(kind, Counter())[outcome] += 1

    def took(self, seconds: float, entries: int) -> None:
        """Counts a bundle."""
        self.bundles += 1
        self.slowest = sorted([*self.slowest, (round(seconds, 3), entries)], reverse=True)[:5]

    def total(self, *outcomes: str) -> int:
        """How many resources came to one of these."""
        return sum(counts[outcome] for counts in self.outcomes.values() for outcome in outcomes)

    @property
    def written(self) -> int:
        """How many resources were created or updated."""
        return self.total("created", "updated")

    def as_dict(self) -> dict[str, Any]:
        """The numbers as JSON."""
        return {
            "dryRun": self.dry,
            "studies": self.studies,
            "refused": self.refused,
            "resources": {outcome: self.total(outcome) for outcome in OUTCOMES},
            "byType": {kind: dict(sorted(counts.items())) for kind, counts in sorted(self.outcomes.items())},
            "issues": dict(sorted(self.issues.items())),
            "bundles": self.bundles,
            "slowestBundles": [{"seconds": seconds, "entries": entries} for seconds, entries in self.slowest],
            "sentAgain": dict(sorted(self.again.items())),
        }

    def __str__(self) -> str:
        would = "would be " if self.dry else ""
        counted = [f"{self.total(outcome):,} {outcome}" for outcome in OUTCOMES if self.total(outcome)]
        parts = [f"{self.studies:,} stud{'y' if self.studies == 1 else 'ies'}, {self.refused:,} refused"]
        parts.append(f"{would}{', '.join(counted) or 'nothing'}")
        parts += [
            f"{kind}: {', '.join(f'{counts[outcome]:,} {outcome}' for outcome in OUTCOMES if counts[outcome])}"
            for kind, counts in sorted(self.outcomes.items())
        ]
        if self.again:
            said = ", ".join(f"{count:,} after {reason}" for reason, count in sorted(self.again.items()))
            parts.append(f"sent again: {said}")
        if self.issues:
            parts.append("issues: " + ", ".join(f"{count:,} {code}" for code, count in sorted(self.issues.items())))
        return "; ".join(parts)
