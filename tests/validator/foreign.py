"""
Resources made elsewhere, and what the release step makes of them: judged as what records become is.

What is valid in its own release must be valid in the other: so the resources are judged as they are given, too, and
what is found in them is no fault of the step. What the step refuses (an issue of severity error: no code of the release
is true) may be found wrong at that place, and so may a contained resource of a type that the step says it does not
know. Everything else that the validator may say stands in ``foreign.yaml``, each with a reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from fhirtrial.issue import Issue
from fhirtrial.releases.release import Release, name_of
from tests.releases import examples, hl7_examples

from .finding import Finding

Json = dict[str, Any]

WAYS = (("R5", "R4"), ("R5", "R4B"), ("R4", "R5"), ("R4B", "R5"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """
    What a resource became in a release.

    Args:
        way: for people: ``R5→R4``, with ``checked`` where the step kept what has no place.
        resource: the result.
        issues: what the step said.

    """

    way: str
    resource: Json
    issues: tuple[Issue, ...]

    @property
    def name(self) -> str:
        """How it is called in reports."""
        return f"{self.way} {name_of(self.resource)}"

    @property
    def refusals(self) -> list[Issue]:
        """What the step says no server of the release takes."""
        return [issue for issue in self.issues if issue.severity == "error"]

    def refused(self, finding: Finding) -> bool:
        """Whether the step has said that no server takes this, or that it does not know such a resource."""
        paths = {re.sub(r"^(\w+)/[^.:]+(: \1)?", r"\1", issue.path) for issue in self.refusals}
        unknown = {issue.path.rpartition(": ")[2] for issue in self.issues if issue.code == "type-not-covered"}
        contained = re.match(r"\w+\.contained\[(\d+)\]", finding.place)
        held = self.resource["contained"][int(contained[1])]["resourceType"] if contained else ""
        return finding.path in paths or held in unknown


def given(release: str) -> list[Json]:
    """The resources of a release that were made elsewhere: hand-made ones, those of HL7 where they are at hand."""
    if release == "R5":
        return [*examples("R5").values(), *hl7_examples().values()]
    return list(examples("R4").values())


@cache
def made(release: str) -> tuple[Made, ...]:
    """All that becomes of them in a release; with ``check`` only where that makes another resource."""
    found = []
    for here, there in WAYS:
        if there != release:
            continue
        around = {name_of(each): each for each in given(here)}
        step = Release(here if there == "R5" else there)
        if there == "R5":
            around = {name: step.up(each).resource for name, each in around.items()}
        for resource in given(here):
            plain, checked = (
                step.up(resource, find=around.get, check=check)
                if there == "R5"
                else step.down(resource, find=around.get, check=check)
                for check in (False, True)
            )
            found.append(Made(way=f"{here}→{there}", resource=plain.resource, issues=plain.issues))
            if checked.resource != plain.resource:
                way = f"{here}→{there} checked"
                found.append(Made(way=way, resource=checked.resource, issues=checked.issues))
    return tuple(found)
