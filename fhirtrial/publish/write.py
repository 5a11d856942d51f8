"""Writes definitions: as a folder of files, or into one file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fhirtrial.errors import UsageError


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes each file into a folder, which is made if need be; others in it stay. Raises UsageError if it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: no such folder can be made: {error.strerror or error}") from error
    for name, text in files.items():
        write_file(folder / name, text)


def write_file(path: Path, data: bytes) -> None:
    """Writes a file, which gets its name when it is complete. Raises UsageError if it cannot."""
    # A symbolic link stays one, and what is no regular file (/dev/null, a pipe) is written to.
    path = path.resolve()
    part = path if path.exists() and not path.is_file() else path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        if part != path:
            part.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
