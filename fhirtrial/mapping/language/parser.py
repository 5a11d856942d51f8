"""
Mapping files become nodes, and everything that can be wrong with them is found here, before any data is seen.

The language is explained in ``mappings/README.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

import yaml

from fhirtrial.codes import Table
from fhirtrial.definitions import Definitions, Element
from fhirtrial.functions import FUNCTIONS
from fhirtrial.issue import nearest
from fhirtrial.mapping.language.nodes import (
    Canonical,
    Coded,
    Constant,
    Copy,
    Each,
    Identity,
    Line,
    Lookup,
    Many,
    Node,
    Object,
    Otherwise,
    Path,
    Reference,
    ResourceFile,
    Through,
    When,
    is_constant,
    with_own_id,
)
from fhirtrial.mapping.language.scope import ANY, Scope
from fhirtrial.mapping.language.values import ValueChecks, Where
from fhirtrial.mapping.language.words import HEAD, IDENTITY, WORDS, word_of
from fhirtrial.strict_yaml import scalar


class Parser(ValueChecks):
    """Reads the nodes of one mapping file."""

    def __init__(
        self,
        file: str,
        *,
        definitions: Definitions,
        tables: Mapping[str, Lookup],
        prefixes: Mapping[str, str],
        known_files: frozenset[str],
        root: Scope,
        enums: Mapping[str, Mapping[str, str]],
    ) -> None:
        super().__init__(file, definitions=definitions, prefixes=prefixes, root=root)
        self.tables = tables
        self.known_files = known_files
        self.enums = enums
        self.whens: dict[tuple[str, ...], list[Any]] = {}
        self.calls: list[tuple[str, Scope, Line]] = []

    # ------------------------------------------------------------ the file

    def parse(self, document: yaml.Node, name: str, scope: Scope) -> ResourceFile:
        """The whole file, its `$` being ``scope``."""
        top = self.members(document, "a mapping file", HEAD)
        for word in ("resource", "identity", "body"):
            if word not in top:
                raise self.error(document, f"the head lacks `{word}`")
        resource = self.text(top["resource"])
        if not self.definitions.is_resource(resource):
            raise self.error(top["resource"], f"{resource} is no resource that R5's definitions here know")
        facts = self.members(top["identity"], "identity", IDENTITY)
        for word in ("kind", "of"):
            if word not in facts:
                raise self.error(top["identity"], f"`identity` lacks `{word}`")
        shared = self.flag(facts, "shared")
        places = self.items(facts["of"])
        if shared:
            scope = Scope.of_facts(tuple(self.text(place).removeprefix("$.") for place in places))
        identity = Identity(
            kind=self.text(facts["kind"]),
            of=tuple(self.path(place, scope, "") for place in places),
            shared=shared,
            readable=self.flag(facts, "readable"),
            hashed=self.flag(facts, "hashed"),
            bare=self.definitions.element(resource, "identifier") is None,
        )
        self.collect_whens(top["body"], scope)
        body = self.node(top["body"], Where(resource, None, (), scope, resource))
        if not isinstance(body, Object):
            raise self.error(top["body"], "`body` must be an object")
        declared = body.entries.pop("resourceType", None)
        if not isinstance(declared, Constant) or declared.value != resource:
            raise self.error(top["body"], f"`body` must begin with `resourceType: {resource}`")
        if identity.readable + identity.hashed + identity.shared > 1:
            raise self.error(top["identity"], "`readable`, `hashed` and `shared` exclude each other")
        if "id" in body.entries:
            raise self.error(top["body"], "id: made from `identity`, not written here")
        if identity.identifies and isinstance(further := body.entries.get("identifier"), Many):
            body.entries["identifier"] = with_own_id(further, f"{self.prefixes['our']}sid/{identity.kind}")
        return ResourceFile(
            name=name,
            line=self.line(document),
            resource=resource,
            identity=identity,
            canonical=self.flag(top, "canonical"),
            body=body,
            scope=None if shared else scope.at,
        )

    # ------------------------------------------------------------ nodes

    def node(self, node: yaml.Node, where: Where) -> Node:
        """One value of one element."""
        if isinstance(node, yaml.ScalarNode):
            return self.leaf(node, where)
        if isinstance(node, yaml.SequenceNode):
            raise self.error(node, f"{where.name} takes one value, not a list")
        word = word_of(node)
        if word is None:
            assert isinstance(node, yaml.MappingNode)
            return self.object(node, where)
        entries = self.members(node, f"a node with `{word}`", WORDS[word])
        if "at" in entries:
            where = self.below(where, entries["at"])
        return getattr(self, f"_{word}")(node, entries, where)  # type: ignore[no-any-return]

    def leaf(self, node: yaml.ScalarNode, where: Where) -> Node:
        """A plain value or a path."""
        value = scalar(node)
        if isinstance(value, str) and value.startswith("$"):
            path = self.path(node, where.scope, where.type)
            self.check_value(node, value, path, where)
            return path
        return Constant(self.line(node), self.constant(node, value, where))

    def object(self, node: yaml.MappingNode, where: Where) -> Object:
        """An object with the elements of its FHIR type."""
        if self.definitions.is_primitive(where.type):
            raise self.error(node, f"{where.name} is a {where.type}, not an object")
        at: Path | None = None
        reference: Reference | None = None
        entries: dict[str, Node] = {}
        words = {key.value: value for key, value in node.value if key.value in {"at", "ref", "with", "made"}}
        if "at" in words:
            at = self.path(words["at"], where.scope, "")
            where = self.below(where, words["at"])
        if "ref" in words or "made" in words:
            reference = self.reference(node, words, where)
        elif "with" in words:
            raise self.error(node, "`with` goes with `ref`")
        for key, value in node.value:
            name = key.value
            if name in words:
                continue
            if name == "resourceType":
                entries[name] = Constant(self.line(value), self.text(value))
                continue
            element = self.definitions.element(where.type, name)
            if element is None:
                raise self.error(key, self.no_element(name, where.type))
            entries[name] = self.element(value, element, where.scope)
        if is_constant_object(entries, reference):
            at = None
        self.check_required(node, where.type, entries, reference)
        return Object(self.line(node), where.type, entries, at, reference)

    def element(self, node: yaml.Node, element: Element, scope: Scope) -> Node:
        """What stands under an element's name: a list where it repeats, one value where it does not."""
        where = Where(element.type, element.codes, element.targets, scope, element.path, element.many)
        if not element.many:
            return self.node(node, where)
        if isinstance(node, yaml.SequenceNode):
            items = tuple(self.node(item, where) for item in node.value)
            if not items:
                raise self.error(node, f"{element.path} must not be empty")
            return Many(self.line(node), element.type, items)
        found = self.node(node, where) if word_of(node) in {"from", "also"} else None
        if found is None:
            raise self.error(node, f"{element.path} repeats: write a list")
        return found

    def path(self, node: yaml.Node, scope: Scope, type_name: str, *, copied: bool = False) -> Path:
        """``$.a.b``, ``$$.a.b`` or, of a copy, ``$.a(b=c).d``, checked against the fields that the record has."""
        text = self.text(node)
        if "(" in text and not copied:
            raise self.error(node, f"{text}: a row of a list is chosen in `also` only")
        root = text.startswith("$$")
        rest = text[2:] if root else text[1:]
        if not text.startswith("$") or (rest and not rest.startswith(".")):
            raise self.error(node, f"{text!r} is no path: paths begin with `$.` or `$$.`")
        keys = tuple(rest[1:].split(".")) if rest else ()
        base = self.root if root else scope
        full = keys if root else scope.inner + keys
        if problem := base.unknown(full):
            raise self.error(node, f"{text}: {problem}")
        return Path(self.line(node), full, root, type_name)

    # ------------------------------------------------------------ words

    def _also(self, node: yaml.Node, entries: dict[str, yaml.Node], where: Where) -> Node:
        sources = tuple(self.path(item, where.scope, "", copied=True) for item in self.items(entries["also"]))
        if "call" not in entries and len(sources) != 1:
            raise self.error(node, "`also` with several paths needs `call`")
        function, tables = self.function(node, entries, len(sources)) if "call" in entries else (None, ())
        if function is None:
            self.check_value(entries["also"], self.text(self.items(entries["also"])[0]), sources[0], where)
        return Copy(self.line(node), sources, function, tables, where.type)

    def _from(self, node: yaml.Node, entries: dict[str, yaml.Node], where: Where) -> Node:
        if "call" not in entries:
            raise self.error(node, "`from` needs `call`")
        function, tables = self.function(node, entries, len(self.items(entries["from"])))
        if function.back is None:
            raise self.error(node, f"`{function.name}` has no inverse: use `also`")
        sources = tuple(self.path(item, where.scope, where.type) for item in self.items(entries["from"]))
        if sources[0].root:
            raise self.error(node, "the first path of `from` is set on the way back: it cannot begin with `$$`")
        return Through(self.line(node), sources, function, tables, where.type)

    def _coded(self, node: yaml.Node, entries: dict[str, yaml.Node], where: Where) -> Node:
        if where.type != "Coding":
            raise self.error(node, f"`coded` makes Codings; {where.name} is a {where.type}")
        if "by" not in entries:
            raise self.error(node, "`coded` needs `by`")
        table = self.table(entries["by"])
        if not isinstance(table, Table):
            raise self.error(entries["by"], f"{table.name} is no code table")
        path = self.path(entries["coded"], where.scope, "code")
        return Coded(self.line(node), path, table, single=not where.many)

    def _each(self, node: yaml.Node, entries: dict[str, yaml.Node], where: Where) -> Node:
        make = self.needed(node, entries, "each", "make")
        source: Path | Copy | Through
        if isinstance(entries["each"], yaml.MappingNode):
            word = word_of(entries["each"])
            if word not in {"also", "from"}:
                raise self.error(node, "`each` takes a path, `also` or `from`")
            inner = self.node(entries["each"], Where("", None, (), where.scope, "each"))
            assert isinstance(inner, Copy | Through)
            source = inner
        else:
            source = self.path(entries["each"], where.scope, "")
        scope = where.scope.each(source)
        if isinstance(source, Path) and (problem := where.scope.not_a_list(source.keys)):
            raise self.error(entries["each"], problem)
        made = self.node(make, Where(where.type, where.codes, where.targets, scope, where.name, where.many))
        return Each(self.line(node), source, made, self.only(node, entries, self.tables))

    def _when(self, node: yaml.Node, entries: dict[str, yaml.Node], where: Where) -> Node:
        make = self.needed(node, entries, "when", "make")
        tests = self.members(entries["when"], "`when`", None)
        if len(tests) != 1:
            raise self.error(node, "`when` takes one path and one constant")
        ((_, constant),) = tests.items()
        if not isinstance(constant, yaml.ScalarNode):
            raise self.error(node, "`when` compares with one plain value")
        path = self.path(entries["when"].value[0][0], where.scope, "")
        value = scalar(constant)
        kind = where.scope.descend(path.keys)["type"]
        known = self.enums.get(kind)
        if value is not None and known is not None and value not in known:
            hint = nearest(value, known) or f"one of {', '.join(known)}"
            raise self.error(node, f"{value!r} is no {kind}; {hint}")
        if kind == "boolean" and value is not None and not isinstance(value, bool):
            raise self.error(node, f"{value!r} is not true or false")
        return When(self.line(node), path, value, self.node(make, where))

    def _otherwise(self, node: yaml.Node, entries: dict[str, yaml.Node], where: Where) -> Node:
        make = self.needed(node, entries, "otherwise", "make")
        path = self.path(entries["otherwise"], where.scope, "")
        named = self.whens.get(where.scope.at + path.keys, [])
        if not named:
            raise self.error(node, "`otherwise` needs a `when` of the same path in the same file")
        known = tuple(value for value in named if value is not None)
        return Otherwise(self.line(node), path, known, self.node(make, where))

    def _canonical(self, node: yaml.Node, entries: dict[str, yaml.Node], where: Where) -> Node:
        if where.type != "canonical":
            raise self.error(node, f"`canonical` makes a canonical; {where.name} is a {where.type}")
        file = self.other_file(entries["canonical"])
        self.calls.append((file, where.scope.entered(), self.line(node)))
        return Canonical(self.line(node), file, where.scope.inner, where.targets)

    def reference(self, node: yaml.Node, words: dict[str, yaml.Node], where: Where) -> Reference:
        """``ref`` and ``with``, or ``made``, in a Reference."""
        if where.type != "Reference":
            word = "made" if "made" in words else "ref"
            raise self.error(node, f"`{word}` makes a Reference; {where.name} is a {where.type}")
        if "made" in words:
            if len(words.keys() - {"at"}) > 1:
                raise self.error(node, "`made` refers to what is there: `ref` and `with` do not go with it")
            file = self.other_file(words["made"])
            return Reference(self.line(node), file, {}, where.scope.inner, where.targets, {}, made=True)
        file = self.other_file(words["ref"])
        binds: dict[str, Path | Copy] | None = None
        if "with" in words:
            binds = {}
            for name, value in self.members(words["with"], "`with`", None).items():
                bound = self.node(value, Where("", None, (), where.scope, name))
                if not isinstance(bound, Path | Copy):
                    raise self.error(value, "`with` hands on a path or `also`")
                binds[name] = bound
        self.calls.append((file, where.scope.entered(), self.line(node)))
        return Reference(self.line(node), file, binds, where.scope.inner, where.targets, where.scope.entered().field)

    # ------------------------------------------------------------ helpers

    def collect_whens(self, node: yaml.Node, scope: Scope) -> None:
        """Every constant that a ``when`` of this file names, by path: ``otherwise`` takes the rest."""
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                self.collect_whens(item, scope)
        elif isinstance(node, yaml.MappingNode):
            entries = {key.value: value for key, value in node.value}
            if isinstance(at := entries.get("at"), yaml.ScalarNode):
                scope = scope.below(self.path(at, scope, "").keys)
            if word_of(node) == "when" and isinstance(entries["when"], yaml.MappingNode):
                for key, value in entries["when"].value:
                    keys = scope.at + self.path(key, scope, "").keys
                    if isinstance(value, yaml.ScalarNode):
                        self.whens.setdefault(keys, []).append(scalar(value))
            if word_of(node) == "each":
                scope = self.scope_of_items(entries["each"], scope)
            for value in entries.values():
                self.collect_whens(value, scope)

    def scope_of_items(self, source: yaml.Node, scope: Scope) -> Scope:
        """The scope of the items of an ``each``: of nothing that is known where a function makes them."""
        if isinstance(source, yaml.MappingNode):
            entries = {key.value: value for key, value in source.value}
            listed = entries.get("also")
            if "call" in entries or not isinstance(listed, yaml.ScalarNode):
                return Scope(scope.at, (), ANY)
            source = listed
        return scope.each(self.path(source, scope, ""))

    def check_required(
        self, node: yaml.Node, type_name: str, entries: dict[str, Node], reference: Reference | None
    ) -> None:
        """An element that FHIR requires has a line; whether it has a value is seen with the data."""
        for element in self.definitions.required(type_name):
            if element.choice:
                stem = element.choice.removesuffix("[x]")
                found = any(name.startswith(stem) for name in entries)
            else:
                found = element.name in entries
            if not found and not (reference and element.name == "reference"):
                raise self.error(node, f"{element.path} is required by FHIR and has no line here")

    def below(self, where: Where, at: yaml.Node) -> Where:
        """The same place with the `$` that ``at`` names."""
        keys = self.path(at, where.scope, "").keys
        return Where(where.type, where.codes, where.targets, where.scope.below(keys), where.name, where.many)

    def function(self, node: yaml.Node, entries: dict[str, yaml.Node], paths: int) -> tuple[Any, tuple[Lookup, ...]]:
        """The function that ``call`` names, with the tables that ``by`` names."""
        name = self.text(entries["call"])
        if name not in FUNCTIONS:
            raise self.error(entries["call"], f"no function {name!r}; {nearest(name, FUNCTIONS) or 'see functions.py'}")
        function = FUNCTIONS[name]
        tables = tuple(self.table(item) for item in self.items(entries["by"])) if "by" in entries else ()
        if len(tables) != function.tables:
            raise self.error(node, f"`{name}` takes {function.tables} tables (`by`), not {len(tables)}")
        wanted = len(signature(function.forth).parameters) - function.tables
        if paths != wanted:
            raise self.error(node, f"`{name}` takes {wanted} path{'s' if wanted > 1 else ''}, not {paths}")
        return function, tables

    def table(self, node: yaml.Node) -> Lookup:
        """The code table, or the systems of identifiers, of that name."""
        name = self.text(node)
        if name not in self.tables:
            raise self.error(node, f"no code table {name!r}; {nearest(name, self.tables) or 'see codes/'}")
        return self.tables[name]

    def other_file(self, node: yaml.Node) -> str:
        """The name of another mapping file."""
        name = self.text(node)
        if name not in self.known_files:
            raise self.error(node, f"no mapping file {name!r}; {nearest(name, self.known_files) or 'none like it'}")
        return name

    def no_element(self, name: str, type_name: str) -> str:
        known = self.definitions.elements(type_name)
        return f"{name!r} is no element of {type_name}; {nearest(name, known) or 'see its page'}"


def is_constant_object(entries: dict[str, Node], reference: Reference | None) -> bool:
    """Whether an object of these entries depends on no record."""
    return reference is None and all(map(is_constant, entries.values()))
