"""The status of a study, which R4 requires and R5 has as the present one of its states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhirtrial.concept_map import parse_concept_map
from fhirtrial.files import MappingFiles
from fhirtrial.releases.block import Json, with_extension
from fhirtrial.releases.copies.entries import drop_mark, present, replaced
from fhirtrial.releases.run import Run
from fhirtrial.releases.systems import both_ways
from fhirtrial.releases.table import CopyRow, Table

CONCEPT_MAP = "releases/study-status.json"
STATUS = "http://hl7.org/fhir/research-study-status"
SYSTEMS = (STATUS, "http://terminology.hl7.org/CodeSystem/research-study-status")
"""The codes of states: R5's own address, and that of HL7's terminology, which R4 has for those that it lacks."""
OVERALL = frozenset((system, "overall-study") for system in SYSTEMS)
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
        other = {(SYSTEMS[1], code): found for (system, code), found in codes.items() if system == STATUS}
        self.codes = {**codes, **other}
        self.systems = both_ways(table.systems)[0]

    def status(self, study: Json, run: Run) -> tuple[str, bool, Json | None]:
        """The code, whether it is exact, and the entry of the present state."""
        entries = [
            each for each in study.get("progressStatus", ()) if OVERALL.isdisjoint(run.tokens(each.get("state")))
        ]
        now = entries[0] if len(entries) == 1 else present(entries, _period("start"), _period("end"))
        for token in run.tokens(now.get("state")) if now else ():
            found = self.codes.get(token)
            if found is not None:
                return (*found, now)
        return NEAREST, False, now

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
