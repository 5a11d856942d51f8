"""All definitions of a release together, and the forms in which they are given away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fhirtrial.code_systems import code_systems, value_sets
from fhirtrial.files import MappingFiles
from fhirtrial.mapping.language.mapping import load_mappings
from fhirtrial.publish.capability import capability_statement
from fhirtrial.publish.concept_maps import concept_maps_for
from fhirtrial.publish.extensions import structure_definitions
from fhirtrial.publish.heading import headed
from fhirtrial.publish.package import manifest, packed, pretty
from fhirtrial.publish.search_parameters import search_parameters
from fhirtrial.publish.target import Target, load_target
from fhirtrial.version import __version__

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """
    Everything of our own that a reader of our resources needs, for one release; made by `definitions_for`.

    ``resources`` are code systems and their value sets, concept maps, the definitions of extensions, searches, and what
    is needed from a server. ``base`` is the address under which they are named.
    """

    target: Target
    base: str
    version: str
    resources: tuple[Json, ...]

    def bundle(self) -> Json:
        """
        The resources as one transaction, to be sent to a server that shall know them.

        Each is updated by its url, so that sending it again changes nothing; where the server has none it creates the
        resource under the id in its body.
        """
        entry = []
        for resource in self.resources:
            url = f"{resource['resourceType']}?url={quote(resource['url'], safe=':/')}"
            request = {"method": "PUT", "url": url}
            entry.append({"fullUrl": resource["url"], "resource": resource, "request": request})
        return {"resourceType": "Bundle", "type": "transaction", "entry": entry}

    def files(self) -> Mapping[str, bytes]:
        """A file for each resource, by name, sorted: ``CodeSystem-party.json``."""
        named = {f"{resource['resourceType']}-{resource['id']}.json": resource for resource in self.resources}
        return {name: pretty(resource) for name, resource in sorted(named.items())}

    def package(self) -> bytes:
        """
        The resources as a FHIR package (.tgz), which validators, servers and other tools install.

        The same resources make the same bytes.
        """
        return packed(self.files(), manifest(self.target, base=self.base, version=self.version))


def definitions_for(release: str = "R5", *, mappings: str | Path | None = None) -> Publication:
    """
    Everything of our own that a reader of our resources needs, for a release: R4, R4B or R5.

    All of it follows from the mapping files; ``mappings`` is a folder of your own ones. The same files and version give
    the same resources.

    Raises UsageError for another release, and MappingError, with file and line, if a mapping file is wrong.

    >>> made = definitions_for("R4")
    >>> sorted({resource["resourceType"] for resource in made.resources})[:3]
    ['CapabilityStatement', 'CodeSystem', 'ConceptMap']
    """
    files = MappingFiles(Path(mappings) if mappings is not None else None)
    target = load_target(release, files)
    loaded = load_mappings(files)
    searches = search_parameters(target, files, version=__version__)
    terminology = [*code_systems(files), *value_sets(files), *concept_maps_for(target, files)]
    resources = (
        *(headed(resource, version=__version__) for resource in terminology),
        *structure_definitions(loaded, files, version=__version__, target=target),
        *searches,
        capability_statement(loaded, searches, target, version=__version__),
    )
    return Publication(target=target, base=loaded[0].base, version=__version__, resources=resources)
