"""The releases of FHIR that definitions are published for."""

from __future__ import annotations

from dataclasses import dataclass

from fhirtrial.errors import UsageError
from fhirtrial.issue import nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release of FHIR: ``version`` is what resources call it, ``core`` HL7's package of its definitions."""

    name: str
    version: str
    core: str

    @property
    def has_r5_resources(self) -> bool:
        """Whether resources look as the mapping files write them; in the others the release step has changed them."""
        return self.name == "R5"


R4 = Release(name="R4", version="4.0.1", core="hl7.fhir.r4.core")
R4B = Release(name="R4B", version="4.3.0", core="hl7.fhir.r4b.core")
R5 = Release(name="R5", version="5.0.0", core="hl7.fhir.r5.core")

RELEASES = {release.name: release for release in (R4, R4B, R5)}


def release_named(name: str) -> Release:
    """
    The release of that name. Raises UsageError if there is none.

    >>> release_named("R4B").version
    '4.3.0'
    """
    try:
        return RELEASES[name]
    except KeyError:
        hint = nearest(name, RELEASES) or f"known: {', '.join(RELEASES)}"
        raise UsageError(f"{name!r} is no release of FHIR that definitions are made for; {hint}") from None
