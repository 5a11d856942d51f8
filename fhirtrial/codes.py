"""
Code tables: what a registry's code is called in FHIR, and which FHIR code stands for it.

A table is a FHIR R5 ConceptMap in ``mappings/<registry>/codes``, one file per enumeration of the registry, one row
per line. It is *total*: every code of the enumeration has a row, with one target or ``noMap``. It has no catch-all: a
code that is not in the table is an issue of the record, never another code.

ConceptMap: https://hl7.org/fhir/R5/conceptmap.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fhirtrial.concept_map import ConceptMap, parse_concept_map
from fhirtrial.files import MappingFiles


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
    ``concept_map`` what is in the file
    """

    name: str
    file: str
    own: str
    forth: Mapping[str, tuple[Coding, ...]]
    unique: Mapping[tuple[str, str], str]
    outside: Mapping[str, tuple[str, str]]
    labels: Mapping[str, str]
    systems: frozenset[str]
    concept_map: ConceptMap

    @property
    def resource(self) -> Mapping[str, Any]:
        """The ConceptMap as it is in the file."""
        return self.concept_map.resource

    @cached_property
    def lines(self) -> dict[str, int]:
        """Code → the line of its row in ``file``, from 1."""
        return dict(zip(self.labels, self.concept_map.lines, strict=True))


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
    The table that a ConceptMap of one group says.

    Raises MappingError, with file and line, for what is no such ConceptMap: see `parse_concept_map`.
    """
    made = parse_concept_map(source, file=file, single=True)
    (group,) = made.groups
    forth: dict[str, tuple[Coding, ...]] = {}
    back: dict[tuple[str, str], list[str]] = {}
    for row in group.rows:
        theirs = () if row.target is None else (Coding(group.target, row.target.code, row.target.display),)
        forth[row.code] = (*theirs, Coding(group.source, row.code, row.label))
        for coding in theirs:
            back.setdefault((coding.system, coding.code), []).append(row.code)
    return Table(
        name=file.rsplit("/", 1)[-1].removesuffix(".json"),
        file=file,
        own=group.source,
        forth=forth,
        unique={pair: codes[0] for pair, codes in back.items() if len(codes) == 1},
        outside={code: pair for pair, codes in back.items() for code in codes},
        labels={row.code: row.label for row in group.rows},
        systems=frozenset(place for place, _ in back),
        concept_map=made,
    )
