"""Records read by their schema, as fast as they are parsed without, where there is nothing to say about them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
import orjson

from fhirtrial.source import Source
from fhirtrial.typed import PATTERNS, Field, checked_type

_REMEMBERED = 1 << 14
"""So many days are remembered as days: studies share them, and looking one up is quicker than matching it."""

_CONTROL = re.compile(rb"\\(?:u00|[bf])").search

_Part = tuple[tuple[dict[str, Any], ...], tuple[str, ...]]
"""A part that is left out: the objects around it, outermost first, and the way to it."""


class Sound:
    """
    Records by their schema, from bytes: parsed and checked in one go.

    It gives what has nothing odd about it, and None for all else: what is odd is found out elsewhere, more slowly. Not
    the ``whole``: without what the mapping leaves out, of which then only matters that it is JSON (a number may be of
    any size); that is two fifths of the registry's studies. ``source`` is the generated code that looks at what the
    parser does not, for reading, and ``shapes`` what it takes for texts of each type with a shape.
    """

    def __init__(self, root: Field, enums: Mapping[str, Mapping[str, str]], *, whole: bool) -> None:
        self._decode = msgspec.json.Decoder(checked_type(root, enums, whole=whole)).decode
        writer = _Writer(root, whole=whole)
        self.source = writer.source.text
        self.shapes = writer.shapes
        self._look: Callable[[dict[str, Any], list[_Part]], bool] = writer.source.compiled(
            f"<fhirtrial {root.name}, read{' whole' if whole else ''}>"
        )["look"]

    def __call__(self, raw: bytes) -> dict[str, Any] | None:
        """
        The tree that the bytes are; None if there is something to be said about it.

        None as well if the bytes are not written the shortest way: only where they come out as they went in it is
        certain that no key stands twice and no field is unknown.
        """
        # JSON writes control characters as escapes: nearly no record has one, and one search settles it.
        if _CONTROL(raw):
            return None
        left_out: list[_Part] = []
        try:
            tree: dict[str, Any] = self._decode(raw)
            if not tree or not self._look(tree, left_out) or orjson.dumps(tree) != raw:
                return None
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
            return None
        for nodes, keys in left_out:
            # What is empty then goes as well.
            for node, key in zip(reversed(nodes), reversed(keys), strict=True):
                del node[key]
                if node:
                    break
        return tree


class _Writer:
    """
    Writes the function that looks through a tree: whether no object in it is empty, and days are days.

    Not ``whole``: it makes text of the parts that are left out, and notes them.
    """

    def __init__(self, root: Field, *, whole: bool) -> None:
        self.whole = whole
        self.source = Source()
        self.source.names["as_text"] = _as_text
        self.shapes = {
            kind: lru_cache(_REMEMBERED)(re.compile(pattern).fullmatch) for kind, pattern in PATTERNS.items()
        }
        with self.source.block("def look(tree, left_out):"):
            self.object(root, ["tree"], [])
            self.source.add("return True")

    def object(self, field: Field, nodes: list[str], keys: list[str]) -> None:
        """What is to be seen in an object; ``nodes`` are the variables of those around it, and of itself."""
        holder = nodes[-1]
        for name, member in (field.fields or {}).items():
            if not is_looked_at(member) or (member.left_out and self.whole):
                continue
            value = self.source.fresh(name)
            self.source.add(f"{value} = {holder}.get({name!r})")
            with self.source.block(f"if {value} is not None:"):
                if member.beside:
                    self.source.add("return False")  # it is seldom there, and looked into
                elif member.left_out:
                    self.source.add(f"{holder}[{name!r}] = as_text({value}, {b'[' if member.is_list else b'{'!r})")
                    self.source.add(f"left_out.append((({', '.join(nodes)},), {(*keys, name)!r}))")
                elif member.is_list:
                    self.items(member, value)
                else:
                    self.value(member, value, [*nodes, value], [*keys, name])

    def items(self, field: Field, listed: str) -> None:
        """What is to be seen in a list."""
        if field.fields is not None:
            self.refuse(f"not all({listed})")
            if not any(map(is_looked_at, field.fields.values())):
                return
        item = self.source.fresh("item")
        with self.source.block(f"for {item} in {listed}:"):
            self.value(field, item, [item], [])

    def value(self, field: Field, value: str, nodes: list[str], keys: list[str]) -> None:
        """What is to be seen of one value."""
        if field.fields is None:
            self.refuse(f"{self.source.name(self.shapes[field.type], field.type)}({value}) is None")
            return
        if not field.is_list:
            self.refuse(f"not {value}")
        self.object(field, nodes, keys)

    def refuse(self, test: str) -> None:
        """Under a test there is something to be said."""
        with self.source.block(f"if {test}:"):
            self.source.add("return False")


def is_looked_at(field: Field) -> bool:
    """Whether there is anything to see that its type does not say: all of an object, the shape of a text."""
    return field.fields is not None or field.type in PATTERNS


def _as_text(raw: msgspec.Raw, first: bytes) -> orjson.Fragment:
    """A part as the text that it is. Raises ValueError if it is not of the type that the schema says, or not UTF-8."""
    text = bytes(raw)
    if not text.startswith(first):
        raise ValueError(first)
    if not text.isascii():
        text.decode()
    return orjson.Fragment(text)
