"""A folder in a zip file whose files are tables of one study: it is unpacked, read as any folder, and removed."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from fhirtrial.errors import InputError
from fhirtrial.issue import Issue
from fhirtrial.readers.source import Found, Reader, Reading, Stream, refusal
from fhirtrial.readers.zip_member import DAMAGED, UNREADABLE, admit, leads_out, parent_of, unpacked
from fhirtrial.record import Origin

HEAD = 4096
"""How many bytes of a member are looked at to see what it is."""

LONGEST = 255
"""How many bytes the name of a file may have: no usual file system takes more."""

Members = Sequence[zipfile.ZipInfo]


def folders_of(
    archive: zipfile.ZipFile, infos: Members, reading: Reading
) -> dict[str, tuple[Reader, list[zipfile.ZipInfo]]]:
    """The folders in a zip file that are read as a whole, by name (empty: the members at its top)."""
    folders: dict[str, list[zipfile.ZipInfo]] = {}
    for info in infos:
        folders.setdefault(parent_of(info), []).append(info)
    found = {}
    for name, members in folders.items():
        by_name = {_name_of(info): info for info in members}

        def head(name: str, by_name: dict[str, zipfile.ZipInfo] = by_name) -> bytes:
            try:
                with archive.open(by_name[name]) as member:
                    return member.read(HEAD)
            except UNREADABLE:
                return b""  # what is wrong with it is said when it is unpacked

        if reader := reading.members(sorted(by_name), head):
            found[name] = reader, members
    return {name: each for name, each in found.items() if not folder_around(each[1][0], found)[1]}


def folder_around(info: zipfile.ZipInfo, folders: Container[str]) -> tuple[str | None, str]:
    """The folder of tables that a member lies in, and the folder within that one; None and empty for none."""
    own = parent_of(info)
    if leads_out(info):  # it is told, wherever it wants to be
        return (own if own in folders else None), ""
    parts = own.split("/") if own else []
    for count in range(len(parts) + 1):
        if (name := "/".join(parts[:count])) in folders:
            return name, "/".join(parts[: count + 1]) if count < len(parts) else ""
    return None, ""


def read_folder(
    archive: zipfile.ZipFile, name: str, members: Members, reader: Reader, origin: Origin, reading: Reading
) -> Iterator[Found]:
    """
    The records of such a folder; ``origin`` is its own.

    It is unpacked to a folder that only this user can look into, under the rules for any member. One that cannot be
    unpacked is an issue, and the others are read; that its table is missing is then not said besides. What is no table
    is not unpacked.
    """
    prefix = f"{name}/" if name else ""
    with tempfile.TemporaryDirectory(prefix="fhirtrial-") as folder:
        names = _Names(folder, origin, prefix)
        room = reading.limits.unpacked
        there: set[str] = set()
        refused = False
        for info in members:
            place, own = replace(origin, member=info.filename), _name_of(info)
            try:
                admit(info, place)
                if len(os.fsencode(own)) > LONGEST:
                    raise refusal("bad-member-name", f"the name has more than {LONGEST} bytes", place)
                if own in there:
                    raise refusal("duplicate-member", "the archive has two files of this name", place)
                there.add(own)
                room -= _unpack(archive, info, place, Path(folder) / own, room, reading)
            except InputError as error:
                refused = refused or reading.is_table(own)
                yield error.issue
            except DAMAGED as error:
                refused = refused or reading.is_table(own)
                yield refusal("broken-zip", f"the member is damaged ({error})", place).issue
        # What these files are opened for is no progress in what was given.
        quiet = replace(reading, opened=lambda _: None)
        try:
            for found in reader(Stream(iter(()), Origin(file=folder), folder=folder), quiet):
                if not (refused and isinstance(found, Issue) and found.code == "missing-dataset"):
                    yield names.shown(found)
        except InputError as error:
            raise InputError(names.of_issue(error.issue)) from error


def _unpack(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: Origin, path: Path, room: int, reading: Reading
) -> int:
    """Unpacks a member; the bytes that it has. One that is no table is only there by name."""
    given = 0
    with path.open("xb") as file:
        if not reading.is_table(path.name):
            return 0
        limits = replace(reading.limits, unpacked=room)
        try:
            with archive.open(info) as member:
                for chunk in unpacked(member, info, place, limits):
                    file.write(chunk)
                    given += len(chunk)
        except BaseException:
            path.unlink()  # half a table is none
            raise
    return given


def _name_of(info: zipfile.ZipInfo) -> str:
    return info.filename.replace("\\", "/").rpartition("/")[2]


class _Names:
    """Names the files of a temporary folder as what they are: members of the archive."""

    def __init__(self, folder: str, origin: Origin, prefix: str) -> None:
        self.folder = folder
        self.origin = origin
        self.prefix = prefix

    def shown(self, found: Found) -> Found:
        """What was found, with places in the archive."""
        if isinstance(found, Issue):
            return self.of_issue(found)
        member = self.prefix + found.origin.file.removeprefix(f"{self.folder}/")
        return replace(found, origin=replace(found.origin, file=self.origin.file, member=member))

    def of_issue(self, issue: Issue) -> Issue:
        """An issue with places in the archive."""
        return replace(issue, place=self._text(issue.place), message=self._text(issue.message))

    def _text(self, text: str) -> str:
        inside = str(replace(self.origin, member=self.prefix or "!"))
        inside = inside if self.prefix else inside.removesuffix("!")
        return text.replace(f"{self.folder}/", inside).replace(self.folder, str(self.origin))
