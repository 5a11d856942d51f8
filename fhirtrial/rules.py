"""
Rules in order: which code a record, or a row of it, is given. The first rule that holds decides.

What a subject's state is follows from several tables of a data set together. Such rules are data,
``mappings/<registry>/rules/*.yaml``; how they are written is explained in ``mappings/README.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.prefixes import expand, load_prefixes
from fhirtrial.strict_yaml import compose, line_of, scalar

Fields = Mapping[str, Any]
"""The fields of a registry, as ``schema.json`` has them."""

_TOP = ("system", "told_by", "rules")
_RULE = ("code", "display", "if", "unless", "since", "why")
_ITEM = ("$",)
"""Where a condition is about the item that the rules are asked about, and not about the record."""


@dataclass(frozen=True, slots=True)
class Condition:
    """
    What one row must show: the path of the object or list in which it stands, and by field the values allowed.

    Values are compared without regard to case and to blanks at the ends. None among them: the field may be absent;
    True: any value will do. No fields: there is a row.
    """

    place: tuple[str, ...]
    fields: Mapping[str, frozenset[str | bool | None]]

    def row(self, record: Mapping[str, Any], item: Any) -> Any:
        """The row that shows it: the last one of a list; None if none does."""
        found: Any = item
        if self.place != _ITEM:
            found = record
            for key in self.place:
                found = found.get(key) if isinstance(found, dict) else None
        for row in reversed(found) if isinstance(found, list) else (found,):
            if isinstance(row, dict):
                for name, known in self.fields.items():  # no generator: this is asked of each row of each record
                    if not _shows(row.get(name), known):
                        break
                else:
                    return row
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A code, and when it is given: any of ``conditions`` holds (there are none: always), and none of ``unless``."""

    code: str
    display: str
    conditions: tuple[Condition, ...]
    unless: tuple[Condition, ...]
    since: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The rule that decided, and the row that showed what it asks for; None where it asks for nothing."""

    rule: Rule
    row: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """
    The rules of one file, in order; made by `load_rules`.

    ``system`` is that of their codes, where they are codes of FHIR's; ``told_by`` the list whose rows say themselves
    that they decided.
    """

    name: str
    file: str
    system: str
    told_by: str
    rules: tuple[Rule, ...]

    def decide(self, record: Mapping[str, Any], item: Any = None) -> Decision | None:
        """What is decided for a record, or for an item of it; None if no rule holds."""
        for rule in self.rules:
            if rule.unless and any(condition.row(record, item) is not None for condition in rule.unless):
                continue
            if not rule.conditions:
                return Decision(rule=rule, row=None)
            for condition in rule.conditions:
                row = condition.row(record, item)
                if row is not None:
                    return Decision(rule=rule, row=row)
        return None

    def code(self, record: Mapping[str, Any], item: Any = None) -> str | None:
        """The code that is given to a record, or to an item of it; None if no rule holds."""
        decision = self.decide(record, item)
        return decision.rule.code if decision else None


def load_rules(files: MappingFiles, folder: str, fields: Fields) -> dict[str, Rules]:
    """
    The tables of rules of a folder by name; ``fields`` is what a record may hold.

    Raises MappingError, with file and line, for an unknown member, a missing one, a place or field that the record
    does not have, a condition that is none, and a rule behind one that always holds.
    """
    prefixes = load_prefixes(files)
    found = {}
    for file in files.names(folder):
        name = file.rsplit("/", 1)[-1].removesuffix(".yaml")
        reader = _Reader(file, fields)
        top = reader.members(compose(files.read_bytes(file), file), "a file of rules", _TOP, ("rules",))
        rules = tuple(reader.rule(node) for node in reader.items(top["rules"], "rules"))
        for rule in rules[:-1]:
            if not rule.conditions and not rule.unless:
                raise MappingError(f"{rule.code} always holds: nothing after it is asked", file=file, line=rule.line)
        told_by = reader.text(top["told_by"]) if "told_by" in top else ""
        if told_by:
            reader.known(top["told_by"], told_by, fields, "the record")
        system = expand(reader.text(top["system"]), prefixes) if "system" in top else ""
        found[name] = Rules(name=name, file=file, system=system, told_by=told_by, rules=rules)
    return found


def _shows(value: Any, known: frozenset[str | bool | None]) -> bool:
    if value is None:
        return None in known
    return True in known or str(value).strip().casefold() in known


@dataclass(frozen=True, slots=True)
class _Reader:
    """The nodes of one file, checked as they are read."""

    file: str
    fields: Fields

    def error(self, message: str, node: yaml.Node) -> MappingError:
        return MappingError(message, file=self.file, line=line_of(node))

    def members(
        self, node: yaml.Node, what: str, known: tuple[str, ...] = (), needed: tuple[str, ...] = ()
    ) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self.error(f"{what} is an object", node)
        for key, _ in node.value:
            if known and key.value not in known:
                hint = nearest(key.value, known) or f"known: {', '.join(known)}"
                raise self.error(f"{key.value} has no meaning in {what}; {hint}", key)
        found = {key.value: value for key, value in node.value}
        for name in needed:
            if name not in found:
                raise self.error(f"{what} needs {name}", node)
        return found

    def items(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self.error(f"{what} is a list", node)
        return list(node.value)

    def text(self, node: yaml.Node) -> str:
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(value, str) or not value:
            raise self.error("text is needed here", node)
        return value

    def known(self, node: yaml.Node, name: str, fields: Fields, where: str) -> None:
        if name not in fields:
            hint = nearest(name, fields) or "none is like it"
            raise self.error(f"{name} is no field of {where}; {hint}", node)

    def below(self, node: yaml.Node, path: tuple[str, ...]) -> Fields:
        """The fields of what is at a path of the record; the path is checked."""
        fields, where = self.fields, "the record"
        for key in path:
            self.known(node, key, fields, where)
            fields, where = fields[key].get("fields", {}), key
        return fields

    def rule(self, node: yaml.Node) -> Rule:
        said = self.members(node, "a rule", _RULE, ("code",))
        since = tuple(self.text(said["since"]).split(".")) if "since" in said else ()
        if since:
            self.below(said["since"], since)
        return Rule(
            code=self.text(said["code"]),
            display=self.text(said["display"]) if "display" in said else "",
            conditions=tuple(self.conditions(said, "if")),
            unless=tuple(self.conditions(said, "unless")),
            since=since,
            line=line_of(node),
        )

    def conditions(self, said: Mapping[str, yaml.Node], word: str) -> Iterator[Condition]:
        for node in self.items(said[word], f"`{word}`") if word in said else ():
            places = self.members(node, "a condition")
            if len(places) != 1:
                raise self.error("a condition is about one place of the record", node)
            ((name, fields),) = places.items()
            place = tuple(name.split("."))
            below = self.below(node, place) if place != _ITEM else {}
            known = self.members(fields, f"what {name} must show")
            if place != _ITEM:
                for key, _ in fields.value:
                    self.known(key, key.value, below, name)
            yield Condition(place, {name: self.values(value) for name, value in known.items()})

    def values(self, node: yaml.Node) -> frozenset[str | bool | None]:
        found: set[str | bool | None] = set()
        for item in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            value = scalar(item) if isinstance(item, yaml.ScalarNode) else ""
            if value is False or value == "":
                raise self.error("a value is text, true (any) or null (absent)", item)
            found.add(value.strip().casefold() if isinstance(value, str) else value)
        return frozenset(found)
