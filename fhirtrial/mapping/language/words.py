"""The words of the mapping language."""

from __future__ import annotations

import yaml

# What a node may consist of, by the word that makes it what it is.
WORDS: dict[str, frozenset[str]] = {
    "also": frozenset({"also", "call", "by"}),
    "from": frozenset({"from", "call", "by"}),
    "coded": frozenset({"coded", "by", "at"}),
    "each": frozenset({"each", "make", "at", "only", "by"}),
    "when": frozenset({"when", "make", "at"}),
    "otherwise": frozenset({"otherwise", "make", "at"}),
    "canonical": frozenset({"canonical", "at"}),
}
HEAD = frozenset({"resource", "identity", "canonical", "body"})
IDENTITY = frozenset({"kind", "of", "shared", "readable", "hashed"})
BESIDE = frozenset({"file", "each", "order", "only", "by"})


def word_of(node: yaml.Node) -> str | None:
    """The word that makes an object a node of its own, if it has one."""
    if not isinstance(node, yaml.MappingNode):
        return None
    keys = {key.value for key, _ in node.value}
    # `when` is also an element of Timing.repeat, and `canonical` could be one: a word needs its company.
    return next((word for word in WORDS if word in keys and (word != "when" or "make" in keys)), None)
