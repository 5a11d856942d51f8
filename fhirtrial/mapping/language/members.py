"""Taking a YAML node apart: what each kind of node must be, said with its line where it is not."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from fhirtrial.errors import MappingError
from fhirtrial.issue import nearest
from fhirtrial.mapping.language.nodes import Line, Lookup, Only
from fhirtrial.rules import Rules
from fhirtrial.strict_yaml import line_of, scalar


class Members:
    """The nodes of one file."""

    def __init__(self, file: str) -> None:
        self.file = file

    def needed(self, node: yaml.Node, entries: dict[str, yaml.Node], word: str, other: str) -> yaml.Node:
        if other not in entries:
            raise self.error(node, f"`{word}` needs `{other}`")
        return entries[other]

    def members(self, node: yaml.Node, what: str, known: frozenset[str] | None) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self.error(node, f"{what} must be an object")
        for key, _ in node.value:
            if known is not None and key.value not in known:
                hint = nearest(key.value, known) or f"known: {', '.join(sorted(known))}"
                raise self.error(key, f"`{key.value}` means nothing in {what}; {hint}")
        return {key.value: value for key, value in node.value}

    def items(self, node: yaml.Node) -> list[yaml.Node]:
        return list(node.value) if isinstance(node, yaml.SequenceNode) else [node]

    def text(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or not isinstance(value := scalar(node), str):
            raise self.error(node, "text is wanted here")
        return value

    def flag(self, members: dict[str, yaml.Node], name: str) -> bool:
        if name not in members:
            return False
        node = members[name]
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(value, bool):
            raise self.error(node, f"`{name}` is true or false")
        return value

    def only(self, node: yaml.Node, entries: dict[str, yaml.Node], lookups: Mapping[str, Lookup]) -> Only | None:
        """Which items of a list are meant, if not all: those for which rules give a code."""
        if "only" not in entries and "by" not in entries:
            return None
        code = self.text(self.needed(node, entries, "by", "only"))
        name = self.text(self.needed(node, entries, "only", "by"))
        rules = lookups.get(name)
        if not isinstance(rules, Rules):
            known = [name for name, found in lookups.items() if isinstance(found, Rules)]
            raise self.error(entries["by"], f"no table of rules {name!r}; {nearest(name, known) or 'see rules/'}")
        codes = {rule.code for rule in rules.rules}
        if code not in codes:
            hint = nearest(code, codes) or f"one of {', '.join(sorted(codes))}"
            raise self.error(entries["only"], f"no rule of {rules.file} gives {code!r}; {hint}")
        return Only(code, rules)

    def line(self, node: yaml.Node) -> Line:
        return Line(self.file, line_of(node))

    def error(self, node: yaml.Node, message: str) -> MappingError:
        return MappingError(message, file=self.file, line=line_of(node))
