"""Elements of an Encounter that change in a way of their own: pairs of functions, named in the table by ``call``."""

from __future__ import annotations

from typing import Any

from fhirtrial.releases.block import Block, Inner, Json, applied
from fhirtrial.releases.codeable_reference import add_split
from fhirtrial.releases.native_rows import from_alternate, to_alternate
from fhirtrial.releases.run import Run
from fhirtrial.releases.table import Row, Table

_REASONS = frozenset({"Condition", "Procedure", "Observation", "ImmunizationRecommendation"})
"""What R4's reasonReference may point at: https://hl7.org/fhir/R4/encounter.html"""

_MOVED = ("dietPreference", "specialCourtesy", "specialArrangement")
"""What is in R4's ``hospitalization`` and in R5 on the Encounter itself."""


def add_reason(block: Block, row: Row, table: Table, inner: Inner) -> None:  # noqa: ARG001
    """
    Encounter.reason: in R5 values, each with its use; in R4 a list of concepts and one of references.

    Nothing holds the use, nor which values belong together: R4's become a reason each.
    """
    url = f"{table.official}Encounter.reason.value"
    path = f"{block.path}.reason"
    scratch = Block(block.path, block.systems)
    add_split(scratch, "reason", "reasonCode", "reasonReference", url)
    alternate = to_alternate(_REASONS)

    def native(value: Json, run: Run) -> Json:
        if "reference" not in value:
            return value
        return {**value, "reference": alternate(value["reference"], run)}

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:
        for each in given:
            for name in sorted(each.keys() - {"value"}):
                run.say("warning", "no-r4-form", "left out: HL7 has extensions for the value only", f"{path}.{name}")
        if any(len(each.get("value", ())) != 1 for each in given):
            message = "R4 has one list: which values belong together is lost"
            run.say("warning", "no-r4-form", message, path, row.line)
        values = [native(value, run) for each in given for value in each.get("value", ())]
        if values:
            scratch.down_rows["reason"](values, out, extensions, source, run)

    def up(given: Any, out: Json, source: Json, run: Run) -> None:
        scratch.up_rows["reasonCode"](given, out, source, run)

    block.down_rows["reason"] = down
    block.up_rows |= {"reasonCode": up, "reasonReference": up}
    block.extension_rows |= scratch.extension_rows
    block.copies += [*scratch.copies, _Reasons()]


class _Reasons:
    """The last step up: each value becomes a reason."""

    def down(self, r5: Json, out: Json, run: Run) -> None:
        """Makes nothing."""

    def up(self, native: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Wraps the values that the row has put there."""
        if "reason" in out:
            out["reason"] = [{"value": [_r5(each, run)]} for each in out["reason"]]


def _r5(value: Json, run: Run) -> Json:
    return {**value, "reference": from_alternate(value["reference"], run)} if "reference" in value else value


def add_hospitalization(block: Block, row: Row, table: Table, inner: Inner) -> None:  # noqa: ARG001
    """Encounter.admission is R4's ``hospitalization``; three elements in that are the Encounter's own in R5."""
    if row.name in _MOVED:

        def down_into(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
            out.setdefault("hospitalization", {})[row.name] = given

        block.down_rows[row.name] = down_into
        return

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        out.setdefault("hospitalization", {}).update(applied(inner[0], given, run))

    def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        out |= {name: given[name] for name in _MOVED if name in given}
        rest = {name: value for name, value in given.items() if name not in _MOVED}
        if rest:
            out["admission"] = applied(inner[1], rest, run)

    block.down_rows[row.name] = down
    block.up_rows[row.to] = up
