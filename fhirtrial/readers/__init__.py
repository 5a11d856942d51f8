"""Reads registry records: files, folders, archives, streams and Python objects into one kind of Record."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from fhirtrial.errors import InputError, UsageError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue, nearest
from fhirtrial.readers.archive import folder_stream, open_file, unzip, walk
from fhirtrial.readers.detect import detect, is_gzip, is_zip, start_of_text
from fhirtrial.readers.json_study import record
from fhirtrial.readers.lines import lines, text, whole
from fhirtrial.readers.options import TableOptions
from fhirtrial.readers.source import (
    MAX_BYTES,
    Found,
    Limits,
    Piece,
    Readable,
    Reader,
    Reading,
    Stream,
    chunks_of,
    gunzip,
    refusal,
)
from fhirtrial.readers.split import array, page
from fhirtrial.readers.tables import REGISTRIES, head_in, is_table, kind, tables
from fhirtrial.readers.zip_member import nested
from fhirtrial.record import Origin, Record
from fhirtrial.schema import Schema

__all__ = ["MAX_BYTES", "READERS", "read"]

READERS: dict[str, Reader] = {
    "study": whole,
    "page": page,
    "array": array,
    "jsonl": lines,
    "text": text,
    "zip": unzip,
    "folder": walk,
    **{registry: tables(registry) for registry in REGISTRIES},
}
"""
The formats by name. Each may be packed with gzip besides; ``zip`` and ``folder`` hold files of the others. ``sdtm`` and
``roster`` are folders whose files are tables.
"""

_PACKINGS = 3
"""How many layers of gzip are taken off."""

Source = str | os.PathLike[str] | bytes | Readable | Mapping[str, Any] | Iterable[Mapping[str, Any]]


def read(
    source: Source,
    *,
    format: str | None = None,
    refused: Callable[[Issue], object] | None = None,
    max_bytes: int = MAX_BYTES,
    schema: Schema | None = None,
    whole: bool = True,
    encoding: str = "",
    decimal_comma: bool = False,
) -> Iterator[Record]:
    """
    The records of a source, one after the other, in as much memory as the largest of them needs.

    Args:
        source: a path (a file or a folder), ``-`` for standard input, an open binary file, bytes, one study as a
            dict, or an iterable of studies.
        format: one of READERS; found by the content if not given. For a zip file or a folder, the format of the
            files inside.
        refused: is called with the Issue of each record or file that cannot be read, and of each file that was
            passed over; the rest goes on. Without it, the first that cannot be read raises InputError, and what was
            passed over is told in the issues of the next record.
        max_bytes: a record with more bytes is refused.
        schema: the registry's fields and code values; that of ClinicalTrials.gov if not given.
        whole: False gives records without what the mapping leaves out, as results, in less time and memory: of that
            only matters then that it is JSON.
        encoding: that of CSV and SAS transport files, as in ``windows-1252``; UTF-8 if not given.
        decimal_comma: in CSV, ``1,5`` is a number, and ``1.5`` is none.

    Raises:
        InputError: a source or record cannot be read, and no ``refused`` is given.
        UsageError: the format or the encoding is unknown, or the source is of a type that cannot be read.

    A study looks as the API shows it: https://clinicaltrials.gov/data-api/about-api/study-data-structure

    >>> study = {"protocolSection": {"identificationModule": {"nctId": "NCT00000102"}}}
    >>> [record.id for record in read(study)]
    ['NCT00000102']
    >>> refused = []
    >>> list(read([study, study], refused=refused.append))[1:], str(refused[0])
    ([], 'error: item 2: NCT00000102: the record was read before, at item 1 [duplicate-record]')

    """
    if format is not None and format not in READERS:
        known = f"known formats: {', '.join(READERS)}"
        raise UsageError(f"{format!r} is no format; {nearest(format, READERS) or known}")
    if max_bytes < 1:
        raise UsageError(f"max_bytes is {max_bytes}; it must be at least 1")
    limits = Limits(record=max_bytes)
    options = TableOptions(encoding=encoding, decimal_comma=decimal_comma)
    found = find(source, format, limits, tables=options)
    return _records(found, schema or registry_schema("ctgov"), refused, whole=whole)


@cache
def registry_schema(registry: str) -> Schema:
    """The fields and code values of a registry, as the mapping files that come with fhirtrial have them."""
    return Schema.load(MappingFiles(), registry)


def _records(
    found: Iterator[Found], schema: Schema, refused: Callable[[Issue], object] | None, *, whole: bool
) -> Iterator[Record]:
    seen = Seen(schema)
    passed_over: list[Issue] = []
    for item in found:
        result = record(item, _schema_of(item, schema), whole=whole) if isinstance(item, Piece) else item
        if isinstance(result, Record):
            if result.sound:
                result = replace(result, sound=False)  # who gets it can change it
            result = seen.repeated(result.id, result.origin) or result
        if isinstance(result, Record):
            if passed_over:
                result = replace(result, issues=(*passed_over, *result.issues))
                passed_over = []
            yield result
        elif refused is not None:
            refused(result)
        elif result.severity == "error":
            raise InputError(result)
        else:
            passed_over.append(result)


def _schema_of(piece: Piece, schema: Schema) -> Schema:
    """The schema of a piece: the one that was asked for, unless a reader says that it is of another registry."""
    return registry_schema(piece.registry) if piece.registry not in ("", schema.registry) else schema


class Seen:
    """The ids read so far and where: two numbers for each, as there may be half a million."""

    def __init__(self, schema: Schema) -> None:
        self.pattern = schema.id.pattern
        self.places: dict[int | str, int] = {}
        self.files: list[Origin] = []

    def repeated(self, id: str, origin: Origin) -> Issue | None:
        """The issue that a record of that id was read before; None if not: then it was read at ``origin``."""
        match = self.pattern.fullmatch(id)
        key: int | str = int(match[1]) if match and match.lastindex else id
        first = self.places.get(key)
        if first is None:
            last = self.files[-1] if self.files else None
            if last is None or last.member != origin.member or last.file != origin.file:
                self.files.append(replace(origin, line=0))
            self.places[key] = (len(self.files) - 1) << 40 | origin.line
            return None
        there = replace(self.files[first >> 40], line=first & (1 << 40) - 1)
        return Issue(
            severity="error",
            code="duplicate-record",
            message=f"the record was read before, at {there}",
            record=id,
            place=str(origin),
        )


def find(
    source: Source,
    format: str | None,
    limits: Limits,
    *,
    opened: Callable[[BinaryIO], object] = lambda _: None,
    tables: TableOptions | None = None,
) -> Iterator[Found]:
    """
    What may be records in a source, not yet parsed, and what cannot be read of it.

    ``opened`` is called with each file of it that is opened; ``tables`` says how tables are to be read.
    """

    def inner(stream: Stream) -> Iterator[Found]:
        return _inside(stream, format, reading)

    def folder(path: str) -> Reader | None:
        return _folder_reader(path, format, reading)

    def members(names: list[str], head: Callable[[str], bytes]) -> Reader | None:
        return _tables_reader(names, head, format, options)

    options = tables or TableOptions()
    reading = Reading(
        limits=limits,
        inner=inner,
        opened=opened,
        folder=folder,
        members=members,
        is_table=is_table,
        tables=options,
    )
    try:
        if isinstance(source, Mapping):
            yield _from_dict(source, Origin(file="<dict>"))
        elif isinstance(source, bytes | bytearray | memoryview):
            yield from _open(BytesIO(source), Origin(file="<bytes>"), reading)
        elif isinstance(source, str | os.PathLike):
            yield from _from_path(os.fspath(source), format, reading)
        elif hasattr(source, "read"):
            name = getattr(source, "name", "")
            yield from _open(source, Origin(file=name if isinstance(name, str) else ""), reading)
        elif isinstance(source, Iterable):
            for number, item in enumerate(source, 1):
                yield _from_dict(item, Origin(file=f"item {number}"))
        else:
            raise UsageError(f"a {type(source).__name__} cannot be read: give a path, bytes, an open file, or dicts")
    except InputError as error:
        yield error.issue


def _from_path(path: str, format: str | None, reading: Reading) -> Iterator[Found]:
    if path == "-":
        yield from _open(sys.stdin.buffer, Origin(file="-"), reading, searchable=False)
    elif Path(path).is_dir():
        reader = READERS[format] if format in REGISTRIES else _folder_reader(path, format, reading) or walk
        yield from reader(folder_stream(path), reading)
    elif format == "folder" and Path(path).exists():
        raise refusal("not-a-folder", "this is a file, not a folder", Origin(file=path))
    else:
        yield from open_file(path, reading)


def _folder_reader(path: str, format: str | None, reading: Reading) -> Reader | None:
    """The reader of a folder whose files are tables of one study; None if they are files of records."""
    if format is not None:
        return None
    try:
        names = [entry.name for entry in os.scandir(path) if entry.is_file()]
    except OSError:
        return None
    return _tables_reader(sorted(names), head_in(path), format, reading.tables)


def _tables_reader(
    names: list[str], head: Callable[[str], bytes], format: str | None, options: TableOptions
) -> Reader | None:
    """The reader of files that lie together as tables of one study: that of a format, or found by what they are."""
    if format in REGISTRIES:
        return READERS[format] if any(map(is_table, names)) else None
    found = kind(names, head, options) if format is None else ""
    return READERS[found] if found else None


def _open(file: Any, origin: Origin, reading: Reading, *, searchable: bool = True) -> Iterator[Found]:
    seekable = searchable and getattr(file, "seekable", bool)()
    yield from reading.inner(Stream(chunks_of(file, origin), origin, file=file if seekable else None))


def _inside(stream: Stream, format: str | None, reading: Reading) -> Iterator[Found]:
    """What is in a stream, in whatever it is packed."""
    layers = 0
    while is_gzip(stream):
        layers += 1
        if layers > _PACKINGS:
            raise refusal("unpacks-too-far", f"packed with gzip more than {_PACKINGS} times", stream.origin)
        stream = gunzip(stream, reading.limits)
    found = detect(stream, reading.limits) if format in (None, "zip", "folder") or is_zip(stream) else format
    if found == "zip" and stream.origin.member:
        raise nested(stream.origin)
    if found != "zip":
        if format == "zip" and not stream.origin.member:
            raise refusal("not-a-zip", "this is no zip file", stream.origin)
        start_of_text(stream, reading.limits)
    yield from READERS[found](stream, reading)


def _from_dict(study: Any, origin: Origin) -> Found:
    """A study given as a Python object: what JSON would not give back is refused."""
    try:
        raw = orjson.dumps(study)
    except TypeError as error:
        return refusal("not-json", f"cannot be written as JSON: {error}", origin).issue
    tree = orjson.loads(raw)
    if tree != study:
        return refusal("not-json", "JSON gives it back changed: it holds NaN, Infinity or other objects", origin).issue
    return Piece(origin=origin, raw=raw, tree=tree)
