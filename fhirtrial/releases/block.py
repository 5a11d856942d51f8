"""One type in both releases: its rows, and the two walks over an object of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import takewhile
from typing import Any, Protocol, TypeAlias

from fhirtrial.releases.run import Run
from fhirtrial.releases.systems import Systems
from fhirtrial.source import Source

Json: TypeAlias = dict[str, Any]

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
"""Says why a value is not there: https://hl7.org/fhir/extensions/StructureDefinition-data-absent-reason.html"""

EVERYWHERE = frozenset({"id", "extension", "modifierExtension"})
"""Members that every object has, the same in all releases."""
IN_RESOURCES = EVERYWHERE | {"contained", "meta", "implicitRules", "language", "text"}
"""Members that every resource has."""

OFTEN = 16
"""Objects of a shape that has been met so often are walked over by code of their own."""
MOST = 500
"""Of so many shapes it is counted; foreign resources may have their members in any order."""

Step: TypeAlias = Callable[[Any, Run], Any]
"""What happens to a value."""

Inner: TypeAlias = tuple[Step | None, Step | None]
"""What happens inside a value, both ways."""

Down: TypeAlias = Callable[[Any, Json, list[Json], Json, Run], None]
"""Of an R5 member: its value, the object in the making, its extensions in the making, the whole R5 object, the run."""

Up: TypeAlias = Callable[[Any, Json, Json, Run], None]
"""Of a member of the other release: its value, the R5 object in the making, the whole object, the run."""

FromExtension: TypeAlias = Callable[[Json, Json, Run], None]
"""Of an extension: itself, the R5 object in the making, the run."""


class Copying(Protocol):
    """A native element that is made besides, for plain readers of the other release, and compared on the way back."""

    def down(self, r5: Json, out: Json, run: Run) -> None:
        """Makes the copy in the finished object of the other release."""

    def up(self, native: Json, out: Json, run: Run) -> None:
        """Compares the copy of an object with the finished R5 object, and settles what disagrees."""


class Block:
    """
    The rows of one type, by R5 member on the way down, by member and by address of extension on the way up.

    What has no row passes as it is; ``unknown`` are members of the other release, by path, that R5 does not have, and
    ``earlier`` has the rows that keep them in extensions there: the other way round.
    An object in which nothing changes is given back itself; none is ever changed.
    """

    __slots__ = (
        "_met",
        "_passes",
        "_walks",
        "copies",
        "down_rows",
        "earlier",
        "extension_rows",
        "finished",
        "path",
        "systems",
        "unknown",
        "up_rows",
    )

    def __init__(self, path: str, systems: tuple[Systems, Systems]) -> None:
        self.path = path
        self.systems = systems
        self.down_rows: dict[str, Down] = {"extension": self._extensions}
        self.up_rows: dict[str, Up] = {}
        self.extension_rows: dict[str, FromExtension] = {}
        self.copies: list[Copying] = []
        self.unknown: dict[str, str] = {}
        self.earlier: Block | None = None
        self.finished = False
        self._passes: dict[frozenset[str], bool] = {}
        self._met: Counter[tuple[str, ...]] = Counter()
        self._walks: dict[tuple[str, ...], Step] = {}

    @property
    def changes_down(self) -> bool:
        """Whether anything of this type can change on the way down, but for what is in its extensions."""
        return bool(self.copies) or len(self.down_rows) > 1 or self.earlier is not None or not self.finished

    @property
    def changes_up(self) -> bool:
        """The same on the way up: where extensions are looked into on one way, they are on the other."""
        return self.changes_down or bool(self.up_rows or self.extension_rows or self.unknown)

    def passes(self, words: frozenset[str]) -> bool:
        """
        Whether an object is sure to stay as it is that holds no members and code systems but these.

        A member's name means the same here wherever it stands, so that some objects are looked into for nothing; but
        none is passed by in which something would change.
        """
        if words not in self._passes:
            self._passes[words] = self.has_no_row_for(words) and words.isdisjoint(self.systems[0].to)
        return self._passes[words]

    def has_no_row_for(self, words: frozenset[str]) -> bool:
        """Whether no row waits for one of these members."""
        return not self.copies and words.isdisjoint(self.down_rows.keys() - {"extension"})

    def down(self, source: Json, run: Run) -> Json:
        """The object in the other release."""
        names = tuple(source)
        walk = self._walks.get(names)
        if walk is not None:
            made: Json = walk(source, run)
            return made
        if self.finished and len(self._met) < MOST:
            self._met[names] += 1
            if self._met[names] == OFTEN:
                self._walks[names] = self._straight(names)
        return self._walk(source, run)

    def _walk(self, source: Json, run: Run) -> Json:
        """The walk down over an object of any shape."""
        rows = self.down_rows
        if not self.copies and rows.keys().isdisjoint(source):
            return source
        out: Json = {}
        extensions: list[Json] = []
        for name, value in source.items():
            row = rows.get(name)
            if row is None:
                out[name] = value
            else:
                row(value, out, extensions, source, run)
        for copy in self.copies:
            copy.down(source, out, run)
        return _ended(out, extensions) if extensions else out

    def _straight(self, names: tuple[str, ...]) -> Step:
        """The same walk over objects that have these members in this order, without a question to each member."""
        rows = self.down_rows
        if not self.copies and rows.keys().isdisjoint(names):
            return lambda source, _: source
        source = Source()
        source.names["ended"] = _ended
        first = list(takewhile(lambda name: name not in rows, names))
        with source.block("def walk(source, run):"):
            source.add(f"out = {{{', '.join(f'{name!r}: source[{name!r}]' for name in first)}}}")
            source.add("extensions = []")
            for name in names[len(first) :]:
                if name in rows:
                    row = source.name(rows[name], "row")
                    source.add(f"{row}(source[{name!r}], out, extensions, source, run)")
                else:
                    source.add(f"out[{name!r}] = source[{name!r}]")
            for copy in self.copies:
                source.add(f"{source.name(copy.down, 'copy')}(source, out, run)")
            source.add("return ended(out, extensions) if extensions else out")
        made: Step = source.compiled(f"<fhirtrial release, {self.path} {len(self._walks)}>")["walk"]
        return made

    def up(self, source: Json, run: Run) -> Json:
        """The object in R5."""
        rows = self.up_rows
        if (
            not self.copies
            and "extension" not in source
            and rows.keys().isdisjoint(source)
            and self.unknown.keys().isdisjoint(name.removeprefix("_") for name in source)
        ):
            return source
        out: Json = {}
        extensions: list[Json] = []
        if "extension" in source:  # first, as a native element counts where both say something
            kept = [each for each in source["extension"] if not self._taken(each, out, run)]
            if kept:
                out["extension"] = self.systems[1].extensions(kept)
        for name, value in source.items():
            if name == "extension":
                continue
            row = rows.get(name)
            if row is not None:
                row(value, out, source, run)
            elif (plain := name.removeprefix("_")) not in self.unknown:
                out[name] = value
            elif self.earlier is not None and (kept_row := self.earlier.down_rows.get(name)) is not None:
                kept_row(value, out, extensions, source, run)
            else:
                message = f"R5 has no {self.unknown[plain]}, and nothing official to hold it: left out"
                run.say("warning", "not-carried", message, f"{self.path}.{name}")
        for copy in self.copies:
            copy.up(source, out, run)
        if extensions:
            out["extension"] = [*out.get("extension", ()), *extensions]
        return out

    def _taken(self, extension: Json, out: Json, run: Run) -> bool:
        row = self.extension_rows.get(extension.get("url"))  # type: ignore[arg-type]
        if row is None:
            return False
        row(extension, out, run)
        return True

    def _extensions(self, value: Any, out: Json, _: Any, __: Any, run: Run) -> None:
        kept = value
        if self.earlier is not None:
            rows = self.earlier.extension_rows
            kept = [each for each in value if each.get("url") not in rows]
            for each in value if len(kept) < len(value) else ():
                if each.get("url") in rows:
                    rows[each["url"]](each, out, run)
        if kept:
            out["extension"] = self.systems[0].extensions(kept)


def _ended(out: Json, extensions: list[Json]) -> Json:
    """An object with the extensions that its members became."""
    own = out.get("extension")
    out["extension"] = own + extensions if own else extensions
    return out


def no_r5_code(code: Any, path: str, line: str, run: Run) -> None:
    """Says that R5 lacks a code of a required value set: it is never replaced by a guess."""
    message = f"R5 has no code {code!r}: kept as it is, and R5 servers refuse the resource"
    run.say("error", "no-r5-code", message, path, line)


def applied(step: Step | None, value: Any, run: Run) -> Any:
    """A value after a step, if there is one."""
    return value if step is None else step(value, run)


def on_each(step: Callable[[Any], Any], value: Any) -> Any:
    """A value or each of a list."""
    return [step(each) for each in value] if isinstance(value, list) else step(value)


def value_name(fhir_type: str) -> str:
    """The member of an extension that holds a value of a type: ``valueCodeableConcept``."""
    return f"value{fhir_type[0].upper()}{fhir_type[1:]}"


def without_extension(holder: Json, url: str) -> Json:
    """An object without the extensions of an address; the same object if there are none."""
    extensions = holder.get("extension", ())
    rest = [each for each in extensions if each.get("url") != url]
    if len(rest) == len(extensions):
        return holder
    kept = {name: value for name, value in holder.items() if name != "extension"}
    return {**kept, "extension": rest} if rest else kept


def extension_of(holder: Any, url: str) -> Json | None:
    """The first extension of an address on an object; None if it has none."""
    extensions = holder.get("extension", ()) if isinstance(holder, dict) else ()
    return next((each for each in extensions if each.get("url") == url), None)


def with_extension(holder: Json | None, extension: Json) -> Json:
    """An object with one extension more."""
    holder = holder or {}
    return {**holder, "extension": [*holder.get("extension", ()), extension]}
