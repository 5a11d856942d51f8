"""What a mapping makes only where a user asks for it: nodes with the word ``asked``."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import yaml

from fhirtrial.errors import MappingError, UsageError
from fhirtrial.issue import nearest
from fhirtrial.strict_yaml import line_of, plain

WORD = "asked"
ASKED = ("us-core-race",)
"""What can be asked for."""


def checked(names: Iterable[str]) -> frozenset[str]:
    """What a user asks for. Raises UsageError for what there is not."""
    found = frozenset(names)
    for name in sorted(found.difference(ASKED)):
        raise UsageError(f"{name!r} cannot be asked for; {_hint(name)}")
    return found


def with_asked(node: yaml.Node, asked: Collection[str], file: str) -> yaml.Node:
    """
    A document without the nodes that are not asked for, and without the word.

    Raises MappingError for what cannot be asked for.
    """
    kept = _kept(node, asked, file)
    return node if kept is None else kept


def _kept(node: yaml.Node, asked: Collection[str], file: str) -> yaml.Node | None:
    """None if nothing stays."""
    if isinstance(node, yaml.SequenceNode):
        items = [found for item in node.value if (found := _kept(item, asked, file)) is not None]
        if not items and node.value:
            return None
        return yaml.SequenceNode(node.tag, items, node.start_mark, node.end_mark, node.flow_style)
    if not isinstance(node, yaml.MappingNode):
        return node
    entries = []
    for key, value in node.value:
        if key.value == WORD:
            name = plain(value)
            if name not in ASKED:
                raise MappingError(f"{name!r} cannot be asked for; {_hint(str(name))}", file=file, line=line_of(value))
            if name not in asked:
                return None
        elif (found := _kept(value, asked, file)) is not None:
            entries.append((key, found))
    return yaml.MappingNode(node.tag, entries, node.start_mark, node.end_mark, node.flow_style)


def _hint(name: str) -> str:
    return nearest(name, ASKED) or f"known: {', '.join(ASKED)}"
