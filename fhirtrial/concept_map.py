"""
A FHIR R5 ConceptMap of the mapping files, read strictly: one row per line, each with one target or none.

What has no meaning here (``unmapped``, ``dependsOn``, ``valueSet`` …) is refused, because it would be passed over.

ConceptMap: https://hl7.org/fhir/R5/conceptmap.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fhirtrial.errors import MappingError
from fhirtrial.issue import nearest

RELATIONSHIPS = frozenset(
    {"equivalent", "source-is-narrower-than-target", "source-is-broader-than-target", "related-to"}
)
"""What a row may say; ``not-related-to`` is no translation."""

_TOP = frozenset(
    {
        "resourceType",
        "id",
        "meta",
        "language",
        "text",
        "identifier",
        "url",
        "version",
        "versionAlgorithmString",
        "name",
        "title",
        "status",
        "experimental",
        "date",
        "publisher",
        "contact",
        "description",
        "useContext",
        "jurisdiction",
        "purpose",
        "copyright",
        "copyrightLabel",
        "approvalDate",
        "lastReviewDate",
        "effectivePeriod",
        "topic",
        "author",
        "editor",
        "reviewer",
        "endorser",
        "relatedArtifact",
        "sourceScopeUri",
        "sourceScopeCanonical",
        "targetScopeUri",
        "targetScopeCanonical",
        "group",
    }
)
_GROUP = frozenset({"source", "target", "element"})
_ELEMENT = frozenset({"code", "display", "noMap", "target"})
_TARGET = frozenset({"code", "display", "relationship", "comment"})
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}:,\n]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a code goes to, how people call it (empty: not said), and what the one is to the other."""

    code: str
    display: str
    relationship: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A code, how people call it, and where it goes; ``target`` is None where no code says the same."""

    code: str
    label: str
    target: Target | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The rows from one code system to another; ``target`` is empty where none of them leads anywhere."""

    source: str
    target: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ConceptMap:
    """A ConceptMap: its groups, the resource as it is in the file, and the file's text."""

    file: str
    groups: tuple[Group, ...]
    resource: Mapping[str, Any]
    source: bytes

    @cached_property
    def lines(self) -> tuple[int, ...]:
        """The lines of the rows of all groups, from 1."""
        return _scan(self.source).rows


def parse_concept_map(source: bytes, *, file: str, single: bool = False) -> ConceptMap:
    """
    The ConceptMap in a file; ``single``: it must have one group.

    Raises MappingError, with file and line, for what is no ConceptMap of this kind: a code with two rows, a row with
    neither target nor ``noMap`` or with both, two targets, a target without code or relationship, a member that has no
    meaning here, a member that is there twice.
    """
    resource = _read(source, file)
    try:
        _check_members(resource, _TOP, "a ConceptMap")
        groups = resource.get("group")
        if single and (not isinstance(groups, list) or len(groups) != 1):
            raise _RowError("a table has one group: one system to one other")
        if not isinstance(groups, list) or not groups or not all(isinstance(group, dict) for group in groups):
            raise _RowError("a ConceptMap needs groups, each an object: group")
        for group in groups:
            _check_group(group)
    except _RowError as error:
        raise MappingError(str(error), file=file) from None
    made = []
    before = 0
    for group in groups:
        made.append(_group(group, source, file, before))
        before += len(group["element"])
    return ConceptMap(file=file, groups=tuple(made), resource=resource, source=source)


def _check_group(group: Mapping[str, Any]) -> None:
    """Raises _RowError if a group lacks its code system or its rows."""
    _check_members(group, _GROUP, "a group")
    if not _text(group, "source", "a group"):
        raise _RowError("a group needs the code system of its codes: source")
    _text(group, "target", "a group")
    rows = group.get("element")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise _RowError("a table needs rows, each an object: element")


def _group(group: Mapping[str, Any], source: bytes, file: str, before: int) -> Group:
    """A group; ``before`` is the number of rows in those before it."""
    system = group.get("target", "")
    rows: dict[str, Row] = {}
    for index, each in enumerate(group["element"], before):
        try:
            row = _read_row(each)
            if row.code in rows:
                raise _RowError(f"{row.code} has two rows")
            if row.target is not None and not system:
                raise _RowError(f"{row.code} has a target, but the group names no code system for it: target")
        except _RowError as error:
            raise MappingError(str(error), file=file, line=_scan(source).rows[index]) from None
        rows[row.code] = row
    return Group(source=group["source"], target=system, rows=tuple(rows.values()))


def _read(source: bytes, file: str) -> dict[str, Any]:
    """The ConceptMap in a file."""
    try:
        resource = json.loads(source.decode(), object_pairs_hook=_members)
    except json.JSONDecodeError as error:
        raise MappingError(f"not JSON: {error.msg}", file=file, line=error.lineno) from None
    except UnicodeDecodeError as error:
        raise MappingError(f"not UTF-8: {error.reason} at byte {error.start}", file=file) from None
    except _DoubleMemberError as error:
        raise MappingError(f"{error} stands twice in one object", file=file, line=_scan(source).double) from None
    if not isinstance(resource, dict) or resource.get("resourceType") != "ConceptMap":
        raise MappingError("no ConceptMap", file=file)
    return resource


class _DoubleMemberError(Exception):
    """A member that stands twice in one JSON object: JSON readers keep one of them in silence."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, every member of which stands once."""
    node = dict(pairs)
    if len(node) != len(pairs):
        names = [name for name, _ in pairs]
        raise _DoubleMemberError(next(name for name in names if names.count(name) > 1))
    return node


class _RowError(Exception):
    """What is wrong in a table; file and line come later."""


def _read_row(row: Mapping[str, Any]) -> Row:
    """One row."""
    _check_members(row, _ELEMENT, "a row")
    code = _text(row, "code", "a row")
    if not code:
        raise _RowError("a row needs a code")
    label = _text(row, "display", code) or code
    targets = row.get("target")
    if row.get("noMap") is True:
        if targets:
            raise _RowError(f"{code} has noMap and a target: one of them is not true")
        return Row(code=code, label=label, target=None)
    if "noMap" in row and row["noMap"] is not False:
        raise _RowError(f"noMap of {code} is true or false")
    if not isinstance(targets, list) or not targets:
        raise _RowError(f"{code} needs a target, or noMap: true if no code says the same")
    if len(targets) > 1:
        raise _RowError(f"{code} has {len(targets)} targets: which one would be written?")
    target = targets[0]
    if not isinstance(target, dict):
        raise _RowError(f"the target of {code} is an object")
    _check_members(target, _TARGET, f"the target of {code}")
    theirs = _text(target, "code", f"the target of {code}")
    if not theirs:
        raise _RowError(f"the target of {code} needs a code")
    relationship = _text(target, "relationship", f"the target of {code}")
    if relationship not in RELATIONSHIPS:
        said = f"{relationship!r} is no relationship" if relationship else "no relationship"
        raise _RowError(f"the target of {code}: {said}; it is one of {', '.join(sorted(RELATIONSHIPS))}")
    if relationship == "related-to" and not _text(target, "comment", f"the target of {code}"):
        raise _RowError(f"the target of {code} is related-to: how, has to be said in comment")
    display = _text(target, "display", f"the target of {code}")
    return Row(code=code, label=label, target=Target(code=theirs, display=display, relationship=relationship))


def _text(node: Mapping[str, Any], member: str, what: str) -> str:
    """The text of a member, empty if it is not there."""
    value = node.get(member, "")
    if not isinstance(value, str):
        raise _RowError(f"{member} of {what} is text")
    return value


def _check_members(node: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    """Raises _RowError for a member that has no meaning here."""
    for member in node:
        if member not in known:
            hint = nearest(member, known)
            raise _RowError(f"{member} has no meaning in {what}" + (f" ({hint})" if hint else ""))


@dataclass(frozen=True, slots=True)
class _Lines:
    """Where things are in a file: each row of the table, and the first member that stands twice in its object."""

    rows: tuple[int, ...]
    double: int | None


def _scan(source: bytes) -> _Lines:
    """The lines of a well-formed JSON file: slower than reading it, so only for messages."""
    rows: list[int] = []
    stack: list[tuple[str, set[str]]] = []  # the member that holds the node, and the node's own members so far
    line, text, member = 1, b"", ""
    for match in _TOKEN.finditer(source):
        token = match.group()
        if token == b"\n":
            line += 1
        elif token == b":":
            member = json.loads(text)
            if member in stack[-1][1]:
                return _Lines(tuple(rows), line)
            stack[-1][1].add(member)
        elif token in (b"{", b"["):
            if token == b"{" and [name for name, _ in stack] == ["", "group", "", "element"]:
                rows.append(line)
            stack.append((member, set()))
            member = ""
        elif token in (b"}", b"]"):
            stack.pop()
            member = ""
        elif token == b",":
            member = ""
        else:
            text = token
    return _Lines(tuple(rows), None)
