"""What a named function of the mapping files is, and the list of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhirtrial.issue import Notice

Json = Any


@dataclass(frozen=True, slots=True)
class Function:
    """
    A named function, its inverse if it has one, and how many tables (``by``) both take after the values.

    ``members`` are those of the objects that it makes, where they are known; none: any that the type has. ``doubt``
    gives, of the same values, one sentence if there is something wrong with them, else None, and ``doubt_code`` says
    what kind of issue that is; a `Notice` is an information instead. ``doubt_back`` gives the same of what the inverse
    takes.
    """

    name: str
    forth: Callable[..., Json]
    back: Callable[..., Json] | None
    tables: int
    doubt: Callable[..., str | Notice | None] | None
    doubt_back: Callable[..., str | None] | None
    members: tuple[str, ...] = ()
    doubt_code: str = "contradiction"


FUNCTIONS: dict[str, Function] = {}


def named(
    back: Callable[..., Json] | None = None,
    *,
    tables: int = 0,
    doubt: Callable[..., str | Notice | None] | None = None,
    doubt_back: Callable[..., str | None] | None = None,
    members: tuple[str, ...] = (),
    doubt_code: str = "contradiction",
) -> Callable[[Callable[..., Json]], Callable[..., Json]]:
    """Puts a function on the list, under its own name; ``back`` is its inverse, the others are those of `Function`."""

    def add(forth: Callable[..., Json]) -> Callable[..., Json]:
        name = forth.__name__
        FUNCTIONS[name] = Function(name, forth, back, tables, doubt, doubt_back, members, doubt_code)
        return forth

    return add
