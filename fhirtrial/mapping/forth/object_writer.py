"""Writing objects, forth: there if something is in them, and nothing in them that FHIR refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fhirtrial.definitions import Element
from fhirtrial.mapping.forth.frame import Frame
from fhirtrial.mapping.forth.node_writer import NodeWriter
from fhirtrial.mapping.forth.value import Members, Value, display
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
from fhirtrial.mapping.language.walk import first_read, leaf_path, paths_of, stands_inside


@dataclass(frozen=True, slots=True)
class Part:
    """An element of an object that depends on the record: its name, its node (None: a reference), its value."""

    key: str
    node: Node | None
    value: Value


@dataclass(slots=True)
class Making:
    """An object in the making: its node, the item that it is made of, what it begins with, and its parts."""

    node: Object
    frame: Frame
    start: Members
    parts: list[Part] = field(default_factory=list)


class ObjectWriter(NodeWriter):
    """Writes what makes the JSON values of objects."""

    def object(self, node: Object, frame: Frame, head: Members) -> Value:
        """An object: there if a value is found for anything in it; its constants first, ``head`` before them."""
        fixed = {key: constant_value(child) for key, child in node.entries.items() if is_constant(child)}
        if self.finishing is not None:
            fixed = self.finishing.constant(fixed)
        making = Making(node, frame, (*head, *((key, self.constant(value)) for key, value in fixed.items())))
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
            return self.single_part(making)
        return self.gathered(making, at)

    def single_part(self, making: Making) -> Value:
        """An object with one part: at once."""
        (part,) = making.parts
        whole = display((*making.start, (part.key, part.value.source)))
        fits, refused = self.fits(part, making)
        if fits:
            instead = display(making.start, refused) if making.start else refused
            whole = f"({whole} if {fits} else {instead})"
        return Value(whole, part.value.test)

    def gathered(self, making: Making, at: str) -> Value:
        """An object of several parts: each adds its member, if it is there."""
        source = self.source
        made = source.fresh("members")
        source.add(f"{made} = {display(making.start)}", making.node.line)
        for part in making.parts:
            with source.block(f"if {part.value.test}:"):
                fits, refused = self.fits(part, making)
                if fits:
                    with source.block(f"if {fits}:"):
                        source.add(f"{made}[{part.key!r}] = {part.value.source}")
                    with source.block("else:"):
                        source.add(f"{made} |= {refused}")
                else:
                    source.add(f"{made}[{part.key!r}] = {part.value.source}")
            if isinstance(part.node, Through) and len(part.node.own) == 1:
                raw = self.read(part.node.own[0], making.frame)
                with source.block(f"elif {raw} is not None:"):
                    source.add(f"{made} |= {self.refused(part, raw, making)}")
        there = f"len({made}) > {len(making.start)}" if making.start else made
        missing = list(self.missing(making))
        if not at and not missing:
            return Value(made, there)
        finished = source.fresh("object")
        source.add(f"{finished} = None")
        with source.block(f"if {there}{f' and {at}' if at else ''}:"):
            for test, members in missing:
                with source.block(f"if {test}:"):
                    source.add(f"{made} |= {members}")
            source.add(f"{finished} = {made}")
        return Value(finished, f"{finished} is not None")

    def missing(self, making: Making) -> Iterator[tuple[str, str]]:
        """What an object has even where a part is not there: the test, and the constants of it or why FHIR lacks it."""
        required = {e.name: e for e in self.definitions.required(making.node.type) if not e.choice}
        if self.definitions.is_resource(making.node.type):
            yield from self.missing_choices(making)
        for part in making.parts:
            test = f"not ({part.value.test})"
            if isinstance(part.node, Through):
                test += f" and {self.read(part.node.own[0], making.frame)} is None"
            bone = bones(part.node) if isinstance(part.node, Many | Object) else None
            if bone is not None:
                yield test, display(((part.key, self.constant(bone)),))
            elif part.key in required and part.node is not None:
                yield test, self.absent(required[part.key], part.node, making.frame)

    def missing_choices(self, making: Making) -> Iterator[tuple[str, str]]:
        """Of each choice that a resource must have: the test that no form of it is there, and why FHIR lacks it."""
        for element in self.definitions.required(making.node.type):
            stem = element.choice.removesuffix("[x]")
            forms = [part for part in making.parts if stem and part.key.startswith(stem) and part.node is not None]
            if forms:
                form = self.definitions.element(making.node.type, forms[0].key)
                assert form is not None
                assert forms[0].node is not None
                test = " and ".join(f"not ({part.value.test})" for part in forms)
                yield test, self.absent(form, forms[0].node, making.frame)

    def absent(self, element: Element, child: Node, frame: Frame) -> str:
        """The call that says that a required element is not in the record."""
        shape = "many" if element.many else "primitive" if self.definitions.is_primitive(element.type) else "object"
        path = first_read(child)
        keys = path.keys if path else ()
        return f"run.absent({element.name!r}, {shape!r}, {element.path!r}, {frame.path(keys)}, {str(child.line)!r})"

    def fits(self, part: Part, making: Making) -> tuple[str, str]:
        """The test that FHIR takes a part's value, and the call that carries it otherwise; both empty: no question."""
        # A value that is made only under a test is looked at like any other.
        child = part.node.make if isinstance(part.node, When | Otherwise) else part.node
        if not isinstance(child, Path) or child.root or child.type not in self.fitting:
            return "", ""
        raw = self.read(child, making.frame)
        certain = self.is_certain(child, child.type, making.frame)
        fits = "" if certain else self.fitting[child.type].format(raw)
        why = ""
        start = self.start_of(making) if part.key == "end" else ""
        if start:
            fits = f"{f'({fits}) and ' if fits else ''}not is_later({start}, {raw})"
            why = f", f'is before the start, {{{start}}}' if is_later({start}, {raw}) else ''"
        return (fits, self.refused(part, raw, making, why)) if fits else ("", "")

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
