"""Taking a YAML node apart: what each kind of node must be, said with its line where it is not."""

from __future__ import annotations

import yaml

from fhirtrial.errors import MappingError
from fhirtrial.issue import nearest
from fhirtrial.mapping.language.nodes import Line
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

    def line(self, node: yaml.Node) -> Line:
        return Line(self.file, line_of(node))

    def error(self, node: yaml.Node, message: str) -> MappingError:
        return MappingError(message, file=self.file, line=line_of(node))
