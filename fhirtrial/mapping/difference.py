"""Where two JSON trees differ, as paths."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import orjson

MISSING = object()


class Difference(NamedTuple):
    """A path, and what stands there in the one tree and in the other (`MISSING`: nothing)."""

    path: str
    first: Any
    second: Any


def differences(first: Any, second: Any, path: str = "") -> Iterator[Difference]:
    """
    The places at which two trees differ, the deepest that can be named.

    >>> [found.path for found in differences({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}], "c": 4})]
    ['a[1].b', 'c']
    """
    if isinstance(first, dict) and isinstance(second, dict):
        for key in dict.fromkeys((*first, *second)):
            inner = f"{path}.{key}" if path else key
            yield from differences(first.get(key, MISSING), second.get(key, MISSING), inner)
    elif isinstance(first, list) and isinstance(second, list):
        for place, one, other in aligned(first, second):
            yield from differences(one, other, f"{path}[{place}]")
    elif first is MISSING or second is MISSING or first != second or type(first) is not type(second):
        yield Difference(path, first, second)


def aligned(first: list[Any], second: list[Any]) -> Iterator[tuple[int, Any, Any]]:
    """
    The entries of two lists that belong together, with the place in the first: one entry more moves no other.

    >>> list(aligned(["a", "b"], ["x", "a", "b"]))[0][1] is MISSING
    True
    """
    if first == second:
        return
    one_text, other_text = (
        [orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in items] for items in (first, second)
    )
    for kind, start, end, other, last in SequenceMatcher(None, one_text, other_text, autojunk=False).get_opcodes():
        if kind != "equal":
            for step in range(max(end - start, last - other)):
                one = first[start + step] if start + step < end else MISSING
                two = second[other + step] if other + step < last else MISSING
                yield start + step, one, two
