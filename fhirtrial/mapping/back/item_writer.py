"""Items of the way back: where in the generated code the objects of a record are, and what is set in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fhirtrial.mapping.language.nodes import (
    Canonical,
    Coded,
    Constant,
    Each,
    Many,
    Node,
    Object,
    Otherwise,
    Path,
    Reference,
    Through,
    When,
    is_two_way,
)
from fhirtrial.source import Source


@dataclass(slots=True)
class Item:
    """The current item in the generated code: the variables of its objects, by path, and how the path is spelt."""

    name: str
    spelt: str
    objects: dict[tuple[str, ...], str] = field(default_factory=dict)
    whole: bool = False

    def path(self, keys: tuple[str, ...]) -> str:
        """The path of a value, for issues."""
        return ".".join([*([self.spelt] if self.spelt else []), *keys])


class ItemWriter:
    """Writes the lines that make items and set their values."""

    def __init__(self) -> None:
        self.source = Source()
        self.modules: list[tuple[int, str]] = [(0, "")]
        self._module_at: dict[tuple[str, ...], int] = {(): 0}
        self.element = ""

    def module(self, keys: tuple[str, ...]) -> int:
        """The number of a module of the record."""
        if keys not in self._module_at:
            self.modules.append((self.module(keys[:-1]), keys[-1]))
            self._module_at[keys] = len(self.modules) - 1
        return self._module_at[keys]

    def begin(self, item: Item, paths: set[tuple[str, ...]]) -> None:
        """The objects inside an item, there from the beginning."""
        item.objects[()] = item.name
        for keys in sorted({path[:place] for path in paths for place in range(1, len(path))}):
            name = self.source.fresh(keys[-1])
            self.source.add(f"{name} = {{}}")
            item.objects[keys] = name

    def end(self, item: Item) -> None:
        """What is filled of them goes where it belongs."""
        for keys in sorted(item.objects, key=len, reverse=True):
            if keys:
                with self.source.block(f"if {item.objects[keys]}:"):
                    self.source.add(f"{item.objects[keys[:-1]]}[{keys[-1]!r}] = {item.objects[keys]}")

    def set(self, keys: tuple[str, ...], expression: str, item: Item, node: Node, *, doubtful: bool = False) -> None:
        """Sets a value of the item."""
        if not keys:
            self.source.add(f"{item.name} = {expression}", node.line)
        elif doubtful:
            parent = item.objects[keys[:-1]]
            self.source.add(f"run.once({parent}, {keys[-1]!r}, {expression}, {item.path(keys)!r}, {str(node.line)!r})")
        else:
            self.source.add(f"{item.objects[keys[:-1]]}[{keys[-1]!r}] = {expression}", node.line)


def reads_back(reference: Reference) -> bool:
    """Whether following a reference sets anything."""
    return reference.binds is None or any(isinstance(path, Path) and not path.root for path in reference.binds.values())


def beside(node: Node) -> bool:
    """Whether a value may stand beside its element."""
    if isinstance(node, When | Otherwise):
        return beside(node.make)
    return isinstance(node, Through) or (isinstance(node, Path) and node.type[:1].islower())


def written(node: Node) -> Iterator[tuple[str, ...]]:
    """The paths of the current item that reading a node sets."""
    if isinstance(node, Constant) or not is_two_way(node):
        return
    if isinstance(node, Path):
        yield node.keys
    elif isinstance(node, Through):
        yield from (path.keys for path in node.own)
    elif isinstance(node, Coded):
        yield node.path.keys
    elif isinstance(node, Each):
        yield from written(node.source)
    elif isinstance(node, When):
        if node.value is not None:
            yield node.path.keys
        yield from written(node.make)
    elif isinstance(node, Otherwise):
        yield from written(node.make)
    elif isinstance(node, Canonical):
        yield (*node.at, "")
    elif isinstance(node, Many):
        for entry in node.items:
            yield from written(entry)
    elif isinstance(node, Object):
        if node.reference is not None and reads_back(node.reference):
            if node.reference.binds is None:
                yield (*node.reference.at, "")
            else:
                for path in node.reference.binds.values():
                    if isinstance(path, Path) and not path.root:
                        yield path.keys
        for child in node.entries.values():
            yield from written(child)
