"""The warnings that are no fault, from ``warnings.yaml``: each with the reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from .finding import Finding

FILE = Path(__file__).with_name("warnings.yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmless:
    """
    A warning that may be there.

    Args:
        rule: the id of the message.
        text: an expression that the message begins with.
        path: where, without the numbers of list items; empty: anywhere.
        reason: why it is no fault of the output.

    """

    rule: str
    text: str
    path: str = ""
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Whether the finding is this one; an error never is."""
        return (
            finding.severity == "warning"
            and finding.rule == self.rule
            and re.match(self.text, finding.text, re.DOTALL) is not None
            and self.path in ("", finding.path)
        )


@cache
def harmless() -> tuple[Harmless, ...]:
    """The entries of the list, in its order."""
    return tuple(Harmless(**entry) for entry in yaml.safe_load(FILE.read_text("utf-8")))


def sift(findings: Iterable[Finding], met: Counter[Harmless]) -> list[Finding]:
    """The findings that are not on the list; those that are, are counted."""
    left = []
    for finding in findings:
        entry = next((each for each in harmless() if each.covers(finding)), None)
        if entry:
            met[entry] += 1
        else:
            left.append(finding)
    return left
