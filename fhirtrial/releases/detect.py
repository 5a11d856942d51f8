"""Which release a resource was written for: FHIR's JSON does not say, but what stands in it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

from fhirtrial.definitions import Definitions
from fhirtrial.errors import InputError
from fhirtrial.files import MappingFiles
from fhirtrial.release_names import ReleaseName
from fhirtrial.releases.release import COVERED, Release
from fhirtrial.resources import Resource

_OFFICIAL = "http://hl7.org/fhir/5.0/StructureDefinition/"
_MARKS = ("release-difference", "copy-of", "status-inexact", "comparison-group")


def release_of(resource: Resource) -> ReleaseName | None:
    """
    ``R4`` (which stands for R4B as well) or ``R5``, by members, codes and extensions that only one has; None: both fit.

    >>> release_of({"resourceType": "ResearchStudy", "sponsor": {"display": "A"}})
    'R4'
    >>> release_of({"resourceType": "ResearchStudy", "status": "draft"})
    'R5'
    >>> release_of({"resourceType": "Location", "name": "A"}) is None
    True
    """
    kind = resource.get("resourceType")
    if kind not in COVERED:
        return None
    only_r4, only_r5, codes_r4, codes_r5 = _marks(kind)
    if any(_is_official(each) for each in _extensions(resource)):
        return "R4"
    if not only_r5.isdisjoint(resource):
        return "R5"
    if not only_r4.isdisjoint(resource):
        return "R4"
    status = resource.get("status")
    if isinstance(status, str) and (status in codes_r4) != (status in codes_r5):
        return "R4" if status in codes_r4 else "R5"
    for name in resource:
        if name in ("action", "arm", "comparisonGroup") and isinstance(resource[name], list):
            found = [release_of_part(f"{kind}.{name}", part) for part in resource[name] if isinstance(part, dict)]
            if any(found):
                return next(each for each in found if each)
    return None


def release_of_part(path: str, part: dict[str, Any]) -> ReleaseName | None:
    """The same for a part of a resource: by HL7's extensions on it, and by members that only one release has."""
    if any(_is_official(each) for each in _listed(part.get("extension"))):
        return "R4"
    only_r4, only_r5, _, _ = _marks(path)
    if not only_r5.isdisjoint(part):
        return "R5"
    return "R4" if not only_r4.isdisjoint(part) else None


def release_of_all(resources: Iterable[Resource]) -> ReleaseName | None:
    """The release that the first resource with a mark was written for; None if none has one."""
    return next((found for each in resources if (found := release_of(each)) is not None), None)


class Releases:
    """
    The release that each resource of a run is in: as given, else as the resource shows, else as most others do.

    Raises UsageError if there is no release of the given name; MappingError where its table is wrong.
    """

    def __init__(self, given: str | None, *, mappings: str | None = None) -> None:
        self._given = None if given is None else Release(given, mappings=mappings)
        self._mappings = mappings
        self._met: Counter[ReleaseName] = Counter()
        self._made: dict[ReleaseName, Release] = {}

    def meet(self, resource: Resource) -> None:
        """Counts what a resource shows; all are met before the first is asked for."""
        if self._given is None and (found := release_of(resource)) is not None:
            self._met[found] += 1

    def of(self, resource: Resource) -> Release:
        """The release of a resource: R5 if neither it nor any other showed one."""
        if self._given is not None:
            return self._given
        most: list[tuple[ReleaseName, int]] = self._met.most_common(1) or [("R5", 0)]
        name = release_of(resource) or most[0][0]
        return self._release(name)

    def guesses(self, resource: Resource) -> bool:
        """Whether nothing at all shows the release of a resource, and R4 would say something else by it than R5."""
        if self._given is not None or self._met or resource.get("resourceType") not in COVERED:
            return False
        try:
            return self._release("R4").up(resource).resource != resource
        except InputError:
            return False  # it is refused anyway

    def _release(self, name: ReleaseName) -> Release:
        if name not in self._made:
            self._made[name] = Release(name, mappings=self._mappings)
        return self._made[name]


@cache
def _marks(path: str) -> tuple[frozenset[str], frozenset[str], frozenset[str], frozenset[str]]:
    """Of a type: the members and the status codes that only R4 has, and only R5."""
    r4, r5 = (Definitions.load(MappingFiles(), release) for release in ("r4", "r5"))
    members = [set(each.elements(path)) if path in each.types else set() for each in (r4, r5)]
    if not all(members):
        return frozenset(), frozenset(), frozenset(), frozenset()
    codes = [
        (found.codes or frozenset()) if (found := each.element(path, "status")) else frozenset() for each in (r4, r5)
    ]
    return frozenset(members[0] - members[1]), frozenset(members[1] - members[0]), codes[0], codes[1]


def _extensions(resource: Resource) -> Iterable[dict[str, Any]]:
    """The extensions of a resource, and of its primitive members."""
    for name, value in resource.items():
        if name == "extension":
            yield from _listed(value)
        elif name[:1] == "_" and isinstance(value, dict):
            yield from _listed(value.get("extension"))


def _listed(value: object) -> list[dict[str, Any]]:
    """The objects of a list; none of what is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _is_official(extension: dict[str, Any]) -> bool:
    url = str(extension.get("url"))
    return url.startswith(_OFFICIAL) or url.rpartition("/")[2] in _MARKS
