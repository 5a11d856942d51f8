"""The status of a study, which R4 requires and R5 has as the present one of its states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhirtrial.concept_map import parse_concept_map
from fhirtrial.files import MappingFiles
from fhirtrial.releases.block import Json, with_extension
from fhirtrial.releases.copies.entries import drop_mark, present, replaced
from fhirtrial.releases.run import Known, Run, Token
from fhirtrial.releases.systems import both_ways
from fhirtrial.releases.table import CopyRow, Table

CONCEPT_MAP = "releases/study-status.json"
STATUS = "http://hl7.org/fhir/research-study-status"
"""The codes of states, by R5's address; the table says which other one there is for those that R4 lacks."""
OVERALL = "overall-study"
NEAREST = "approved"
"""For a state that no code of R4 says: the one code that claims nothing about today."""


def nearest_codes(files: MappingFiles) -> Mapping[tuple[str, str], tuple[str, bool]]:
    """
    System and code of a state → R4's code, and whether it is true of the state by its definition.

    https://hl7.org/fhir/R5/conceptmap.html. Raises MappingError, with the line, for what is no such map.
    """
    return {
        (group.source, row.code): (row.target.code, row.target.relationship != "related-to")
        for group in parse_concept_map(files.read_bytes(CONCEPT_MAP), file=CONCEPT_MAP).groups
        for row in group.rows
        if row.target is not None
    }


class StudyStatus:
    """
    ``status`` from the present state.

    A code that does not say exactly that is marked by our extension ``status-inexact``, which holds the state itself.
    Edited, the code becomes the present state, alone: its registry code would say the old one.
    """

    def __init__(self, row: CopyRow, table: Table, files: MappingFiles) -> None:
        self.line = row.line
        self.mark = table.own("status-inexact")
        codes = nearest_codes(files)
        elsewhere = table.systems.get(STATUS, (STATUS, None))[0]
        other = {(elsewhere, code): found for (system, code), found in codes.items() if system == STATUS}
        self.overall = {(STATUS, OVERALL), (elsewhere, OVERALL)}
        self.codes = {**codes, **other}
        self.systems = both_ways(table.to_swap)[0]
        self._overall: Known[bool] = {}
        self._found: Known[tuple[str, bool] | None] = {}

    def is_overall(self, tokens: Sequence[Token]) -> bool:
        """Whether a state is that of the study as a whole, and says nothing about now."""
        return not self.overall.isdisjoint(tokens)

    def code(self, tokens: Sequence[Token]) -> tuple[str, bool] | None:
        """R4's code for a state, and whether it is exact."""
        return next((self.codes[token] for token in tokens if token in self.codes), None)

    def status(self, study: Json, run: Run) -> tuple[str, bool, Json | None]:
        """The code, whether it is exact, and the entry of the present state."""
        entries = [
            each
            for each in study.get("progressStatus", ())
            if not run.told(self._overall, each.get("state"), self.is_overall)
        ]
        now = entries[0] if len(entries) == 1 else present(entries, _period("start"), _period("end"))
        found = run.told(self._found, now.get("state"), self.code) if now else None
        return (*found, now) if found is not None else (NEAREST, False, now)

    def down(self, r5: Json, out: Json, run: Run) -> None:
        """Makes the code, and the mark where it is inexact."""
        code, exact, now = self.status(r5, run)
        out["status"] = code
        if exact:
            return
        state = now.get("state") if now else None
        state = {"text": "not stated"} if not state else self.systems.concept(state)
        out["_status"] = with_extension(out.get("_status"), {"url": self.mark, "valueCodeableConcept": state})
        codes = [str(each["code"]) for each in run.codings(state) if "code" in each]
        said = codes[0] if codes else state.get("text", "another state") if isinstance(state, dict) else "another state"
        message = f"{code!r} is the nearest that R4 has to {said!r}: marked as inexact"
        run.say("information", "inexact-status", message, "ResearchStudy.status", self.line)

    def up(self, native: Json, out: Json, run: Run) -> None:
        """Compares the code with the present state."""
        marked = drop_mark(out, "_status", self.mark)
        if "status" not in out:
            out["status"] = "unknown"
            message = "R4 does not say the status of the publication: 'unknown'"
            run.say("information", "default", message, "ResearchStudy.status", self.line)
        given = native.get("status")
        if given is None:
            return
        code, _, now = self.status(out, run)
        if given == code and (now is not None or marked):
            return
        state: Json = {"coding": [{"system": STATUS, "code": given}]}
        if now is None:
            out["progressStatus"] = [{"state": state}, *out.get("progressStatus", ())]
            return
        message = f"{given!r} wins over {code!r}, which progressStatus says: the present state becomes {given!r}"
        run.say("warning", "conflict", message, "ResearchStudy.status", self.line)
        out["progressStatus"] = replaced(out["progressStatus"], now, {**now, "state": state})


def _period(end: str) -> Any:
    return lambda entry: entry.get("period", {}).get(end)
