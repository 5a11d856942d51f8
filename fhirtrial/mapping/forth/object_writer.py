"""Writing objects, forth: there if something is in them, and nothing in them that FHIR refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fhirtrial.definitions import Element
from fhirtrial.mapping.forth.frame import Frame
from fhirtrial.mapping.forth.node_writer import NodeWriter
from fhirtrial.mapping.forth.text import Piece, Text, constant, joined, member
from fhirtrial.mapping.language.marks import bones
from fhirtrial.mapping.language.nodes import (
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
from fhirtrial.mapping.language.walk import leaf_path, paths_of, stands_inside


@dataclass(frozen=True, slots=True)
class Part:
    """An element of an object that depends on the record: its name, its node (None: a reference), its text."""

    key: str
    node: Node | None
    text: Text


@dataclass(slots=True)
class Making:
    """An object in the making: its node, the item that it is made of, what it begins with, and its parts."""

    node: Object
    frame: Frame
    start: tuple[Piece, ...]
    parts: list[Part] = field(default_factory=list)


class ObjectWriter(NodeWriter):
    """Writes what makes the JSON text of objects."""

    def object(self, node: Object, frame: Frame, head: tuple[Piece, ...]) -> Text:
        """An object: there if a value is found for anything in it; its constants first, ``head`` before them."""
        fixed = {key: constant_value(child) for key, child in node.entries.items() if is_constant(child)}
        start: tuple[Piece, ...] = (b"{", *head)
        if fixed:
            start = (*start, b"," if head else b"", constant(fixed)[1:-1])
        making = Making(node, frame, start)
        if node.reference is not None:
            making.parts.append(Part("reference", None, self.reference(node.reference, frame)))
        for key, child in node.entries.items():
            if key not in fixed:
                if isinstance(child, When | Otherwise) and isinstance(child.make, Path):
                    self.read(child.make, frame)  # known outside the test as well, to be looked at
                making.parts.append(Part(key, child, self.node(child, frame)))
        at = ""
        if node.at is not None and any(path.root for path in paths_of(node)):
            at = f"{self.read(node.at, frame)} is not None"
        if len(making.parts) == 1 and not at and not isinstance(making.parts[0].node, Through):
            (part,) = making.parts
            comma = b"," if len(start) > 1 else b""
            return Text((*start, *self.member(part, making, comma), b"}"), part.text.test)
        return self.gathered(making, at)

    def gathered(self, making: Making, at: str) -> Text:
        """An object of several parts: each adds its member, with a comma before it, if it is there."""
        source = self.source
        made = source.fresh("members")
        large = len(making.parts) > 8  # bytes grow by copying
        add = f"{made}.append({{}})" if large else f"{made} += {{}}"
        source.add(f"{made} = []" if large else f"{made} = b''", making.node.line)
        for part in making.parts:
            with source.block(f"if {part.text.test}:"):
                source.add(add.format(joined(self.member(part, making, b","))))
            if isinstance(part.node, Through) and len(part.node.own) == 1:
                raw = self.read(part.node.own[0], making.frame)
                with source.block(f"elif {raw} is not None:"):
                    source.add(add.format(joined((b",", self.refused(part, raw, making)))))
        whole = f"b''.join({made})" if large else made
        start = making.start
        pieces: tuple[Piece, ...] = (*start, whole, b"}") if len(start) > 1 else (*start, f"{whole}[1:]", b"}")
        missing = list(self.missing(making))
        if not at and not missing:
            return Text(pieces, made)
        finish = source.fresh("object")
        source.add(f"{finish} = None")
        with source.block(f"if {made}{f' and {at}' if at else ''}:"):
            for test, text in missing:
                with source.block(f"if {test}:"):
                    source.add(add.format(text))
            source.add(f"{finish} = {joined(pieces)}")
        return Text((finish,), f"{finish} is not None")

    def missing(self, making: Making) -> Iterator[tuple[str, str]]:
        """What an object has even where a part is not there: the test, and the constants of it or why FHIR lacks it."""
        required = {e.name: e for e in self.definitions.required(making.node.type) if not e.choice}
        for part in making.parts:
            test = f"not ({part.text.test})"
            if isinstance(part.node, Through):
                test += f" and {self.read(part.node.own[0], making.frame)} is None"
            bone = bones(part.node) if isinstance(part.node, Many | Object) else None
            if bone is not None:
                yield test, repr(b"," + member(part.key) + constant(bone))
            elif part.key in required and part.node is not None:
                yield test, self.absent(required[part.key], part.node, making.frame)

    def absent(self, element: Element, child: Node, frame: Frame) -> str:
        """The call that says that a required element is not in the record."""
        shape = "many" if element.many else "primitive" if self.definitions.is_primitive(element.type) else "object"
        path = leaf_path(child)
        keys = path.keys if path else ()
        return f"run.absent({element.name!r}, {shape!r}, {element.path!r}, {frame.path(keys)}, {str(child.line)!r})"

    def member(self, part: Part, making: Making, comma: bytes) -> tuple[Piece, ...]:
        """A member of an object: the element's name and its text, or what carries a value that FHIR refuses."""
        name = (comma + member(part.key), *part.text.pieces)
        # A value that is made only under a test is looked at like any other.
        child = part.node.make if isinstance(part.node, When | Otherwise) else part.node
        fits = self.fitting.get(child.type) if isinstance(child, Path) and not child.root else None
        if fits is None:
            return name
        raw = self.read(child, making.frame)  # type: ignore[arg-type]
        fits = fits.format(raw)
        why = ""
        start = self.start_of(making) if part.key == "end" else ""
        if start:
            fits = f"({fits}) and not is_later({start}, {raw})"
            why = f", f'is before the start, {{{start}}}' if is_later({start}, {raw}) else ''"
        refused = joined((comma, self.refused(part, raw, making, why)))
        return (f"({joined(name)} if {fits} else {refused})",)

    def start_of(self, making: Making) -> str:
        """For the end of a period: the variable of its start, which must not be after it (per-1)."""
        start, end = (leaf_path(making.node.entries.get(key)) for key in ("start", "end"))
        if making.node.type != "Period" or start is None or end is None or start.keys == end.keys:
            return ""
        return self.read(start, making.frame)

    def refused(self, part: Part, raw: str, making: Making, why: str = "") -> str:
        """The call that carries a value beside the element, or inside the extension whose value it would be."""
        path = leaf_path(part.node)
        assert path is not None
        assert part.node is not None
        fhir_type = "" if isinstance(part.node, Through) else path.type  # of what a function made nothing stays
        within = stands_inside(making.node, part.key, part.node)
        call = "refuse_inside" if within else "refuse"
        where = making.frame.path(path.keys)
        return f"run.{call}({part.key!r}, {raw}, {fhir_type!r}, {where}, {str(part.node.line)!r}{why})"
