"""Whether anything on a server refers to a resource, asked before that is deleted."""

from __future__ import annotations

import orjson

from fhirtrial.loading.duplicates import KINDS
from fhirtrial.loading.item import references_in
from fhirtrial.server.client import FhirClient
from fhirtrial.server.errors import NotFound, Refused
from fhirtrial.store import KeySet

_PARTIES = frozenset({"Organization", "Practitioner", "PractitionerRole", "Location"})
"""What studies refer to in elements that no search parameter covers: R5's parties, and extensions in all releases."""
_ELEMENTS = "associatedParty,extension,site"
_POINTING = (*KINDS, "Provenance")


class Referrers:
    """
    What refers to the resources of a server.

    Not every server minds what a deletion would leave behind, and none minds references that it has no search parameter
    for. So the server is asked by all searches that it lists for the type; where it lists none, by each parameter of
    the loaded types that holds references. For parties all studies are read, once, without the rest of their content.
    """

    def __init__(self, client: FhirClient) -> None:
        self._client = client
        self._in_studies: KeySet | None = None

    def has(self, kind: str, id: str) -> bool:
        """Whether something refers to a resource."""
        name = f"{kind}/{id}"
        listed = self._client.dialect.abilities(kind).pointing
        found = self._included(kind, id, listed) if listed else self._searched(name)
        return found or (kind in _PARTIES and name.encode() in self._studies())

    def _included(self, kind: str, id: str, listed: tuple[str, ...]) -> bool:
        """By one search with reverse includes: https://hl7.org/fhir/R4/search.html#revinclude"""
        wanted = [("_id", id), ("_elements", "id"), *(("_revinclude", each) for each in listed)]
        found = self._client.search(kind, wanted)
        return any((each["resourceType"], each.get("id")) != (kind, id) for each in found)

    def _searched(self, name: str) -> bool:
        """By a search for each parameter that may hold it."""
        for kind in _POINTING:
            for parameter in self._client.dialect.abilities(kind).references:
                try:
                    found = self._client.search(kind, {parameter: name, "_elements": "id", "_count": "2"})
                    if any(f"{kind}/{each.get('id')}" != name for each in found):
                        return True
                except (Refused, NotFound):
                    continue  # a parameter that never points at this type
        return False

    def _studies(self) -> KeySet:
        if self._in_studies is None:
            self._in_studies = KeySet()
            for study in self._client.search("ResearchStudy", {"_elements": _ELEMENTS, "_count": "500"}):
                for name in references_in(orjson.dumps(study)):
                    self._in_studies.add(name.encode())
        return self._in_studies

    def close(self) -> None:
        """Forgets what was read."""
        if self._in_studies is not None:
            self._in_studies.close()
            self._in_studies = None
