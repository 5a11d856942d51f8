"""What the validator finds."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    One thing that is wrong with a resource.

    Args:
        severity: ``fatal``, ``error`` or ``warning``.
        place: the path in the resource, with the numbers of list items.
        rule: the id of the validator's message, an invariant like ``Period#per-1``, or ``json`` for what is no FHIR.
        text: the message.

    """

    severity: str
    place: str
    rule: str
    text: str

    @property
    def path(self) -> str:
        """The place without numbers."""
        return re.sub(r"\[\d+\]", "", self.place)

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}: {self.text[:300]} ({self.severity})"
