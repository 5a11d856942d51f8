"""
Definitions that HL7's cross-version extensions need, and that are in no package at hand.

Value sets that they bind, and that are published nowhere, are made of R5's own.

An extension for R4 binds ``…/ValueSet/R5-group-type-for-R4``; that is R5's value set, with R5's code systems. Where R4
uses the address of such a code system for another list of codes, R5's gets an address of its own: only bare codes are
bound to those, which name no system.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from .extension_definition import extension_definition

Json = dict[str, Any]

HL7 = "http://hl7.org/fhir/"
ADDRESS = re.compile(rf"{HL7}uv/xver/ValueSet/R5-([A-Za-z0-9.-]+?)-for-R4B?(?=[\"|])")
BESIDES = (f"{HL7}research-study-arm-type", f"{HL7}version-algorithm")
"""Code systems of R5 that native elements of R4 and HL7's extension pack use, where R4 has no list of its own."""
VALUE_SETS = ("version-algorithm",)
"""Value sets of R5 that the extension pack binds."""

DATATYPE = f"{HL7}StructureDefinition/_datatype"
"""
The part that names the type of an extension's value. HL7's extension pack has it from 5.0.0 on, for any element; here
only within extensions: https://github.com/HL7/fhir-extensions, input/definitions/Base/StructureDefinition-_datatype.xml
"""

PACKAGES = ("hl7.terminology-5.1.0", "hl7.fhir.r5.core-5.0.0")


def stand_ins(extensions: Path, release: str, classpath: str) -> list[Json]:
    """What a folder of extensions needs: its value sets, the code systems of R5 that a release lacks for those."""
    known = _of_r5(_jar("r5", classpath))
    native = _code_systems(_jar(release.lower(), classpath), release)
    addresses = {
        match[0]: match[1] for file in extensions.glob("*.json") for match in ADDRESS.finditer(file.read_text("utf-8"))
    }
    made: dict[str, Json] = {address: _code_system(known[address], address) for address in BESIDES}
    addresses |= {f"{HL7}ValueSet/{name}": name for name in VALUE_SETS}
    for address, name in sorted(addresses.items()):
        value_set = known[f"ValueSet/{name}"]
        includes = []
        for include in value_set["compose"]["include"]:
            include = {key: value for key, value in include.items() if key != "version"}
            system = include.get("system", "")
            if system.startswith(HL7) and system in known:
                include["system"] = f"{system}-as-in-r5" if system in native else system
                made[include["system"]] = _code_system(known[system], include["system"])
            includes.append(include)
        made[address] = _value_set(value_set, address, includes)
    return [extension_definition(DATATYPE, ["string"], release=release, context="Extension"), *made.values()]


def _jar(release: str, classpath: str) -> Path:
    """HAPI's jar of a release's definitions."""
    (found,) = re.findall(rf"[^:;]*hapi-fhir-validation-resources-{release}-[^:;]*\.jar", classpath)
    return Path(found)


def _of_r5(jar: Path) -> dict[str, Json]:
    """The value sets of R5 by reference, its code systems by address."""
    found = {}
    with zipfile.ZipFile(jar) as archive:
        for package in PACKAGES:
            name = f"org/hl7/fhir/r5/packages/{package}.tgz"
            with archive.open(name) as file, tarfile.open(fileobj=file, mode="r|gz") as opened:
                for resource in _terminology(opened):
                    coded = resource["resourceType"] == "CodeSystem"
                    found[resource.get("url", "") if coded else f"ValueSet/{resource['id']}"] = resource
    return found


def _terminology(package: tarfile.TarFile) -> Iterator[Json]:
    for member in package:
        if member.name.startswith(("package/ValueSet-", "package/CodeSystem-")):
            file = package.extractfile(member)
            assert file
            yield orjson.loads(file.read())


def _code_systems(jar: Path, release: str) -> set[str]:
    """The addresses that a release's own code systems and value sets have."""
    with zipfile.ZipFile(jar) as archive:
        text = archive.read(f"org/hl7/fhir/{release.lower()}/model/valueset/valuesets.xml").decode()
    return set(re.findall(r'<url value="([^"]+)"', text))


def _code_system(resource: Json, address: str) -> Json:
    kept = ("resourceType", "version", "name", "status", "caseSensitive", "content", "property", "concept")
    return {key: resource[key] for key in kept if key in resource} | {"id": _id(address), "url": address}


def _value_set(resource: Json, address: str, includes: list[Json]) -> Json:
    kept = {key: resource[key] for key in ("resourceType", "version", "name", "status")}
    return kept | {"id": _id(address), "url": address, "compose": {"include": includes}}


def _id(address: str) -> str:
    return address.rsplit("/", 1)[1]
