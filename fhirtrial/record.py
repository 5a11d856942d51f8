"""A registry's record: one JSON tree, and where it was read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhirtrial.issue import Issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a record was read: the file (``-`` for standard input), the member of an archive, the line (from 1)."""

    file: str = ""
    member: str = ""
    line: int = 0

    def __str__(self) -> str:
        """
        The place as one word, the way compilers write it.

        >>> str(Origin(file="studies.zip", member="NCT00000001.json"))
        'studies.zip!NCT00000001.json'
        >>> str(Origin(file="studies.jsonl", line=17))
        'studies.jsonl:17'
        """
        member = f"!{self.member}" if self.member else ""
        line = f":{self.line}" if self.line else ""
        return f"{self.file}{member}{line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """
    One record of a registry in its canonical shape.

    ``data`` is the tree of the ClinicalTrials.gov API v2 (``protocolSection``, ``derivedSection``, …) without
    nulls, empty objects and empty lists, whatever the source was: legacy forms are read into the same shape.
    ``issues`` holds what the reader noticed. ``sound`` says that there was nothing to notice, that the tree holds what
    the mapping carries and no more, that no text of it is empty or has control characters but tab, CR and LF, and that
    nobody can have changed it since: what was looked at is not looked at again. `read` never says so of what it gives.
    """

    registry: str
    id: str
    data: dict[str, Any]
    origin: Origin = field(default_factory=Origin, compare=False)
    issues: tuple[Issue, ...] = field(default=(), compare=False)
    sound: bool = field(default=False, compare=False)
