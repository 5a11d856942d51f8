"""Walking over nodes: which paths they read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
    Reference,
    Through,
    When,
    children,
)


def python_name(file: str) -> str:
    """A file's name as part of a Python name."""
    return file.replace("-", "_")


def leaf_path(node: Any) -> Path | None:
    """The path whose value an element holds as it is, or through a function."""
    if isinstance(node, Path):
        return node
    if isinstance(node, Through):
        return node.own[0]
    if isinstance(node, When | Otherwise):
        return leaf_path(node.make)
    return None


def first_read(node: Any) -> Path | None:
    """The first path that a node is read back into, or copies: what the record lacks where the node is missing."""
    if (found := leaf_path(node)) is not None:
        return found if not found.root else None
    if isinstance(node, Coded):
        return node.path
    if isinstance(node, Each):
        return node.source if isinstance(node.source, Path) and not node.source.root else None
    inside = [first_read(child) for child in children(node)]
    if isinstance(node, Object) and node.reference is not None and node.reference.binds:
        inside = [first_read(bound) for bound in node.reference.binds.values()] + inside
    found = next((path for path in inside if path is not None), None)
    return node.sources[0] if found is None and isinstance(node, Copy) and not node.sources[0].root else found


def stands_inside(node: Object, key: str, child: Node) -> bool:
    """
    Whether a refused value of an element is carried by the object itself, not beside the element.

    An extension holds a value or extensions, never both (ext-1); and only primitives have something beside them.
    """
    if node.type == "Extension" and key.startswith("value"):
        return True
    return isinstance(child, Through) and not child.type[:1].islower()


def references(node: Node) -> Iterator[Reference]:
    """All references in a node to resources of other files."""
    if isinstance(node, Object) and node.reference is not None:
        yield node.reference
    for child in children(node):
        yield from references(child)


def paths_of(node: Node, *, deep: bool = False) -> list[Path]:
    """
    The paths that a node reads from the current item; ``deep``: also those that ``each`` reads from its own items.

    Paths from the root are always among them. Where another file is entered at a place, that place is looked up too.
    """
    if isinstance(node, Path):
        return [node]
    if isinstance(node, Copy | Through):
        return list(node.sources)
    if isinstance(node, Coded):
        return [node.path]
    if isinstance(node, Each):
        inner = paths_of(node.make, deep=deep)
        return paths_of(node.source) + [path for path in inner if deep or path.root]
    if isinstance(node, When | Otherwise):
        return [node.path, *paths_of(node.make, deep=deep)]
    if isinstance(node, Canonical):
        return [Path(node.line, (*node.at, ""), root=False)]
    if isinstance(node, Many):
        return [path for item in node.items for path in paths_of(item, deep=deep)]
    found: list[Path] = []
    if isinstance(node, Object):
        found = [path for child in node.entries.values() for path in paths_of(child, deep=deep)]
        if node.at is not None:
            found.append(node.at)
        if node.reference is not None:
            binds = node.reference.binds
            if binds is None:
                found.append(Path(node.reference.line, (*node.reference.at, ""), root=False))
            else:
                found += [path for bound in binds.values() for path in paths_of(bound)]
    return found
