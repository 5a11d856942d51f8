"""The release that definitions are published for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fhirtrial.definitions import Definitions
from fhirtrial.errors import UsageError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.publish.r4_places import R4Places
from fhirtrial.release_names import RELEASES, ReleaseName


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """
    A release of FHIR with its definitions.

    ``places`` says where the elements of R5 are in it; None: in R5, which mapping files are written for, nowhere else.
    """

    name: ReleaseName
    definitions: Definitions
    places: R4Places | None

    @property
    def version(self) -> str:
        """What resources call the release: ``4.0.1``."""
        return self.definitions.version

    @property
    def core(self) -> str:
        """HL7's package of the release's own definitions."""
        return f"hl7.fhir.{self.name.lower()}.core"

    @property
    def packages(self) -> Mapping[str, str]:
        """
        HL7's packages that our definitions stand on, each with its version.

        Earlier releases have elements of R5 in HL7's cross-version extensions, and some of our extensions on these.
        Of that package 0.1.0 is published, and 0.1.1 is what the table of the release step was checked against.
        """
        cross_version = {} if self.places is None else {f"hl7.fhir.uv.xver-r5.{self.name.lower()}": "0.1.x"}
        return {self.core: self.version, **cross_version}


def load_target(name: str, files: MappingFiles) -> Target:
    """
    The release of that name. Raises UsageError if there is none, MappingError if the table of the release is wrong.

    >>> target = load_target("R4B", MappingFiles())
    >>> target.version, target.core
    ('4.3.0', 'hl7.fhir.r4b.core')
    """
    for known in RELEASES:
        if name == known:
            places = None if known == "R5" else R4Places.load(files)
            return Target(name=known, definitions=Definitions.load(files, known.lower()), places=places)
    hint = nearest(name, RELEASES) or f"known: {', '.join(RELEASES)}"
    raise UsageError(f"{name!r} is no release; {hint}")
