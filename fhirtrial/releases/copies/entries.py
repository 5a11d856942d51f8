"""Small questions to entries with a time, to marks and to lists, which several rules ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fhirtrial.releases.block import Json, extension_of, without_extension


def present(entries: Iterable[Json], start: Callable[[Json], Any], end: Callable[[Json], Any]) -> Json | None:
    """
    The entry that holds now: the one without an end; among several the latest start; among equals the last.

    >>> present([{"s": "2020"}, {"s": "2021"}], lambda e: e["s"], lambda e: None)
    {'s': '2021'}
    """
    best: Json | None = None
    highest: tuple[bool, str, str] | None = None
    for entry in entries:
        key = (end(entry) is None, end(entry) or "", start(entry) or "")
        if highest is None or key >= highest:
            best, highest = entry, key
    return best


def drop_mark(holder: Json, name: str, url: str) -> bool:
    """Takes a mark of ours off what stands beside an element of an object in the making; whether it was there."""
    beside = holder.get(name)
    if extension_of(beside, url) is None:
        return False
    rest = without_extension(beside, url)  # type: ignore[arg-type]
    if rest:
        holder[name] = rest
    else:
        del holder[name]
    return True


def replaced(entries: list[Json], old: Json, new: Json) -> list[Json]:
    """A list with one entry exchanged for another."""
    return [new if each is old else each for each in entries]
