"""What plain readers of R4 look for in a Group: whether it is of actual people, and its criteria as text."""

from __future__ import annotations

import html

from fhirtrial.files import MappingFiles
from fhirtrial.releases.block import Json
from fhirtrial.releases.run import Run
from fhirtrial.releases.table import CopyRow, Table

_WRITTEN = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\n", "<br/>"))
"""XHTML for what has a meaning in it; quotes too, as servers write them: so what they keep is what we sent."""


class Actual:
    """``actual`` from ``membership``: https://hl7.org/fhir/R5/group-definitions.html#Group.membership."""

    def __init__(self, row: CopyRow, table: Table, files: MappingFiles) -> None:  # noqa: ARG002
        self.line = row.line

    def down(self, r5: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Makes the fact."""
        if "membership" in r5:
            out["actual"] = r5["membership"] == "enumerated"

    def up(self, native: Json, out: Json, run: Run) -> None:
        """Compares it with the membership."""
        out.pop("actual", None)
        if out.pop("_actual", None) is not None:
            message = "what stands beside the fact has no place in R5"
            run.say("warning", "not-carried", message, "Group._actual", self.line)
        if "actual" not in native:
            return
        wanted = "enumerated" if native["actual"] else "definitional"
        given = out.get("membership", wanted)
        if (given == "enumerated") != (wanted == "enumerated"):
            message = f"{str(native['actual']).lower()} wins over {given!r}: membership becomes {wanted!r}"
            run.say("warning", "conflict", message, "Group.actual", self.line)
            given = wanted
        out["membership"] = given


class Narrative:
    """
    The description as narrative, unless the group has one already.

    ``class="fhirtrial"`` is our mark. The narrative is generated from the data: edited, it is made again.
    https://hl7.org/fhir/R4/narrative.html
    """

    _before = '<div xmlns="http://www.w3.org/1999/xhtml" class="fhirtrial">'

    def __init__(self, row: CopyRow, table: Table, files: MappingFiles) -> None:  # noqa: ARG002
        self.line = row.line

    def made(self, description: str) -> Json:
        """The narrative of a description."""
        text = description
        for sign, written in _WRITTEN:
            if sign in text:
                text = text.replace(sign, written)
        return {"status": "generated", "div": f"{self._before}{text}</div>"}

    def down(self, r5: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Makes the narrative."""
        if "text" not in r5 and r5.get("description"):
            out["text"] = self.made(r5["description"])

    def up(self, native: Json, out: Json, run: Run) -> None:
        """Takes it off again."""
        text = native.get("text")
        if not isinstance(text, dict) or not _is_ours(str(text.get("div", ""))):
            return
        del out["text"]
        if "description" in out and _words(self.made(out["description"])["div"]) != _words(str(text["div"])):
            message = (
                "the narrative says something else than the description, which stays: a narrative is made of it again"
            )
            run.say("warning", "conflict", message, "Group.text", self.line)


def _is_ours(div: str) -> bool:
    """Whether a narrative bears our mark; servers write the attributes of its ``div`` in another order."""
    return 'class="fhirtrial"' in div.partition(">")[0]


def _words(div: str) -> str:
    """What a narrative says; servers write blanks, line breaks and entities in their own way."""
    text = div.partition(">")[2].rpartition("</div>")[0]
    for written in ("<br/>", "<br />", "<br></br>"):
        text = text.replace(written, " ")
    return " ".join(html.unescape(text).split())
