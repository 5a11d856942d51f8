"""A mapping, loaded: its files, checked as a whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from fhirtrial.codes import load_tables
from fhirtrial.definitions import Definitions
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.mapping.walk import paths_of
from fhirtrial.mapping.ledger import Place, places
from fhirtrial.mapping.nodes import Each, Line, Node, Otherwise, ResourceFile, When, children
from fhirtrial.mapping.parser import Parser
from fhirtrial.mapping.scope import Scope
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
    places: tuple[Place, ...]

    @property
    def base(self) -> str:
        """The address under which everything of our own is named."""
        return self.prefixes["our"]

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
    head: Any = plain(compose(files.read_bytes(head_file), head_file))
    main, beside = head["main"], tuple(head.get("beside", ()))
    prefixes = load_prefixes(files)
    definitions = Definitions.load(files)
    schema = Schema.load(files, registry)
    root = Scope((), (), {"type": "object", "fields": schema.tree})
    tables = load_tables(files, f"{registry}/codes")
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
                raise MappingError(
                    f"{name} is used for {'.'.join(scope.at) or 'the record'} here and for {'.'.join(seen) or 'the record'} "
                    "elsewhere: only a shared file may be used in several places",
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
        )
        parsed[name] = parser.parse(documents[name], name, scope)
        waiting += parser.calls
    order = {name: parsed[name] for name in documents if name in parsed}
    if unused := [name for name in documents if name not in parsed]:
        raise MappingError(f"no other file uses this one; reach it from {main}", file=f"{registry}/{unused[0]}.yaml")
    check_references(order)
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
        places=found,
    )


def resource_documents(files: MappingFiles, registry: str) -> dict[str, yaml.Node]:
    """The resource files of a registry's folder by name."""
    documents = {}
    for file in files.names(registry):
        name = file.rsplit("/", 1)[-1].removesuffix(".yaml")
        if name not in NOT_RESOURCES:
            documents[name] = compose(files.read_bytes(file), file)
    return documents


def check_references(files: dict[str, ResourceFile]) -> None:
    """What ``ref … with`` hands on are facts of the shared file, and shared files see nothing else."""
    for file in files.values():
        for path in paths_of(file.body, deep=True):
            if file.identity.shared and path.root:
                raise MappingError(
                    "a shared file may use nothing but the facts of its identity: `$$` is none",
                    file=path.line.file,
                    line=path.line.number,
                )


def check_places(found: tuple[Place, ...], schema: Schema, files: dict[str, ResourceFile]) -> None:
    """Each field that is not left out has one two-way place, or several under different ``when``s."""
    by_path: dict[str, list[Place]] = defaultdict(list)
    for place in found:
        if place.way != "copy":
            by_path[place.path].append(place)
    for path, here in by_path.items():
        plain_places = [place for place in here if place.way == "two-way"]
        if len({(place.element, place.line) for place in plain_places}) > 1 or (
            plain_places and len(plain_places) < len(here)
        ):
            first, second = here[0], here[-1]
            raise MappingError(
                f"{path} is read back here and in line {first.line.number} ({first.line}): one of them must be `also`",
                file=second.line.file,
                line=second.line.number,
            )
    named: dict[str, set[Any]] = defaultdict(set)
    others: set[str] = set()
    lines: dict[str, Line] = {}
    for file in files.values():
        for node, at in _with_places(file.body, ".".join(file.scope or ())):
            path = ".".join(filter(None, [at, *node.path.keys]))
            lines.setdefault(path, node.line)
            if isinstance(node, When):
                named[path].add(node.value)
            else:
                others.add(path)
    leaves = {leaf.path.replace("[]", ""): leaf for leaf in schema.leaves()}
    for path, values in named.items():
        leaf = leaves.get(path)
        if leaf is None or path in others or {True, False} <= values or values == {None}:
            continue
        if any(place.way == "two-way" and place.path.replace("[]", "") == path for place in found):
            continue
        raise MappingError(
            f"{path} is read under `when` only: a value that none of them names would be lost; add an `otherwise`",
            file=lines[path].file,
            line=lines[path].number,
        )
    for leaf in schema.leaves():
        whole = leaf.path.removesuffix("[]")
        if not leaf.left_out and not any(path.removesuffix("[]") == whole for path in by_path):
            raise MappingError(
                f"no line reads {leaf.path} back: map it, or say in left-out.yaml why not",
                file=next(iter(files.values())).line.file,
            )


def _with_places(node: Node, at: str) -> list[tuple[When | Otherwise, str]]:
    found: list[tuple[When | Otherwise, str]] = []
    if isinstance(node, When | Otherwise):
        found.append((node, at))
    if isinstance(node, Each):
        keys = getattr(node.source, "keys", ())
        at = ".".join(filter(None, [at, *keys]))
    for child in children(node):
        found += _with_places(child, at)
    return found

