"""A release, prepared for a mapping: resources change while they are dicts, before they are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fhirtrial.codes import Coding, Table
from fhirtrial.issue import Issue
from fhirtrial.releases.block import Block, Json
from fhirtrial.releases.run import Run
from fhirtrial.releases.systems import Systems
from fhirtrial.resources import Resource


class Prepared:
    """
    What makes a release of the resources of a mapping, quicker than of anybody's.

    Rows for members that the mapping never makes are left out, and code systems are swapped once, in its constants and
    tables. The result is the same.
    """

    def __init__(self, release: str, blocks: Mapping[str, Block], systems: Systems) -> None:
        self.release = release
        self.kinds = frozenset(blocks)
        self._blocks = blocks
        self._systems = systems
        self._tables: dict[Table, Table] = {}

    def constant(self, value: Any) -> Any:
        """A constant with the release's code systems."""
        return self._systems.tree(value)

    def table(self, table: Table) -> Table:
        """A table with the release's code systems."""
        if table not in self._tables:
            forth = {code: tuple(map(self._coding, codings)) for code, codings in table.forth.items()}
            self._tables[table] = replace(table, forth=forth)
        return self._tables[table]

    def _coding(self, coding: Coding) -> Coding:
        made = self._systems.coding({"system": coding.system, "code": coding.code})
        return replace(coding, system=made["system"])

    def begin(
        self, find: Callable[[str], Resource | None], opened: Mapping[int, Any], issues: list[Issue]
    ) -> Callable[[Json], Json]:
        """What finishes the resources of one record."""
        blocks = self._blocks

        def finish(resource: Json) -> Json:
            kind = resource["resourceType"]
            run = Run(find, f"{kind}/{resource['id']}", opened)
            made = blocks[kind].down(resource, run)
            issues.extend(run.issues)
            return made

        return finish
