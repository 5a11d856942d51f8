"""The run from a registry's records to FHIR: read, map, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import orjson

from fhirtrial.conversion import Conversion
from fhirtrial.errors import InputError, UsageError
from fhirtrial.issue import Issue
from fhirtrial.mapping.forth.run import NOTHING
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.pipelines.jobs import Jobs
from fhirtrial.pipelines.output import Output, Target, open_output
from fhirtrial.pipelines.summary import Noticed, Summary
from fhirtrial.readers import Seen, Source, find, read
from fhirtrial.readers.json_study import record as record_of
from fhirtrial.readers.source import Found, Limits, Piece
from fhirtrial.record import Origin, Record
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import FOLLOWED, Release
from fhirtrial.store import KeySet

Format = Literal["ndjson", "bundle", "collection"]
FORMATS: tuple[Format, ...] = ("ndjson", "bundle", "collection")

CHUNK_RECORDS = 32
CHUNK_BYTES = 1 << 20
SENT = 200_000
"""How many shared resources a process remembers to have made; past them it forgets all, and makes them again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a process needs to know to convert records."""

    mappings: str | None = None
    contacts: bool = True
    verify: bool = False
    format: Format = "ndjson"
    release: str = "R5"


class Converted(NamedTuple):
    """
    What became of one piece.

    ``id`` is the record's, empty if it was refused; then the last issue says why. ``lines`` holds type, reference and
    text of each resource; or, where the format is a bundle, the one Bundle, and ``counts`` what is in it.
    """

    id: str
    issues: tuple[Issue, ...]
    lines: list[tuple[str, bytes, bytes | memoryview]]
    counts: dict[str, int]


class Chunk:
    """Pieces to convert together. ``number`` is how often the writer has asked to begin anew."""

    __slots__ = ("found", "number")

    def __init__(self, number: int, found: list[Found]) -> None:
        self.number = number
        self.found = found

    def __reduce__(self) -> tuple[Any, ...]:
        # Plain tuples travel three times as fast as objects do. A tree stays here: parsing again is cheaper.
        return _chunk, (self.number, [item if isinstance(item, Issue) else _plain(item) for item in self.found])


def _plain(piece: Piece) -> tuple[Any, ...]:
    origin = piece.origin
    return origin.file, origin.member, origin.line, piece.raw, piece.column, piece.is_text


def _chunk(number: int, found: list[Any]) -> Chunk:
    return Chunk(number, [item if isinstance(item, Issue) else _piece(*item) for item in found])


def _piece(file: str, member: str, line: int, raw: bytes, column: int, is_text: bool) -> Piece:  # noqa: FBT001
    return Piece(origin=Origin(file=file, member=member, line=line), raw=raw, column=column, is_text=is_text)


class Results(list[Converted]):
    """What became of a chunk. It travels as one text and where to cut it."""

    def __reduce__(self) -> tuple[Any, ...]:
        heads = [
            (id, issues, [(kind, reference, len(text)) for kind, reference, text in lines], counts)
            for id, issues, lines, counts in self
        ]
        return _results, (b"".join([text for _, _, lines, _ in self for _, _, text in lines]), heads)


def _results(text: bytes, heads: list[tuple[str, tuple[Issue, ...], list[tuple[str, bytes, int]], Any]]) -> Results:
    view = memoryview(text)
    results = Results()
    start = 0
    for id, issues, cuts, counts in heads:
        lines: list[tuple[str, bytes, bytes | memoryview]] = []
        for kind, reference, size in cuts:
            lines.append((kind, reference, view[start : start + size]))
            start += size
        results.append(Converted(id, issues, lines, counts))
    return results


def convert_all(
    sources: Iterable[Source],
    target: Target,
    *,
    to: str = "R5",
    format: Format = "ndjson",
    input_format: str | None = None,
    mappings: str | None = None,
    contacts: bool = True,
    verify: bool = False,
    jobs: int = 1,
    noticed: Noticed = lambda _: None,
    progress: Callable[[Summary], object] = lambda _: None,
) -> Summary:
    """
    The records of sources as FHIR, written to a target; what was written and what was not.

    One that cannot be read or converted, or that verification finds changed, is refused, and the rest goes on. What
    is written does not depend on ``jobs``. Files get their names when all is done: a run that stops leaves none.

    Args:
        sources: as `read` takes them, one after the other.
        target: an open binary file, the path of a file (``.gz``: packed) or of a folder (one NDJSON file per type);
            None converts and writes nothing.
        to: the release of FHIR: ``R5``, ``R4`` or ``R4B``.
        format: ``ndjson``: each resource once in the whole run, shared ones where they come first; ``bundle`` and
            ``collection``: one Bundle with everything for each record, one to a line.
        input_format: as `read` takes it.
        mappings: a folder of your own mapping files.
        contacts: False leaves out the names, phones and e-mails of contacts.
        verify: restores each record from what was made, and compares.
        jobs: how many processes convert.
        noticed: is called with each issue, in the order of the records.
        progress: is called from time to time.

    Raises:
        MappingError: a mapping file is wrong.
        UsageError: an argument cannot be meant, or nothing can be written to the target.

    """
    if format not in FORMATS:
        raise UsageError(f"{format!r} is no format of output; known: {', '.join(FORMATS)}")
    if jobs < 1:
        raise UsageError(f"jobs is {jobs}; it must be at least 1")
    work = Converter(Options(mappings=mappings, contacts=contacts, verify=verify, format=format, release=to))
    # An unknown format is told before anything is opened.
    read((), format=input_format, schema=work.mapper.mapping.schema)
    output = open_output(target, kinds=[*sorted(work.kinds), "Bundle"])
    try:
        with Jobs(work, jobs) as pool:
            writer = _Writer(work, output, noticed)
            found = (item for source in sources for item in find(source, input_format, Limits()))
            for chunk, results in pool.run(_chunks(found, writer)):
                writer.write(chunk, results)
                progress(writer.summary)
            writer.shared.close()
        output.finish()
    except BaseException:
        output.discard()
        raise
    return writer.summary


def _chunks(found: Iterator[Found], writer: _Writer) -> Iterator[Chunk]:
    """What was found, in chunks."""
    chunk: list[Found] = []
    size = 0
    for item in found:
        size += len(item.raw) if isinstance(item, Piece) else 0
        chunk.append(item)
        if len(chunk) == CHUNK_RECORDS or size > CHUNK_BYTES:
            yield Chunk(writer.number, chunk)
            chunk, size = [], 0
    if chunk:
        yield Chunk(writer.number, chunk)


class Converter:
    """Converts chunks, in whatever process; pickled, it takes its options along and is made again there."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.mapper = Mapper(mappings=options.mappings, contacts=options.contacts)
        self.release = Release(options.release, mappings=options.mappings)
        files = self.mapper.mapping.files.values()
        self.kinds = frozenset(file.resource for file in files)
        self.shared = frozenset(file.resource for file in files if file.identity.shared)
        # What another release looks up elsewhere is made again with each record.
        self.remembered = self.shared - FOLLOWED if self.release.changes else self.shared
        # One object for each name travels once.
        self.names = {name: name for name in self.kinds}
        self.number = 0
        self.sent: set[bytes] = set()

    def __reduce__(self) -> tuple[type[Converter], tuple[Options]]:
        return Converter, (self.options,)

    def __call__(self, chunk: Chunk) -> Results:
        """What becomes of each piece of a chunk."""
        if chunk.number != self.number or len(self.sent) > SENT:
            self.number = chunk.number
            self.sent.clear()
        return Results(map(self.convert, chunk.found))

    def convert(self, found: Found) -> Converted:
        """What becomes of one piece."""
        if isinstance(found, Issue):
            return Converted("", (found,), [], {})
        read_ = record_of(found, self.mapper.mapping.schema)
        if isinstance(read_, Issue):
            return Converted("", (read_,), [], {})
        whole = self.options.format != "ndjson"
        try:
            # Verification needs all that a record refers to, and so does a Bundle.
            skip = NOTHING if whole or self.options.verify else self.sent
            made = self.mapper.convert(read_, verify=self.options.verify, skip=skip)
            made = released(made, self.release, verify=self.options.verify)
        except InputError as error:
            return Converted("", (error.issue,), [], {})
        if any(issue.severity == "error" for issue in made.issues):
            # The one that says why goes last.
            return Converted("", tuple(sorted(made.issues, key=_is_error)), [], {})
        if whole:
            counts = Counter(reference.partition("/")[0] for reference in made.texts)
            return Converted(read_.id, made.issues, [("Bundle", b"", self.bundle(made))], dict(counts))
        names = self.names
        lines: list[tuple[str, bytes, bytes | memoryview]] = [
            (names[reference.partition("/")[0]], reference.encode("ascii"), text)
            for reference, text in made.texts.items()
        ]
        if not made.issues:
            # A shared resource that is passed over says nothing about its facts: so only those are that had nothing
            # to say, and the issues of a record do not depend on what was converted before it.
            self.sent.update(reference for kind, reference, _ in lines if kind in self.remembered)
        return Converted(read_.id, made.issues, lines, {})

    def bundle(self, made: Conversion) -> bytes:
        """The Bundle of a record, as one line."""
        return orjson.dumps(made.bundle("collection" if self.options.format == "collection" else "transaction"))


def _is_error(issue: Issue) -> bool:
    return issue.severity == "error"


class _Writer:
    """
    Writes results in their order, each shared resource once, and refuses records that were read before.

    A process does not make shared resources that it has made before. If one of them came with a record that is
    refused here, nobody else may have written it: then all begin anew (``number`` counts it), and what was converted
    meanwhile is converted again, here.
    """

    def __init__(self, work: Converter, output: Output, noticed: Noticed) -> None:
        self.work = work
        self.output = output
        self.noticed = noticed
        self.number = 0
        self.summary = Summary()
        self.shared = KeySet()
        self.seen = Seen(work.mapper.mapping.schema)

    def write(self, chunk: Chunk, results: Results) -> None:
        """Writes what became of a chunk."""
        number = chunk.number
        for place, found in enumerate(chunk.found):
            result = results[place]
            if number != self.number:
                result = self.work(Chunk(self.number, [found]))[0]
            self.write_one(result, found)

    def write_one(self, result: Converted, found: Found) -> None:
        """Writes what became of one piece."""
        issues = result.issues
        if result.id and isinstance(found, Piece):
            again = self.seen.repeated(Record(registry="", id=result.id, data={}, origin=found.origin))
            if again is not None:
                issues = (again,)
        for issue in issues:
            self.summary.note(issue)
            self.noticed(issue)
        if any(issue.severity == "error" for issue in issues):
            self.summary.refused += 1
            if any(self._is_shared(kind) and reference not in self.shared for kind, reference, _ in result.lines):
                self.number += 1
            return
        if not result.id:
            return
        self.summary.records += 1
        counts = self.summary.resources
        for kind, reference, text in result.lines:
            if self._is_shared(kind) and not self.shared.add(reference):
                continue
            self.output.write(kind, text)
            if not result.counts:
                counts[kind] += 1
        counts.update(result.counts)

    def _is_shared(self, kind: str) -> bool:
        return kind in self.work.shared
