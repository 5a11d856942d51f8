"""What the other release requires, and nothing can be made of."""

from __future__ import annotations

from fhirtrial.releases.block import Json
from fhirtrial.releases.run import Run


class Needed:
    """Reports an object that lacks the element: a server of the other release refuses it."""

    def __init__(self, path: str, name: str, line: str) -> None:
        self.path = path
        self.name = name
        self.line = line

    def down(self, r5: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Looks for the element."""
        if self.name not in out and f"_{self.name}" not in out:
            message = f"R4 requires {self.path}.{self.name}, which is not there: R4 servers refuse the resource"
            run.say("error", "r4-requires", message, f"{self.path}.{self.name}", self.line)

    def up(self, native: Json, out: Json, run: Run) -> None:
        """Has made nothing."""
