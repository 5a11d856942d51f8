"""How much of the sources has been read, by the bytes of their files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from fhirtrial.readers.source import CHUNK

_LEAST = 8 * CHUNK
"""Files are read a chunk at a time: of fewer bytes than these, a share would be far from what has been done."""


class Meter:
    """
    How much of some files and folders has been read, packed or not.

    Args:
        sources: their paths; of standard input, or what is no path, nothing is known.

    """

    def __init__(self, sources: Iterable[object]) -> None:
        self._total = 0
        self._before = 0
        self._size = 0
        self._file: BinaryIO | None = None
        for source in sources:
            path = source if isinstance(source, str | os.PathLike) and source != "-" else None
            size = None if path is None else _size(Path(path))
            if size is None:
                self._total = 0
                return
            self._total += size

    def opened(self, file: BinaryIO) -> None:
        """Takes note that a file is read now, and that the one before is done."""
        self._before += self._size
        self._size = os.fstat(file.fileno()).st_size
        self._file = file

    @property
    def share(self) -> float | None:
        """How much has been read, from 0 to 1; None if that is not known, or too little to say."""
        if self._total < _LEAST or self._file is None:
            return None
        try:
            read = self._file.tell()
        except ValueError:  # closed, maybe this very moment
            read = self._size
        return min(1.0, (self._before + read) / self._total)


def _size(path: Path) -> int | None:
    """The bytes of a file, or of all files in a folder; None if it cannot be looked at."""
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None
