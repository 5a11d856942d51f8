"""Where two JSON trees differ, as paths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

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
        for place in range(max(len(first), len(second))):
            one = first[place] if place < len(first) else MISSING
            other = second[place] if place < len(second) else MISSING
            yield from differences(one, other, f"{path}[{place}]")
    elif first is MISSING or second is MISSING or first != second or type(first) is not type(second):
        yield Difference(path, first, second)
