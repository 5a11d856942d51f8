"""Memory that two processes share: what one puts there the other takes, whatever its size, without a pipe."""

from __future__ import annotations

import os
import pickle
from array import array
from collections.abc import Iterable, Iterator
from multiprocessing import reduction
from tempfile import TemporaryFile
from typing import Any

SHARING = hasattr(os, "pwritev")
"""Whether this system can: Windows cannot, there all goes through the pipe."""

_TOGETHER = 512
"""How many pieces the system takes at a time: POSIX promises 16, Linux and macOS 1,024."""

_LARGE = 16 << 20
"""What a slot may hold on to for what comes next, in bytes."""


class Slot:
    """
    One object at a time: what ``put`` gives goes through a pipe, and ``take`` makes the object of it.

    A pipe holds 64 kB, so that a megabyte has both ends wait for each other many times. The memory is a file without a
    name, where the system has such files in memory alone, and grows with what is put there. Large bytes that the object
    has as `pickle.PickleBuffer` are copied once by each side.

    >>> slot = Slot()
    >>> slot.take(slot.put(["an", "object"]))
    ['an', 'object']
    >>> slot.close()
    """

    def __init__(self, file: int | None = None) -> None:
        self._file = (_memory() if file is None else file) if SHARING else None

    def __reduce__(self) -> tuple[Any, ...]:
        # A process that is forked has the file already; others get one of their own for the same memory.
        return _given, (None if self._file is None else reduction.DupFd(self._file),)

    def put(self, value: Any) -> bytes:
        """Takes an object; the one before must have been taken."""
        if self._file is None:
            return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        parts: list[Any] = []
        head = pickle.dumps(value, pickle.HIGHEST_PROTOCOL, buffer_callback=lambda part: parts.append(part.raw()))
        parts.insert(0, memoryview(head))
        _write(self._file, parts)
        return array("Q", map(len, parts)).tobytes()

    def take(self, sign: bytes) -> Any:
        """The object that ``put`` gave this sign for."""
        if self._file is None:
            return pickle.loads(sign)  # noqa: S301  # of a process of ours
        sizes = array("Q", sign)
        head, *parts = _read(self._file, sizes)
        value = pickle.loads(head, buffers=parts)  # noqa: S301  # of a process of ours
        if sum(sizes) > _LARGE:
            os.ftruncate(self._file, 0)
        return value

    def close(self) -> None:
        """Gives the memory back, once all processes have done so."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _write(file: int, parts: list[memoryview]) -> None:
    place = 0
    for first in range(0, len(parts), _TOGETHER):
        some = parts[first : first + _TOGETHER]
        while some:
            taken = os.pwritev(file, some, place)
            place += taken
            # The system may take a part only.
            while some and taken >= len(some[0]):
                taken -= len(some.pop(0))
            if some:
                some[0] = some[0][taken:]


def _read(file: int, sizes: Iterable[int]) -> Iterator[bytes]:
    place = 0
    for size in sizes:
        part = os.pread(file, size, place)
        while len(part) < size:
            part += os.pread(file, size - len(part), place + len(part))
        place += size
        yield part


def _memory() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("fhirtrial")
    with TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())


def _given(file: Any) -> Slot:
    return Slot(None if file is None else file.detach())
