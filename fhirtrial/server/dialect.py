"""What a server can do and what it is good at, read from its CapabilityStatement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fhirtrial.server.entries import Upsert

Kind = Literal["HAPI", "Blaze", "Medplum", "Azure", "unknown"]

_NAMES = {"4.0": "R4", "4.3": "R4B", "5.0": "R5", "3.0": "STU3", "6.0": "R6"}
"""FHIR's releases by the beginning of their versions: https://hl7.org/fhir/directory.html"""

MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeAbilities:
    """
    What the server says of one type: https://hl7.org/fhir/R4/capabilitystatement.html

    ``pointing`` are the reverse includes that find what refers to it (``ResearchStudy:site``), ``references`` the
    search parameters of the type that hold references.
    """

    conditional_create: bool = False
    conditional_update: bool = False
    update_create: bool = False
    pointing: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """
    How a server wants to be talked to. `dataclasses.replace` changes what is known better.

    ``server`` is the family, ``software`` and ``version`` are what it calls itself. ``fhir_version`` is FHIR's
    (``4.0.1``) and ``release`` its name (``R4``, empty if it has none here). ``types`` has what it says of each type of
    resource; it is empty if the server says nothing.

    ``entries`` and ``bytes`` are what a transaction is best filled with, ``most_entries`` what it takes at most (None:
    not known); ``workers`` says how many transactions at the same time are of use. ``transactions`` is whether it says
    that it does them; ``if_none_exist`` how a conditional create in one is written.
    """

    server: Kind = "unknown"
    software: str = ""
    version: str = ""
    fhir_version: str = ""
    release: str = ""
    types: Mapping[str, TypeAbilities] = field(default_factory=dict, repr=False)
    transactions: bool = True
    entries: int = 50
    most_entries: int | None = None
    bytes: int = MEGABYTE
    workers: int = 2
    if_none_exist: Literal["bare", "full"] = "bare"

    def abilities(self, kind: str) -> TypeAbilities:
        """
        What the server can do with a type of resource.

        A server that lists no types at all is taken at the word of the specification: updates may create.
        """
        return self.types.get(kind, _SILENT if not self.types else _NONE)

    def upsert(self, kind: str) -> Upsert:
        """
        How a resource of a type is written so that doing it again changes nothing.

        >>> Dialect(types={"Location": TypeAbilities(update_create=True)}).upsert("Location")
        'update-by-id'
        """
        able = self.abilities(kind)
        if able.conditional_update:
            return "conditional-update"
        return "update-by-id" if able.update_create else "search-first"


_SILENT = TypeAbilities(update_create=True)
_NONE = TypeAbilities()

_FAMILIES: dict[Kind, tuple[tuple[str, ...], dict[str, Any]]] = {
    # A transaction is one of the database; those of 20 to 100 entries were the fastest, first and again. The prefetch
    # of conditional creates looks for the type before the condition.
    "HAPI": (("hapi", "smile"), {"entries": 100, "if_none_exist": "full"}),
    # Writes one after the other, whoever sends them.
    "Blaze": (("blaze",), {"entries": 100, "workers": 1}),
    # https://github.com/medplum/medplum/pull/9477: 8 entries with conditions, 50 without
    "Medplum": (("medplum",), {"entries": 8, "most_entries": 50}),
    # https://github.com/microsoft/fhir-server/pull/807; smaller ones are advised for conditional entries
    "Azure": (("microsoft", "azure"), {"entries": 100, "most_entries": 500}),
}


def read_dialect(statement: Mapping[str, Any]) -> Dialect:
    """
    The dialect of the server that a CapabilityStatement is from: https://hl7.org/fhir/R4/capabilitystatement.html

    >>> read_dialect({"software": {"name": "HAPI FHIR Server"}, "fhirVersion": "5.0.0"}).release
    'R5'
    """
    software = _object(statement.get("software"))
    name, fhir_version = str(software.get("name", "")), str(statement.get("fhirVersion", ""))
    told = [name, str(_object(statement.get("implementation")).get("description", "")), str(statement.get("publisher"))]
    kind, settings = _family(told)
    rest = _server_side(statement)
    types = {
        str(each["type"]): TypeAbilities(
            conditional_create=each.get("conditionalCreate") is True,
            conditional_update=each.get("conditionalUpdate") is True,
            update_create=each.get("updateCreate") is True,
            pointing=tuple(name for name in _list(each.get("searchRevInclude")) if isinstance(name, str)),
            references=tuple(
                str(found["name"])
                for found in _objects(each.get("searchParam"))
                if found.get("type") == "reference" and "name" in found
            ),
        )
        for each in _objects(rest.get("resource"))
        if "type" in each
    }
    system = {str(each.get("code")) for each in _objects(rest.get("interaction"))}
    return Dialect(
        server=kind,
        software=name,
        version=str(software.get("version", "")),
        fhir_version=fhir_version,
        release=release_name(fhir_version),
        types=types,
        # Those that list no interactions of the system at all have mostly forgotten to.
        transactions="transaction" in system or not system,
        **settings,
    )


def release_name(fhir_version: str) -> str:
    """
    The release that a version of FHIR belongs to; empty if it is none that is known.

    >>> release_name("4.0.1"), release_name("4.3.0"), release_name("4.1.0")
    ('R4', 'R4B', '')
    """
    return _NAMES.get(".".join(fhir_version.split(".")[:2]), "")


def _family(told: list[str]) -> tuple[Kind, dict[str, Any]]:
    """The first of the things that a server says of itself in which a family can be recognised."""
    for text in told:
        for kind, (marks, settings) in _FAMILIES.items():
            if any(mark in text.lower() for mark in marks):
                return kind, settings
    return "unknown", {}


def _server_side(statement: Mapping[str, Any]) -> dict[str, Any]:
    sides = _objects(statement.get("rest"))
    return next((side for side in sides if side.get("mode", "server") == "server"), {})


def _objects(found: object) -> list[dict[str, Any]]:
    return [each for each in _list(found) if isinstance(each, dict)]


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []


def _object(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
