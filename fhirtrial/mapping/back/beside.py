"""Resources that stand beside the main one: found by what points at it, and told apart by what they always show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhirtrial.mapping.language.apart import Pick, picker
from fhirtrial.mapping.language.head import Beside
from fhirtrial.mapping.language.mapping import Mapping
from fhirtrial.mapping.language.nodes import Node, Object, children
from fhirtrial.resources import Resource, Resources
from fhirtrial.single_doses import is_single_dose


class Besides:
    """The files beside the main one of a mapping, by the type of resource that they make."""

    def __init__(self, mapping: Mapping) -> None:
        self._base = mapping.base
        self._by_type: dict[str, list[Beside]] = {}
        for each in mapping.beside:
            self._by_type.setdefault(mapping.files[each.file].resource, []).append(each)
        self._ways = {
            kind: sorted({way for each in found for way in pointers(mapping.files[each.file].body, mapping.main)})
            for kind, found in self._by_type.items()
        }
        self._pick: dict[str, Pick] = {
            kind: picker([mapping.files[each.file].body for each in found])
            for kind, found in self._by_type.items()
            if len(found) > 1
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        """The types of resource, in the order of the mapping."""
        return tuple(self._by_type)

    def file(self, resource: Resource) -> Beside | None:
        """The file that has made a resource; None if it is none of ours."""
        found = self._by_type[resource["resourceType"]]
        pick = self._pick.get(resource["resourceType"])
        place = 0 if pick is None else pick(resource)
        return None if place is None else found[place]

    def of(self, index: Resources) -> dict[int, list[Resource]]:
        """By ``id()`` of a main resource those that point at it, kind after kind, each kind in the order given."""
        found: dict[int, list[Resource]] = {}
        for kind in self._by_type:
            for resource in index.of_type.get(kind, ()):
                targets = (index.find(address) for address in self.addresses(resource))
                for main in {id(target) for target in targets if target is not None}:
                    found.setdefault(main, []).append(resource)
        return found

    def addresses(self, resource: Resource) -> Iterator[str]:
        """
        The references of a resource to what it may stand beside; nothing is expected of its shape.

        Single doses, which only follow from what stands there, are nothing beside it.
        """
        if is_single_dose(resource, self._base):
            return
        for way in self._ways[resource["resourceType"]]:
            yield from _texts(resource, (*way, "reference"))


def pointers(node: Node, main: str, way: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The elements of a file's resource that refer to the main one: the keys down to them, through lists."""
    if isinstance(node, Object):
        if node.reference is not None and node.reference.made and node.reference.file == main:
            yield way
        for key, child in node.entries.items():
            yield from pointers(child, main, (*way, key))
    else:
        for child in children(node):
            yield from pointers(child, main, way)


def _texts(node: Any, way: tuple[str, ...]) -> Iterator[str]:
    """The texts at a way of keys, through lists."""
    if isinstance(node, list):
        for item in node:
            yield from _texts(item, way)
    elif not way:
        if isinstance(node, str):
            yield node
    elif isinstance(node, dict):
        yield from _texts(node.get(way[0]), way[1:])
