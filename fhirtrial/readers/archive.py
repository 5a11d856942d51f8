"""Zip files and folders: what is read of them, what is passed over, and what is refused."""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from fhirtrial.errors import InputError
from fhirtrial.issue import Issue
from fhirtrial.readers.source import Found, Reading, Stream, chunks_of, refusal
from fhirtrial.readers.zip_folder import folder_around, folders_of, read_folder
from fhirtrial.readers.zip_member import DAMAGED, ZIP, admit, nested, parent_of, unpacked
from fhirtrial.record import Origin

_READABLE = re.compile(r"\.(?:json|jsonl|ndjson|txt)(?:\.gz)?$|\.gz$", re.IGNORECASE)
_BESIDE = re.compile(
    r"(?:^|/)(?:\.(?!\.?/)|__MACOSX(?:/|$)|Thumbs\.db$|desktop\.ini$|(?:README|LICEN[CS]E)[^/]*$)", re.IGNORECASE
)
"""Files that lie beside records: hidden ones, what macOS and Windows leave behind, and texts about the folder."""

_OWN = ".fhirtrial."
"""What the names of files begin with that a load into a folder keeps there: nothing to tell anybody."""


def passed_over(place: Origin, why: str) -> Issue:
    """The information that a file, or a member of an archive, is not read."""
    return Issue(severity="information", code="passed-over", message=f"passed over: {why}", place=str(place))


def lies_beside(name: str) -> bool:
    """Whether a file of that name lies beside data, and is none."""
    return _BESIDE.search(name) is not None


def why_below_tables(name: str) -> str:
    """Why a folder of that name is passed over that lies in a folder with the tables of a study."""
    return "it lies beside the tables" if lies_beside(name) else "it is a folder, and lies in one of tables"


def beside_records(name: str) -> str:
    """Why a file of that name is passed over; empty if it is read."""
    if lies_beside(name):
        return "it lies beside the records"
    if not _READABLE.search(name) and not ZIP.search(name):
        return "its name is none of a file of records (.json, .jsonl, .ndjson, .txt, .gz, .zip)"
    return ""


# --------------------------------------------------------------------------------------------------------- zip files


def unzip(stream: Stream, reading: Reading) -> Iterator[Found]:
    """
    The records in the members of a zip file, in the archive's order; those of tables last.

    A stream that cannot be searched is copied to a temporary file first. A bad member spoils no other. What a folder in
    it is read as a whole, because its files are tables of one study, is unpacked to a temporary folder.
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
        folders = folders_of(archive, [info for info in infos if not lies_beside(f"{parent_of(info)}/")], reading)
        readable = []
        within: set[str] = set()
        for info in infos:
            place = replace(origin, member=info.filename)
            around, below = folder_around(info, folders)
            if around is not None and not below:
                continue
            if below:
                if below not in within:
                    within.add(below)
                    yield passed_over(replace(origin, member=below), why_below_tables(below))
            elif why := beside_records(info.filename):
                yield passed_over(place, why)
            else:
                readable.append((info, place))
        for info, place in readable:
            try:
                admit(info, place)
                if ZIP.search(info.filename):
                    raise nested(place)
                with archive.open(info) as member:
                    yield from reading.inner(Stream(unpacked(member, info, place, reading.limits), place))
            except InputError as error:
                yield error.issue
            except DAMAGED as error:
                yield refusal("broken-zip", f"the member is damaged ({error})", place).issue
        for name, (reader, members) in folders.items():
            yield from read_folder(archive, name, members, reader, replace(origin, member=name), reading)
        if not readable and not folders:
            raise refusal("empty-zip", "there is no file of records in it", origin)


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
