"""Which facts a study's own tables and a registry's record both say: ``mappings/<registry>/compare.yaml``, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fhirtrial.errors import UsageError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.mapping.language.members import Members
from fhirtrial.mapping.language.nodes import Line
from fhirtrial.schema import Schema
from fhirtrial.strict_yaml import compose, scalar

WAYS = frozenset({"code", "count", "size", "age", "date", "number"})
"""How values may be compared; what each of them means is said in `fhirtrial.mapping.registered`."""

Keys = tuple[str, ...]
"""The steps of a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact: its name in the rows, the fields of the record that say the same, and how they are compared."""

    name: str
    way: str
    fields: tuple[Keys, ...]
    values: Mapping[str, frozenset[str]]
    where: Mapping[Keys, frozenset[str | None]]
    absent: str
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The table of facts: its name, and the columns of a fact's name, its value, and why it has none."""

    table: str
    name: str
    value: str
    missing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """The table of arms, the columns that name an arm, and the field of the record that does."""

    table: str
    names: tuple[str, ...]
    field: Keys
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is compared between the tables of a study and the record of a registry."""

    registry: str
    rows: Rows
    facts: tuple[Fact, ...]
    arms: Arms


def load_facts(files: MappingFiles, registry: str) -> Facts:
    """
    What is compared of a registry's tables.

    Raises UsageError if nothing of that registry is, MappingError, with file and line, for an unknown word, table,
    column, field or code, and for a fact that stands twice or has no ``values`` where it needs them.
    """
    file = f"{registry}/compare.yaml"
    if files.find(file) is None:
        raise UsageError(f"records of {registry} are not compared with a registry's record of the study")
    return _Reader(file, files, Schema.load(files, registry)).facts(compose(files.read_bytes(file), file))


class _Reader(Members):
    """Reads one file."""

    def __init__(self, file: str, files: MappingFiles, schema: Schema) -> None:
        super().__init__(file)
        self.files = files
        self.ours = schema
        self.theirs = schema

    def facts(self, node: yaml.Node) -> Facts:
        top = self.all_of(node, "the file", ("with", "rows", "facts", "arms"))
        registry = self.text(top["with"])
        known = [name for name in self.files.registries() if name != self.ours.registry]
        if registry not in known:
            raise self.error(top["with"], f"no registry {registry!r}; {nearest(registry, known) or ', '.join(known)}")
        self.theirs = Schema.load(self.files, registry)
        rows = self.rows(top["rows"])
        found: dict[str, Fact] = {}
        for item in self.items(top["facts"]):
            fact = self.fact(item)
            if fact.name in found:
                raise self.error(item, f"{fact.name} stands twice, first in line {found[fact.name].line.number}")
            found[fact.name] = fact
        return Facts(registry=registry, rows=rows, facts=tuple(found.values()), arms=self.arms(top["arms"]))

    def rows(self, node: yaml.Node) -> Rows:
        said = self.all_of(node, "`rows`", ("in", "name", "value", "missing"))
        table = self.table(said["in"])
        name, value, missing = (self.column(said[word], table) for word in ("name", "value", "missing"))
        return Rows(table=table, name=name, value=value, missing=missing)

    def arms(self, node: yaml.Node) -> Arms:
        said = self.all_of(node, "`arms`", ("in", "names", "with"))
        table = self.table(said["in"])
        names = tuple(self.column(item, table) for item in self.items(said["names"]))
        return Arms(table=table, names=names, field=self.field(said["with"])[0], line=self.line(node))

    def fact(self, node: yaml.Node) -> Fact:
        said = self.members(node, "a fact", frozenset({"name", "as", "with", "values", "where", "absent"}))
        for word in ("name", "as", "with"):
            self.needed(node, said, "a fact", word)
        way = self.text(said["as"])
        if way not in WAYS:
            hint = nearest(way, WAYS) or f"known: {', '.join(sorted(WAYS))}"
            raise self.error(said["as"], f"{way!r} is no way to compare; {hint}")
        fields = [self.field(item) for item in self.items(said["with"])]
        if (way == "code") != ("values" in said):
            raise self.error(node, "`values` goes with `as: code`, and only with that")
        if "absent" in said and way != "age":
            raise self.error(said["absent"], "`absent` goes with `as: age`")
        return Fact(
            name=self.text(said["name"]),
            way=way,
            fields=tuple(keys for keys, _ in fields),
            values=self.values(said["values"], fields[0][1]) if "values" in said else {},
            where=self.where(said["where"]) if "where" in said else {},
            absent=self.text(said["absent"]) if "absent" in said else "",
            line=self.line(node),
        )

    def values(self, node: yaml.Node, field: Mapping[str, Any]) -> dict[str, frozenset[str]]:
        """The terms, and for each of them the codes of the record that mean it."""
        found = {}
        for term, codes in self.members(node, "`values`", None).items():
            for item in self.items(codes):
                for code in self.text(item).split("+"):
                    self.code(item, code, field)
            found[term.upper()] = frozenset(map(self.text, self.items(codes)))
        return found

    def where(self, node: yaml.Node) -> dict[Keys, frozenset[str | None]]:
        found = {}
        for path, values in self.members(node, "`where`", None).items():
            keys, field = self.path(values, path)
            said: set[str | None] = set()
            for item in self.items(values):
                if isinstance(item, yaml.ScalarNode) and scalar(item) is None:
                    said.add(None)
                else:
                    self.code(item, self.text(item), field)
                    said.add(self.text(item))
            found[keys] = frozenset(said)
        return found

    def code(self, node: yaml.Node, code: str, field: Mapping[str, Any]) -> None:
        known = self.theirs.enums.get(field["type"], {code: code})
        if code not in known:
            hint = nearest(code, known) or f"one of {', '.join(known)}"
            raise self.error(node, f"{code!r} is no {field['type']}; {hint}")

    def table(self, node: yaml.Node) -> str:
        name = self.text(node)
        known = [name for name, field in self.ours.tree.items() if field.get("list")]
        if name not in known:
            raise self.error(node, f"no table {name!r}; {nearest(name, known) or ', '.join(known)}")
        return name

    def column(self, node: yaml.Node, table: str) -> str:
        name, known = self.text(node), self.ours.tree[table]["fields"]
        if name not in known:
            raise self.error(node, f"{name} is no field of {table}; {nearest(name, known) or 'none is like it'}")
        return name

    def field(self, node: yaml.Node) -> tuple[Keys, Mapping[str, Any]]:
        return self.path(node, self.text(node))

    def path(self, node: yaml.Node, path: str) -> tuple[Keys, Mapping[str, Any]]:
        """A path of the record, and its field; it leads to values."""
        field: Mapping[str, Any] = {"fields": self.theirs.tree}
        where = "the record"
        keys = tuple(path.split("."))
        for key in keys:
            known = field.get("fields", {})
            if key not in known:
                raise self.error(node, f"{key} is no field of {where}; {nearest(key, known) or 'none is like it'}")
            field, where = known[key], key
        if "fields" in field:
            raise self.error(node, f"{path} is an object: name one of its fields")
        return keys, field

    def all_of(self, node: yaml.Node, what: str, words: tuple[str, ...]) -> dict[str, yaml.Node]:
        said = self.members(node, what, frozenset(words))
        for word in words:
            self.needed(node, said, what.strip("`"), word)
        return said
