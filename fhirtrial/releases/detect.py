"""Which release a resource was written for: FHIR's JSON does not say, but what stands in it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fhirtrial.errors import InputError
from fhirtrial.files import MappingFiles
from fhirtrial.release_names import ReleaseName
from fhirtrial.releases.marks import Marks
from fhirtrial.releases.release import COVERED, Release
from fhirtrial.resources import Resource


def release_of(resource: Resource, *, mappings: str | Path | None = None) -> ReleaseName | None:
    """
    ``R4`` (which stands for R4B as well) or ``R5``, by what only one of them has; None: it may be either.

    That is extensions that the step to R4 writes, members, codes of ``status``, addresses of code systems.
    ``mappings``: a folder of your own mapping files. Raises MappingError if the table of the release step is wrong.

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
    marks = _marks(mappings)
    found = _of_object(resource, kind, marks) or _of_status(resource, kind, marks)
    return found or next(_of_parts(resource, kind, marks), None) or marks.of_systems(kind, resource)


def release_of_all(resources: Iterable[Resource]) -> ReleaseName | None:
    """The release that the first resource with a mark was written for; None if none has one."""
    return next((found for each in resources if (found := release_of(each)) is not None), None)


def _of_object(node: dict[str, Any], path: str, marks: Marks) -> ReleaseName | None:
    """By the extensions on an object and on its primitive members, and by members that only one release has."""
    for extension in _extensions(node):
        if (found := marks.of_extension(str(extension.get("url")))) is not None:
            return found
    r4, r5 = marks.of(path).members
    if not r5.isdisjoint(node):
        return "R5"
    return None if r4.isdisjoint(node) else "R4"


def _of_status(resource: Resource, kind: str, marks: Marks) -> ReleaseName | None:
    status = resource.get("status")
    r4, r5 = marks.of(kind).codes
    if not isinstance(status, str):
        return None
    return "R4" if status in r4 else "R5" if status in r5 else None


def _of_parts(resource: Resource, kind: str, marks: Marks) -> Iterator[ReleaseName]:
    """By the parts that studies and plans consist of."""
    for name in resource:
        if name in ("action", "arm", "comparisonGroup"):
            found = (_of_object(part, f"{kind}.{name}", marks) for part in _listed(resource[name]))
            yield from (each for each in found if each is not None)


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
        if self._given is None and (found := self._shown_by(resource)) is not None:
            self._met[found] += 1

    def of(self, resource: Resource) -> Release:
        """The release of a resource: R5 if neither it nor any other showed one."""
        if self._given is not None:
            return self._given
        most: list[tuple[ReleaseName, int]] = self._met.most_common(1) or [("R5", 0)]
        name = self._shown_by(resource) or most[0][0]
        return self._release(name)

    def guesses(self, resource: Resource) -> bool:
        """Whether nothing at all shows the release of a resource, and R4 would say something else by it than R5."""
        if self._given is not None or self._met or resource.get("resourceType") not in COVERED:
            return False
        try:
            return self._release("R4").up(resource).resource != resource
        except InputError:
            return False  # it is refused anyway

    def _shown_by(self, resource: Resource) -> ReleaseName | None:
        return release_of(resource, mappings=self._mappings)

    def _release(self, name: ReleaseName) -> Release:
        if name not in self._made:
            self._made[name] = Release(name, mappings=self._mappings)
        return self._made[name]


_LOADED: dict[str, Marks] = {}


def _marks(mappings: str | Path | None) -> Marks:
    """The marks by the mapping files of a folder, made once."""
    key = str(mappings or "")
    if key not in _LOADED:
        _LOADED[key] = Marks(MappingFiles(Path(mappings) if mappings else None))
    return _LOADED[key]


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
