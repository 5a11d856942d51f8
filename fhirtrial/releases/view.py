"""Resources of another release, seen as R5."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from fhirtrial.errors import InputError
from fhirtrial.issue import Issue
from fhirtrial.releases.release import Release
from fhirtrial.resources import Resource, Resources


class Raiser:
    """
    Makes R5 of resources when they are asked for, each once; what was noticed is in ``issues``.

    ``find`` gives a resource of the other release by reference; ``check`` and ``foreign`` are those of `Release.up`.
    """

    def __init__(
        self,
        release: Release,
        find: Callable[[str], Resource | None],
        *,
        check: bool = False,
        foreign: bool = True,
    ) -> None:
        self.release = release
        self.check = check
        self.foreign = foreign
        self.issues: list[Issue] = []
        self._find = find
        self._made: dict[int, tuple[Resource, Resource]] = {}
        self._said: dict[int, Sequence[Issue]] = {}

    def __call__(self, resource: Resource) -> Resource:
        """A resource in R5, always the same object for the same resource."""
        if id(resource) not in self._made:
            self._made[id(resource)] = (resource, resource)  # who asks for it meanwhile gets it as it is
            try:
                made = self.release.up(resource, find=self.find, check=self.check, foreign=self.foreign)
            except InputError:
                del self._made[id(resource)]
                raise
            self.issues += made.issues
            self._said[id(resource)] = made.issues
            self._made[id(resource)] = (resource, made.resource)
        return self._made[id(resource)][1]

    def said_of(self, resource: Resource) -> Sequence[Issue]:
        """What was noticed when R5 was made of this very resource, not of what it refers to."""
        return self._said.get(id(resource), ())

    def find(self, reference: str) -> Resource | None:
        """The resource that a reference means, in R5."""
        found = self._find(reference)
        if found is None:
            return None
        try:
            return self(found)
        except InputError as error:
            # What only looks at it goes on without it.
            issue = replace(error.issue, severity="warning")
            if issue not in self.issues:
                self.issues.append(issue)
            return None


def as_r5(index: Resources, release: Release) -> tuple[Resources, list[Issue]]:
    """An index over resources of a release as an index over R5 for mappings, and what was noticed."""
    if not release.changes:
        return index, []
    raiser = Raiser(release, index.find, foreign=False)
    view = Resources()
    view.of_type = {kind: [raiser(each) for each in found] for kind, found in index.of_type.items()}
    view.by_key = {name: raiser(each) for name, each in index.by_key.items()}
    return view, raiser.issues


def to_release(
    resources: Iterable[Resource], release: Release, *, source: Release | None = None, check: bool = False
) -> tuple[list[Resource], list[Issue]]:
    """
    Resources in another release, in their order, and what was noticed.

    Args:
        resources: what they refer to may be among them; the given ones are not changed.
        release: the release that is wanted.
        source: the release that they are in; R5 if not given.
        check: goes back at once: see `Release.down` and `Release.up`.

    >>> study = {"resourceType": "ResearchStudy", "status": "active", "title": "A"}
    >>> to_release([study], Release("R4"))[0][0]["title"]
    'A'

    """
    given = list(resources)
    index = Resources(given)
    source = source or Release("R5")
    raiser = Raiser(source, index.find, check=check)
    made, issues = [], raiser.issues
    for resource in given:
        released = release.down(raiser(resource), find=raiser.find, check=check)
        made.append(released.resource)
        issues += released.issues
    return made, issues
