"""The definitions that the validator knows: the release's own are in it, these come besides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from fhirtrial.publish.publication import definitions_for
from tests.hl7_extensions import rendered
from tests.maven import classpath
from tests.records import SHARED

from .extension_definition import Held, extension_definition
from .foreign_extensions import foreign_extensions
from .stand_ins import stand_ins
from .us_core import us_core
from .validator import PROGRAM

Json = dict[str, Any]

HL7 = SHARED.parents[2] / "fhir"
"""HL7's definitions that no release contains: its extension pack, its terminology, its cross-version extensions."""


def lacking(release: str) -> str:
    """What is missing to judge a release; empty if nothing. What R5 needs of HL7 is in HAPI's own packages as well."""
    if release == "R5" or HL7.is_dir():
        return ""
    return "HL7's cross-version extensions are not beside the checkout"


def of_hl7(release: str, folder: Path) -> list[Path]:
    """Folders of HL7's definitions for a release; what is made for it is written into the given one."""
    if not HL7.is_dir():
        return []
    found = [HL7 / "extensions", HL7 / "tho"]
    if release != "R5":
        extensions = HL7 / "xver-r5.r4"
        made = stand_ins(extensions, release, classpath(PROGRAM.built()))
        found += [extensions, _written(made, folder / "stand-ins"), _written(_rendered(release), folder / "rendered")]
    return found


def _rendered(release: str) -> list[Json]:
    """The definitions of HL7's extensions that are not beside the checkout, as far as our rendering says them."""

    def held(line: Json) -> Held:
        return {name: held(part) for name, part in line["parts"].items()} if "parts" in line else line["type"]

    return [
        extension_definition(
            url, held(line), release=release, context=line["context"], modifier=line.get("modifier", False)
        )
        for url, line in rendered().items()
    ]


def of_others(release: str, folder: Path) -> Path:
    """The folder of what nobody at hand defines, and foreign resources use."""
    return _written([*foreign_extensions(release), *us_core(release)], folder / "foreign")


def of_ours(release: str, folder: Path) -> Path:
    """Our own definitions for a release, as the FHIR package that is published; written into a folder."""
    package = folder / f"fhirtrial.{release.lower()}.tgz"
    package.write_bytes(definitions_for(release).package())
    return package


def published(release: str) -> dict[str, Json]:
    """Our own definitions by reference, to be judged as resources themselves."""
    return {f"{each['resourceType']}/{each['id']}": each for each in definitions_for(release).resources}


def _written(resources: list[Json], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for resource in resources:
        (folder / f"{resource['resourceType']}-{resource['id']}.json").write_bytes(orjson.dumps(resource))
    return folder
