"""Following references on a server: by lists of ids and of canonicals, many at once; what is missing is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from fhirtrial.issue import Issue, Severity
from fhirtrial.loading.loader import in_parts
from fhirtrial.resources import Resource, spellings
from fhirtrial.search_value import escaped
from fhirtrial.server.client import FhirClient

ASKED = 50
"""How many resources are asked for with one search."""

_CANONICAL = frozenset({"resource", "definitionCanonical", "instantiatesCanonical"})
ABSOLUTE = re.compile(r"(?i)https?://")
"""How an address on any server begins."""

_BY_URL = ("ActivityDefinition", "PlanDefinition")


class Following:
    """
    Reads what resources of a server refer to.

    Args:
        client: the server.
        known: the types that are followed; others are not looked for.
        noticed: is called with each issue: what is referred to and is not there, or on another server.

    """

    def __init__(
        self, client: FhirClient, *, known: Collection[str], noticed: Callable[[Issue], object] = lambda _: None
    ) -> None:
        self.client = client
        self.known = known
        self.noticed = noticed
        self.base = client.address.text
        self._elsewhere: set[str] = set()

    def by_id(self, references: Sequence[str]) -> Iterator[tuple[str, Resource]]:
        """The resources that references mean, of the types that are followed."""
        by_kind: dict[str, list[str]] = {}
        for reference in references:
            kind, _, identity = reference.partition("/")
            if kind in self.known:
                by_kind.setdefault(kind, []).append(identity)
        for kind, identities in by_kind.items():
            there = set()
            for asked in in_parts(identities, ASKED):
                for each in self.client.search(kind, {"_id": ",".join(asked), "_count": "200"}):
                    there.add(each.get("id"))
                    yield f"{kind}/{each.get('id')}", each
            for identity in identities:
                if identity not in there:
                    self._unresolved(f"{kind}/{identity}")

    def by_url(self, canonicals: Sequence[str]) -> Iterator[tuple[str, Resource]]:
        """The plans and activities that canonical URLs mean."""
        for kind in _BY_URL:
            mine = [url for url in canonicals if f"/{kind}/" in url]
            there = set()
            for asked in in_parts(mine, ASKED):
                for each in self.client.search(kind, {"url": ",".join(map(escaped, asked)), "_count": "200"}):
                    there.add(each.get("url"))
                    yield f"{kind}/{each.get('id')}", each
            for url in mine:
                if url not in there:
                    self._unresolved(url)

    def addresses(self, node: Any, references: set[str], canonicals: set[str]) -> None:
        """Adds what a resource refers to: what is on this server, by type and id, and canonical URLs."""
        if isinstance(node, list):
            for item in node:
                self.addresses(item, references, canonicals)
        elif isinstance(node, dict):
            for name, value in node.items():
                if name == "reference" and isinstance(value, str):
                    self._reference(value, references)
                elif name in _CANONICAL and isinstance(value, str):
                    canonicals.add(value.partition("|")[0])
                elif isinstance(value, dict | list):
                    self.addresses(value, references, canonicals)

    def _reference(self, value: str, references: set[str]) -> None:
        """Adds the resource of this server that a reference means; what is on another has the same name by chance."""
        name = spellings(value)[-1]
        if not ABSOLUTE.match(value) or value.startswith(f"{self.base}/"):
            references.add(name)
        elif name.partition("/")[0] in self.known and value not in self._elsewhere:
            self._elsewhere.add(value)
            self.say("warning", "unresolved", "it is referred to, and on another server", value)

    def _unresolved(self, path: str) -> None:
        self.say("warning", "unresolved", "it is referred to, and not on the server", path)

    def say(self, severity: Severity, code: str, message: str, path: str) -> None:
        """Tells an issue about the server."""
        self.noticed(Issue(severity=severity, code=code, message=message, place=self.base, path=path))
