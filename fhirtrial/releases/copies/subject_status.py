"""The status of a subject of a study, which R4 requires and R5 has as the present one of its states."""

from __future__ import annotations

from fhirtrial.definitions import Definitions
from fhirtrial.files import MappingFiles
from fhirtrial.releases.block import Json, with_extension
from fhirtrial.releases.copies.entries import drop_mark, present, replaced
from fhirtrial.releases.run import Run
from fhirtrial.releases.table import CopyRow, Table

STATES = "http://terminology.hl7.org/CodeSystem/research-subject-state"

_GROUPS = frozenset({"assignedComparisonGroup", "actualComparisonGroup"})


class SubjectStatus:
    """
    ``status`` from the present state.

    Without one it is what the arm says: ``on-study`` with an arm, else ``candidate``, marked as inexact. Edited, the
    code becomes the present state.
    """

    def __init__(self, row: CopyRow, table: Table, files: MappingFiles) -> None:
        self.line = row.line
        # The states of R5 are R4's codes: https://hl7.org/fhir/R4/valueset-research-subject-status.html
        element = Definitions.load(files, "r4").element(row.type, row.element)
        self.codes = (element and element.codes) or frozenset()
        self.mark = table.own("status-inexact")

    def status(self, subject: Json, run: Run) -> tuple[str | None, Json | None]:
        """The code of the present state, and its entry."""
        entries = [each for each in subject.get("progress", ()) if "subjectState" in each]
        now = present(entries, lambda entry: entry.get("startDate"), lambda entry: entry.get("endDate"))
        for coding in run.codings(now and now["subjectState"]):
            if coding.get("code") in self.codes and coding.get("system") == STATES:
                return coding["code"], now
        return None, now

    def down(self, r5: Json, out: Json, run: Run) -> None:
        """Makes the code, and the mark where there is no state."""
        code, now = self.status(r5, run)
        if code is None:
            code = "candidate" if _GROUPS.isdisjoint(r5) else "on-study"
            state = now["subjectState"] if now else {"text": "not stated"}
            out["_status"] = with_extension(out.get("_status"), {"url": self.mark, "valueCodeableConcept": state})
            message = f"{code!r}, as no state is given that R4 has a code for: marked as inexact"
            run.say("information", "inexact-status", message, "ResearchSubject.status", self.line)
        out["status"] = code

    def up(self, native: Json, out: Json, run: Run) -> None:
        """Compares the code with the present state."""
        marked = drop_mark(out, "_status", self.mark)
        if "status" not in out:
            out["status"] = "unknown"
            message = "R4 does not say the status of the publication: 'unknown'"
            run.say("information", "default", message, "ResearchSubject.status", self.line)
        given = native.get("status")
        code, now = self.status(out, run)
        if given is None or given == code or (code is None and marked and given in ("on-study", "candidate")):
            return
        state: Json = {"coding": [{"system": STATES, "code": given}]}
        if now is None:
            out["progress"] = [*out.get("progress", ()), {"subjectState": state}]
            return
        message = f"{given!r} wins over {code!r}, which progress says: the present state becomes {given!r}"
        run.say("warning", "conflict", message, "ResearchSubject.status", self.line)
        out["progress"] = replaced(out["progress"], now, {**now, "subjectState": state})
