"""How an extension holds an element: as its value, or in parts."""

from __future__ import annotations

from collections.abc import Callable

from fhirtrial.definitions import Definitions, Element
from fhirtrial.releases.block import EVERYWHERE, Step, value_name
from fhirtrial.releases.extension_rows import Parts, Value
from fhirtrial.releases.systems import Systems

Inner = Callable[[str, str], tuple[Step | None, Step | None]]
"""Of a type of R5 and one of the other release: what happens inside a value, both ways."""


class Holding:
    """Says it of any element of R5 in the other release, and of any of the other release in R5."""

    def __init__(self, r5: Definitions, other: Definitions, systems: tuple[Systems, Systems], inner: Inner) -> None:
        self.r5 = r5
        self.other = other
        self.systems = systems
        self.inner = inner

    def of(self, element: Element) -> Value | Parts:
        """How an extension of the other release holds an element of R5."""
        if is_part(element.type) or element.type not in self.other.types or element.type == "CodeableReference":
            inner = [each for each in self.r5.elements(element.type).values() if each.name not in EVERYWHERE]
            datatype = "" if is_part(element.type) else element.type
            return Parts(parts={each.name: self.of(each) for each in inner}, many=element.many, datatype=datatype)
        member = value_name(element.type)
        if element.type in ("CodeableConcept", "Coding"):
            return Value(member=member, many=element.many, down=self._swapping(member, 0), up=self._swapping(member, 1))
        down, up = self.inner(element.type, element.type)
        return Value(member=member, many=element.many, down=down, up=up)

    def earlier(self, element: Element) -> Value | Parts | None:
        """How an extension in R5 holds an element of the other release; None if it cannot."""
        if is_part(element.type):
            inner = [each for each in self.other.elements(element.type).values() if each.name not in EVERYWHERE]
            parts = {each.name: self.earlier(each) for each in inner}
            known = {name: part for name, part in parts.items() if part is not None}
            return Parts(parts=known, many=element.many) if len(known) == len(parts) else None
        member = value_name(element.type)
        if self.r5.element("Extension", member) is None or element.type not in self.r5.types:
            return None
        down, up = self.inner(element.type, element.type)
        return Value(member=member, many=element.many, down=up, up=down)

    def _swapping(self, member: str, place: int) -> Step | None:
        """The step that swaps the code systems of an extension's value; None if there is nothing to swap."""
        systems = self.systems[place]
        if not systems.to:
            return None
        return lambda value, _: systems.value(member, value)


def is_part(fhir_type: str) -> bool:
    """Whether a type is a backbone."""
    return "." in fhir_type
