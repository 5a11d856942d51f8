"""Where every field goes: the account of a mapping, made from its files alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from fhirtrial.mapping.nodes import (
    Canonical,
    Coded,
    Constant,
    Copy,
    Each,
    Line,
    Many,
    Node,
    Object,
    Otherwise,
    Path,
    ResourceFile,
    Through,
    When,
    constant_value,
    is_constant,
)

Way = Literal["two-way", "when", "copy"]
"""``when``: two-way for the values that the line names; ``copy``: written for readers, never read back."""


@dataclass(frozen=True, slots=True)
class Place:
    """One appearance of a field: its path in the record, the FHIR element, the line of the mapping."""

    path: str
    element: str
    line: Line
    way: Way


def places(files: dict[str, ResourceFile], starts: tuple[str, ...]) -> list[Place]:
    """All appearances of all fields, in the order of the files."""
    ledger = _Ledger(files)
    for start in starts:
        ledger.file(start, "", "two-way", {})
    return list(dict.fromkeys(ledger.found))


class _Ledger:
    def __init__(self, files: dict[str, ResourceFile]) -> None:
        self.files = files
        self.found: list[Place] = []

    def file(self, name: str, at: str, way: Way, given: dict[str, tuple[str, Way]]) -> None:
        """A file's body; ``given``: for a shared file, the record path that each fact comes from."""
        file = self.files[name]
        self.walk(file.body, file.resource, at, way, given)

    def add(self, path: Path, element: str, at: str, way: Way, given: dict[str, tuple[str, Way]], line: Line) -> None:
        if path.root:
            self.found.append(Place(".".join(path.keys), element, line, "copy"))
            return
        own = ".".join(path.keys)
        if given:
            if own in given:
                source, bound = given[own]
                self.found.append(Place(source, element, line, "copy" if bound == "copy" else way))
            return
        self.found.append(Place(join(at, own), element, line, way))

    def walk(self, node: Node, element: str, at: str, way: Way, given: dict[str, tuple[str, Way]]) -> None:
        """Everything below a node."""
        if isinstance(node, Constant):
            return
        if isinstance(node, Path):
            self.add(node, element, at, way, given, node.line)
        elif isinstance(node, Copy):
            for path in node.sources:
                self.add(path, element, at, "copy", given, node.line)
        elif isinstance(node, Through):
            for path in node.sources:
                self.add(path, element, at, way, given, node.line)
        elif isinstance(node, Coded):
            self.add(node.path, f"{element}.code", at, way, given, node.line)
        elif isinstance(node, Each):
            self.each(node, element, at, way, given)
        elif isinstance(node, When):
            below: Way = "when" if way != "copy" else way
            self.add(node.path, element, at, "copy" if node.value is None else below, given, node.line)
            self.walk(node.make, element, at, below, given)
        elif isinstance(node, Otherwise):
            self.walk(node.make, element, at, "when" if way != "copy" else way, given)
        elif isinstance(node, Canonical):
            self.file(node.file, join(at, ".".join(node.at)), way, given)
        elif isinstance(node, Many):
            for item in node.items:
                self.walk(item, element, at, way, given)
        else:
            self.object(node, element, at, way, given)

    def each(self, node: Each, element: str, at: str, way: Way, given: dict[str, tuple[str, Way]]) -> None:
        source = node.source
        if isinstance(source, Path):
            if source.root:
                return
            self.walk(node.make, element, join(at, ".".join(source.keys)) + "[]", way, given)
            return
        self.walk(source, element, at, way, given)
        if isinstance(source, Copy) and source.function is None:
            own = source.sources[0]
            below = ".".join(own.keys) if own.root else join(at, ".".join(own.keys))
            self.walk(node.make, element, below + "[]", "copy", given)

    def object(self, node: Object, element: str, at: str, way: Way, given: dict[str, tuple[str, Way]]) -> None:
        element = named(node, element)
        if node.reference is not None:
            reference = node.reference
            if reference.binds is None:
                place = join(at, ".".join(reference.at))
                facts: dict[str, tuple[str, Way]] = {}
                if self.files[reference.file].identity.shared:
                    names = [".".join(path.keys) for path in self.files[reference.file].identity.of]
                    facts = {name: (join(place, name), way) for name in names}
                self.file(reference.file, place, way, facts)
            else:
                bound: dict[str, tuple[str, Way]] = {}
                for name, path in reference.binds.items():
                    source = path if isinstance(path, Path) else path.sources[0]
                    keys = ".".join(source.keys)
                    one_way: Way = way if isinstance(path, Path) and not path.root else "copy"
                    if given:
                        if keys in given:
                            bound[name] = (given[keys][0], "copy" if given[keys][1] == "copy" else one_way)
                    else:
                        bound[name] = (keys if source.root else join(at, keys), one_way)
                self.file(reference.file, at, way, bound or {"": ("", "copy")})
        for key, child in node.entries.items():
            if not is_constant(child):
                self.walk(child, f"{element}.{key}", at, way, given)


def join(at: str, keys: str) -> str:
    """Two parts of a path."""
    return f"{at}.{keys}" if at and keys else at or keys


def named(node: Object, element: str) -> str:
    """An element with what sets this entry of it apart: the extension's name, the use, our own code."""
    for mark in _marks_of(node) if "." in element else ():
        return f"{element}[{mark}]"
    return element


def _marks_of(node: Object) -> Iterator[str]:
    url, use = node.entries.get("url"), node.entries.get("use")
    if isinstance(url, Constant) and node.type == "Extension":
        yield str(url.value).rsplit("/", 1)[-1]
    if isinstance(use, Constant):
        yield str(use.value)
    for key in ("type", "role", "state", "code", "classifier", "coding"):
        child = node.entries.get(key)
        found = list(_codes(child)) if child is not None else []
        if found:
            yield found[-1]  # where FHIR's code is the same for several, our own, which comes last, is not


def _codes(node: Node) -> Iterator[str]:
    if isinstance(node, Constant):
        if isinstance(node.value, str):
            yield node.value
    elif is_constant(node):
        value = constant_value(node)
        for item in value if isinstance(value, list) else [value]:
            for coding in item.get("coding", [item]) if isinstance(item, dict) else ():
                if "code" in coding:
                    yield str(coding["code"])
    elif isinstance(node, Many):
        for item in node.items:
            if is_constant(item):
                yield from _codes(item)
            elif isinstance(item, Coded):
                yield item.table.own.rsplit("/", 1)[-1]
    elif isinstance(node, Object) and "coding" in node.entries:
        yield from _codes(node.entries["coding"])
