"""Rows for lists of R5 that begin with what the other release has as elements of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fhirtrial.releases.block import ABSENT, Block, Json, Step, Up
from fhirtrial.releases.extension_rows import Parts, add_parts
from fhirtrial.releases.native_rows import add_native
from fhirtrial.releases.run import Run

UNKNOWN = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
"""A value that only says that it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """
    A member of an entry, and the list ``to`` of the other release that holds it.

    ``grows``: R5 takes one, so that each further one makes an entry of its own. ``needed`` are the members that the
    other release wants in each of its values.
    """

    name: str
    to: str
    grows: bool
    needed: frozenset[str]
    steps: tuple[Step | None, Step | None]

    def holds(self, value: Any) -> bool:
        """Whether the other release takes a value of R5."""
        values = [value] if self.grows else value
        return all(name in each or f"_{name}" in each for each in values for name in self.needed)

    def down(self, value: Any, out: Json, run: Run) -> None:
        """Puts a value of R5 into an object of the other release."""
        step = self.steps[0]
        values = [value] if self.grows else value
        out.setdefault(self.to, []).extend(values if step is None else [step(each, run) for each in values])

    def up(self, source: Json, entries: list[Json], run: Run) -> None:
        """Puts what an object of the other release has into the entries of R5."""
        step = self.steps[1]
        values = source[self.to] if step is None else [step(each, run) for each in source[self.to]]
        first, *more = values if self.grows else [values]
        if entries:
            entries[0][self.name] = first
        else:
            entries.append({self.name: first})
        entries += [{self.name: each} for each in more]


class Members:
    """Which of the entries of a list are those that the members hold: so that the same come back."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.by_name = {each.name: each for each in members}

    def count(self, entries: Sequence[Json]) -> int:
        """How many of the first entries they hold: one, and what is further of a member that grows; nothing else."""
        if not entries or not entries[0] or not self.hold(entries[0]):
            return 0
        growing = [name for name in entries[0] if self.by_name[name].grows]
        count = 1
        while count < len(entries) and growing == [*entries[count]]:
            count += 1
        return count

    def hold(self, entry: Json) -> bool:
        """Whether they hold an entry with all that is in it."""
        return all(name in self.by_name and self.by_name[name].holds(value) for name, value in entry.items())

    def down(self, entries: Sequence[Json], out: Json, run: Run) -> None:
        """The elements of the other release that these entries make."""
        for entry in entries:
            for name, value in entry.items():
                self.by_name[name].down(value, out, run)

    def up(self, source: Json, run: Run) -> list[Json]:
        """The entries that the elements of the other release make."""
        entries: list[Json] = []
        for member in self.by_name.values():
            if member.to in source:
                member.up(source, entries, run)
        return entries


def add_members(
    block: Block,
    name: str,
    given: Sequence[Member],
    *,
    extension: tuple[str, Parts] | None = None,
    native: tuple[tuple[Step | None, Step | None], str] | None = None,
) -> None:
    """
    A list whose first entry is a few elements in the other release.

    The other entries are HL7's ``extension`` (its address and parts), or of that name there as well (``native``: what
    happens inside, and the member that keeps an entry apart), or nowhere: then what the members can hold is joined to
    theirs, and what is lost is said.
    """
    members = Members(given)
    rest: _Rest
    if extension is not None:
        rest = _InExtensions(block, name, *extension)
    elif native is not None:
        rest = _Native(block, name, members, *native)
    else:
        rest = _Joined(block, name, members)
    elements = [*(each.to for each in given), *rest.elements]

    def down(entries: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        count = members.count(entries)
        members.down(entries[:count], out, run)
        rest.down(entries, count, out, extensions, run)

    def up_of(element: str) -> Up:
        def up(_: Any, out: Json, source: Json, run: Run) -> None:
            if element == next(each for each in elements if each in source):  # once, for all of them
                made = members.up(source, run)
                out[name] = [*made, *rest.up(source, made, run), *out.get(name, ())]

        return up

    block.down_rows[name] = down
    block.up_rows |= {element: up_of(element) for element in elements}


class _Rest:
    """Where the entries go that the members do not hold."""

    elements: tuple[str, ...] = ()

    def __init__(self, block: Block, name: str) -> None:
        self.name = name
        self.path = f"{block.path}.{name}"
        self.scratch = Block(block.path, block.systems)

    def down(self, entries: list[Json], count: int, out: Json, extensions: list[Json], run: Run) -> None:
        """Takes the entries from the one on of that number."""
        if entries[count:]:
            self.scratch.down_rows[self.name](entries[count:], out, extensions, {}, run)

    def up(self, source: Json, made: list[Json], run: Run) -> list[Json]:  # noqa: ARG002
        """The entries that come after those that the members have made."""
        return []


class _InExtensions(_Rest):
    """HL7's extension for each."""

    def __init__(self, block: Block, name: str, url: str, parts: Parts) -> None:
        super().__init__(block, name)
        add_parts(self.scratch, name, url, parts)
        block.extension_rows[url] = self.scratch.extension_rows[url]


class _Native(_Rest):
    """
    An element of the same name.

    If the first of those could be taken for one that the members hold, it is kept apart: a member of it says that
    nobody knows its value, which is true.
    """

    def __init__(
        self, block: Block, name: str, members: Members, steps: tuple[Step | None, Step | None], apart: str
    ) -> None:
        super().__init__(block, name)
        self.elements = (name,)
        self.members = members
        self.apart = apart
        add_native(self.scratch, name, name, steps=steps)
        if name not in self.scratch.up_rows:  # nothing in it changes
            self.scratch.down_rows[name] = lambda given, out, *_: out.__setitem__(name, given)

    def down(self, entries: list[Json], count: int, out: Json, extensions: list[Json], run: Run) -> None:
        """Takes them; a mark that keeps one apart is not needed where it is."""
        if entries[count:] and entries[count].get(self.apart) == UNKNOWN:
            bare = {name: value for name, value in entries[count].items() if name != self.apart}
            if self.members.count([*entries[:count], bare]) > count:
                entries = [*entries[:count], bare, *entries[count + 1 :]]
        super().down(entries, count, out, extensions, run)

    def up(self, source: Json, made: list[Json], run: Run) -> list[Json]:
        """The entries that the element makes."""
        if self.name not in source:
            return []
        out: Json = {}
        self.scratch.up_rows[self.name](source[self.name], out, source, run)
        first, *more = found = out[self.name]
        if self.members.count([*made, first]) == len(made):
            return list(found)
        message = (
            f"R4 does not say it: said to be unknown, as R5 has {self.name} and {', '.join(self.elements_of())} in one"
        )
        run.say("information", "default", message, f"{self.path}.{self.apart}")
        return [{self.apart: UNKNOWN, **first}, *more]

    def elements_of(self) -> list[str]:
        """The elements that the members make."""
        return [each.to for each in self.members.by_name.values()]


class _Joined(_Rest):
    """No place of their own: what the members can hold is joined to theirs."""

    def __init__(self, block: Block, name: str, members: Members) -> None:
        super().__init__(block, name)
        self.members = members

    def down(self, entries: list[Json], count: int, out: Json, extensions: list[Json], run: Run) -> None:  # noqa: ARG002
        """Joins them, and says what is lost."""
        for entry in entries[count:]:
            held = {name: value for name, value in entry.items() if self.members.hold({name: value})}
            joined = any(self.members.by_name[name].to in out for name in held)
            self.members.down([held], out, run)
            for name in entry.keys() - held.keys():
                run.say("warning", "no-r4-form", "left out: R4 has no such part", f"{self.path}.{name}")
            if joined:
                message = "R4 has one list: where one entry ends and the next begins is lost"
                run.say("warning", "no-r4-form", message, self.path)
