"""HL7's extensions that the table may name: what each holds, and where it may stand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from fhirtrial.definitions import Element
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.releases.extension_rows import Parts, Value
from fhirtrial.releases.table import Row

FILE = "fhir/cross-version.json"
HL7 = "http://hl7.org/fhir/"


class CrossVersion:
    """
    The definitions of HL7's package ``hl7.fhir.uv.xver-r5.r4`` and of its extension pack, by address.

    Rows of the table are checked against them. ``places`` are the names of what an extension stands on: the element,
    its type, and what that is derived from.
    """

    def __init__(self, files: MappingFiles) -> None:
        self.known: dict[str, Any] = files.read_json(FILE)
        if not isinstance(self.known, dict) or not all(isinstance(each, dict) for each in self.known.values()):
            raise MappingError("must be an object of extensions by address", file=FILE)

    def check_known(self, row: Row, url: str, path: str, places: Collection[str]) -> Any:
        """The definition of one of HL7's addresses; None for another's. Raises MappingError if it may not be there."""
        if not url.startswith(HL7):
            return None
        if url not in self.known:
            hint = nearest(url, self.known)
            raise _error(row, f"HL7 defines no extension {url}{f'; {hint}' if hint else ''}", path)
        contexts = self.known[url].get("context", ())
        if not set(contexts) & set(places):
            (place, *_) = places
            where = ", ".join(dict.fromkeys(contexts)) or "nothing"
            raise _error(row, f"HL7's extension {url} may not stand on {place}, but on {where}", path)
        return self.known[url]

    def check(self, row: Row, element: Element, value: Value | Parts, places: Collection[str]) -> None:
        """Raises MappingError where HL7's definition of the extension cannot hold the element, or not there."""
        definition = self.check_known(row, row.extension, element.path, places)
        if definition is not None:
            _check(row, element.path, value, definition, {} if isinstance(value, Value) else value.parts)

    def check_parts(self, row: Row, url: str, path: str, places: Collection[str]) -> None:
        """Raises MappingError where HL7's definition has not both parts of a CodeableReference."""
        definition = self.check_known(row, url, path, places) or {}
        if not {"concept", "reference"} <= definition.get("parts", {}).keys():
            raise _error(row, "HL7's extension has not both parts of a CodeableReference", path)


def _check(row: Row, path: str, value: Value | Parts, definition: Any, parts: Mapping[str, Value | Parts]) -> None:
    if isinstance(value, Value):
        members = [f"value{name[0].upper()}{name[1:]}" for name in definition.get("type", ())]
        if value.member not in members:
            raise _error(row, f"HL7's extension holds {', '.join(members) or 'parts'}, not {value.member}", path)
        return
    for name, part in parts.items():
        if name not in definition.get("parts", {}):
            raise _error(row, f"HL7's extension has no part {name}", path)
        _check(row, f"{path}.{name}", part, definition["parts"][name], part.parts if isinstance(part, Parts) else {})


def _error(row: Row, message: str, path: str) -> MappingError:
    file, _, line = row.line.rpartition(":")
    return MappingError(f"{path}: {message}", file=file, line=int(line) if line else None)
