"""Strict YAML: text stays text, a key stands once, and every node knows its line."""

from __future__ import annotations

import yaml

from fhirtrial.errors import MappingError

# `NO`, `1.10` and `2020-01-01` are text; only these three plain words are not.
PLAIN_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def compose(raw: bytes, file: str) -> yaml.Node:
    """
    The node tree of one YAML document, with its lines.

    Raises MappingError for what is no YAML, for an empty document, aliases, tags and duplicate keys.
    """
    try:
        node = yaml.compose(raw.decode("utf-8"), Loader=_Loader)
    except UnicodeDecodeError as error:
        raise MappingError(f"not UTF-8: {error.reason} at byte {error.start}", file=file) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise MappingError(f"not YAML: {error.problem}", file=file, line=line) from None
    except yaml.YAMLError as error:
        raise MappingError(f"not YAML: {error}", file=file) from None
    if node is None:
        raise MappingError("the file is empty", file=file)
    _check(node, file, set())
    return node


def line_of(node: yaml.Node) -> int:
    """The line of a node, from 1."""
    return int(node.start_mark.line) + 1


def scalar(node: yaml.ScalarNode) -> str | bool | None:
    """The value of a scalar: text, or one of the three plain words when it is not quoted."""
    text: str = node.value
    return text if node.style else PLAIN_WORDS.get(text, text)  # plain: None, or "" from libyaml


def plain(node: yaml.Node) -> object:
    """A whole node as plain Python values."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [plain(item) for item in node.value]
    assert isinstance(node, yaml.ScalarNode)
    return scalar(node)


def _check(node: yaml.Node, file: str, seen: set[int]) -> None:
    if id(node) in seen:
        raise MappingError("aliases are not part of the mapping language", file=file, line=line_of(node))
    if not node.tag.startswith("tag:yaml.org,2002:"):
        raise MappingError(f"tags are not part of the mapping language: {node.tag}", file=file, line=line_of(node))
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check(item, file, seen)
    elif isinstance(node, yaml.MappingNode):
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise MappingError("a key must be plain text", file=file, line=line_of(key))
            if key.value in first:
                raise MappingError(
                    f"{key.value!r} stands twice in one object, first in line {first[key.value]}",
                    file=file,
                    line=line_of(key),
                )
            first[key.value] = line_of(key)
            _check(value, file, seen)
