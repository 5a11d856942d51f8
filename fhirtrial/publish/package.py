"""
A FHIR package: what validators, servers and other tools install.

https://hl7.org/fhir/packages.html, https://confluence.hl7.org/display/FHIR/NPM+Package+Specification
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from fhirtrial.code_systems import PUBLISHER
from fhirtrial.publish.target import Target

INDEX_VERSION = 2
INDEXED = ("id", "url", "version", "kind", "type", "supplements", "content", "derivation")
"""What the index repeats of a resource, so that nobody has to read it to find it."""

Json = dict[str, Any]


def manifest(target: Target, *, base: str, version: str) -> Json:
    """
    What the package says of itself: package.json.

    Its type is Conformance: it holds definitions, and no ImplementationGuide, which a package of type IG is made from.
    It depends on HL7's own definitions of the release, and in R4 and R4B on HL7's extensions for elements of R5, which
    some of our extensions stand on. HL7's extension pack is needed by who validates our resources, not by our
    definitions.
    """
    return {
        "name": f"fhirtrial.{target.name.lower()}",
        "version": version,
        "type": "Conformance",
        "title": f"fhirtrial: definitions for FHIR {target.name}",
        "description": "Extensions, codes, concept maps and searches of clinical trials from registries.",
        "canonical": base.rstrip("/"),
        "url": base.rstrip("/"),
        "fhirVersions": [target.version],
        "dependencies": dict(target.packages),
        "author": PUBLISHER,
        "license": "Apache-2.0",
        "keywords": ["FHIR", "clinical trials", "ResearchStudy"],
        "directories": {"lib": "package"},
    }


def packed(files: Mapping[str, bytes], manifest: Json) -> bytes:
    """
    The package of these resources, each the text of a file by its name: a tar file, packed with gzip.

    There is no time and no owner in it: the same files make the same bytes.
    """
    index = {"index-version": INDEX_VERSION, "files": list(_entries(files))}
    plain, result = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in {"package.json": pretty(manifest), ".index.json": pretty(index), **files}.items():
            # As it is made, a member has no owner, the beginning of time, and is readable by everyone.
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    with gzip.GzipFile("", "wb", 9, fileobj=result, mtime=0) as file:
        file.write(plain.getvalue())
    return result.getvalue()


def _entries(files: Mapping[str, bytes]) -> Iterator[Json]:
    """What the index says of each file."""
    for name, text in files.items():
        resource = orjson.loads(text)
        facts = {key: resource[key] for key in INDEXED if isinstance(resource.get(key), str)}
        yield {"filename": name, "resourceType": resource["resourceType"], **facts}


def pretty(value: object) -> bytes:
    """JSON for people and diffs, with a line end."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
