"""Finds a key that stands twice in one JSON object: parsers keep the last value and say nothing."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, field

import orjson

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[{}\[\],:]', re.DOTALL)


@dataclass(slots=True)
class _Open:
    """An object or a list that is not closed yet: the keys seen so far, and where in it we are."""

    is_list: bool
    keys: set[str] = field(default_factory=set)
    here: str | int = ""


def first_duplicate(raw: bytes, passed_over: Container[str] = ()) -> tuple[str, int] | None:
    """
    The path of the first key that stands twice in its object, and the offset of its second place; None if none does.

    The text must be JSON. What stands under the paths that are ``passed_over``, written without places in lists, is not
    looked at.

    >>> first_duplicate(b'{"a": [{"b": 1, "b": 2}]}')
    ('a[0].b', 16)
    >>> first_duplicate(b'{"a": [{"b": 1, "b": 2}]}', ["a"])
    """
    stack: list[_Open] = []
    key_next = False
    left_out = 0  # how deep we are in what is passed over
    for match in _TOKEN.finditer(raw):
        token = match[0]
        if token in (b"{", b"["):
            left_out += left_out > 0 or (bool(stack) and _path(stack, lists=False) in passed_over)
            stack.append(_Open(is_list=token == b"[", here=0 if token == b"[" else ""))
            key_next = token == b"{"
        elif token in (b"}", b"]"):
            stack.pop()
            left_out -= left_out > 0
        elif token == b",":
            top = stack[-1]
            if isinstance(top.here, int):
                top.here += 1
            key_next = not top.is_list
        elif key_next and token != b":":
            top = stack[-1]
            top.here = key = orjson.loads(token)
            if key in top.keys and not left_out:
                return _path(stack), match.start()
            top.keys.add(key)
            key_next = False
    return None


def _path(stack: list[_Open], *, lists: bool = True) -> str:
    path = ""
    for part in stack:
        if part.is_list and not lists:
            continue
        path += f"[{part.here}]" if part.is_list else f".{part.here}" if path else str(part.here)
    return path
