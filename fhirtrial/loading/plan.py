"""The order of writing: what others refer to first, in bundles that cut no edge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from fhirtrial.loading.item import Item


def by_level(items: Iterable[Item]) -> list[list[Item]]:
    """
    Items in levels, sorted: each refers only to items of levels before, or to none of them.

    Items that refer to each other in a circle come together, in one level, after all others that they refer to.
    """
    waiting = {item.reference: item for item in items}
    levels: list[list[Item]] = []
    while waiting:
        free = [
            item
            for item in waiting.values()
            if not any(name in waiting and name != item.reference for name in item.references)
        ]
        level = free or list(waiting.values())  # a circle: only together
        levels.append(sorted(level, key=lambda item: item.reference))
        for item in level:
            del waiting[item.reference]
    return levels


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a bundle may hold: entries, and bytes of their resources."""

    entries: int
    size: int


def chains(groups: Iterable[Sequence[Item]], limits: Limits) -> Iterator[list[list[Item]]]:
    """
    Groups in chains of bundles: the bundles of a chain are written one after the other, chains in any order.

    As many whole groups as fit share a bundle, which is a chain of its own. A group that is too large for one becomes a
    chain of several: it is in the order of its references, so that what a bundle refers to stands in those before.
    """
    bundle: list[Item] = []
    size = 0
    for group in groups:
        weight = sum(len(item.text) for item in group)
        if bundle and (len(bundle) + len(group) > limits.entries or size + weight > limits.size):
            yield [bundle]
            bundle, size = [], 0
        if len(group) > limits.entries or weight > limits.size:
            yield list(_cut(group, limits))
        else:
            bundle += group
            size += weight
    if bundle:
        yield [bundle]


def _cut(group: Sequence[Item], limits: Limits) -> Iterator[list[Item]]:
    piece: list[Item] = []
    size = 0
    for item in group:
        if piece and (len(piece) == limits.entries or size + len(item.text) > limits.size):
            yield piece
            piece, size = [], 0
        piece.append(item)
        size += len(item.text)
    if piece:
        yield piece


def in_order(items: Iterable[Item]) -> list[Item]:
    """Items so that what is referred to comes before what refers to it."""
    return [item for level in by_level(items) for item in level]
