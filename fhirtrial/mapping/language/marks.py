"""
What an entry of a list always shows: the constants by which the way back knows which line made it.

Rule 1 of the language: an object is made if a value is found for anything in it, and then the whole constant entries of
its lists and its whole constant sub-objects are there; a constant beside a path comes and goes with the path.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeAlias

from fhirtrial.codes import Table
from fhirtrial.mapping.language.nodes import (
    Canonical,
    Coded,
    Copy,
    Each,
    Many,
    Node,
    Object,
    Otherwise,
    Path,
    Through,
    When,
    constant_value,
    is_constant,
)

Way: TypeAlias = tuple[str, ...]
"""Keys from an entry down, through lists; a last ``#`` means: a Coding, as (system, code)."""

Mark: TypeAlias = tuple[Way, Hashable]

FOR_PEOPLE = frozenset({"display", "text"})


def depends_on(node: Node) -> frozenset[tuple[str, ...]]:
    """The paths of the current item on whose presence a node depends."""
    if isinstance(node, Path):
        return frozenset() if node.root else frozenset({node.keys})
    if isinstance(node, Copy | Through):
        return frozenset().union(*map(depends_on, node.sources))
    if isinstance(node, Coded):
        return depends_on(node.path)
    if isinstance(node, Each):
        return depends_on(node.source)
    if isinstance(node, When):
        return depends_on(node.make) | (frozenset() if node.value is None else depends_on(node.path))
    if isinstance(node, Otherwise):
        return depends_on(node.make) | depends_on(node.path)
    if isinstance(node, Canonical):
        return frozenset({node.at})
    found: frozenset[tuple[str, ...]] = frozenset()
    if isinstance(node, Many):
        found = found.union(*map(depends_on, node.items))
    elif isinstance(node, Object):
        found = found.union(*map(depends_on, node.entries.values()))
        if node.reference is not None:
            binds = node.reference.binds
            found |= {node.reference.at} if binds is None else frozenset().union(*map(depends_on, binds.values()))
    return found


def bones(node: Node) -> Any:
    """The constant part of a node that is there whenever its object is; None if it has none."""
    if is_constant(node):
        return constant_value(node)
    if isinstance(node, Many):
        return [constant_value(item) for item in node.items if is_constant(item)] or None
    if isinstance(node, Object) and node.reference is None:
        if not all(isinstance(child, Many | Object) or is_constant(child) for child in node.entries.values()):
            return None  # a constant beside a path goes with it
        found = {key: bone for key, child in node.entries.items() if (bone := bones(child)) is not None}
        return found if any(isinstance(bone, dict | list) for bone in found.values()) else None
    return None


def marks(template: Node) -> frozenset[Mark]:
    """The constants that every entry of a template shows."""
    node = made_by(template)
    return frozenset(_shown(node, (), depends_on(node)))


def made_by(template: Node) -> Node:
    """The node that an entry of a template looks like."""
    while isinstance(template, Each | When | Otherwise):
        template = template.make
    return template


def elements(template: Node) -> tuple[str, ...]:
    """The elements one of which an entry without marks must have."""
    node = made_by(template)
    if not isinstance(node, Object):
        return ()
    return (*node.entries, *(("reference",) if node.reference else ()))


def codes_in(node: Node, way: Way = ()) -> list[tuple[Way, Table]]:
    """Where a template writes codes of a table: the way to the codings, and the table."""
    if isinstance(node, Coded):
        return [(way, node.table)]
    if isinstance(node, Many):
        return [found for item in node.items for found in codes_in(item, way)]
    if isinstance(node, Object):
        return [found for key, child in node.entries.items() for found in codes_in(child, (*way, key))]
    return []


def _shown(node: Node, way: Way, need: frozenset[tuple[str, ...]]) -> list[Mark]:
    if is_constant(node):
        return _flat(constant_value(node), way)
    found: list[Mark] = []
    if isinstance(node, Object):
        for key, child in node.entries.items():
            found += _shown_below(child, (*way, key), need)
    elif isinstance(node, Many):
        for item in node.items:
            if isinstance(item, Coded):
                if depends_on(item) >= need:
                    found.append(((*way, "system"), item.table.own))
            elif is_constant(item) or depends_on(item) >= need:
                found += _shown(item, way, need)
    return found


def _shown_below(child: Node, way: Way, need: frozenset[tuple[str, ...]]) -> list[Mark]:
    if is_constant(child):
        return _flat(constant_value(child), way)
    if not isinstance(child, Many | Object):
        return []
    if depends_on(child) >= need:
        return _shown(child, way, need)
    bone = bones(child)
    return [] if bone is None else _flat(bone, way)


def _flat(value: Any, way: Way) -> list[Mark]:
    if isinstance(value, dict):
        if "system" in value and "code" in value:
            return [((*way, "#"), (value["system"], value["code"]))]
        return [mark for key, below in value.items() for mark in _flat(below, (*way, key))]
    if isinstance(value, list):
        return [mark for item in value for mark in _flat(item, way)]
    return [] if way and way[-1] in FOR_PEOPLE else [(way, value)]
