"""When a Provenance was recorded, which R4 requires and R5 does not."""

from __future__ import annotations

from fhirtrial.files import MappingFiles
from fhirtrial.releases.block import ABSENT, Json, extension_of
from fhirtrial.releases.run import Run
from fhirtrial.releases.table import CopyRow, Table


class Recorded:
    """Without a time R4 says that it is unknown; our extension ``copy-of`` marks that as made by us."""

    def __init__(self, row: CopyRow, table: Table, files: MappingFiles) -> None:  # noqa: ARG002
        self.mark = table.own("copy-of")

    def down(self, r5: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Says that it is unknown."""
        if "recorded" not in r5 and "_recorded" not in r5:
            absent = {"url": ABSENT, "valueCode": "unknown"}
            out["_recorded"] = {"extension": [absent, {"url": self.mark, "valueString": "nothing"}]}

    def up(self, native: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Takes that off again; a time that somebody has filled in stays."""
        if extension_of(out.get("_recorded"), self.mark) is not None:
            del out["_recorded"]
