"""What R4 requires and R5 does not, and an R5 resource may lack: R4 says that it is unknown."""

from __future__ import annotations

from fhirtrial.definitions import Definitions
from fhirtrial.files import MappingFiles
from fhirtrial.releases.block import ABSENT, Json, extension_of
from fhirtrial.releases.run import Run
from fhirtrial.releases.table import CopyRow, Table


class Unknown:
    """
    An element that only says that it is unknown; our extension ``copy-of`` marks that as made by us.

    ``unless``: elements of the other release, any of which does instead. ``of``: the list of R5 that it is the first
    of.
    """

    def __init__(self, row: CopyRow, table: Table, files: MappingFiles) -> None:
        other = Definitions.load(files, "r4")
        element = other.element(row.type, row.element)
        self.list = row.options.get("of", "")
        self.member = f"_{row.element}" if element is not None and other.is_primitive(element.type) else row.element
        self.others = frozenset({row.element, self.member, *row.options.get("unless", ())})
        self.mark = table.own("copy-of")

    def down(self, r5: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Says that it is unknown."""
        if self.others.isdisjoint(out):
            absent = {"url": ABSENT, "valueCode": "unknown"}
            out[self.member] = {"extension": [absent, {"url": self.mark, "valueString": "nothing"}]}

    def up(self, native: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Takes that off again; a value that somebody has filled in stays."""
        if extension_of(native.get(self.member), self.mark) is None:
            return
        made = out.get(self.list or self.member)
        if not self.list:
            del out[self.member]
        elif made and self.mark in repr(made[0]):  # what extensions have made stays
            del made[0]
            if not made:
                del out[self.list]
