"""What a server says about a request: an OperationOutcome, for people and for decisions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

_HAPI = re.compile(r"HAPI-\d{4}")
_ENTRY = re.compile(r"Bundle\.entry\[(\d+)\]")
_ENTRY_BY_XPATH = re.compile(r"f:Bundle/f:entry\[(\d+)\]")
_SPACE = re.compile(r"\s+")

_SHOWN = 5
"""How many issues a text shows; the others are counted."""

_LONGEST = 1000
"""How many characters of one issue a text shows. Some servers send a stack trace."""

TRANSIENT = frozenset({"transient", "lock-error", "timeout", "throttled"})
"""Kinds of issue of which FHIR says that they pass: https://hl7.org/fhir/R4/valueset-issue-type.html"""

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeIssue:
    """
    One issue of an OperationOutcome: https://hl7.org/fhir/R4/operationoutcome.html

    ``code`` is FHIR's kind of issue (``not-found``), ``details`` the server's own codes, ``places`` where in what was
    sent, as the server wrote it.
    """

    severity: Severity
    code: str
    text: str
    details: tuple[str, ...] = ()
    places: tuple[str, ...] = ()

    def __str__(self) -> str:
        """
        The issue as one line.

        >>> str(OutcomeIssue(severity="error", code="invalid", text="no such code", places=("Group.type",)))
        'error: no such code at Group.type'
        """
        text = _SPACE.sub(" ", self.text).strip() or self.code or "no text"
        if len(text) > _LONGEST:
            text = text[:_LONGEST].rstrip() + " …"
        return f"{self.severity}: {text}" + (f" at {', '.join(self.places)}" if self.places else "")


@dataclass(frozen=True)
class Outcome:
    """The issues of an OperationOutcome, in their order."""

    issues: tuple[OutcomeIssue, ...] = ()

    @cached_property
    def failed(self) -> bool:
        """Whether an issue says that something could not be done."""
        return any(issue.severity in ("fatal", "error") for issue in self.issues)

    @cached_property
    def server_codes(self) -> tuple[str, ...]:
        """
        HAPI's codes, in their order, the outermost first: ``HAPI-0550`` before its cause ``HAPI-0825``.

        >>> Outcome((OutcomeIssue(severity="error", code="", text="HAPI-0550: HAPI-0825: no"),)).server_codes
        ('HAPI-0550', 'HAPI-0825')
        """
        return tuple(dict.fromkeys(code for issue in self.issues for code in _HAPI.findall(issue.text)))

    @cached_property
    def kinds(self) -> frozenset[str]:
        """FHIR's kinds of issue that stand in it."""
        return frozenset(issue.code for issue in self.issues)

    @cached_property
    def details(self) -> tuple[str, ...]:
        """The server's own codes of all issues, as HAPI's ``SUCCESSFUL_UPDATE_NO_CHANGE``."""
        return tuple(code for issue in self.issues for code in issue.details)

    @cached_property
    def entry(self) -> int | None:
        """
        The entry of the bundle that the outcome is about, from 0, if all issues that name one name the same.

        >>> Outcome((OutcomeIssue(severity="error", code="", text="", places=("Bundle.entry[3].resource",)),)).entry
        3
        """
        found = {index for issue in self.issues for text in (*issue.places, issue.text) for index in _entries(text)}
        return found.pop() if len(found) == 1 else None

    def changed(self, change: Callable[[str], str]) -> Outcome:
        """The outcome with its texts changed by a function: to make secrets unreadable in it."""
        return Outcome(
            tuple(
                replace(issue, text=change(issue.text), places=tuple(change(place) for place in issue.places))
                for issue in self.issues
            )
        )

    def __str__(self) -> str:
        """The outcome for people: what failed first, then what is worth knowing; one issue has one line."""
        ordered = sorted(self.issues, key=lambda issue: _RANK[issue.severity])
        shown = [issue for issue in ordered if issue.severity in ("fatal", "error")] or ordered
        lines = list(dict.fromkeys(str(issue) for issue in shown))
        rest = len(lines) - _SHOWN
        return "\n".join(lines[:_SHOWN] + ([f"and {rest} more"] if rest > 0 else []))


_RANK: dict[Severity, int] = {"fatal": 0, "error": 1, "warning": 2, "information": 3}
_SEVERITIES: dict[str, Severity] = {**{name: name for name in _RANK}, "success": "information"}
"""R5 knows `success` as well, which R4 calls information."""


def read_outcome(resource: object) -> Outcome | None:
    """
    The outcome that parsed JSON is; None if it is no OperationOutcome.

    Servers are not always exact, so what has the wrong shape inside is passed over rather than refused.

    >>> str(read_outcome({"resourceType": "OperationOutcome", "issue": [{"severity": "error", "diagnostics": "No."}]}))
    'error: No.'
    """
    if not isinstance(resource, dict) or resource.get("resourceType") != "OperationOutcome":
        return None
    found = resource.get("issue")
    return Outcome(tuple(_issue(each) for each in found if isinstance(each, dict)) if isinstance(found, list) else ())


def _issue(found: dict[str, Any]) -> OutcomeIssue:
    details = found["details"] if isinstance(found.get("details"), dict) else {}
    codings = [each for each in _list(details.get("coding")) if isinstance(each, dict)]
    texts = [found.get("diagnostics"), details.get("text"), *(each.get("display") for each in codings)]
    said = list(dict.fromkeys(text for text in texts if isinstance(text, str) and text.strip()))
    # HAPI says the same in `expression` and in `location`; the newer of the two is enough.
    places = _list(found.get("expression")) or _list(found.get("location"))
    return OutcomeIssue(
        severity=_SEVERITIES.get(str(found.get("severity")), "error"),
        code=str(found.get("code", "")),
        text="; ".join(text for text in said if not any(text != other and text in other for other in said)),
        details=tuple(str(each["code"]) for each in codings if "code" in each),
        places=tuple(place for place in places if isinstance(place, str)),
    )


def _entries(text: str) -> Iterator[int]:
    """The indexes of entries that a text names, from 0; XPath counts from 1."""
    yield from (int(found) for found in _ENTRY.findall(text))
    yield from (int(found) - 1 for found in _ENTRY_BY_XPATH.findall(text))


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []
