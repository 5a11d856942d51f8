"""The order of writing: what others refer to first, in bundles that cut no edge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fhirtrial.loading.item import Item


def by_level(items: Iterable[Item]) -> list[list[list[Item]]]:
    """
    Items in levels: each refers only to items of levels before, or to none of them.

    Within a level they are in groups, sorted: mostly each alone, and those that refer to each other in a circle
    together, for none of them can be written before the others.
    """
    waiting = {item.reference: item for item in items}
    edges = {name: [each for each in item.references if each in waiting] for name, item in waiting.items()}
    return [[[waiting[name] for name in circle] for circle in level] for level in _levels(edges)]


def steps(groups: Sequence[Sequence[Item]]) -> list[list[list[int]]]:
    """
    Groups in steps, by their places: each refers only to groups of steps before, as subjects do to their study.

    Groups that refer to each other in a circle stand together.
    """
    owner = {item.reference: place for place, group in enumerate(groups) for item in group}
    edges: dict[str, list[str]] = {}
    for place, group in enumerate(groups):
        others = {owner[name] for item in group for name in item.references if name in owner}
        edges[_name(place)] = [_name(other) for other in sorted(others - {place})]
    return [[list(map(int, circle)) for circle in level] for level in _levels(edges)]


def _name(place: int) -> str:
    """
    A name for a place; names are sorted as the places are.

    >>> sorted([_name(10), _name(9)])
    ['0000000009', '0000000010']
    """
    return f"{place:010}"


def _levels(edges: Mapping[str, Sequence[str]]) -> list[list[list[str]]]:
    """
    The names of a graph in levels, each in circles: see `by_level`.

    >>> _levels({"a": ["b"], "b": ["c"], "c": ["b"], "d": []})
    [[['b', 'c'], ['d']], [['a']]]
    """
    level_of: dict[str, int] = {}
    levels: list[list[list[str]]] = []
    for circle in _circles(edges):
        before = (level_of[name] for member in circle for name in edges[member] if name in level_of)
        level = max(before, default=-1) + 1
        level_of.update(dict.fromkeys(circle, level))
        if level == len(levels):
            levels.append([])
        levels[level].append(sorted(circle))
    for circles in levels:
        circles.sort()
    return levels


def _circles(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """
    The strongly connected components of a graph, each behind those that it leads to, by Tarjan's algorithm.

    https://en.wikipedia.org/wiki/Tarjan%27s_strongly_connected_components_algorithm

    >>> _circles({"a": ["b"], "b": ["c"], "c": ["b"], "d": []})
    [['c', 'b'], ['a'], ['d']]
    """
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_: list[str] = []
    is_open: set[str] = set()
    found: list[list[str]] = []
    for start in edges:
        path = [] if start in number else [(start, iter(edges[start]))]
        while path:
            name, rest = path[-1]
            if name not in number:
                number[name] = lowest[name] = len(number)
                open_.append(name)
                is_open.add(name)
            for other in rest:
                if other not in number:
                    path.append((other, iter(edges[other])))
                    break
                if other in is_open:
                    lowest[name] = min(lowest[name], number[other])
            else:
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[name])
                if lowest[name] == number[name]:
                    place = open_.index(name)
                    found.append(open_[place:][::-1])
                    is_open.difference_update(open_[place:])
                    del open_[place:]
    return found


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
    for circle in (each for level in by_level(group) for each in level):
        weight = sum(len(item.text) for item in circle)
        if piece and (len(piece) + len(circle) > limits.entries or size + weight > limits.size):
            yield piece
            piece, size = [], 0
        piece += circle
        size += weight
    if piece:
        yield piece


def in_order(items: Iterable[Item]) -> list[Item]:
    """Items so that what is referred to comes before what refers to it."""
    return [item for level in by_level(items) for circle in level for item in circle]
