"""Objects that become extensions, by their shape: those with the same members in the same order by one expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from fhirtrial.releases.block import Json, Step
from fhirtrial.releases.run import Run
from fhirtrial.source import Source

Part: TypeAlias = tuple[str, bool, Step | None]
"""Of a member: that of the extension which holds it, whether it repeats, and what happens to it."""

Whole: TypeAlias = Callable[[Json, Run], Json]
"""Makes the extension that an object becomes."""

Odd: TypeAlias = Callable[[str, Any, list[Json], Run], None]
"""Of a member that is no part: its name, its value, the extensions in the making, the run."""

MOST = 200
"""For so many shapes what was made is kept; foreign resources may have their members in any order."""


class Shapes:
    """
    What makes the extension of an object, by the names of its members: first its plain parts, then all else, in order.

    Args:
        url: the address of the extension.
        start: what stands in it before the parts.
        parts: by name, what holds a plain part.
        nested: by name, whether a part with parts repeats, and what makes its extension.
        extensions: what happens to an object's own extensions; None if nothing does.
        odd: what is to be done with members that are none of these.

    >>> parts = {"name": ("valueString", False, None), "note": ("valueMarkdown", True, None)}
    >>> shapes = Shapes("x", [], parts, nested={}, extensions=None, odd=lambda *_: None)
    >>> shapes.of(("id", "name", "note"))({"id": "1", "name": "A", "note": ["b"]}, Run())
    {'url': 'x', 'extension': [{'url': 'name', 'valueString': 'A'}, {'url': 'note', 'valueMarkdown': 'b'}], 'id': '1'}

    """

    def __init__(
        self,
        url: str,
        start: Sequence[Json],
        parts: Mapping[str, Part],
        *,
        nested: Mapping[str, tuple[bool, Whole]],
        extensions: Callable[[list[Json]], list[Json]] | None,
        odd: Odd,
    ) -> None:
        self._url = url
        self._start = start
        self._parts = parts
        self._nested = nested
        self._extensions = extensions
        self._odd = odd
        self._known: dict[tuple[str, ...], Whole] = {}

    def whole(self) -> Whole:
        """What makes the extension of an object, whatever its shape."""
        known, of = self._known.get, self.of

        def whole(source: Json, run: Run) -> Json:
            names = tuple(source.keys())  # of what is no object: an error
            return (known(names) or of(names))(source, run)

        return whole

    def of(self, names: tuple[str, ...]) -> Whole:
        """What makes the extension of an object with these members."""
        found = self._known.get(names)
        if found is None:
            found = self._made(names)
            if len(self._known) < MOST:
                self._known[names] = found
        return found

    def _made(self, names: tuple[str, ...]) -> Whole:
        ordered = sorted((name for name in names if name != "id"), key=lambda name: name not in self._parts)
        asked = {name: items for name in ordered if (items := self._items(name)) is not None}
        head = f"'url': {self._url!r}, 'extension': "
        tail = ", 'id': source['id']" if "id" in names else ""
        start = [repr(each) for each in self._start]
        if len(asked) == len(ordered):
            return self._compiled(f"{{{head}[{', '.join([*start, *asked.values()])}]{tail}}}")
        steps = [(name, self._compiled(f"[{asked[name]}]") if name in asked else None) for name in ordered]
        framed = self._compiled(f"{{{head}[{', '.join(start)}]{tail}}}")

        def whole(source: Json, run: Run) -> Json:
            extension: Json = framed(source, run)
            made: list[Json] = extension["extension"]
            for name, items in steps:
                if items is None:
                    self._odd(name, source[name], made, run)
                else:
                    made += items(source, run)
            return extension

        return whole

    def _items(self, name: str) -> str | None:
        """The source of the extensions that a member becomes; None for what is no part."""
        given = f"source[{name!r}]"
        if name == "extension":
            return f"*{given}" if self._extensions is None else f"*extensions({given})"
        if name in self._nested:
            made = f"nested[{name!r}][1]"
            return f"*[{made}(each, run) for each in {given}]" if self._nested[name][0] else f"{made}({given}, run)"
        if name not in self._parts:
            return None
        member, many, step = self._parts[name]
        value = "each" if many else given
        value = value if step is None else f"parts[{name!r}][2]({value}, run)"
        item = f"{{'url': {name!r}, {member!r}: {value}}}"
        return f"*[{item} for each in {given}]" if many else item

    def _compiled(self, given: str) -> Callable[[Json, Run], Any]:
        source = Source()
        source.names |= {"parts": self._parts, "nested": self._nested, "extensions": self._extensions}
        with source.block("def make(source, run):"):
            source.add(f"return {given}")
        made: Callable[[Json, Run], Any] = source.compiled(f"<fhirtrial release, {self._url} {len(self._known)}>")[
            "make"
        ]
        return made
