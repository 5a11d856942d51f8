"""HL7's definitions of a release, read from the artifacts that hold them: StructureDefinitions, ValueSets, CodeSystems."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

SD = "http://hl7.org/fhir/StructureDefinition/"
VERSIONS = {"r4": "4.0.1", "r4b": "4.3.0", "r5": "5.0.0"}

Json = dict[str, Any]

_KINDS = ("StructureDefinition", "ValueSet", "CodeSystem")
_FHIR = "{http://hl7.org/fhir}"
_LISTS = frozenset(
    [
        *("element", "type", "targetProfile", "profile", "extension", "include", "exclude", "concept", "filter"),
        *("constraint", "property"),
    ]
)
"""XML does not say what a list is: these are, wherever this reader looks."""


class Package:
    """HL7's definitions by kind and address, as read from ``hapi-fhir-validation-resources-<release>-….jar``."""

    def __init__(self, jar: Path) -> None:
        self.structures: dict[str, Json] = {}
        self.value_sets: dict[str, Json] = {}
        self.code_systems: dict[str, Json] = {}
        kinds = dict(zip(_KINDS, (self.structures, self.value_sets, self.code_systems), strict=True))
        with zipfile.ZipFile(jar) as archive:
            names = archive.namelist()
            self.release = next(release for release in VERSIONS if any(f"/fhir/{release}/" in name for name in names))
            for definition in _in_packages(archive) if self.release == "r5" else _in_xml(archive):
                kinds[definition["resourceType"]][definition["url"]] = definition

    def structure(self, name: str) -> Json:
        """The StructureDefinition of a type, or of a profile of HL7's own (``SimpleQuantity``)."""
        return self.structures[SD + name]


def _in_packages(archive: zipfile.ZipFile) -> Iterator[Json]:
    """R5 comes as packages of JSON files."""
    for name in ("hl7.terminology", "hl7.fhir.r5.core"):
        (member,) = (each for each in archive.namelist() if each.split("/")[-1].startswith(f"{name}-"))
        with tarfile.open(fileobj=io.BytesIO(archive.read(member))) as package:
            for file in package:
                kind = file.name.removeprefix("package/").split("-")[0]
                if kind in _KINDS and file.name.count("/") == 1 and (opened := package.extractfile(file)):
                    yield json.load(opened)


def _in_xml(archive: zipfile.ZipFile) -> Iterator[Json]:
    """R4 and R4B come as Bundles in XML."""
    for name in archive.namelist():
        if name.endswith((".xml",)) and ("/profile/profiles-" in name or "/valueset/" in name):
            for _, element in ElementTree.iterparse(archive.open(name)):
                kind = element.tag.removeprefix(_FHIR)
                if kind in _KINDS:
                    yield {"resourceType": kind, **_json(element)}
                    element.clear()


def _json(element: ElementTree.Element) -> Json:
    """An element as JSON, what is called like a list as a list."""
    found: Json = {}
    if "url" in element.attrib:
        found["url"] = element.attrib["url"]
    for child in element:
        name = child.tag.removeprefix(_FHIR)
        if child.tag.startswith(_FHIR):
            value = _value(child)
            if name in _LISTS or (name == "valueSet" and element.tag == f"{_FHIR}include"):
                found.setdefault(name, []).append(value)
            else:
                found[name] = value
    return found


def _value(element: ElementTree.Element) -> Any:
    if "value" not in element.attrib:
        return _json(element)
    text = element.attrib["value"]
    if element.tag == f"{_FHIR}min":
        return int(text)
    return {"true": True, "false": False}.get(text, text)
