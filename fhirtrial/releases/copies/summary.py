"""The description of a study, where it has only a summary."""

from __future__ import annotations

from fhirtrial.files import MappingFiles
from fhirtrial.releases.block import Json, with_extension
from fhirtrial.releases.copies.entries import drop_mark
from fhirtrial.releases.run import Run
from fhirtrial.releases.table import CopyRow, Table


class Summary:
    """
    Without a description R4 shows the summary, marked by our extension ``copy-of``.

    The mark is needed: a study may have a description that is the same as its summary. Edited, it is a description.
    """

    def __init__(self, row: CopyRow, table: Table, files: MappingFiles) -> None:  # noqa: ARG002
        self.line = row.line
        self.mark = table.own("copy-of")

    def down(self, r5: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Makes the description."""
        if "description" not in r5 and "_description" not in r5 and "descriptionSummary" in r5:
            out["description"] = r5["descriptionSummary"]
            out["_description"] = with_extension(
                None, {"url": self.mark, "valueString": "ResearchStudy.descriptionSummary"}
            )

    def up(self, native: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Takes it off again, unless somebody has edited it."""
        if not drop_mark(out, "_description", self.mark):
            return
        if out.get("description") == out.get("descriptionSummary"):
            out.pop("description", None)
        elif "description" in out:
            message = "the copy of the summary was edited: it becomes the description"
            run.say("warning", "conflict", message, "ResearchStudy.description", self.line)
