"""JSON values in the making, at compile time: the Python that gives a value, and what is known of it already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

Members: TypeAlias = tuple[tuple[str, str], ...]
"""The members of an object: names, and the source of their values."""


@dataclass(frozen=True, slots=True)
class Value:
    """
    A JSON value: ``source`` is the expression that gives it, ``test`` the test that it is there (empty: always).

    What is constant in it is an `orjson.Fragment`, which is written as it is.
    """

    source: str
    test: str = ""


def display(members: Members, *more: str) -> str:
    """
    The source of an object, members first, then what ``more`` gives as objects.

    >>> display((("url", "'x'"), ("valueCode", "code")), "run.refuse()")
    "{'url': 'x', 'valueCode': code, **run.refuse()}"
    """
    named = [f"{name!r}: {source}" for name, source in members]
    return f"{{{', '.join([*named, *(f'**{source}' for source in more)])}}}"


def text(value: Any) -> bytes:
    """A constant as JSON."""
    return orjson.dumps(value)
