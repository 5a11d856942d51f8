"""Where every field goes: the account of a mapping, made from its files alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from fhirtrial.mapping.language.nodes import (
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
    OwnId,
    Path,
    ResourceFile,
    Through,
    When,
    children,
    is_constant,
)
from fhirtrial.mapping.language.scope import chosen

Way = Literal["two-way", "when", "copy"]
"""``when``: two-way for the values that the line names; ``copy``: written for readers, never read back."""


@dataclass(frozen=True, slots=True)
class Place:
    """One appearance of a field: its path in the record, the FHIR element, the line of the mapping."""

    path: str
    element: str
    line: Line
    way: Way


def places(files: dict[str, ResourceFile], starts: Iterable[tuple[str, str, Way]]) -> list[Place]:
    """All appearances of all fields, in the order of the files; ``starts``: a file, the path of its item, the way."""
    ledger = _Ledger(files)
    for start, at, way in starts:
        ledger.file(start, at, way, {})
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
        own = ".".join(_step(key) for key in path.keys)
        if path.root:
            self.found.append(Place(own, element, line, "copy"))
            return
        if given:
            if own in given:
                source, bound = given[own]
                self.found.append(Place(source, element, line, "copy" if bound == "copy" else way))
            return
        self.found.append(Place(join(at, own), element, line, way))

    def walk(self, node: Node, element: str, at: str, way: Way, given: dict[str, tuple[str, Way]]) -> None:
        """Everything below a node."""
        if isinstance(node, Constant | OwnId):
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
            place = named(node.make, element) if isinstance(node.make, Object) else element
            self.add(node.path, place, at, "copy" if node.value is None else below, given, node.line)
            self.walk(node.make, element, at, below, given)
        elif isinstance(node, Otherwise):
            self.walk(node.make, element, at, "when" if way != "copy" else way, given)
        elif isinstance(node, Canonical):
            self.file(node.file, join(at, ".".join(node.at)), way, given)
        elif isinstance(node, Many):
            for item in node.items:
                self.walk(item, entry_of(item, element), at, way, given)
        else:
            self.object(node, element, at, way, given)

    def each(self, node: Each, element: str, at: str, way: Way, given: dict[str, tuple[str, Way]]) -> None:
        source = node.source
        if node.only is not None and way != "copy":
            way = "when"
        if isinstance(source, Path):
            if source.root:
                return
            self.walk(node.make, element, join(at, ".".join(source.keys)) + "[]", way, given)
            return
        if isinstance(source, Copy) and source.function is None:
            own = source.sources[0]
            below = ".".join(own.keys) if own.root else join(at, ".".join(own.keys))
            self.walk(node.make, element, below + "[]", "copy", given)
        else:
            self.walk(source, element, at, way, given)

    def object(self, node: Object, element: str, at: str, way: Way, given: dict[str, tuple[str, Way]]) -> None:
        element = named(node, element)
        if node.reference is not None and not node.reference.made:
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


def _step(key: str) -> str:
    """A step of a path as the list of fields has it: one row stands for all."""
    row = chosen(key)
    return f"{row[0]}[]" if row else key


def join(at: str, keys: str) -> str:
    """Two parts of a path."""
    return f"{at}.{keys}" if at and keys else at or keys


def entry_of(node: Node, element: str) -> str:
    """The element of an entry of a list of concepts; other entries get their mark when they are looked into."""
    while isinstance(node, Each | When | Otherwise):
        node = node.make
    mark = next(_marks_of(node), "") if isinstance(node, Object) and node.type == "CodeableConcept" else ""
    return f"{element}[{mark}]" if mark else element


def named(node: Object, element: str) -> str:
    """An element with what sets this entry of it apart: the extension's name, the use, a code."""
    whole = "." not in element  # a resource
    mark = "" if whole or node.type in {"CodeableConcept", "Reference"} else next(_marks_of(node), "")
    return f"{element}[{mark}]" if mark else element


def _marks_of(node: Object) -> Iterator[str]:
    """What may set an entry apart, the clearest first."""
    url = node.entries.get("url")
    if isinstance(url, Constant) and node.type == "Extension":
        name = str(url.value).rsplit("/", 1)[-1]
        # Where several share an address, like HL7's registration activities, the first constant code says which it is.
        parts = node.entries.get("extension")
        codes = list(_codings(parts.items[0])) if isinstance(parts, Many) and parts.items else []
        codes += [
            str(child.value) for key, child in node.entries.items() if key != "url" and isinstance(child, Constant)
        ]
        yield f"{name}: {codes[0]}" if codes else name
    for key in _CONSTANT_MARKS.get(node.type, ()):
        if isinstance(constant := node.entries.get(key), Constant):
            yield str(constant.value)
    concepts = [node.entries[key] for key in _CONCEPTS if key in node.entries]
    for concept in concepts:
        yield from list(_codings(concept))[-1:]  # where FHIR's code is the same for several, our own, the last, is not
    for concept in concepts:
        if isinstance(concept, Constant) and isinstance(concept.value, str):
            yield concept.value
    for concept in concepts:
        yield from _tables(concept)


_CONSTANT_MARKS = {"Identifier": ("use",), "ContactPoint": ("system",), "Coding": ("code",)}
_CONCEPTS = ("classifier", "role", "state", "code", "coding", "type")


def _codings(node: Node) -> Iterator[str]:
    """The constant codes in a concept; those that are only numbers by what they are called."""
    if isinstance(node, Object):
        code, display = node.entries.get("code"), node.entries.get("display")
        if node.type == "Coding" and isinstance(code, Constant):
            named = display if isinstance(display, Constant) and not str(code.value)[0].isalpha() else code
            yield str(named.value)
        for child in node.entries.values():
            yield from _codings(child)
    elif isinstance(node, Many):
        for item in node.items:
            yield from _codings(item)


def _tables(node: Node) -> Iterator[str]:
    """The tables that a concept is coded by."""
    if isinstance(node, Coded):
        yield node.table.name
    elif isinstance(node, Object | Many):
        for child in children(node):
            yield from _tables(child)
