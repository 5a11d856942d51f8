"""What the other release has and R5 lacks: extensions in R5 keep it, and it comes back from there."""

from __future__ import annotations

from collections.abc import Collection

from fhirtrial.definitions import Definitions
from fhirtrial.releases.block import Block
from fhirtrial.releases.extension_rows import Parts, add_parts, add_value
from fhirtrial.releases.holding import Holding
from fhirtrial.releases.table import Table


class Earlier:
    """Finds such members of a type, and makes their rows."""

    def __init__(self, table: Table, r5: Definitions, other: Definitions, holding: Holding) -> None:
        self.table = table
        self.r5 = r5
        self.other = other
        self.holding = holding

    def unknown(self, block: Block, r5_type: str, other_type: str, *, nowhere: Collection[str]) -> dict[str, str]:
        """
        The members of the other release that nothing takes up to R5, each with its path.

        ``nowhere`` are elements of R5 that go nowhere: what the other release has under such a name is something else.
        """
        native = self.other.elements(other_type) if other_type in self.other.types else {}
        elements = [row.element for row in self.table.copies.get(block.path, ())]
        copied = {each.name for each in native.values() if each.name in elements or each.choice in elements}
        something_else = native.keys() & nowhere
        for name in something_else:
            block.up_rows.pop(name, None)
            block.up_rows.pop(f"_{name}", None)
        return {
            name: element.path
            for name, element in native.items()
            if (name not in self.r5.elements(r5_type) or name in something_else)
            and name not in block.up_rows
            and name not in copied
        }

    def keep(self, block: Block, other_type: str) -> None:
        """Rows for those members: HL7's address for elements of earlier releases holds them in R5."""
        scratch = Block(block.path, (block.systems[1], block.systems[0]))
        for name in block.unknown:
            element = self.other.elements(other_type)[name]
            value = self.holding.earlier(element)
            url = f"{self.table.earlier}{element.path.removesuffix('[x]')}"
            if isinstance(value, Parts):
                add_parts(scratch, name, url, value)
            elif value is not None:
                add_value(scratch, name, url, value)
        if scratch.extension_rows:
            block.earlier = scratch
