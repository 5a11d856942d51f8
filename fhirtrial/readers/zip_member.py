"""One member of a zip file: whether it may be read, and its bytes."""

from __future__ import annotations

import lzma
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from fhirtrial.errors import InputError
from fhirtrial.readers.source import CHUNK, Limits, check_unpacked, refusal
from fhirtrial.record import Origin

ZIP = re.compile(r"\.zip$", re.IGNORECASE)

DAMAGED = (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError)
"""What zipfile raises for a member that it cannot open."""

UNREADABLE = (*DAMAGED, lzma.LZMAError, zlib.error, EOFError, ValueError)
"""What reading the bytes of a member raises, whatever it is packed with."""


def parent_of(info: zipfile.ZipInfo) -> str:
    """
    The folder that a member lies in; empty for none.

    >>> [parent_of(zipfile.ZipInfo(name)) for name in ("a/b/dm.xpt", "dm.xpt", "./dm.xpt")]
    ['a/b', '', '']
    """
    *folders, _ = info.filename.replace("\\", "/").split("/")
    return "/".join(folder for folder in folders if folder not in ("", "."))


def leads_out(info: zipfile.ZipInfo) -> bool:
    """Whether the name of a member is none of a place in the archive."""
    parts = info.filename.replace("\\", "/").split("/")
    return not parts[0] or ".." in parts or re.match("[A-Za-z]:", info.filename) is not None


def admit(info: zipfile.ZipInfo, place: Origin) -> None:
    """Raises InputError for a member that no archive of records has, and no folder of tables."""
    if leads_out(info):
        raise refusal("bad-member-name", "the name leads out of the archive", place)
    if stat.S_ISLNK(info.external_attr >> 16):
        raise refusal("symlink-member", "the member is a symbolic link, not a file", place)
    if info.flag_bits & 1:
        raise refusal("encrypted-member", "the member is encrypted", place, hint="unpack it first")


def nested(place: Origin) -> InputError:
    """The error for a zip file inside a zip file."""
    return refusal("nested-zip", "a zip file inside a zip file is not read", place, hint="unpack it first")


def unpacked(member: IO[bytes], info: zipfile.ZipInfo, place: Origin, limits: Limits) -> Iterator[bytes]:
    """The bytes of a member. They are counted as they come: what the archive says about its sizes proves nothing."""
    given = 0
    while chunk := _read(member, place):
        given += len(chunk)
        check_unpacked(given, max(1, info.compress_size), limits, place)
        yield chunk


def _read(member: IO[bytes], place: Origin) -> bytes:
    try:
        return member.read(CHUNK)
    except UNREADABLE as error:
        raise refusal("broken-zip", f"the member is damaged ({error})", place) from error
