"""
Which system an identifier belongs to, where its shape leaves no doubt.

A registry takes secondary ids as text: EudraCT numbers, grants, numbers of other registries. The rules are data,
``mappings/<registry>/identifier-systems.yaml``: the first one that fits decides. An id that fits none has no system.

Identifier.system: https://hl7.org/fhir/R5/datatypes.html#Identifier
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.prefixes import expand, load_prefixes
from fhirtrial.strict_yaml import compose, line_of, scalar

FILE = "ctgov/identifier-systems.yaml"
_MEMBERS = ("name", "pattern", "types", "domain", "system", "source", "examples")


@dataclass(frozen=True, slots=True)
class Example:
    """An id that must fit a rule, with what the record says beside it."""

    id: str
    type: str | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    One shape of ids and its system.

    ``types`` are the registry's types that it holds for (None among them: no type), empty for all of them; ``domain``
    is what the record has to name as the giver of the id, if anything.
    """

    name: str
    pattern: re.Pattern[str]
    types: frozenset[str | None]
    domain: re.Pattern[str] | None
    system: str
    examples: tuple[Example, ...]
    line: int

    def fits(self, id: str, type: str | None = None, domain: str | None = None) -> bool:
        """Whether an id has this shape, is of one of these types and comes from this giver."""
        if self.types and type not in self.types:
            return False
        if self.domain is not None and not self.domain.fullmatch((domain or "").strip()):
            return False
        return self.pattern.fullmatch(id.strip()) is not None


@dataclass(frozen=True, slots=True)
class IdentifierSystems:
    """The rules of one registry, in order; made by `load_identifier_systems`."""

    rules: tuple[Rule, ...]
    name: str = "identifier-systems"

    def rule(self, id: str, type: str | None = None, domain: str | None = None) -> Rule | None:
        """The first rule that fits, None if there is none."""
        for rule in self.rules:
            if rule.fits(id, type, domain):
                return rule
        return None

    def system(self, id: str, type: str | None = None, domain: str | None = None) -> str | None:
        """
        The system of a secondary id, or None if its shape leaves a doubt.

        ``type`` is what the registry calls it, ``domain`` who gave it.

        >>> systems = load_identifier_systems(MappingFiles())
        >>> systems.system("2022-500014-26-00", "CTIS")
        'https://euclinicaltrials.eu/clinicalTrialId'
        >>> systems.system("ISRCTN19572887", "OTHER", "International Standard Randomised Controlled Trials")
        'https://www.isrctn.com/ISRCTN'
        >>> systems.system("EudraCT No. 2005-005257-21") is None
        True
        """
        found = self.rule(id, type, domain)
        return found.system if found else None


def load_identifier_systems(files: MappingFiles, name: str = FILE) -> IdentifierSystems:
    """
    The rules of a registry, compiled.

    Raises MappingError, with file and line, for an unknown member, a missing one, a pattern that is none, a rule
    without example, and an example that the rule does not fit or that an earlier rule takes away.
    """
    prefixes = load_prefixes(files)
    root = compose(files.read_bytes(name), name)
    if not isinstance(root, yaml.SequenceNode):
        raise MappingError("the file is a list of rules", file=name, line=line_of(root))
    rules: list[Rule] = []
    for node in root.value:
        reader = _Reader(name, node)
        rule = Rule(
            name=reader.text("name"),
            pattern=reader.pattern("pattern"),
            types=frozenset(reader.types()),
            domain=reader.pattern("domain", re.IGNORECASE) if "domain" in reader.members else None,
            system=expand(reader.text("system"), prefixes),
            examples=reader.examples(),
            line=line_of(node),
        )
        reader.text("source")
        rules.append(rule)
        for example in rule.examples:
            first = next((other for other in rules if other.fits(example.id, example.type, example.domain)), None)
            if first is not rule:
                taken = f"is taken by {first.name!r} (line {first.line})" if first else "does not fit"
                raise MappingError(f"{rule.name}: the example {example.id} {taken}", file=name, line=rule.line)
    return IdentifierSystems(tuple(rules))


class _Reader:
    """The members of one rule, checked as they are read."""

    def __init__(self, file: str, node: yaml.Node) -> None:
        self.file, self.node = file, node
        if not isinstance(node, yaml.MappingNode):
            raise self.error("a rule is an object", node)
        self.members = {key.value: value for key, value in node.value}
        for key, _ in node.value:
            if key.value not in _MEMBERS:
                hint = nearest(key.value, _MEMBERS)
                raise self.error(f"{key.value} has no meaning in a rule" + (f" ({hint})" if hint else ""), key)

    def error(self, message: str, node: yaml.Node) -> MappingError:
        return MappingError(message, file=self.file, line=line_of(node))

    def text(self, member: str) -> str:
        if member not in self.members:
            raise self.error(f"a rule needs {member}", self.node)
        return self._text(self.members[member])

    def _text(self, node: yaml.Node) -> str:
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(value, str) or not value:
            raise self.error("text is needed here", node)
        return value

    def pattern(self, member: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
        text = self.text(member)
        try:
            return re.compile(text, flags | re.ASCII)
        except re.error as error:
            raise self.error(f"{text!r} is no regular expression: {error}", self.members[member]) from None

    def types(self) -> list[str | None]:
        found: list[str | None] = []
        for node in self._items("types") if "types" in self.members else ():
            is_none = isinstance(node, yaml.ScalarNode) and scalar(node) is None
            found.append(None if is_none else self._text(node))
        return found

    def examples(self) -> tuple[Example, ...]:
        found = []
        for node in self._items("examples"):
            if isinstance(node, yaml.MappingNode):
                members = {key.value: self._text(value) for key, value in node.value}
                if not {"id"} <= members.keys() <= {"id", "type", "domain"}:
                    raise self.error("an example is an id, or an object of id, type and domain", node)
                found.append(Example(**members))
            else:
                found.append(Example(self._text(node), self._first_type()))
        return tuple(found)

    def _first_type(self) -> str | None:
        types = self.types()
        return types[0] if types else None

    def _items(self, member: str) -> list[yaml.Node]:
        node = self.members.get(member, self.node)
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self.error(f"a rule needs a list of {member}", node)
        return list(node.value)
