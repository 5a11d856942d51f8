"""A mapping, loaded: its files, checked as a whole."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from typing import TypeAlias

import yaml

from fhirtrial.codes import load_tables
from fhirtrial.definitions import Definitions
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.identifier_systems import load_identifier_systems
from fhirtrial.issue import nearest
from fhirtrial.mapping.language.checks import check_links, check_places
from fhirtrial.mapping.language.ledger import Place, places
from fhirtrial.mapping.language.nodes import Line, Lookup, ResourceFile
from fhirtrial.mapping.language.parser import Parser
from fhirtrial.mapping.language.scope import Scope
from fhirtrial.prefixes import load_prefixes
from fhirtrial.schema import Schema
from fhirtrial.strict_yaml import compose, plain

PrefixMap: TypeAlias = MappingOf[str, str]

NOT_RESOURCES = frozenset({"mapping", "left-out", "page", "identifier-systems", "contacts"})
"""Files of a registry's folder that are no resource files."""


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """All files of a registry's mapping, parsed and checked; ``main`` is made first, ``beside`` after it."""

    registry: str
    files: dict[str, ResourceFile]
    main: str
    beside: tuple[str, ...]
    schema: Schema
    definitions: Definitions
    prefixes: PrefixMap
    older_systems: tuple[str, ...]
    places: tuple[Place, ...]

    @property
    def base(self) -> str:
        """The address under which everything of our own is named."""
        return self.prefixes["our"]

    @property
    def kinds(self) -> list[str]:
        """The types of resources that are made, sorted."""
        return sorted({file.resource for file in self.files.values()})

    def has_identifier(self, kind: str) -> bool:
        """Whether resources of a type can have a business identifier."""
        return self.definitions.element(kind, "identifier") is not None

    @property
    def verbatim_url(self) -> str:
        """The extension that carries what FHIR cannot hold."""
        return self.base + "StructureDefinition/verbatim"


def load_mapping(files: MappingFiles, registry: str = "ctgov") -> Mapping:
    """
    The mapping of a registry, everything in it checked.

    Raises MappingError, with file and line, for whatever is wrong.
    """
    head_file = f"{registry}/mapping.yaml"
    main, beside, older = read_head(files, head_file)
    prefixes = load_prefixes(files)
    definitions = Definitions.load(files)
    schema = Schema.load(files, registry)
    root = Scope((), (), {"type": "object", "fields": schema.tree})
    systems = load_identifier_systems(files, f"{registry}/identifier-systems.yaml")
    tables: MappingOf[str, Lookup] = ChainMap({systems.name: systems}, load_tables(files, f"{registry}/codes"))  # type: ignore[arg-type]
    documents = resource_documents(files, registry)
    parsed: dict[str, ResourceFile] = {}
    waiting: list[tuple[str, Scope, Line]] = [(name, root, Line(head_file, 1)) for name in (main, *beside)]
    while waiting:
        name, scope, line = waiting.pop(0)
        if name not in documents:
            hint = nearest(name, documents) or f"there are {', '.join(documents)}"
            raise MappingError(f"no mapping file {name!r}; {hint}", file=line.file, line=line.number)
        if name in parsed:
            seen = parsed[name].scope
            if seen is not None and seen != scope.at:
                here, there = ".".join(scope.at) or "the record", ".".join(seen) or "the record"
                raise MappingError(
                    f"{name} is used for {here} here and for {there} elsewhere: only a shared file may be used twice",
                    file=line.file,
                    line=line.number,
                )
            continue
        file = f"{registry}/{name}.yaml"
        parser = Parser(
            file,
            definitions=definitions,
            tables=tables,
            prefixes=prefixes,
            known_files=frozenset(documents),
            root=root,
            enums=schema.enums,
        )
        parsed[name] = parser.parse(documents[name], name, scope)
        waiting += parser.calls
    order = {name: parsed[name] for name in documents if name in parsed}
    if unused := [name for name in documents if name not in parsed]:
        raise MappingError(f"no other file uses this one; reach it from {main}", file=f"{registry}/{unused[0]}.yaml")
    check_links(order)
    found = tuple(places(order, (main, *beside)))
    check_places(found, schema, order)
    return Mapping(
        registry=registry,
        files=order,
        main=main,
        beside=beside,
        schema=schema,
        definitions=definitions,
        prefixes=prefixes,
        older_systems=older,
        places=found,
    )


def read_head(files: MappingFiles, name: str) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """What a registry's mapping begins with: the main file, those beside it, and the older systems of its numbers."""
    head = plain(compose(files.read_bytes(name), name))
    known = {"registry", "main", "beside", "older_systems"}
    if not isinstance(head, dict) or not isinstance(head.get("main"), str) or head.keys() - known:
        raise MappingError(f"must say which file is `main`; it may say {', '.join(sorted(known))}", file=name)
    lists = []
    for key in ("beside", "older_systems"):
        listed = head.get(key, [])
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            raise MappingError(f"`{key}` must be a list of texts", file=name)
        lists.append(tuple(listed))
    return head["main"], lists[0], lists[1]


def resource_documents(files: MappingFiles, registry: str) -> dict[str, yaml.Node]:
    """The resource files of a registry's folder by name."""
    documents = {}
    for file in files.names(registry):
        name = file.rsplit("/", 1)[-1].removesuffix(".yaml")
        if name not in NOT_RESOURCES:
            documents[name] = compose(files.read_bytes(file), file)
    return documents
