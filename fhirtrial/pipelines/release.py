"""The run from one release of FHIR to another: everything is indexed, then resource by resource is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import orjson

from fhirtrial.errors import InputError
from fhirtrial.issue import Issue
from fhirtrial.pipelines.output import Target, open_output
from fhirtrial.pipelines.restore import found_in
from fhirtrial.pipelines.summary import Noticed, Summary
from fhirtrial.readers.fhir import ResourceSource, read_resources
from fhirtrial.references import placeholders_in, with_references
from fhirtrial.releases.detect import Releases
from fhirtrial.releases.release import COVERED, Release, name_of
from fhirtrial.releases.view import Raiser
from fhirtrial.resources import Resource, id_in
from fhirtrial.store import BYTES_IN_MEMORY, ResourceStore

_ALL = "all"
_EVERY = 64
_GUESSED = Issue(
    severity="warning",
    code="release-not-shown",
    message="nothing shows whether it is R4 or R5, which differ here: taken as R5",
    hint="--from says which it is",
)


def release_all(
    sources: Iterable[ResourceSource],
    target: Target,
    *,
    to: str,
    source_release: str | None = None,
    check: bool = False,
    mappings: str | None = None,
    memory: int = BYTES_IN_MEMORY,
    noticed: Noticed = lambda _: None,
    progress: Callable[[Summary], object] = lambda _: None,
) -> Summary:
    """
    The resources of sources in another release of FHIR, written to a target, one per line, in their order.

    Args:
        sources: as `read_resources` takes them; what a resource refers to may stand in any of them.
        target: an open binary file, the path of a file (``.gz``: packed) or of a folder (one NDJSON file per type);
            None writes nothing. No entry of a Bundle has its address there any more (``urn:uuid:…``): who refers to it
            by that refers to it by type and id. A resource that no server of the release would take is reported and
            not written.
        to: the release that is wanted: ``R5``, ``R4`` or ``R4B``.
        source_release: the release that the resources are in; found by what stands in each if not given.
        check: goes back at once; what has no official place is kept in our extension ``release-difference``, or in R5
            in ``earlier-difference``.
        mappings: a folder of your own mapping files.
        memory: how many bytes of resources are held in memory; the others wait in a temporary file.
        noticed: is called with each issue, in the order of the resources.
        progress: is called from time to time.

    Raises:
        UsageError: there is no such release, or nothing can be written to the target.
        MappingError: the table of the release is wrong.

    """
    run = _Run(to, source_release, mappings, memory, noticed, check=check)
    output = open_output(target, kinds=frozenset(COVERED))
    try:
        for source in sources:
            for found in read_resources(source, refused=run.refuse):
                run.add(found.resource, str(found.origin), found.full_url, found.size)
        for number in run.store.group(_ALL):
            resource = run.changed(number)
            if resource is None:
                continue
            kind = str(resource["resourceType"])
            output.write(kind, orjson.dumps(resource))
            run.summary.records += 1
            run.summary.resources[kind] += 1
            if not run.summary.records % _EVERY:
                progress(run.summary)
        output.finish()
    except BaseException:
        output.discard()
        raise
    finally:
        run.store.close()
    return run.summary


class _Run:
    """All resources of a run by what others may call them, and the releases that are met."""

    def __init__(
        self, to: str, source: str | None, mappings: str | None, memory: int, noticed: Noticed, *, check: bool
    ) -> None:
        self.to = Release(to, mappings=mappings)
        self.releases = Releases(source, mappings=mappings)
        self.store = ResourceStore(limit=memory)
        self.summary = Summary(noun="resource")
        self.noticed = noticed
        self.check = check
        self.bundled = False
        """Whether any resource has an address that means something in its Bundle alone."""

    def note(self, issue: Issue) -> None:
        """Counts an issue, and hands it on."""
        self.summary.note(issue)
        self.noticed(issue)

    def refuse(self, issue: Issue) -> None:
        """The same; an error refuses a file or a line."""
        self.summary.refused += issue.severity == "error"
        self.note(issue)

    def add(self, resource: Resource, place: str, full_url: str | None, size: int) -> None:
        """Takes a resource in."""
        own = id_in(full_url)
        if own is not None:
            self.bundled = True
            if "id" not in resource:
                resource = {"resourceType": resource["resourceType"], "id": own, **resource}
                message = "without an id: it gets that of its address in the Bundle, so that references lead to it"
                self.note(
                    Issue(severity="information", code="id-given", message=message, path=name_of(resource), place=place)
                )
        number = self.store.add(resource, size=size, place=place, group=_ALL)
        names = [full_url, resource.get("url")]
        if isinstance(resource.get("id"), str):
            names.append(f"{resource['resourceType']}/{resource['id']}")
        for name in names:
            if isinstance(name, str):
                self.store.name(name, number)
        self.releases.meet(resource)

    def get(self, number: int) -> Resource:
        """The resource of a number; what refers to another by its address in a Bundle refers to it by type and id."""
        resource = self.store.get(number)
        if not self.bundled:
            return resource
        text = orjson.dumps(resource)
        names = {each: name for each in placeholders_in(text) if (name := self.named(each)) is not None}
        found: Resource = orjson.loads(with_references(text, names)) if names else resource
        return found

    def named(self, reference: str) -> str | None:
        """Type and id of the resource that an address of a Bundle means; None if it means none."""
        number = self.store.find(reference)
        found = {} if number is None else self.store.get(number)
        return f"{found['resourceType']}/{found['id']}" if "id" in found else None

    def changed(self, number: int) -> Resource | None:
        """The resource of a number in the release that is wanted, or None if its servers would refuse it."""
        resource = self.get(number)
        release, place = self.releases.of(resource), self.store.place(number)
        if self.releases.guesses(resource):
            self.note(replace(_GUESSED, path=name_of(resource), place=place))
        if release.is_part_of(self.to):
            return resource
        held = {number: resource}

        def find(reference: str) -> Resource | None:
            found = found_in(self.store, reference)
            if found is None:
                return None
            # Each once, always the same object: what refers to itself in a circle is known by that.
            if found not in held:
                held[found] = self.get(found)
            return held[found]

        raiser = Raiser(release, find, check=self.check)
        try:
            made = self.to.down(raiser(resource), find=raiser.find, check=self.check)
        except InputError as error:
            self.refuse(replace(error.issue, place=place))
            return None
        # What was noticed of those that it refers to is said in their turn.
        issues = [*raiser.said_of(resource), *made.issues]
        for issue in issues:
            self.note(replace(issue, place=place))
        if any(issue.severity == "error" for issue in issues):
            self.summary.refused += 1
            return None
        return made.resource
