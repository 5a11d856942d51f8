"""What converts chunks of records, in whatever process: each record by the mapping of its registry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pickle import PickleBuffer
from typing import Any, Literal, NamedTuple, TypeAlias

import orjson

from fhirtrial.conversion import Conversion
from fhirtrial.errors import InputError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.mapping.beside import takes_study
from fhirtrial.mapping.facts import load_facts
from fhirtrial.mapping.forth.run import NOTHING
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.mapping.registered import differences
from fhirtrial.pipelines.participants import Privacy, identifying
from fhirtrial.readers.json_study import record as record_of
from fhirtrial.readers.source import Found, Piece
from fhirtrial.record import Origin, Record
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import FOLLOWED, Release
from fhirtrial.schema import Schema

Format = Literal["ndjson", "bundle", "collection"]
FORMATS: tuple[Format, ...] = ("ndjson", "bundle", "collection")

STUDIES = "ctgov"
"""The registry whose records are studies: that of pieces that do not say what they are."""

CHUNK_RECORDS = 64
CHUNK_BYTES = 2 << 20
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
    whole: bool = False
    """What the mapping leaves out of records is looked into as well."""
    repeat: bool = False
    """Shared resources are made with each record, not only where they come first."""
    study: Record | None = None
    """The study that subjects are tied to."""
    privacy: Privacy = field(default_factory=Privacy)
    asked: tuple[str, ...] = ()
    """What is made of subjects besides."""
    zone: str = ""
    explode: bool = False


Line: TypeAlias = tuple[str, bytes, int]
"""One line of a record's text: the type of its resource, its reference if it is a shared one, its size with its end."""


class Converted(NamedTuple):
    """
    What became of one piece.

    ``id`` is the record's, empty if it was refused; then the last issue says why. ``text`` is what is to be written,
    line after line, and ``lines`` says what they are; or, where the format is a bundle, it is the one Bundle, and
    ``counts`` what is in it. ``key`` tells the record apart from all others: its id, or its main resource's reference
    where ids are unique in a study only.
    """

    id: str
    issues: tuple[Issue, ...]
    text: bytes = b""
    lines: Sequence[Line] = ()
    counts: Mapping[str, int] | None = None
    key: str = ""


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
    raw = PickleBuffer(piece.raw)
    return origin.file, origin.member, origin.line, raw, piece.column, piece.is_text, piece.registry


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
        return _results, ([(*each[:2], PickleBuffer(each.text), *each[3:]) for each in self],)


def _results(found: list[tuple[Any, ...]]) -> Results:
    return Results(map(Converted._make, found))


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


class Way:
    """How the records of one registry become FHIR: its mapper, and what is known of the resources that it makes."""

    def __init__(self, registry: str, options: Options, release: Release) -> None:
        subjects = registry != STUDIES
        self.mapper = Mapper(
            mappings=options.mappings,
            contacts=options.contacts,
            registry=registry,
            without=options.privacy.without if subjects else (),
            asked=options.asked if subjects else (),
            zone=options.zone if subjects else "",
        )
        # Verification compares with R5, and single doses are made of it, so that is made first.
        self.explode = options.explode and subjects
        self.finishing = None if options.verify or self.explode else release.finishing(self.mapper.vocabulary)
        self.mapper.engine.prepare(sound=True, finishing=self.finishing)
        self.takes_study = takes_study(self.mapper.mapping.schema.tree)
        files = self.mapper.mapping.files.values()
        self.kinds = frozenset(file.resource for file in files)
        self.shared = frozenset(file.resource for file in files if file.identity.shared)
        # What another release looks up elsewhere is made again with each record.
        self.remembered = self.shared - FOLLOWED if release.changes else self.shared
        # One object for each name travels once.
        self.names = {name: name for name in self.kinds}


class Converter:
    """Converts chunks, in whatever process; pickled, it takes its options along and is made again there."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.files = MappingFiles(None if options.mappings is None else Path(options.mappings))
        self.release = Release(options.release, mappings=options.mappings)
        self.ways: dict[str, Way] = {}
        # A wrong mapping is told at once.
        self.schema = self.way(STUDIES).mapper.mapping.schema
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

    def way(self, registry: str) -> Way:
        """The way of a registry's records, made when the first of them comes, or before processes are forked."""
        if registry not in self.ways:
            self.ways[registry] = Way(registry, self.options, self.release)
        return self.ways[registry]

    def prepare(self, found: Iterable[Found]) -> None:
        """Makes ready for what was found: processes that are forked afterwards need not do it, each for itself."""
        for registry in {piece.registry for piece in found if isinstance(piece, Piece)}:
            if self.files.find(f"{registry}/mapping.yaml") is not None:
                self.way(registry)

    def convert(self, found: Found) -> Converted:
        """What becomes of one piece."""
        pseudonyms = self.options.privacy.pseudonyms
        if isinstance(found, Issue):
            return Converted("", (found if pseudonyms is None else pseudonyms.issue(found),))
        if found.registry and self.files.find(f"{found.registry}/mapping.yaml") is None:
            return Converted("", (_nothing_made(found, None),))
        if found.registry and self.is_compared(found):
            return Converted("", self.compared(found))
        way = self.way(found.registry or STUDIES)
        read_ = record_of(found, way.mapper.mapping.schema, whole=self.options.whole)
        private = pseudonyms is not None and identifying(self.options.mappings, found.registry)
        if isinstance(read_, Issue):
            return Converted("", (pseudonyms.issue(read_) if pseudonyms is not None and private else read_,))
        if pseudonyms is not None and private:
            read_ = pseudonyms.record(read_, private)
        whole = self.options.format != "ndjson"
        try:
            # Verification needs all that a record refers to, and so does a Bundle.
            skip = NOTHING if whole or self.options.verify or self.options.repeat else self.sent
            study = self.options.study if way.takes_study else None
            made = way.mapper.convert(
                read_,
                study=study,
                verify=self.options.verify,
                skip=skip,
                finishing=way.finishing,
                explode=way.explode,
            )
            made = released(made, self.release, verify=self.options.verify)
        except InputError as error:
            return Converted("", (error.issue,))
        if any(issue.severity == "error" for issue in made.issues):
            # The one that says why goes last.
            return Converted("", tuple(sorted(made.issues, key=_is_error)))
        # Ids of subjects are unique in their study: two studies may use one number.
        key = read_.id if way.mapper.mapping.registry == STUDIES else next(iter(made.texts), read_.id)
        if whole:
            counts = Counter(reference.partition("/")[0] for reference in made.texts)
            text = self.bundle(made) + b"\n"
            return Converted(read_.id, made.issues, text, [("Bundle", b"", len(text))], dict(counts), key)
        lines: list[Line] = []
        shared: list[str] = []
        for reference, text in made.texts.items():
            kind = way.names[reference[: reference.index("/")]]
            if kind in way.shared:
                shared.append(reference)
                lines.append((kind, reference.encode("ascii"), len(text) + 1))
            else:
                lines.append((kind, b"", len(text) + 1))
        if not made.issues:
            # A shared resource that is passed over says nothing about its facts: so only those are that had nothing
            # to say, and the issues of a record do not depend on what was converted before it.
            self.sent.update(name for name in shared if name.partition("/")[0] in way.remembered)
        return Converted(read_.id, made.issues, made.ndjson(), lines, None, key)

    def is_compared(self, found: Piece) -> bool:
        """Whether a piece says of the study what the registry's record says already."""
        return self.options.study is not None and not takes_study(Schema.load(self.files, found.registry).tree)

    def compared(self, found: Piece) -> tuple[Issue, ...]:
        """Where a piece and the registry's record say different things of the study; that nothing is made, last."""
        study = self.options.study
        assert study is not None
        read_ = record_of(found, Schema.load(self.files, found.registry))
        if isinstance(read_, Issue):
            return (read_,)
        told = differences(read_, study, load_facts(self.files, found.registry))
        return (*read_.issues, *told, _nothing_made(found, study))

    def bundle(self, made: Conversion) -> bytes:
        """The Bundle of a record, as one line."""
        return orjson.dumps(made.bundle("collection" if self.options.format == "collection" else "transaction"))


def _nothing_made(found: Piece, study: Record | None) -> Issue:
    tree = orjson.loads(found.raw) if found.tree is None else found.tree
    listed = ", ".join(name for name, value in tree.items() if isinstance(value, list))
    message = f"the tables {listed} describe the study: nothing is made of them"
    message += f", as the record of {study.id} does" if study is not None else ""
    return Issue(severity="information", code="left-out", message=message, place=str(found.origin))


def _is_error(issue: Issue) -> bool:
    return issue.severity == "error"
