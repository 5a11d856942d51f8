"""
Code tables: what a registry's code is called in FHIR, and which FHIR code stands for it.

A table is a FHIR R5 ConceptMap in ``mappings/<registry>/codes``, one file per enumeration of the registry, one row
per line. It is *total*: every code of the enumeration has a row, with one target or ``noMap``. It has no catch-all: a
code that is not in the table is an issue of the record, never another code.

ConceptMap: https://hl7.org/fhir/R5/conceptmap.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
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


@dataclass(frozen=True, slots=True)
class Coding:
    """A code, the system it belongs to, and how people call it (empty: not said)."""

    system: str
    code: str
    display: str = ""


def coding_of(coding: Coding) -> dict[str, str]:
    """A table's coding as FHIR JSON."""
    display = {"display": coding.display} if coding.display else {}
    return {"system": coding.system, "code": coding.code, **display}


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """
    One ConceptMap, compiled: the codes of a registry's enumeration and the FHIR codes that they go to.

    ``name``     what mapping files call it (``status``), and ``file`` where it is (``ctgov/codes/status.json``)
    ``own``      the code system of the registry's enumeration
    ``forth``    code → the FHIR coding if the row has one, then the registry's own, with its label as display
    ``unique``   (FHIR system, code) → the registry's code, only where exactly one row leads there
    ``outside``  code → (FHIR system, code) of its row
    ``labels``   code → how the registry writes it for people
    ``systems``  the FHIR code systems that rows lead to
    ``resource`` the ConceptMap as it is in the file
    """

    name: str
    file: str
    own: str
    forth: Mapping[str, tuple[Coding, ...]]
    unique: Mapping[tuple[str, str], str]
    outside: Mapping[str, tuple[str, str]]
    labels: Mapping[str, str]
    systems: frozenset[str]
    resource: Mapping[str, Any]
    source: bytes

    @cached_property
    def lines(self) -> dict[str, int]:
        """Code → the line of its row in ``file``, from 1."""
        return dict(zip(self.labels, _scan(self.source).rows, strict=True))


class Tables(Mapping[str, Table]):
    """The tables of a folder by name, each read when it is first asked for; made by `load_tables`."""

    def __init__(self, files: MappingFiles, folder: str, prefix: str = "") -> None:
        self._files = files
        self._names = {
            prefix + name.rsplit("/", 1)[-1].removesuffix(".json"): name for name in files.names(folder, ".json")
        }
        self._tables: dict[str, Table] = {}

    def __getitem__(self, name: str) -> Table:
        if (table := self._tables.get(name)) is None:
            file = self._names[name]
            table = self._tables[name] = parse_table(self._files.read_bytes(file), file=file)
        return table

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def load_tables(files: MappingFiles, folder: str = "ctgov/codes", prefix: str = "") -> Tables:
    """
    The code tables of a registry by name, ``prefix`` before it; a user's own file replaces the one of the same name.

    A table is read when it is first asked for. Asking raises KeyError for a name without a file, and MappingError for
    a file that is no honest table (see `parse_table`).

    >>> tables = load_tables(MappingFiles())
    >>> [(coding.code, coding.display) for coding in tables["status"].forth["RECRUITING"]]
    [('recruiting', 'Recruiting'), ('RECRUITING', 'Recruiting')]
    >>> tables["phase-combination"].unique["http://hl7.org/fhir/research-study-phase", "phase-1-phase-2"]
    'PHASE1+PHASE2'
    """
    return Tables(files, folder, prefix)


def parse_table(source: bytes, *, file: str) -> Table:
    """
    The table that a ConceptMap says.

    Raises MappingError, with file and line, for what is no ConceptMap of this kind: a code with two rows, a row with
    neither target nor ``noMap`` or with both, two targets, a target without code or relationship, a member that has no
    meaning here (``unmapped``, ``dependsOn``, ``valueSet`` …), a member that is there twice.
    """
    resource = _read(source, file)
    group = _group(resource, file)
    own, system = group["source"], group.get("target", "")
    labels: dict[str, str] = {}
    forth: dict[str, tuple[Coding, ...]] = {}
    back: dict[tuple[str, str], list[str]] = {}
    for index, row in enumerate(group["element"]):
        try:
            code, label, target = _read_row(row)
            if code in labels:
                raise _RowError(f"{code} has two rows")
            if target is not None and not system:
                raise _RowError(f"{code} has a target, but the group names no code system for it: target")
        except _RowError as error:
            raise MappingError(str(error), file=file, line=_scan(source).rows[index]) from None
        labels[code] = label
        theirs = () if target is None else (Coding(system, *target),)
        forth[code] = (*theirs, Coding(own, code, label))
        for coding in theirs:
            back.setdefault((coding.system, coding.code), []).append(code)
    return Table(
        name=file.rsplit("/", 1)[-1].removesuffix(".json"),
        file=file,
        own=own,
        forth=forth,
        unique={pair: codes[0] for pair, codes in back.items() if len(codes) == 1},
        outside={code: pair for pair, codes in back.items() for code in codes},
        labels=labels,
        systems=frozenset(place for place, _ in back),
        resource=resource,
        source=source,
    )


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


def _group(resource: dict[str, Any], file: str) -> dict[str, Any]:
    """The one group of a ConceptMap, with source, rows, and a target if it has one."""
    groups = resource.get("group")
    try:
        _check_members(resource, _TOP, "a ConceptMap")
        if not isinstance(groups, list) or len(groups) != 1 or not isinstance(groups[0], dict):
            raise _RowError("a table has one group: one system to one other")
        (group,) = groups
        _check_members(group, _GROUP, "a group")
        if not _text(group, "source", "a group"):
            raise _RowError("a group needs the code system of its codes: source")
        _text(group, "target", "a group")
        rows = group.get("element")
        if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
            raise _RowError("a table needs rows, each an object: element")
    except _RowError as error:
        raise MappingError(str(error), file=file) from None
    return dict(group)


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


def _read_row(row: Mapping[str, Any]) -> tuple[str, str, tuple[str, str] | None]:
    """Code and label of a row, and code and display of its target."""
    _check_members(row, _ELEMENT, "a row")
    code = _text(row, "code", "a row")
    if not code:
        raise _RowError("a row needs a code")
    label = _text(row, "display", code) or code
    targets = row.get("target")
    if row.get("noMap") is True:
        if targets:
            raise _RowError(f"{code} has noMap and a target: one of them is not true")
        return code, label, None
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
    return code, label, (theirs, _text(target, "display", f"the target of {code}"))


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
