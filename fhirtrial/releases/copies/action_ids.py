"""What actions of a plan are referred to by: in R4 the id of the element, in R5 ``linkId``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhirtrial.files import MappingFiles
from fhirtrial.releases.block import Json, extension_of, without_extension
from fhirtrial.releases.run import Run
from fhirtrial.releases.table import CopyRow, Table


class ActionIds:
    """
    An id that another action of an R4 plan refers to is the ``linkId`` in R5, where rule pld-4 wants it.

    https://hl7.org/fhir/R5/plandefinition.html#constraints
    """

    def __init__(self, row: CopyRow, table: Table, files: MappingFiles) -> None:  # noqa: ARG002
        self.url = f"{table.official}PlanDefinition.action.linkId"

    def down(self, r5: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Leaves out the extension that would only repeat the id."""
        if referred := set(_referred(r5, "targetId")):
            out["action"] = [self._without(each, referred) for each in out["action"]]

    def up(self, native: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Makes the linkId."""
        if referred := set(_referred(native, "actionId")):
            out["action"] = [_with(each, referred) for each in out["action"]]

    def _without(self, action: Json, referred: set[Any]) -> Json:
        said = extension_of(action, self.url)
        made = dict(action)
        if said is not None and said.get("valueString") == action.get("id") in referred:
            rest = without_extension(action, self.url)
            made.pop("extension")
            made |= {"extension": rest["extension"]} if "extension" in rest else {}
        if "action" in action:
            made["action"] = [self._without(each, referred) for each in action["action"]]
        return made


def _with(action: Json, referred: set[Any]) -> Json:
    made = dict(action)
    if "linkId" not in action and action.get("id") in referred:
        made["linkId"] = action["id"]
    if "action" in action:
        made["action"] = [_with(each, referred) for each in action["action"]]
    return made


def _referred(holder: Json, name: str) -> Iterator[Any]:
    """The ids that actions refer to, at any depth."""
    for action in holder.get("action", ()):
        if "relatedAction" in action:
            yield from (related.get(name) for related in action["relatedAction"])
        if "action" in action:
            yield from _referred(action, name)
