"""Memory that two processes share: what one puts there the other takes, whatever its size, without a pipe."""

from __future__ import annotations

import os
import pickle
from array import array
from contextlib import suppress
from mmap import mmap
from multiprocessing import reduction
from tempfile import TemporaryFile
from typing import Any

SHARING = os.name == "posix"
"""Whether this system can hand open files from process to process: else all goes through the pipe."""

_LEAST = 1 << 20
"""The bytes of memory that a slot begins with."""

_MOST = 16 << 20
"""The bytes that it holds on to when less would do."""


class Slot:
    """
    One object at a time: what ``put`` gives goes through a pipe, and ``take`` makes the object of it.

    A pipe holds 64 kB, so that a megabyte has both ends wait for each other many times. The memory is a file without a
    name, where the system has such files in memory alone, and follows the size of what is put there. Large bytes that
    the object has as `pickle.PickleBuffer` are copied once by each side.

    >>> slot = Slot()
    >>> slot.take(slot.put(["an", "object"]))
    ['an', 'object']
    >>> slot.close()
    """

    def __init__(self, file: int | None = None) -> None:
        self._file = (_memory() if file is None else file) if SHARING else None
        self._seen: mmap | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # A process that is forked has the file already; others get one of their own for the same memory.
        return _given, (None if self._file is None else reduction.DupFd(self._file),)

    def put(self, value: Any) -> bytes:
        """Takes an object; the one before must have been taken."""
        if self._file is None:
            return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        parts: list[Any] = []
        head = pickle.dumps(value, pickle.HIGHEST_PROTOCOL, buffer_callback=lambda part: parts.append(part.raw()))
        parts.insert(0, head)
        sizes = array("Q", map(len, parts))
        memory, start = self._fitting(self._file, sum(sizes)), 0
        for part, size in zip(parts, sizes, strict=True):
            memory[start : start + size] = part
            start += size
        return sizes.tobytes()

    def take(self, sign: bytes) -> Any:
        """The object that ``put`` gave this sign for."""
        if self._file is None:
            return pickle.loads(sign)  # noqa: S301  # of a process of ours
        sizes = array("Q", sign)
        memory, start = self._reaching(self._file, sum(sizes)), 0
        parts = []
        for size in sizes:
            parts.append(memory[start : start + size])
            start += size
        return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301  # of a process of ours

    def _fitting(self, file: int, size: int) -> mmap:
        """The memory, larger or smaller than before if need be. Who takes sees no more of it than has been put."""
        memory = self._seen
        if memory is None or len(memory) < size or size <= _MOST < len(memory):
            self._forget()
            most = max(_LEAST, 1 << (size - 1).bit_length())
            os.ftruncate(file, most)
            memory = self._seen = mmap(file, most)
        return memory

    def _reaching(self, file: int, size: int) -> mmap:
        """The memory as the other process has made it, at least as far as is wanted."""
        memory = self._seen
        if memory is None or len(memory) < size:
            self._forget()
            memory = self._seen = mmap(file, 0)
        return memory

    def _forget(self) -> None:
        if self._seen is not None:
            self._seen.close()
            self._seen = None

    def close(self) -> None:
        """Gives the memory back, once all processes have done so."""
        self._forget()
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _memory() -> int:
    if hasattr(os, "memfd_create"):
        with suppress(OSError):  # some systems know it and forbid it
            return os.memfd_create("fhirtrial")
    with TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())


def _given(file: Any) -> Slot:
    return Slot(None if file is None else file.detach())
