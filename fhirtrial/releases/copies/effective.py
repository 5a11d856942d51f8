"""When a medication was given, which R4 requires as a time or a period and R5 may say as a Timing."""

from __future__ import annotations

from typing import Any

from fhirtrial.files import MappingFiles
from fhirtrial.releases.block import ABSENT, Json
from fhirtrial.releases.period_pairs import NAME, comparable
from fhirtrial.releases.run import Run
from fhirtrial.releases.table import CopyRow, Table

_NATIVE = {"effectiveDateTime": "occurenceDateTime", "effectivePeriod": "occurencePeriod"}


class Effective:
    """
    A Timing as a period: its bounds, else the span of its events, else one that is said to be unknown.

    An unknown time is a Period that only says so: a dateTime without a value is refused by some readers. Edited, the
    time or period stands alone, and the Timing is dropped.
    """

    def __init__(self, row: CopyRow, table: Table, files: MappingFiles) -> None:  # noqa: ARG002
        self.line = row.line
        self.exact = table.own(NAME)

    def made(self, timing: Json) -> tuple[str, Any]:
        """The element and its value."""
        bounds = timing.get("repeat", {}).get("boundsPeriod")
        if bounds:
            return "effectivePeriod", comparable(bounds, self.exact)
        events = timing.get("event")
        if events:
            span = comparable({"start": min(events), "end": max(events)}, self.exact)
            return ("effectiveDateTime", events[0]) if len(events) == 1 else ("effectivePeriod", span)
        return "effectivePeriod", {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}

    def down(self, r5: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Makes the time or period."""
        if "occurenceTiming" in r5:
            name, value = self.made(r5["occurenceTiming"])
            out[name] = value

    def up(self, native: Json, out: Json, run: Run) -> None:
        """Compares it with the Timing."""
        if "occurenceTiming" not in out:
            return
        name, value = self.made(out["occurenceTiming"])
        given = [each for each in _NATIVE if each in native]
        edited = bool(given) and (given != [name] or native[name] != value)
        if edited:
            message = "the time was edited: it wins, and the Timing is dropped"
            run.say("warning", "conflict", message, "MedicationAdministration.effective[x]", self.line)
            del out["occurenceTiming"]
        else:
            for each in _NATIVE.values():
                out.pop(each, None)
