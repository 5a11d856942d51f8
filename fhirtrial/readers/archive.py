"""Zip files and folders: what is read of them, what is passed over, and what is refused."""

from __future__ import annotations

import lzma
import os
import re
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, BinaryIO, cast

from fhirtrial.errors import InputError
from fhirtrial.issue import Issue
from fhirtrial.readers.source import CHUNK, Found, Limits, Reading, Stream, check_unpacked, chunks_of, refusal
from fhirtrial.record import Origin

_READABLE = re.compile(r"\.(?:json|jsonl|ndjson|txt)(?:\.gz)?$|\.gz$", re.IGNORECASE)
_ZIP = re.compile(r"\.zip$", re.IGNORECASE)
_BESIDE = re.compile(
    r"(?:^|/)(?:\.(?!\.?/)|__MACOSX(?:/|$)|Thumbs\.db$|desktop\.ini$|(?:README|LICEN[CS]E)[^/]*$)", re.IGNORECASE
)
"""Files that lie beside records: hidden ones, what macOS and Windows leave behind, and texts about the folder."""

_OWN = ".fhirtrial."
"""What the names of files begin with that a load into a folder keeps there: nothing to tell anybody."""

_DAMAGED = (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError)
"""What zipfile raises for a member that it cannot open."""


def passed_over(place: Origin, why: str) -> Issue:
    """The information that a file, or a member of an archive, is not read."""
    return Issue(severity="information", code="passed-over", message=f"passed over: {why}", place=str(place))


def lies_beside(name: str) -> bool:
    """Whether a file of that name lies beside data, and is none."""
    return _BESIDE.search(name) is not None


def beside_records(name: str) -> str:
    """Why a file of that name is passed over; empty if it is read."""
    if lies_beside(name):
        return "it lies beside the records"
    if not _READABLE.search(name) and not _ZIP.search(name):
        return "its name is none of a file of records (.json, .jsonl, .ndjson, .txt, .gz, .zip)"
    return ""


# --------------------------------------------------------------------------------------------------------- zip files


def unzip(stream: Stream, reading: Reading) -> Iterator[Found]:
    """
    The records in the members of a zip file, in the archive's order.

    A stream that cannot be searched is copied to a temporary file first. A bad member spoils no other.
    """
    if stream.file is not None:
        yield from _members(stream.file, stream.origin, reading)
        return
    with tempfile.TemporaryFile() as spool:
        size = 0
        for chunk in stream:
            size += len(chunk)
            if size > reading.limits.unpacked:
                raise refusal("unpacks-too-far", f"has more than {reading.limits.unpacked:,} bytes", stream.origin)
            spool.write(chunk)
        spool.seek(0)
        yield from _members(cast("BinaryIO", spool), stream.origin, reading)


def _members(file: BinaryIO, origin: Origin, reading: Reading) -> Iterator[Found]:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise refusal("broken-zip", f"the zip file is damaged ({error})", origin) from error
    with archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        if not infos:
            raise refusal("empty-zip", "there is no file in it", origin)
        readable = []
        for info in infos:
            place = replace(origin, member=info.filename)
            if why := beside_records(info.filename):
                yield passed_over(place, why)
            else:
                readable.append((info, place))
        for info, place in readable:
            try:
                _admit(info, place)
                with archive.open(info) as member:
                    yield from reading.inner(Stream(_unpacked(member, info, place, reading.limits), place))
            except InputError as error:
                yield error.issue
            except _DAMAGED as error:
                yield refusal("broken-zip", f"the member is damaged ({error})", place).issue
        if not readable:
            raise refusal("empty-zip", "there is no file of records in it", origin)


def _admit(info: zipfile.ZipInfo, place: Origin) -> None:
    """Raises InputError for a member that no archive of records has."""
    parts = info.filename.replace("\\", "/").split("/")
    if not parts[0] or ".." in parts or re.match("[A-Za-z]:", info.filename):
        raise refusal("bad-member-name", "the name leads out of the archive", place)
    if stat.S_ISLNK(info.external_attr >> 16):
        raise refusal("symlink-member", "the member is a symbolic link, not a file", place)
    if info.flag_bits & 1:
        raise refusal("encrypted-member", "the member is encrypted", place, hint="unpack it first")
    if _ZIP.search(info.filename):
        raise nested(place)


def nested(place: Origin) -> InputError:
    """The error for a zip file inside a zip file."""
    return refusal("nested-zip", "a zip file inside a zip file is not read", place, hint="unpack it first")


def _unpacked(member: IO[bytes], info: zipfile.ZipInfo, place: Origin, limits: Limits) -> Iterator[bytes]:
    """The bytes of a member. They are counted as they come: what the archive says about its sizes proves nothing."""
    given = 0
    while chunk := _read(member, place):
        given += len(chunk)
        check_unpacked(given, max(1, info.compress_size), limits, place)
        yield chunk


def _read(member: IO[bytes], place: Origin) -> bytes:
    try:
        return member.read(CHUNK)
    except (*_DAMAGED, lzma.LZMAError, zlib.error, EOFError, ValueError) as error:
        raise refusal("broken-zip", f"the member is damaged ({error})", place) from error


# ----------------------------------------------------------------------------------------------------------- folders


def walk(stream: Stream, reading: Reading) -> Iterator[Found]:
    """
    The records in the files of a folder and its folders, sorted by name. A bad file spoils no other.

    A folder that is read as a whole, because its files are tables of one study, is one of these files.
    """
    root = stream.folder
    readable = 0
    for path, why in _files(root, reading):
        if why:
            yield passed_over(Origin(file=path), why)
        readable += not why
    if not readable:
        raise refusal("empty-folder", "there is no file of records in the folder", stream.origin)
    for path, why in _files(root, reading):
        if why:
            continue
        reader = reading.folder(path) if Path(path).is_dir() else None
        try:
            yield from reader(folder_stream(path), reading) if reader else open_file(path, reading)
        except InputError as error:
            yield error.issue


def folder_stream(path: str) -> Stream:
    """A folder, as readers take it."""
    return Stream(iter(()), Origin(file=path), folder=path)


def _files(folder: str, reading: Reading) -> Iterator[tuple[str, str]]:
    """
    Every file below a folder, and every folder that is read as a whole, and why it is passed over.

    Raises InputError if the folder cannot be listed.
    """
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise unopened(folder, error) from error
    for entry in entries:
        if entry.name.startswith(_OWN):
            continue
        if entry.is_dir():
            if lies_beside(entry.name):
                yield entry.path, "it lies beside the records"
            elif entry.is_symlink():
                yield entry.path, "it is a symbolic link to a folder"
            elif reading.folder(entry.path):
                yield entry.path, ""
            else:
                yield from _files(entry.path, reading)
        elif why := beside_records(entry.name):
            yield entry.path, why
        elif not entry.is_file() and not entry.is_symlink():
            yield entry.path, "it is no file"
        else:
            yield entry.path, ""


def open_file(path: str, reading: Reading) -> Iterator[Found]:
    """The records of one file; an issue if it cannot be opened or read to its end."""
    origin = Origin(file=path)
    try:
        with Path(path).open("rb") as file:
            reading.opened(file)
            yield from reading.inner(Stream(chunks_of(file, origin), origin, file=file if file.seekable() else None))
    except OSError as error:
        yield unopened(path, error).issue
    except InputError as error:
        yield error.issue


def unopened(path: str, error: OSError) -> InputError:
    """The error for a file or folder that cannot be opened."""
    origin = Origin(file=path)
    if isinstance(error, FileNotFoundError):
        is_json = path.lstrip().startswith(("{", "["))
        hint = "JSON itself is given as bytes" if is_json else ""
        shown = path[:59] + "…" if is_json and len(path) > 60 else path
        return refusal("no-such-file", "there is no such file or folder", Origin(file=shown), hint=hint)
    if isinstance(error, PermissionError):
        return refusal("no-permission", "no permission to read it", origin)
    return refusal("unreadable", f"cannot be read: {error.strerror or error}", origin)
