"""Where a run writes: an open file, a file, or a folder with a file for each type of resource."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from fhirtrial.errors import UsageError

BUFFER = 1 << 20


class Writable(Protocol):
    """An open binary file, or what can be written like one."""

    def write(self, data: bytes, /) -> object:
        """Takes bytes."""


class Output(Protocol):
    """
    Takes lines; nothing of them is seen under its final name before ``finish``.

    ``by_kind``: what is written together must be of one type.
    """

    by_kind: bool

    def write(self, kind: str, line: bytes) -> None:
        """Takes a line, without its end, that holds a resource of a type."""

    def write_lines(self, kind: str, lines: bytes | memoryview) -> None:
        """Takes several lines with their ends."""

    def finish(self) -> None:
        """Makes what was written final."""

    def discard(self) -> None:
        """Takes back what was written, where that is possible."""


Target = str | os.PathLike[str] | Writable | None


def open_output(target: Target, *, kinds: AbstractSet[str] = frozenset()) -> Output:
    """
    The output that a target means.

    Args:
        target: an open binary file; a path (packed with gzip if it ends with ``.gz``); a folder, which exists or ends
            with ``/``, for one NDJSON file per type; None writes nothing.
        kinds: the types of which a folder shall hold this run's files and no older ones; looked at when the run ends.

    Raises UsageError if nothing can be written there.

    """
    if target is None:
        return Nothing()
    if not isinstance(target, str | os.PathLike):
        return OpenFile(target)
    path = Path(target)
    if path.is_dir() or os.fspath(target).endswith(("/", os.sep)):
        return Folder(path, kinds)
    return _file(path)


class Nothing:
    """Writes nothing."""

    by_kind = False

    def write(self, kind: str, line: bytes) -> None:
        """Forgets the line."""

    def write_lines(self, kind: str, lines: bytes | memoryview) -> None:
        """Forgets the lines."""

    def finish(self) -> None:
        """Does nothing."""

    def discard(self) -> None:
        """Does nothing."""


class OpenFile:
    """An open file, which stays open."""

    by_kind = False

    def __init__(self, file: Writable) -> None:
        self._write = file.write
        self._lines: list[bytes | memoryview] = []
        self._size = 0

    def write(self, kind: str, line: bytes) -> None:
        """Takes a line of any type."""
        self.write_lines(kind, line + b"\n")

    def write_lines(self, kind: str, lines: bytes | memoryview) -> None:  # noqa: ARG002
        """Takes lines of any type."""
        self._lines.append(lines)
        self._size += len(lines)
        if self._size > BUFFER:
            self._flush()

    def _flush(self) -> None:
        data, self._lines, self._size = b"".join(self._lines), [], 0
        self._write(data)

    def finish(self) -> None:
        """Writes what is left."""
        self._flush()

    def discard(self) -> None:
        """Forgets what is not written yet."""
        self._lines.clear()


class File:
    """
    A file that gets its name when it is complete. What is no regular file (``/dev/null``, a pipe) is written to.

    ``gzipped``: packed with gzip. ``part`` is where its lines are until then.
    """

    by_kind = False

    def __init__(self, path: Path, *, gzipped: bool = False) -> None:
        # A symbolic link stays one: what it points at is replaced.
        self.path = path.resolve()
        special = self.path.exists() and not self.path.is_file()
        self.part = self.path if special else self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            self._file: BinaryIO = self.part.open("wb", buffering=BUFFER)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
        self._packed: BinaryIO | None = None
        if gzipped:
            # No name and no time in the header: the same records make the same bytes.
            packed = gzip.GzipFile("", "wb", 6, fileobj=self._file, mtime=0)
            self._packed = cast("BinaryIO", packed)
        self._out = OpenFile(self._packed or self._file)

    def write(self, kind: str, line: bytes) -> None:
        """Takes a line of any type."""
        self._out.write(kind, line)

    def write_lines(self, kind: str, lines: bytes | memoryview) -> None:
        """Takes lines of any type."""
        self._out.write_lines(kind, lines)

    def finish(self) -> None:
        """Completes the file and gives it its name."""
        self.complete()
        self.publish()

    def complete(self) -> None:
        """Completes the file; it does not have its name yet."""
        self._out.finish()
        if self._packed is not None:
            self._packed.close()
        self._file.close()

    def publish(self) -> None:
        """Gives the file, which is complete, its name."""
        if self.part != self.path:
            self.part.replace(self.path)

    def discard(self) -> None:
        """Deletes what was written; a file that was there before stays as it was."""
        self._out.discard()
        for file in (self._packed, self._file):
            # A full disk shows again when the rest is written: it was reported when it showed first.
            with suppress(OSError, ValueError):
                if file is not None:
                    file.close()
        if self.part != self.path:
            self.part.unlink(missing_ok=True)


class Folder:
    """
    A folder with one NDJSON file per type of resource: https://hl7.org/fhir/uv/bulkdata/export.html.

    ``files`` are those that were written to, by type.
    """

    by_kind = True

    def __init__(self, path: Path, kinds: AbstractSet[str] = frozenset()) -> None:
        self.path = path
        self._kinds = kinds
        self.files: dict[str, File] = {}
        make_folder(path)

    def _path(self, kind: str) -> Path:
        return self.path / file_name(kind)

    def write(self, kind: str, line: bytes) -> None:
        """Takes a line into the file of its type."""
        self.write_lines(kind, line + b"\n")

    def write_lines(self, kind: str, lines: bytes | memoryview) -> None:
        """Takes lines into the file of their type."""
        file = self.files.get(kind)
        if file is None:
            file = self.files[kind] = _file(self._path(kind))
        file.write_lines(kind, lines)

    def finish(self) -> None:
        """Completes all files, then gives them their names; files of an earlier run that this one did not write go."""
        for file in self.files.values():
            file.complete()
        for file in self.files.values():
            file.publish()
        for kind in self._kinds - self.files.keys():
            self._path(kind).unlink(missing_ok=True)

    def discard(self) -> None:
        """Deletes what was written."""
        for file in self.files.values():
            file.discard()


def write_file(path: Path, data: bytes) -> None:
    """Writes a whole file, as it is. Raises UsageError if it cannot; what was there before stays then."""
    file = File(path)
    try:
        file.write_lines("", data)
        file.finish()
    except OSError as error:
        file.discard()
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes each file into a folder, which is made if need be; others in it stay. Raises UsageError if it cannot."""
    make_folder(folder)
    for name, data in files.items():
        write_file(folder / name, data)


def _file(path: Path) -> File:
    """A file of lines, which its name may want packed."""
    return File(path, gzipped=path.suffix == ".gz")


def make_folder(path: Path) -> None:
    """Makes a folder, unless it is there. Raises UsageError if it cannot."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path}: no such folder can be made: {error.strerror or error}") from error


def file_name(kind: str) -> str:
    """
    The name of the file that a folder has for a type of resource.

    >>> file_name("Location")
    'Location.ndjson'
    """
    return f"{kind}.ndjson"
