"""What was lost, guessed, refused or doubted: the account that goes beside every result."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal

Severity = Literal["error", "warning", "information"]
"""
``error``: the record was refused.
``warning``: the record goes on, but something of it is lost, odd or contradictory.
``information``: nothing is lost; somebody may want to know.
"""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is worth saying of values that are not wrong: the code and the message of an information."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """
    One finding about one record.

    ``code`` is a stable kebab-case name (``unknown-value``), ``message`` one sentence for people.
    ``place`` is where the record was read (``studies.zip!NCT00000001.json:1``), ``path`` where in the record
    (``protocolSection.statusModule.overallStatus``), ``mapping`` where in the mapping files
    (``ctgov/study.yaml:47``), ``hint`` the nearest right value or what to do. Empty text means: not known.
    """

    severity: Severity
    code: str
    message: str
    record: str = ""
    place: str = ""
    path: str = ""
    mapping: str = ""
    hint: str = ""

    def __str__(self) -> str:
        """
        The finding as one line.

        >>> str(Issue(severity="warning", code="unknown-value", message="'MAN' is no Sex", record="NCT1",
        ...           path="protocolSection.eligibilityModule.sex", hint="did you mean MALE?"))
        "warning: NCT1: protocolSection.eligibilityModule.sex: 'MAN' is no Sex (did you mean MALE?) [unknown-value]"
        """
        where = [text for text in (self.place, self.record, self.path) if text]
        tail = f" ({self.hint})" if self.hint else ""
        line = f" at {self.mapping}" if self.mapping else ""
        return f"{self.severity}: {': '.join([*where, self.message])}{tail}{line} [{self.code}]"

    def as_dict(self) -> dict[str, str]:
        """The finding as a flat JSON object, without the empty members."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name))}


def nearest(value: object, known: Iterable[str]) -> str:
    """
    The known value that looks most like ``value``, as a question; empty if none does.

    >>> nearest("RECRUTING", ["RECRUITING", "COMPLETED"])
    'did you mean RECRUITING?'
    >>> nearest("x", ["RECRUITING"])
    ''
    """
    text = str(value)
    ordered = sorted(known)
    found = difflib.get_close_matches(text, ordered, 1, 0.6)
    if not found:
        folded = {name.casefold(): name for name in reversed(ordered)}
        found = [folded[name] for name in difflib.get_close_matches(text.casefold(), folded, 1, 0.6)]
    return f"did you mean {found[0]}?" if found else ""
