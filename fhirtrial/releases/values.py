"""Values of extensions that another release does not know the type of, or writes in another way."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

from fhirtrial.definitions import Definitions
from fhirtrial.releases.block import Block, Json, Step
from fhirtrial.releases.run import Run

_EMPTY: tuple[Any, ...] = ({}, [])


class ExtensionValues:
    """
    Translates such values one way, wherever they stand; an extension whose value cannot be had whole is left out.

    Args:
        lacking: the members for values of types that the other release lacks.
        blocks: by member, the types that change.
        handled: addresses of extensions that rows make or read, which see to the values.
        down: which way.

    """

    def __init__(
        self, *, lacking: frozenset[str], blocks: Mapping[str, Block], handled: Container[str], down: bool
    ) -> None:
        self._lacking = lacking
        self._handled = handled
        self._blocks = blocks
        self._steps = {name: block.down if down else block.up for name, block in blocks.items()}
        self._code, self._other = ("no-r4-form", "R4") if down else ("not-carried", "R5")
        self._triggers = tuple(f'{name.removeprefix("value")}":'.encode() for name in sorted({*lacking, *blocks}))

    def passes(self, text: bytes) -> bool:
        """Whether the JSON text of a whole resource is sure to hold none of them."""
        triggers = self._triggers  # one pass over the text, not one for each
        return not any(rest.startswith(triggers) for rest in text.split(b"value")[1:])

    def are_not_in(self, words: frozenset[str]) -> bool:
        """Whether resources that hold no members but these are sure to hold none of them."""
        changing = (self._blocks[name] for name in self._blocks.keys() & words)
        return words.isdisjoint(self._lacking) and all(block.has_no_row_for(words) for block in changing)

    def translated(self, resource: Json, run: Run) -> Json:
        """The resource with them, what is left out reported; the same object if there are none."""

        def settle(extension: Json, path: str) -> Json | None:
            made = self._one(extension, run)
            if made is None:
                message = f"{self._other} lacks the type of the value, or part of it: {extension.get('url')}"
                run.say("warning", self._code, message, f"{path}.extension")
            return made

        made: Json = _settled(resource, str(resource.get("resourceType")), settle)
        return made

    def _one(self, extension: Json, run: Run) -> Json | None:
        """An extension with another value; None where it would say something else, which it does without a part too."""
        if extension.get("url") in self._handled:
            return extension
        made: Json = {}
        for name, value in extension.items():
            if name.removeprefix("_") in self._lacking:
                return None
            step = self._steps.get(name)
            if step is not None:
                scratch = Run(run.find)
                found = step(value, scratch)
                if scratch.issues:
                    return None
                made[name] = found
            elif name == "extension":
                # What only stands on it can go alone.
                parts = [each if ":" in str(each.get("url")) else self._one(each, run) for each in value]
                if None in parts:
                    return None
                made[name] = parts
        changed = any(made[name] != extension[name] for name in made)
        return {**extension, **made} if changed else extension


def extension_values(
    definitions: tuple[Definitions, Definitions],
    inner: Callable[[str, str], tuple[Step | None, Step | None]],
    blocks: Mapping[tuple[str, str], Block],
) -> tuple[ExtensionValues, ExtensionValues]:
    """
    What translates such values down and up.

    Args:
        definitions: R5's and those of the other release.
        inner: gives what happens inside a type both ways, and puts it among the blocks.
        blocks: what happens to each type, by its names in both releases.

    """
    forms, others = ({e.name: e.type for e in each.elements("Extension").values() if e.choice} for each in definitions)
    steps = {name: inner(forms[name], forms[name]) for name in sorted(forms.keys() & others)}
    changing = {name: blocks[forms[name], forms[name]] for name, both in steps.items() if both != (None, None)}
    rows = [block.extension_rows for block in blocks.values()]
    rows += [block.earlier.extension_rows for block in blocks.values() if block.earlier is not None]
    handled = frozenset().union(*rows)
    return (
        ExtensionValues(lacking=frozenset(forms.keys() - others), blocks=changing, handled=handled, down=True),
        ExtensionValues(lacking=frozenset(others.keys() - forms), blocks=changing, handled=handled, down=False),
    )


def tidy(resource: Json) -> Json:
    """A resource without objects that hold nothing any more."""
    made: Json = _settled(resource, "", lambda extension, _: extension)
    return made


def _settled(node: Any, path: str, settle: Callable[[Json, str], Json | None]) -> Any:
    """A tree with extensions settled, without those that are lost, and without objects that hold nothing any more."""
    if isinstance(node, list):
        items = [_settled(item, path, settle) for item in node]
        return node if all(one is other for one, other in zip(items, node, strict=True)) else items
    if not isinstance(node, dict):
        return node
    changed: Json = {}
    for name, value in node.items():
        if not isinstance(value, dict | list):
            continue
        if name == "contained":
            continue  # each in its turn
        is_extension = name in ("extension", "modifierExtension")
        kept = [found for each in value if (found := settle(each, path)) is not None] if is_extension else value
        made = _tidy(name, _settled(kept, path if is_extension else f"{path}.{name.removeprefix('_')}", settle))
        if made != value or made in _EMPTY:
            changed[name] = made
    if not changed:
        return node
    found = {name: changed.get(name, value) for name, value in node.items()}
    return {name: value for name, value in found.items() if value not in _EMPTY}


def _tidy(name: str, value: Any) -> Any:
    """A member without empty objects; in what stands beside a list of primitives, null holds the place."""
    if not isinstance(value, list):
        return value
    if name.startswith("_"):
        found = [each or None for each in value]
        return found if any(found) else []
    is_extension = name in ("extension", "modifierExtension")
    return [each for each in value if each not in _EMPTY and not (is_extension and each.keys() <= {"url", "id"})]
