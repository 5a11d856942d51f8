"""The run from FHIR to a registry's records: everything is indexed, then study by study is restored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import orjson

from fhirtrial.errors import InputError, RestoreError
from fhirtrial.issue import Issue
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.pipelines.output import Output, Target, open_output
from fhirtrial.pipelines.summary import Noticed, Summary
from fhirtrial.pipelines.tables import TableFolder
from fhirtrial.readers.fhir import ResourceFound, ResourceSource, read_resources
from fhirtrial.record import Record
from fhirtrial.releases.detect import Releases
from fhirtrial.releases.release import Release
from fhirtrial.releases.view import Raiser
from fhirtrial.resources import Resource, Resources, spellings
from fhirtrial.store import BYTES_IN_MEMORY, ResourceStore

STUDIES = "studies"
_EVERY = 64


def restore_all(
    sources: Iterable[ResourceSource],
    target: Target | TableFolder,
    *,
    mappings: str | None = None,
    registry: str = "ctgov",
    source_release: str | None = None,
    more: Callable[[Callable[[Issue], object]], Iterable[ResourceFound]] | None = None,
    verify: bool = False,
    memory: int = BYTES_IN_MEMORY,
    noticed: Noticed = lambda _: None,
    progress: Callable[[Summary], object] = lambda _: None,
) -> Summary:
    """
    The registry's records that the studies of sources stand for, written to a target, one per line, in their order.

    What a study refers to may stand in any of the sources, before it or after it. A study that cannot be restored is
    reported, and the rest goes on. A file gets its name when all is done.

    Args:
        sources: as `read_resources` takes them.
        target: an open binary file, the path of a file (``.gz``: packed); None restores and writes nothing; a
            TableFolder takes subjects' records as tables.
        mappings: a folder of your own mapping files.
        registry: whose records are wanted: ``ctgov`` (studies), ``sdtm`` or ``roster`` (subjects).
        source_release: the release of FHIR that the resources are in; found by what stands in them if not given.
        more: gives resources from elsewhere, a server for instance; it is handed what takes its issues.
        verify: makes FHIR of each record again, and compares.
        memory: how many bytes of resources are held in memory; the others wait in a temporary file.
        noticed: is called with each issue, in order.
        progress: is called from time to time.

    Raises:
        UsageError: there is no such release, or nothing can be written to the target.
        MappingError: a mapping file, or the table of a release, is wrong.

    """
    mapper = Mapper(mappings=mappings, registry=registry)
    summary = Summary()
    index = _Index(mapper, Releases(source_release, mappings=mappings), memory, summary, noticed)
    try:
        index.read(sources, () if more is None else more(index.refuse), progress)
        records = _restored(mapper, index, verify=verify, progress=progress)
        if isinstance(target, TableFolder):
            target.write(records)
        else:
            _write(records, open_output(target))
    finally:
        index.store.close()
    return summary


def _restored(
    mapper: Mapper, index: _Index, *, verify: bool, progress: Callable[[Summary], object]
) -> Iterator[Record]:
    """The records of an index, one after the other; those that cannot be restored are refused."""
    summary = index.summary
    for number in index.store.group(STUDIES):
        try:
            around = index.around(number)
            record = mapper.restore(around, verify=verify)
        except (InputError, RestoreError) as error:
            index.refuse(_at(error.issue, index.store.place(number)))
            continue
        for issue in (*around.issues, *record.issues):
            index.note(_at(issue, index.store.place(number)))
        summary.records += 1
        yield record
        if not summary.records % _EVERY:
            progress(summary)


def _write(records: Iterable[Record], output: Output) -> None:
    try:
        for record in records:
            output.write("", orjson.dumps(record.data))
        output.finish()
    except BaseException:
        output.discard()
        raise


def _at(issue: Issue, place: str) -> Issue:
    """An issue with the file and line beside the resource that it is about."""
    return replace(issue, place=f"{place}: {issue.place}" if issue.place else place)


class _Index:
    """All resources of a run by what others may call them, and the studies in their order."""

    def __init__(self, mapper: Mapper, releases: Releases, memory: int, summary: Summary, noticed: Noticed) -> None:
        files = mapper.mapping.files
        self.main = files[mapper.mapping.main].resource
        self.besides = mapper.engine.besides
        self.store = ResourceStore(limit=memory)
        self.summary = summary
        self.noticed = noticed
        self.releases = releases

    def note(self, issue: Issue) -> None:
        """Counts an issue, and hands it on."""
        self.summary.note(issue)
        self.noticed(issue)

    def refuse(self, issue: Issue) -> None:
        """The same; an error refuses a file, a line or a study."""
        self.summary.refused += issue.severity == "error"
        self.note(issue)

    def read(
        self,
        sources: Iterable[ResourceSource],
        more: Iterable[ResourceFound],
        progress: Callable[[Summary], object],
    ) -> None:
        """Takes all in that sources hold, and what comes from elsewhere."""
        for source in sources:
            for number, found in enumerate(read_resources(source, refused=self.refuse)):
                self.add(found)
                if not number % _EVERY:
                    progress(self.summary)
        for found in more:
            self.add(found)
        self.link()

    def add(self, found: ResourceFound) -> None:
        """Takes a resource in, unless it was read before."""
        resource, store = found.resource, self.store
        kind = resource["resourceType"]
        names = []
        if isinstance(resource.get("id"), str):
            names.append(f"{kind}/{resource['id']}")
        names += [name for name in (found.full_url, resource.get("url")) if isinstance(name, str)]
        first = store.find(names[0]) if names else None
        if first is not None:
            if store.get(first) == resource:
                for name in names[1:]:
                    store.name(name, first)
                return
            self.differs(kind, names[0], found, store.place(first))
            # What others refer to may still be found by an address that only it has.
            if kind == self.main or kind in self.besides.kinds or all(map(self._is_known, names)):
                return
        place = str(found.origin)
        self.releases.meet(resource)
        group = STUDIES if kind == self.main else ""
        number = store.add(resource, size=found.size, place=place, group=group)
        for name in names:
            store.name(name, number)
        if kind in self.besides.kinds:
            for reference in self.besides.addresses(resource):
                # By what is most exact it is found at once, if it is there; any other way, when all is there.
                target = store.find(reference)
                if target is None:
                    store.wait(number, reference)
                else:
                    store.link(number, target)
        self.summary.resources[kind] += 1

    def _is_known(self, name: str) -> bool:
        return self.store.find(name) is not None

    def differs(self, kind: str, name: str, found: ResourceFound, first: str) -> None:
        """Reports a resource that was read before with other content."""
        error = kind == self.main
        message = f"{name} was read before, at {first}, with other content: the first counts"
        issue = Issue(
            severity="error" if error else "warning",
            code="duplicate-resource",
            message=message,
            place=str(found.origin),
        )
        self.refuse(issue)

    def link(self) -> None:
        """Finds, once all is read, what the resources beside studies point at that came after them."""
        for number, reference in self.store.waiting():
            target = found_in(self.store, reference)
            if target is not None:
                self.store.link(number, target)

    def around(self, number: int) -> _Around:
        """A study with what stands beside it, and a way to find what it refers to: all of it in R5."""
        around = _Around(self.store, self.releases.of(self.store.get(number)))
        for taken in (number, *self.store.pointing_at(number)):
            resource = around.get(taken)
            around.of_type.setdefault(resource["resourceType"], []).append(resource)
        return around


def found_in(store: ResourceStore, reference: str) -> int | None:
    """The number of the resource that a reference or a canonical URL means."""
    for spelt in spellings(reference):
        if (number := store.find(spelt)) is not None:
            return number
    return None


class _Fetched:
    """Resources of a store as they are there, each fetched once: so that one is always the same object."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        self._held: dict[int, Resource] = {}
        self._found: dict[str, Resource | None] = {}

    def get(self, number: int) -> Resource:
        """The resource of a number."""
        if number not in self._held:
            self._held[number] = self._store.get(number)
        return self._held[number]

    def find(self, reference: str) -> Resource | None:
        """The resource that a reference or a canonical URL means."""
        if reference not in self._found:
            number = found_in(self._store, reference)
            self._found[reference] = None if number is None else self.get(number)
        return self._found[reference]


class _Around(Resources):
    """An index that fetches what it is asked for from a store, each resource once, and makes R5 of it."""

    def __init__(self, store: ResourceStore, release: Release) -> None:
        super().__init__()
        self._fetched = _Fetched(store)
        # Nothing here refers back to this index: it is gone, with all that it holds, as soon as it is not needed.
        self._raiser = Raiser(release, self._fetched.find)

    @property
    def issues(self) -> list[Issue]:
        """What was noticed when R5 was made."""
        return self._raiser.issues

    def get(self, number: int) -> Resource:
        """The resource of a number in R5, always the same object."""
        return self._raiser(self._fetched.get(number))

    def find(self, reference: str) -> Resource | None:
        """The resource that a reference or a canonical URL means, in R5, or None."""
        found = self._fetched.find(reference)
        return None if found is None else self._raiser(found)
