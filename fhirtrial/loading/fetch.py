"""Reading studies back from a server, with everything that they refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from fhirtrial.issue import Issue
from fhirtrial.loading.following import ASKED, Following
from fhirtrial.loading.loader import in_parts
from fhirtrial.resources import Resource
from fhirtrial.search_value import escaped
from fhirtrial.server.client import FhirClient

TOGETHER = 100
"""How many studies are read together."""

_KNOWN = frozenset(
    {"Group", "PlanDefinition", "ActivityDefinition", "Organization", "Practitioner", "PractitionerRole", "Location"}
)
"""What is followed. Others, a study that this one is part of among them, are not the study's own."""


class Fetch:
    """
    Reads studies and, breadth first, all that they refer to: by lists of ids and of canonicals, many at once.

    Includes alone would miss what stands in extensions, and in elements that no search parameter covers.
    https://hl7.org/fhir/R5/search.html
    """

    def __init__(self, client: FhirClient, *, system: str, noticed: Callable[[Issue], object] = lambda _: None) -> None:
        self.client = client
        self.system = system
        self.base = client.address.text
        self._following = Following(client, known=_KNOWN, noticed=noticed)

    def studies(self, numbers: Sequence[str]) -> Iterator[list[Resource]]:
        """The resources of studies by their numbers, some studies at a time; one that is not there is an issue."""
        for part in in_parts(numbers, TOGETHER):
            tokens = [f"{escaped(self.system)}|{escaped(number)}" for number in part]
            found = []
            for asked in in_parts(tokens, ASKED):
                found += list(self.client.search("ResearchStudy", {"identifier": ",".join(asked), "_count": "200"}))
            there = {str(each.get("value")) for study in found for each in study.get("identifier", ())}
            for number in part:
                if number not in there:
                    self._following.say("error", "not-on-server", f"the server has no study {number}", number)
            yield self.around(found)

    def everything(self) -> Iterator[list[Resource]]:
        """The resources of all studies that have a number of the registry, some studies at a time."""
        waiting: list[Resource] = []
        for study in self.client.search("ResearchStudy", {"identifier": f"{escaped(self.system)}|", "_count": "100"}):
            waiting.append(study)
            if len(waiting) == TOGETHER:
                yield self.around(waiting)
                waiting = []
        if waiting:
            yield self.around(waiting)

    def around(self, studies: Iterable[Resource]) -> list[Resource]:
        """Studies, what points at them, and all that they refer to."""
        found: dict[str, Resource] = {}
        asked_for: set[str] = set()
        for study in studies:
            found[f"ResearchStudy/{study.get('id')}"] = study
        for asked in in_parts(list(found), ASKED):
            for each in self.client.search("Provenance", {"target": ",".join(asked), "_count": "200"}):
                found[f"Provenance/{each.get('id')}"] = each
        fresh: Sequence[Resource] = list(found.values())
        while fresh:
            references, canonicals = set[str](), set[str]()
            for resource in fresh:
                self._following.addresses(resource, references, canonicals)
            before = set(found)
            found |= self._following.by_id(sorted(references - found.keys() - asked_for))
            found |= self._following.by_url(sorted(canonicals - asked_for))
            asked_for |= references | canonicals
            fresh = [resource for name, resource in found.items() if name not in before]
        return list(found.values())
