"""Telling the entries of a list apart: which line of the mapping made this one?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from fhirtrial.errors import MappingError
from fhirtrial.mapping.language.marks import Mark, Way, codes_in, elements, made_by, marks
from fhirtrial.mapping.language.nodes import Node

Pick: TypeAlias = Callable[[Any], int | None]
"""Of an entry: the place of its template in the list, or None if it is none of ours."""

Read: TypeAlias = Callable[[Any], Sequence[Any]]


def picker(templates: Sequence[Node]) -> Pick:
    """
    The function that tells which template an entry belongs to: the one whose always-there constants it shows.

    Without constants: the one that alone has an element of the entry. Raises MappingError, naming both lines and what
    would tell them apart, if two templates cannot be told apart.
    """
    shown = _needed(templates)
    pick = _Deciding(templates, shown).decide(list(range(len(templates))), frozenset())
    alone = _codes_alone(templates, shown)
    if not alone:
        return pick
    reads = [(reader((*way, "#")), way) for way in sorted({way for way, _ in alone})]

    def pick_or_code(entry: Any) -> int | None:
        found = pick(entry)
        if found is None:
            for read, way in reads:
                for pair in read(entry):
                    if (way, pair) in alone:
                        return alone[way, pair]
        return found

    return pick_or_code


def _needed(templates: Sequence[Node]) -> list[frozenset[Mark]]:
    """
    What an entry must show to belong to each template.

    A registry's own code is not among it where something else marks the template: somebody may have replaced the
    concept by the FHIR code alone.
    """
    whole = [marks(template) for template in templates]
    systems = [{((*way, "system"), table.own) for way, table in codes_in(made_by(template))} for template in templates]
    less = [shown - own or shown for shown, own in zip(whole, systems, strict=True)]
    count = Counter(less)
    return [short if count[short] == 1 else shown for short, shown in zip(less, whole, strict=True)]


def _codes_alone(templates: Sequence[Node], shown: Sequence[frozenset[Mark]]) -> dict[tuple[Way, tuple[str, str]], int]:
    """
    FHIR codes that stand for one template by themselves: somebody replaced the concept by the FHIR code alone.

    Only where nothing but the registry's own code system marks the template, and the code leads to one row.
    """
    found: dict[tuple[Way, tuple[str, str]], list[int]] = {}
    for place, template in enumerate(templates):
        for way, table in codes_in(made_by(template)):
            if shown[place] == {((*way, "system"), table.own)}:
                for pair in set(table.outside.values()):
                    found.setdefault((way, pair), []).append(place)
    return {key: places[0] for key, places in found.items() if len(places) == 1}


@dataclass(frozen=True, slots=True)
class _Deciding:
    """What is decided between: the templates, what each shows, and the ways that have been looked at already."""

    templates: Sequence[Node]
    shown: Sequence[frozenset[Mark]]
    checked: frozenset[Way] = frozenset()

    def decide(self, places: list[int], checked: frozenset[Way]) -> Pick:
        """The decision between these templates."""
        if len(places) == 1:
            return _only(places[0], self.templates[places[0]], self.shown[places[0]], checked)
        way = _best_way(places, self.shown, checked)
        if way is None:
            return _by_elements(places, self.templates, marked=any(self.shown[place] for place in places))
        found = _by_rarest(places, self.shown, way)
        named = {place for here in found.values() for place in here}
        rest = [place for place in places if place not in named]
        other = self.decide(rest, checked) if rest else None
        if len(way) == 1 and way != ("#",):
            table = {value: self.decide(here, checked | {way}) for value, here in found.items()}
            return _by_key(way[0], table, other)
        return _by_way(way, found, _Deciding(self.templates, self.shown, checked), other)


def _by_key(key: str, table: dict[Hashable, Pick], other: Pick | None) -> Pick:
    """Deciding by the value of one element."""
    places = {value: place for value, decide in table.items() if (place := settled(decide)) is not None}

    def pick(entry: Any) -> int | None:
        value = entry.get(key)
        place = places.get(value)
        if place is not None:
            return place
        decide = table.get(value)
        place = decide(entry) if decide is not None else None
        return other(entry) if place is None and other is not None else place

    if len(places) == len(table) and other is None:
        return lambda entry: places.get(entry.get(key))
    return pick


def _by_way(way: Way, found: dict[Hashable, list[int]], deciding: _Deciding, other: Pick | None) -> Pick:
    """Deciding by the values at a way of keys; what else one template shows there is looked at in the same values."""
    read = reader(way)
    leaves: dict[Hashable, tuple[int, tuple[Hashable, ...], Pick | None]] = {}
    table: dict[Hashable, Pick] = {}
    for value, places in found.items():
        if len(places) > 1:
            table[value] = deciding.decide(places, deciding.checked | {way})
            continue
        (place,) = places
        same = tuple(other for at, other in deciding.shown[place] if at == way and other != value)
        rest = frozenset(mark for mark in deciding.shown[place] if mark[0] != way)
        pick_rest = _only(place, deciding.templates[place], rest, deciding.checked) if rest else None
        leaves[value] = (place, same, None if settled(pick_rest) is not None else pick_rest)

    def pick(entry: Any) -> int | None:
        values = read(entry)
        for value in values:
            leaf = leaves.get(value)
            if leaf is not None:
                place, same, rest = leaf
                for wanted in same:
                    if wanted not in values:
                        break
                else:
                    if rest is None or rest(entry) is not None:
                        return place
            elif value in table:
                decided = table[value](entry)
                if decided is not None:
                    return decided
        return other(entry) if other is not None else None

    return pick


@dataclass(frozen=True, slots=True)
class Shortcut:
    """
    What settles most entries at one look, for code that is written out: the value at ``way`` tells the place.

    ``way`` is one element (``url``), or the codings of the entry or of its one concept (``coding #``).
    """

    way: Way
    places: dict[Hashable, int]


def shortcut(templates: Sequence[Node]) -> Shortcut | None:
    """The shortcut through the first decision of `picker`, if there is one."""
    shown = _needed(templates)
    places = list(range(len(templates)))
    way = _best_way(places, shown, frozenset())
    if len(templates) == 1 and len({at for at, _ in shown[0]}) == 1:
        way = next(iter(shown[0]))[0]
    if way is None or (len(way) > 1 and way not in {("coding", "#"), ("coding", "system")}) or way == ("#",):
        return None
    settled_places = {
        value: found[0]
        for value, found in _by_rarest(places, shown, way).items()
        if len(found) == 1 and all(at == way for at, _ in shown[found[0]]) and len(shown[found[0]]) == 1
    }
    return Shortcut(way, settled_places) if settled_places else None


class Settled:
    """One template is left, and nothing more is to be looked at."""

    __slots__ = ("place",)

    def __init__(self, place: int) -> None:
        self.place = place

    def __call__(self, _entry: Any) -> int:
        return self.place


def settled(pick: Pick | None) -> int | None:
    """The place that is certain before the entry is looked at again."""
    return pick.place if isinstance(pick, Settled) else None


def _by_rarest(places: list[int], shown: Sequence[frozenset[Mark]], way: Way) -> dict[Hashable, list[int]]:
    """Of the values that a template shows at a way, the one that the fewest others show: the rest is checked later."""
    values = {place: sorted((value for at, value in shown[place] if at == way), key=repr) for place in places}
    count = Counter(value for found in values.values() for value in found)
    by_value: dict[Hashable, list[int]] = {}
    for place, found in values.items():
        if found:
            by_value.setdefault(min(found, key=lambda value: (count[value], repr(value))), []).append(place)
    return by_value


def _best_way(places: list[int], shown: Sequence[frozenset[Mark]], checked: frozenset[Way]) -> Way | None:
    """The way whose values split these templates best: the smallest leftover, then the shortest way."""
    best: tuple[int, int, Way] | None = None
    for way in sorted({way for place in places for way, _ in shown[place]} - checked):
        sets = _by_rarest(places, shown, way)
        rest = len(places) - sum(map(len, sets.values()))
        largest = max(rest, *map(len, sets.values()))
        if largest < len(places) and (best is None or (largest, len(way), way) < best):
            best = (largest, len(way), way)
    return best[2] if best else None


def _only(place: int, template: Node, shown: frozenset[Mark], checked: frozenset[Way]) -> Pick:
    """One template is left: the entry must show all its marks, or have one of its elements."""
    wanted: dict[Way, set[Hashable]] = {}
    for way, value in shown:
        # A way that has been looked at on the way down is settled, unless it must show several values.
        if way not in checked or sum(at == way for at, _ in shown) > 1:
            wanted.setdefault(way, set()).add(value)
    needs = [(reader(way), value) for way, values in sorted(wanted.items()) for value in sorted(values, key=repr)]
    names = elements(template)
    if (shown and not needs) or (not shown and not names):
        return Settled(place)
    if len(needs) == 1:
        ((only, mark),) = needs
        return lambda entry: place if mark in only(entry) else None
    if shown:

        def showing(entry: Any) -> int | None:
            for read, value in needs:
                if value not in read(entry):
                    return None
            return place

        return showing
    wants = frozenset(names) | {f"_{name}" for name in names}
    return lambda entry: None if wants.isdisjoint(entry) else place


def _by_elements(places: list[int], templates: Sequence[Node], *, marked: bool) -> Pick:
    """
    No constant tells these apart: by the elements that only one of them has.

    Where they show the same constants (``marked``), an element that may be missing is too little to go by.
    """
    own: dict[str, int] = {}
    loose: list[int] = []
    for place in places:
        others = {name for other in places if other != place for name in elements(templates[other])}
        mine = [name for name in elements(templates[place]) if name not in others]
        own |= dict.fromkeys(mine, place)
        if not mine:
            loose.append(place)
    if marked or len(loose) > 1:
        first, second = (templates[place].line for place in (places if marked else loose)[:2])
        raise MappingError(
            f"nothing tells this entry from the one in line {first.number} ({first}): give one of them a constant that "
            "the other does not have (a code of its own, a `use`, a `url`), not beside a value that may be missing",
            file=second.file,
            line=second.number,
        )
    fallback = [(place, frozenset(elements(templates[place]))) for place in loose]

    def pick(entry: Any) -> int | None:
        for name in entry:
            if name in own:
                return own[name]
        for place, names in fallback:
            if not names.isdisjoint(entry):
                return place
        return None

    return pick


def reader(way: Way) -> Read:
    """
    The function that gives all values at a way of keys, through lists.

    >>> reader(("coding", "#"))({"coding": [{"system": "s", "code": "c"}]})
    [('s', 'c')]
    >>> reader(("a", "b"))({"a": [{"b": 1}, {"c": 2}, {"b": [3]}]})
    [1, 3]
    """
    if way == ("#",):
        return lambda entry: ((entry.get("system"), entry.get("code")),)
    if way == ("coding", "#"):
        return lambda entry: [(found.get("system"), found.get("code")) for found in entry.get("coding", ())]
    if way == ("coding", "system"):
        return lambda entry: [found.get("system") for found in entry.get("coding", ())]
    if len(way) == 3 and way[1:] == ("coding", "#"):
        return _concepts(way[0])
    if len(way) == 4 and way[2:] == ("coding", "#"):
        return _concepts_below(way[0], way[1])
    if way[-1] == "#":
        inner = reader(way[:-1])
        return lambda entry: [(coding.get("system"), coding.get("code")) for coding in inner(entry)]
    if len(way) == 1:
        (only,) = way

        def read_one(entry: Any) -> Sequence[Any]:
            value = entry.get(only)
            return () if value is None else value if isinstance(value, list) else (value,)

        return read_one

    def read(entry: Any) -> Sequence[Any]:
        found = [entry]
        for key in way:
            below: list[Any] = []
            for item in found:
                value = item.get(key)
                if value.__class__ is list:
                    below += value
                elif value is not None:
                    below.append(value)
            found = below
        return found

    return _two_keys(*way, read) if len(way) == 2 else read


def _two_keys(first: str, second: str, careful: Read) -> Read:
    """The way into extensions, mostly: a list of objects with one value each. What is not there may be None."""

    def read(entry: Any) -> Sequence[Any]:
        inner = entry.get(first)
        if inner is None:
            return ()
        if inner.__class__ is list:
            values = [item.get(second) for item in inner]
            if list not in map(type, values):
                return values
        return careful(entry)

    return read


def _concepts(key: str) -> Read:
    """The codes of one CodeableConcept, or of several."""

    def read(entry: Any) -> Sequence[Any]:
        concept = entry.get(key)
        if concept is None:
            return ()
        if concept.__class__ is list:
            if len(concept) != 1:
                return [(found.get("system"), found.get("code")) for one in concept for found in one.get("coding", ())]
            concept = concept[0]
        if len(codings := concept.get("coding", ())) == 1:  # most have one
            return ((codings[0].get("system"), codings[0].get("code")),)
        return [(found.get("system"), found.get("code")) for found in concept.get("coding", ())]

    return read


def _concepts_below(key: str, concept: str) -> Read:
    """The codes of one CodeableConcept in each entry of a list."""

    def read(entry: Any) -> Sequence[Any]:
        below = entry.get(key) or ()
        return [
            (found.get("system"), found.get("code"))
            for one in ((below,) if below.__class__ is dict else below)
            if concept in one
            for found in one[concept].get("coding", ())
        ]

    return read
