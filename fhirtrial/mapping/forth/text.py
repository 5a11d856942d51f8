"""JSON text in the making, at compile time: what is known already, and the expressions that fill the gaps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

Piece: TypeAlias = bytes | str
"""Known text (bytes), or the source of an expression that gives bytes (str)."""


@dataclass(frozen=True, slots=True)
class Text:
    """
    The JSON text of a value.

    ``pieces`` follow each other, ``test`` is the source of the test that the value is there (empty: always).
    """

    pieces: tuple[Piece, ...]
    test: str = ""

    @property
    def source(self) -> str:
        """The expression that gives the whole text."""
        return joined(self.pieces)


def constant(value: Any) -> bytes:
    """A JSON value as text."""
    return orjson.dumps(value)


def member(key: str) -> bytes:
    """The beginning of a member: its name and the colon."""
    return orjson.dumps(key) + b":"


def joined(pieces: tuple[Piece, ...]) -> str:
    r"""
    The expression that puts pieces together, neighbouring known text at once.

    >>> joined((b'{"a":', b'[', "value", b"]}"))
    'b\'{"a":[\' + value + b\']}\''
    """
    merged: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += piece
        elif piece:
            merged.append(piece)
    return " + ".join(repr(piece) if isinstance(piece, bytes) else piece for piece in merged) or "b''"
