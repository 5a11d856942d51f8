"""A study on a server, to be edited, and what its restored record shows."""

from __future__ import annotations

from typing import Any

from fhirtrial.mapping.difference import MISSING, differences
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.record import Record

from .golden_update import FOLDER, source
from .records import SCHEMA

Json = dict[str, Any]
MAPPER = Mapper()
RARE = source(FOLDER / "invented-rare-fields")
DRUG = source(FOLDER / "drug")
SITES = source(FOLDER / "many-sites")
DEVICE = source(FOLDER / "namesakes")
P = "protocolSection."


class Server:
    """The resources of one record on a server, to be edited."""

    def __init__(self, record: Record = DRUG) -> None:
        self.record = record
        self.resources = MAPPER.convert(record).resources

    @property
    def study(self) -> Json:
        """The ResearchStudy."""
        return self.resources[0]

    def of(self, kind: str) -> list[Json]:
        """All resources of a type."""
        return [found for found in self.resources if found["resourceType"] == kind]

    def at(self, reference: str) -> Json:
        """The resource of that reference."""
        return next(found for found in self.resources if f"{found['resourceType']}/{found['id']}" == reference)

    def party(self, code: str) -> Json:
        """The associatedParty with that mark."""
        return next(found for found in self.study["associatedParty"] if code in codes(found["role"]))

    def restored(self, *, verify: bool = True) -> Record:
        """The record that the resources stand for now."""
        return MAPPER.restore(self.resources, verify=verify)

    def changes(self) -> dict[str, tuple[Any, Any]]:
        """What differs in the record now: path → before and after (None: nothing there)."""
        found = differences(SCHEMA.wanted(self.record.data), self.restored(verify=False).data)
        return {path: (None if a is MISSING else a, None if b is MISSING else b) for path, a, b in found}

    def told(self, *, verify: bool = True) -> list[tuple[str, str]]:
        """The issues' codes and paths."""
        return [(issue.code, issue.path) for issue in self.restored(verify=verify).issues]

    def messages(self) -> list[str]:
        """The issues' texts."""
        return [issue.message for issue in self.restored().issues]


def codes(concept: Json) -> list[str]:
    """The codes of a concept."""
    return [coding["code"] for coding in concept.get("coding", ()) if "code" in coding]


def extension(node: Json, name: str) -> Json:
    """The first extension whose address ends in that name."""
    return next(found for found in node["extension"] if found["url"].rpartition("/")[2] == name)
