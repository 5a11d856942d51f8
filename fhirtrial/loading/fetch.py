"""Reading studies back from a server, with everything that they refer to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from fhirtrial.issue import Issue
from fhirtrial.loading.loader import in_parts
from fhirtrial.resources import Resource, spellings
from fhirtrial.search_value import escaped
from fhirtrial.server.client import FhirClient

ASKED = 50
"""How many resources are asked for with one search."""
TOGETHER = 100
"""How many studies are read together."""

_CANONICAL = frozenset({"resource", "definitionCanonical", "instantiatesCanonical"})
_KNOWN = frozenset(
    {"Group", "PlanDefinition", "ActivityDefinition", "Organization", "Practitioner", "PractitionerRole", "Location"}
)
"""What is followed. Others, a study that this one is part of among them, are not the study's own."""
_ABSOLUTE = re.compile(r"(?i)https?://")
_BY_URL = ("ActivityDefinition", "PlanDefinition")


class Fetch:
    """
    Reads studies and, breadth first, all that they refer to: by lists of ids and of canonicals, many at once.

    Includes alone would miss what stands in extensions, and in elements that no search parameter covers.
    https://hl7.org/fhir/R5/search.html
    """

    def __init__(self, client: FhirClient, *, system: str, noticed: Callable[[Issue], object] = lambda _: None) -> None:
        self.client = client
        self.system = system
        self.noticed = noticed
        self.base = client.address.text
        self._elsewhere: set[str] = set()

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
                    self._say("error", "not-on-server", f"the server has no study {number}", number)
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
                self._addresses(resource, references, canonicals)
            before = set(found)
            self._by_id(sorted(references - found.keys() - asked_for), found)
            self._by_url(sorted(canonicals - asked_for), found)
            asked_for |= references | canonicals
            fresh = [resource for name, resource in found.items() if name not in before]
        return list(found.values())

    def _by_id(self, references: Sequence[str], found: dict[str, Resource]) -> None:
        by_kind: dict[str, list[str]] = {}
        for reference in references:
            kind, _, identity = reference.partition("/")
            if kind in _KNOWN:
                by_kind.setdefault(kind, []).append(identity)
        for kind, identities in by_kind.items():
            for asked in in_parts(identities, ASKED):
                for each in self.client.search(kind, {"_id": ",".join(asked), "_count": "200"}):
                    found[f"{kind}/{each.get('id')}"] = each
            for identity in identities:
                if f"{kind}/{identity}" not in found:
                    self._unresolved(f"{kind}/{identity}")

    def _by_url(self, canonicals: Sequence[str], found: dict[str, Resource]) -> None:
        for kind in _BY_URL:
            mine = [url for url in canonicals if f"/{kind}/" in url]
            there = set()
            for asked in in_parts(mine, ASKED):
                for each in self.client.search(kind, {"url": ",".join(map(escaped, asked)), "_count": "200"}):
                    found[f"{kind}/{each.get('id')}"] = each
                    there.add(each.get("url"))
            for url in mine:
                if url not in there:
                    self._unresolved(url)

    def _addresses(self, node: Any, references: set[str], canonicals: set[str]) -> None:
        if isinstance(node, list):
            for item in node:
                self._addresses(item, references, canonicals)
        elif isinstance(node, dict):
            for name, value in node.items():
                if name == "reference" and isinstance(value, str):
                    self._reference(value, references)
                elif name in _CANONICAL and isinstance(value, str):
                    canonicals.add(value.partition("|")[0])
                elif isinstance(value, dict | list):
                    self._addresses(value, references, canonicals)

    def _reference(self, value: str, references: set[str]) -> None:
        """Adds the resource of this server that a reference means; what is on another has the same name by chance."""
        name = spellings(value)[-1]
        if not _ABSOLUTE.match(value) or value.startswith(f"{self.base}/"):
            references.add(name)
        elif name.partition("/")[0] in _KNOWN and value not in self._elsewhere:
            self._elsewhere.add(value)
            self._say("warning", "unresolved", "it is referred to, and on another server", value)

    def _unresolved(self, path: str) -> None:
        self._say("warning", "unresolved", "it is referred to, and not on the server", path)

    def _say(self, severity: Any, code: str, message: str, path: str) -> None:
        self.noticed(Issue(severity=severity, code=code, message=message, place=self.base, path=path))
