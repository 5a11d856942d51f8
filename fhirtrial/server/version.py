"""One version of a resource, as a history has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhirtrial.resources import Resource
from fhirtrial.server.response import read_written


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """
    One version of a resource. https://hl7.org/fhir/R4/http.html#history

    ``reference`` is ``Type/id``, ``method`` what made the version (``POST``, ``PUT``, ``DELETE``; empty if the server
    does not say). ``resource`` is None where it was deleted.
    """

    reference: str
    version: str
    method: str = ""
    last_modified: str = ""
    resource: Resource | None = field(default=None, repr=False)

    @property
    def deleted(self) -> bool:
        """Whether it is the end of the resource."""
        return self.method == "DELETE"


def read_version(entry: dict[str, Any]) -> Version:
    """The version that an entry of a history is."""
    request, response = (entry[name] if isinstance(entry.get(name), dict) else {} for name in ("request", "response"))
    method = str(request.get("method", ""))
    places = [response.get("location"), request.get("url"), entry.get("fullUrl")]
    read = [
        read_written(
            status=200,
            location=str(place or ""),
            etag=str(response.get("etag", "")),
            last_modified=str(response.get("lastModified", "")),
            content=entry.get("resource"),
        )
        for place in places
    ]
    # A deleted one has no resource that would say what it was.
    found = next((each for each in read if each.reference), read[0])
    meta = (found.resource or {}).get("meta")
    return Version(
        reference=found.reference,
        version=next((each.version for each in read if each.version), ""),
        method=method or ("DELETE" if found.resource is None else ""),
        last_modified=found.last_modified or (str(meta.get("lastUpdated", "")) if isinstance(meta, dict) else ""),
        resource=found.resource,
    )
