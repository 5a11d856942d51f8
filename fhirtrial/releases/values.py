"""Extensions whose value another release cannot hold: its type is not known there, or is written in another way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fhirtrial.releases.block import Block, Json
from fhirtrial.releases.run import Run

_EMPTY: tuple[Any, ...] = ({}, [])


class ExtensionValues:
    """
    Leaves such extensions out, wherever they stand.

    ``lacking`` are the members for values of types that the other release lacks, ``blocks`` those of types that change:
    such a value stays where nothing in it does.
    """

    def __init__(self, *, lacking: frozenset[str], blocks: Mapping[str, Block]) -> None:
        self._lacking = lacking
        self._blocks = blocks
        self._triggers = tuple(f'{name.removeprefix("value")}":'.encode() for name in sorted({*lacking, *blocks}))

    def passes(self, text: bytes) -> bool:
        """Whether the JSON text of a whole resource is sure to hold none of them."""
        triggers = self._triggers  # one pass over the text, not one for each
        return not any(rest.startswith(triggers) for rest in text.split(b"value")[1:])

    def are_not_in(self, words: frozenset[str]) -> bool:
        """Whether resources that hold no members but these are sure to hold none of them."""
        changing = (self._blocks[name] for name in self._blocks.keys() & words)
        return words.isdisjoint(self._lacking) and all(block.has_no_row_for(words) for block in changing)

    def left_out(self, resource: Json, run: Run) -> Json:
        """The resource without them, each reported; the same object if there are none."""

        def lost(extension: Json, path: str) -> bool:
            if not self._cannot_stay(extension):
                return False
            message = f"the value has a type that R4 lacks, or writes otherwise: {extension.get('url')}"
            run.say("warning", "no-r4-form", message, f"{path}.extension")
            return True

        made: Json = _without(resource, str(resource.get("resourceType")), lost)
        return made

    def _cannot_stay(self, extension: Json) -> bool:
        for name, value in extension.items():
            if name.removeprefix("_") in self._lacking:
                return True
            block = self._blocks.get(name)
            if block is not None:
                scratch = Run()
                if block.down(value, scratch) != value or scratch.issues:
                    return True
        # Without one of its parts it would say something else; what only stands on it can go alone.
        parts = extension.get("extension", ())
        return any(self._cannot_stay(part) for part in parts if ":" not in str(part.get("url")))


def tidy(resource: Json) -> Json:
    """A resource without objects that hold nothing any more."""
    made: Json = _without(resource, "", lambda *_: False)
    return made


def _without(node: Any, path: str, lost: Callable[[Json, str], bool]) -> Any:
    """A tree without the extensions that are lost, and without objects that hold nothing any more."""
    if isinstance(node, list):
        items = [_without(item, path, lost) for item in node]
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
        kept = [each for each in value if not lost(each, path)] if is_extension else value
        made = _tidy(name, _without(kept, path if is_extension else f"{path}.{name.removeprefix('_')}", lost))
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
