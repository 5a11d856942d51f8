"""What the validator may say and is no fault, from ``warnings.yaml`` and ``foreign.yaml``: each with the reason."""

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
FOREIGN = FILE.with_name("foreign.yaml")
"""For resources made elsewhere, besides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Harmless:
    """
    A finding that may be there.

    Args:
        rule: the id of the message.
        text: an expression that the message begins with.
        path: where, without the numbers of list items; empty: anywhere.
        reason: why it is no fault of the output.
        severity: ``warning``; of foreign resources also ``error``, where the validator is wrong.

    """

    rule: str
    text: str
    path: str = ""
    reason: str
    severity: str = "warning"

    def covers(self, finding: Finding) -> bool:
        """Whether the finding is this one."""
        return (
            finding.severity == self.severity
            and finding.rule == self.rule
            and re.match(self.text, finding.text, re.DOTALL) is not None
            and self.path in ("", finding.path)
        )


@cache
def entries(file: Path = FILE) -> tuple[Harmless, ...]:
    """The entries of a list, in its order."""
    return tuple(Harmless(**entry) for entry in yaml.safe_load(file.read_text("utf-8")))


def sift(findings: Iterable[Finding], met: Counter[Harmless], known: Iterable[Harmless] | None = None) -> list[Finding]:
    """The findings that are not ``known`` (those of ``warnings.yaml``); those that are, are counted."""
    known = entries() if known is None else known
    left = []
    for finding in findings:
        entry = next((each for each in known if each.covers(finding)), None)
        if entry:
            met[entry] += 1
        else:
            left.append(finding)
    return left
