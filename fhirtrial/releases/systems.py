"""Code systems that have another address in the other release, and where they are swapped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Systems:
    """
    Addresses of code systems, one way.

    ``to`` says what each becomes; where ``only`` names codes, the others keep the address, which both releases know.

    >>> systems = Systems({"http://a": "http://b"}, {"http://a": frozenset({"x"})})
    >>> [systems.coding({"system": "http://a", "code": code})["system"] for code in "xy"]
    ['http://b', 'http://a']
    """

    to: Mapping[str, str]
    only: Mapping[str, frozenset[str]]

    def coding(self, coding: Json) -> Json:
        """A Coding with the other address; the same object where nothing changes."""
        system = str(coding.get("system"))
        other = self.to.get(system)
        if other is None or (system in self.only and coding.get("code") not in self.only[system]):
            return coding
        return {**coding, "system": other}

    def concept(self, concept: Json) -> Json:
        """A CodeableConcept, its codings so changed; what is JSON text already has been changed when it was made."""
        if concept.__class__ is not dict:
            return concept
        for coding in concept.get("coding", ()):
            if coding.get("system") in self.to:
                return {**concept, "coding": [self.coding(each) for each in concept["coding"]]}
        return concept

    def value(self, name: str, value: Any) -> Any:
        """The value of an extension, ``name`` being its member (``valueCoding``)."""
        if name == "valueCodeableConcept":
            return self.concept(value)
        return self.coding(value) if name == "valueCoding" and value.__class__ is dict else value

    def extensions(self, extensions: list[Json]) -> list[Json]:
        """Extensions with all that is in them; the same list where nothing changes."""
        if not self.to:
            return extensions
        changed = False
        made = []
        for each in extensions:
            one = self.extension(each)
            changed |= one is not each
            made.append(one)
        return made if changed else extensions

    def extension(self, extension: Json) -> Json:
        """One extension."""
        if extension.__class__ is not dict:
            return extension
        for name in ("valueCodeableConcept", "valueCoding"):
            if name in extension:
                value = self.value(name, extension[name])
                return extension if value is extension[name] else {**extension, name: value}
        inner = extension.get("extension")
        if inner is None:
            return extension
        parts = self.extensions(inner)
        return extension if parts is inner else {**extension, "extension": parts}

    def tree(self, value: Any) -> Any:
        """All codings in a tree; the same object where nothing changes."""
        if isinstance(value, list):
            items = [self.tree(each) for each in value]
            return value if all(one is other for one, other in zip(items, value, strict=True)) else items
        if not isinstance(value, dict):
            return value
        made = {name: self.tree(each) for name, each in value.items()}
        if any(made[name] is not each for name, each in value.items()):
            value = made
        return self.coding(value) if isinstance(value.get("system"), str) else value


def both_ways(rows: Mapping[str, tuple[str, frozenset[str] | None]]) -> tuple[Systems, Systems]:
    """The systems of a table (address, other address, the codes alone that change), down and up."""
    down = Systems(
        {one: other for one, (other, _) in rows.items()}, {one: only for one, (_, only) in rows.items() if only}
    )
    return down, Systems({other: one for one, (other, _) in rows.items()}, {})


def with_system(node: Any, old: str, new: str) -> Any:
    """A tree in which every ``system`` that is ``old`` is ``new``."""
    if isinstance(node, dict):
        return {
            key: new if key == "system" and value == old else with_system(value, old, new)
            for key, value in node.items()
        }
    return [with_system(item, old, new) for item in node] if isinstance(node, list) else node
