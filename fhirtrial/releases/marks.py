"""What shows which release a resource was written for: by the table of the release step and the definitions of both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fhirtrial.definitions import Definitions
from fhirtrial.files import MappingFiles
from fhirtrial.release_names import ReleaseName
from fhirtrial.releases.own_extensions import own_extensions
from fhirtrial.releases.systems import both_ways
from fhirtrial.releases.table import load_table


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeMarks:
    """Of a type: the members and the codes of ``status`` that only R4 has, and only R5."""

    members: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    codes: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())


class Marks:
    """
    The marks of R4 (R4B as well) and of R5, always in this order.

    Extensions tell it for sure: those that the table names stand in R4 alone, as R5 has elements for them. Addresses of
    code systems tell it least: R5 resources with R4's address are about.
    """

    def __init__(self, files: MappingFiles) -> None:
        self.files = files
        self._types: dict[str, TypeMarks] = {}
        table = load_table(files)
        rows = [row for found in table.rows.values() for row in found.values()]
        own = {table.own(name): release for name, release in own_extensions(files).items()}
        self.official, self.earlier = table.official, table.earlier
        self.extensions = tuple(frozenset(url for url, found in own.items() if found == each) for each in ("R4", "R5"))
        self.down, self.up = both_ways(table.systems)
        self.swapped = frozenset(row.type.partition(".")[0] for row in rows if row.codes)

    def of(self, path: str) -> TypeMarks:
        """The marks of a type, or of a part by its path; none where a release has not got it."""
        if path not in self._types:
            self._types[path] = self._of(path)
        return self._types[path]

    def of_extension(self, url: str) -> ReleaseName | None:
        """The release that an extension of this address is written in alone."""
        if url.startswith(self.official) or url in self.extensions[0]:
            return "R4"
        return "R5" if url.startswith(self.earlier) or url in self.extensions[1] else None

    def of_systems(self, kind: str, resource: Any) -> ReleaseName | None:
        """The release whose addresses of code systems a resource of a type uses, if it uses those of one alone."""
        if kind not in self.swapped:
            return None
        seen: set[ReleaseName] = set()
        for coding in _codings(resource):
            if self.down.coding(coding) is not coding:
                seen.add("R5")
            if self.up.coding(coding) is not coding:
                seen.add("R4")
        return seen.pop() if len(seen) == 1 else None

    def _of(self, path: str) -> TypeMarks:
        both = [Definitions.load(self.files, release) for release in ("r4", "r5")]
        if not all(path in each.types for each in both):
            return TypeMarks()
        r4, r5 = (frozenset(each.elements(path)) for each in both)
        found = [each.element(path, "status") for each in both]
        codes = [frozenset() if each is None else each.codes or frozenset() for each in found]
        return TypeMarks(members=(r4 - r5, r5 - r4), codes=(codes[0] - codes[1], codes[1] - codes[0]))


def _codings(node: Any) -> Iterator[dict[str, Any]]:
    """The objects in a tree that name a system."""
    if isinstance(node, dict):
        if isinstance(node.get("system"), str):
            yield node
        for value in node.values():
            yield from _codings(value)
    elif isinstance(node, list):
        for value in node:
            yield from _codings(value)
