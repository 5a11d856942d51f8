"""A mapping, loaded: its files, checked as a whole."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Collection
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
from fhirtrial.mapping.language.asked import with_asked
from fhirtrial.mapping.language.checks import check_links, check_places
from fhirtrial.mapping.language.head import Beside, read_head
from fhirtrial.mapping.language.ledger import Place, places
from fhirtrial.mapping.language.nodes import Line, Lookup, ResourceFile
from fhirtrial.mapping.language.parser import Parser
from fhirtrial.mapping.language.scope import Scope
from fhirtrial.prefixes import load_prefixes
from fhirtrial.rules import load_rules
from fhirtrial.schema import Schema
from fhirtrial.strict_yaml import compose

PrefixMap: TypeAlias = MappingOf[str, str]

NOT_RESOURCES = frozenset(
    {"mapping", "left-out", "page", "identifier-systems", "contacts", "sex", "race", "privacy", "compare"}
)
"""Files of a registry's folder that are no resource files."""


@dataclass(frozen=True, slots=True, eq=False)
class Mapping:
    """
    All files of a registry's mapping, parsed and checked; ``main`` is made first, ``beside`` after it.

    ``lookups`` are the tables of rules and the systems of identifiers.
    """

    registry: str
    files: dict[str, ResourceFile]
    main: str
    beside: tuple[Beside, ...]
    schema: Schema
    definitions: Definitions
    prefixes: PrefixMap
    older_systems: tuple[str, ...]
    lookups: MappingOf[str, Lookup]
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


def load_mapping(files: MappingFiles, registry: str = "ctgov", *, asked: Collection[str] = frozenset()) -> Mapping:
    """
    The mapping of a registry, everything in it checked; ``asked``: what a user asks for besides.

    Raises MappingError, with file and line, for whatever is wrong.
    """
    head_file = f"{registry}/mapping.yaml"
    prefixes = load_prefixes(files)
    definitions = Definitions.load(files)
    schema = Schema.load(files, registry)
    root = Scope((), (), {"type": "object", "fields": schema.tree})
    lookups: dict[str, Lookup] = dict(load_rules(files, f"{registry}/rules", schema.tree))
    if files.find(name := f"{registry}/identifier-systems.yaml") is not None:
        systems = load_identifier_systems(files, name)
        lookups[systems.name] = systems
    others = [load_tables(files, f"{other}/codes", f"{other}/") for other in files.registries() if other != registry]
    tables: MappingOf[str, Lookup] = ChainMap(lookups, load_tables(files, f"{registry}/codes"), *others)  # type: ignore[arg-type]
    head = read_head(files, head_file, root, lookups)
    main, beside = head.main, head.beside
    documents = resource_documents(files, registry, asked)
    parsed: dict[str, ResourceFile] = {}
    waiting: list[tuple[str, Scope, Line]] = [(main, root, Line(head_file, 1))]
    waiting += [(each.file, root if each.source is None else root.each(each.source), each.line) for each in beside]
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
    found = tuple(places(order, [(main, "", "two-way"), *(each.start for each in beside)]))
    check_places(found, schema, order)
    return Mapping(
        registry=registry,
        files=order,
        main=main,
        beside=beside,
        schema=schema,
        definitions=definitions,
        prefixes=prefixes,
        older_systems=head.older_systems,
        lookups=lookups,
        places=found,
    )


def load_mappings(files: MappingFiles) -> list[Mapping]:
    """The mappings of all registries, that of ClinicalTrials.gov first. Raises MappingError as `load_mapping` does."""
    return [load_mapping(files, registry) for registry in files.registries()]


def resource_documents(
    files: MappingFiles, registry: str, asked: Collection[str] = frozenset()
) -> dict[str, yaml.Node]:
    """The resource files of a registry's folder by name."""
    documents = {}
    for file in files.names(registry):
        name = file.rsplit("/", 1)[-1].removesuffix(".yaml")
        if name not in NOT_RESOURCES:
            documents[name] = with_asked(compose(files.read_bytes(file), file), asked, file)
    return documents
