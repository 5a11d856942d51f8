"""The run from a registry's records to FHIR: read, map, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

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
from fhirtrial.record import Origin
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
    repeat: bool = False
    """Shared resources are made with each record, not only where they come first."""


Line: TypeAlias = tuple[str, bytes, int]
"""One line of a record's text: the type of its resource, its reference if it is a shared one, its size with its end."""


class Converted(NamedTuple):
    """
    What became of one piece.

    ``id`` is the record's, empty if it was refused; then the last issue says why. ``text`` is what is to be written,
    line after line, and ``lines`` says what they are; or, where the format is a bundle, it is the one Bundle, and
    ``counts`` what is in it.
    """

    id: str
    issues: tuple[Issue, ...]
    text: bytes = b""
    lines: Sequence[Line] = ()
    counts: Mapping[str, int] | None = None


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
    return origin.file, origin.member, origin.line, piece.raw, piece.column, piece.is_text, piece.registry


def _chunk(number: int, found: list[Any]) -> Chunk:
    return Chunk(number, [item if isinstance(item, Issue) else _piece(*item) for item in found])


def _piece(
    file: str,
    member: str,
    line: int,
    raw: bytes,
    column: int,
    is_text: bool,  # noqa: FBT001
    registry: str,
) -> Piece:
    origin = Origin(file=file, member=member, line=line)
    return Piece(origin=origin, raw=raw, column=column, is_text=is_text, registry=registry)


class Results(list[Converted]):
    """What became of a chunk. It travels as plain tuples."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _results, (list(map(tuple, self)),)


def _results(found: list[tuple[Any, ...]]) -> Results:
    return Results(map(Converted._make, found))


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
            for chunk, results in pool.run(chunks(found, lambda: writer.number)):
                writer.write(chunk, results)
                progress(writer.summary)
            writer.shared.close()
        output.finish()
    except BaseException:
        output.discard()
        raise
    return writer.summary


def chunks(found: Iterator[Found], number: Callable[[], int] = lambda: 0) -> Iterator[Chunk]:
    """What was found, in chunks; ``number`` gives the number of each: see `Chunk`."""
    chunk: list[Found] = []
    size = 0
    for item in found:
        size += len(item.raw) if isinstance(item, Piece) else 0
        chunk.append(item)
        if len(chunk) == CHUNK_RECORDS or size > CHUNK_BYTES:
            yield Chunk(number(), chunk)
            chunk, size = [], 0
    if chunk:
        yield Chunk(number(), chunk)


class Converter:
    """Converts chunks, in whatever process; pickled, it takes its options along and is made again there."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.mapper = Mapper(mappings=options.mappings, contacts=options.contacts)
        self.release = Release(options.release, mappings=options.mappings)
        # Verification compares with R5, so that is made first.
        self.finishing = None if options.verify else self.release.finishing(self.mapper.vocabulary)
        # Before processes are forked: each would do it.
        self.mapper.engine.prepare(plain=True, finishing=self.finishing)
        files = self.mapper.mapping.files.values()
        self.kinds = frozenset(file.resource for file in files)
        self.shared = frozenset(file.resource for file in files if file.identity.shared)
        # What another release looks up elsewhere is made again with each record.
        self.remembered = self.shared - FOLLOWED if self.release.changes else self.shared
        # One object for each name travels once.
        self.names = {name: name for name in self.kinds}
        self.number = 0
        self.sent: set[str] = set()

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
            return Converted("", (found,))
        read_ = record_of(found, self.mapper.mapping.schema)
        if isinstance(read_, Issue):
            return Converted("", (read_,))
        whole = self.options.format != "ndjson"
        try:
            # Verification needs all that a record refers to, and so does a Bundle.
            skip = NOTHING if whole or self.options.verify or self.options.repeat else self.sent
            made = self.mapper.convert(read_, verify=self.options.verify, skip=skip, finishing=self.finishing)
            made = released(made, self.release, verify=self.options.verify)
        except InputError as error:
            return Converted("", (error.issue,))
        if any(issue.severity == "error" for issue in made.issues):
            # The one that says why goes last.
            return Converted("", tuple(sorted(made.issues, key=_is_error)))
        if whole:
            counts = Counter(reference.partition("/")[0] for reference in made.texts)
            text = self.bundle(made) + b"\n"
            return Converted(read_.id, made.issues, text, [("Bundle", b"", len(text))], dict(counts))
        lines: list[Line] = []
        shared: list[str] = []
        for reference, text in made.texts.items():
            kind = self.names[reference[: reference.index("/")]]
            if kind in self.shared:
                shared.append(reference)
                lines.append((kind, reference.encode("ascii"), len(text) + 1))
            else:
                lines.append((kind, b"", len(text) + 1))
        if not made.issues:
            # A shared resource that is passed over says nothing about its facts: so only those are that had nothing
            # to say, and the issues of a record do not depend on what was converted before it.
            self.sent.update(name for name in shared if name.partition("/")[0] in self.remembered)
        return Converted(read_.id, made.issues, made.ndjson(), lines)

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
            again = self.seen.repeated(result.id, found.origin)
            if again is not None:
                issues = (again,)
        for issue in issues:
            self.summary.note(issue)
            self.noticed(issue)
        if any(issue.severity == "error" for issue in issues):
            self.summary.refused += 1
            if any(reference and reference not in self.shared for _, reference, _ in result.lines):
                self.number += 1
            return
        if not result.id:
            return
        self.summary.records += 1
        self.write_lines(result)

    def write_lines(self, result: Converted) -> None:
        """Writes the lines of a record, but for the shared resources that are written already, in as few pieces."""
        view = memoryview(result.text)
        counts, by_kind, is_new = self.summary.resources, self.output.by_kind, self.shared.add
        start = end = 0
        before = ""
        for kind, reference, size in result.lines:
            passed_over = reference and not is_new(reference)
            if start < end and (passed_over or (by_kind and kind != before)):
                self.output.write_lines(before, view[start:end])
                start = end
            end += size
            before = kind
            if passed_over:
                start = end
            elif result.counts is None:
                counts[kind] += 1
        if start < end:
            self.output.write_lines(before, view[start:end])
        if result.counts is not None:
            counts.update(result.counts)
