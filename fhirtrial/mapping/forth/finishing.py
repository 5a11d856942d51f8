"""What may be done to resources before they are written: the way into another release of FHIR."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol, TypeAlias

from fhirtrial.codes import Table
from fhirtrial.issue import Issue

Finish: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Of a resource in the making: what is written instead."""


class Finishing(Protocol):
    """
    Makes something else of resources while they are still dicts.

    Concepts and codings whose values are constants or codes of a table are JSON text by then (`orjson.Fragment`); what
    is to be another in them is made so when the mapping is compiled, by ``constant`` and ``table``.
    """

    @property
    def release(self) -> str:
        """The release of FHIR that the resources are in afterwards."""

    @property
    def kinds(self) -> Collection[str]:
        """The types of resources that change."""

    def constant(self, value: Any) -> Any:
        """What becomes of a constant value, or of a table's codings."""

    def table(self, table: Table) -> Table:
        """What becomes of a table that a function is handed."""

    def begin(
        self, find: Callable[[str], dict[str, Any] | None], opened: Mapping[int, Any], issues: list[Issue]
    ) -> Finish:
        """
        What finishes the resources of one record.

        ``find`` gives what has been made of the record already, as it was before; ``opened`` what stands in a
        Fragment, by its ``id()``; findings are added to ``issues``.
        """
