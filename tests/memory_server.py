"""A FHIR server in memory behind HTTP, for tests of whole commands: it takes transactions and answers searches."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from fhirtrial.identity import identities_of
from fhirtrial.mapping.mapper import Mapper
from tests.server.tools import Exchange, outcome

Json = dict[str, Any]
VERSIONS = {"R4": "4.0.1", "R4B": "4.3.0", "R5": "5.0.0"}


class MemoryServer:
    """
    Holds resources by reference; to be given to `serving` by its method ``handle``.

    ``first`` is asked before: where it answers an exchange, and says so, nothing else is done. ``written`` counts by
    reference what was created or changed, ``transactions`` are the numbers of entries.
    """

    def __init__(self, release: str = "R4") -> None:
        self.release = release
        self.held: dict[str, Json] = {}
        self.written: Counter[str] = Counter()
        self.transactions: list[int] = []
        self.first: Callable[[Exchange], bool] = lambda _: False
        self._lock = threading.Lock()

    def handle(self, exchange: Exchange) -> None:
        """Answers a request."""
        if self.first(exchange):
            return
        parts = urlsplit(exchange.seen.path)
        path = parts.path.removeprefix("/fhir").strip("/")
        with self._lock:
            if path == "metadata":
                exchange.answer(200, self._statement())
            elif not path:
                bundle = orjson.loads(exchange.seen.body)
                if any(self._is_other(each["request"]) for each in bundle["entry"]):
                    exchange.answer(412, outcome("another version"))
                else:
                    exchange.answer(200, self._transaction(bundle))
            else:
                query = exchange.seen.body.decode() if path.endswith("/_search") else parts.query
                exchange.answer(200, self._search(path.partition("/")[0], dict(parse_qsl(query))))

    def _statement(self) -> Json:
        able = {"conditionalCreate": True, "conditionalUpdate": True, "updateCreate": True}
        kinds = [{"type": kind, **able} for kind in Mapper().mapping.kinds]
        rest = {"mode": "server", "resource": kinds, "interaction": [{"code": "transaction"}]}
        return {
            "resourceType": "CapabilityStatement",
            "fhirVersion": VERSIONS[self.release],
            "software": {"name": "HAPI FHIR Server"},
            "rest": [rest],
        }

    def _search(self, kind: str, parameters: dict[str, str]) -> Json:
        found = list(self.held.values())
        for name, value in parameters.items():
            wanted = set(re.split(r"(?<!\\),", value))
            if name == "identifier":
                found = [
                    each
                    for each in found
                    if wanted & {token for own in identities_of(each) for token in (own.token, f"{own.system}|")}
                ]
            elif name in ("_id", "url"):
                found = [each for each in found if each.get(name.strip("_")) in wanted]
            elif name == "patient":
                found = [each for each in found if each.get("subject", {}).get("reference") in wanted]
            elif name == "target":
                found = [each for each in found if wanted & {one["reference"] for one in each.get("target", ())}]
        entry = [{"resource": each} for each in found if each["resourceType"] == kind]
        return {"resourceType": "Bundle", "type": "searchset", "entry": entry}

    def _transaction(self, bundle: Json) -> Json:
        self.transactions.append(len(bundle["entry"]))
        answers = [{"response": self._put(each["resource"], each["request"]["url"])} for each in bundle["entry"]]
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": answers}

    def _is_other(self, request: Json) -> bool:
        """Whether a resource is not in the version that is expected."""
        meta = self.held.get(request["url"], {}).get("meta", {})
        return "ifMatch" in request and request["ifMatch"] != f'W/"{meta.get("versionId")}"'

    def _put(self, resource: Json, url: str) -> Json:
        kind, _, condition = url.partition("?")
        name = f"{resource['resourceType']}/{resource['id']}"
        if condition:
            token = unquote(condition.removeprefix("identifier="))
            for held in self.held.values():
                if held["resourceType"] == kind and token in {each.token for each in identities_of(held)}:
                    name = f"{kind}/{held['id']}"
        old = self.held.get(name, {})
        version = int(old["meta"]["versionId"]) if old else 0
        if {**resource, "meta": None} != {**old, "meta": None}:
            version += 1
            self.held[name] = {**resource, "meta": {"versionId": str(version)}}
            self.written[name] += 1
        status = "200 OK" if old else "201 Created"
        return {"status": status, "location": f"{name}/_history/{version}", "etag": f'W/"{version}"'}
