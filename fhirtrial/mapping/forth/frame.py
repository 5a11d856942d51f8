"""Looking things up in a record, forth: each object once, under the name that the generated code gives it."""

from __future__ import annotations

from dataclasses import dataclass, field

from fhirtrial.mapping.language.nodes import Node, Path
from fhirtrial.mapping.language.scope import chosen
from fhirtrial.mapping.language.walk import paths_of
from fhirtrial.source import Source


@dataclass(slots=True)
class Frame:
    """The current item in the generated code: its variable, what is known of it, and how its path is spelt."""

    item: str
    spelt: str
    scope: tuple[str, ...] = ()
    objects: dict[tuple[str, ...], str] = field(default_factory=dict)
    values: dict[tuple[str, ...], str] = field(default_factory=dict)
    facts: bool = False
    guarded: frozenset[tuple[str, ...]] = frozenset()

    def fork(self, guarded: tuple[str, ...] = ()) -> Frame:
        """The same item inside a block: what is looked up there is not known outside."""
        known = self.guarded | {guarded}
        objects, values = dict(self.objects), dict(self.values)
        return Frame(self.item, self.spelt, self.scope, objects, values, self.facts, known)

    def path(self, keys: tuple[str, ...]) -> str:
        """The source of an expression that spells the path of a value."""
        if self.facts:
            return f"run.fact({'.'.join(keys)!r})"
        steps = [self.step(keys[:place]) for place in range(1, len(keys) + 1)]
        return f"f'{'.'.join(filter(None, [self.spelt, *steps]))}'"

    def step(self, keys: tuple[str, ...]) -> str:
        """The last step of a path as it is spelt: where one row of a list is meant, the place of that row."""
        row = chosen(keys[-1])
        if row is None or keys not in self.objects:
            return keys[-1]
        return f"{row[0]}[{{place_of({self.objects[(*keys[:-1], row[0])]}, {self.objects[keys]})}}]"


class Lookups:
    """Writes the lines that look up objects and values."""

    def __init__(self) -> None:
        self.source = Source()
        self.root = Frame("record", "")

    def hoist(self, node: Node, frame: Frame) -> None:
        """Looks up every object that the node reads, once, before anything else."""
        if not frame.facts:
            self.look_up_all([path.keys for path in paths_of(node) if not path.root], frame)
        self.look_up_all([path.keys for path in paths_of(node, deep=True) if path.root], self.root)

    def look_up_all(self, paths: list[tuple[str, ...]], frame: Frame) -> None:
        """Looks up the objects that the values of these paths lie in."""
        parents = {path[:place] for path in paths for place in range(1, len(path))}
        for keys in sorted(parents - frame.objects.keys()):
            self.look_up(keys, frame)

    def look_up(self, keys: tuple[str, ...], frame: Frame) -> None:
        parent = frame.objects[keys[:-1]] if len(keys) > 1 else frame.item
        if row := chosen(keys[-1]):
            listed = self.object_at((*keys[:-1], row[0]), frame)
            name = frame.objects[keys] = self.source.fresh(row[0])
            self.source.add(f"{name} = row_of({listed}, {row[1]!r}, {row[2]!r})")
            return
        name = frame.objects[keys] = self.source.fresh(keys[-1])
        self.source.add(f"{name} = {parent}.get({keys[-1]!r}) or EMPTY")

    def object_at(self, keys: tuple[str, ...], frame: Frame) -> str:
        """The variable of an object of the item."""
        if not keys:
            return frame.item
        if keys not in frame.objects:
            self.object_at(keys[:-1], frame)
            self.look_up(keys, frame)
        return frame.objects[keys]

    def read(self, path: Path, frame: Frame) -> str:
        """The variable of a value."""
        frame = self.root if path.root else frame
        if not path.keys:
            return frame.item
        if path.keys not in frame.values:
            parent = self.object_at(path.keys[:-1], frame)
            name = frame.values[path.keys] = self.source.fresh(path.keys[-1])
            self.source.add(f"{name} = {parent}.get({path.keys[-1]!r})")
        return frame.values[path.keys]
