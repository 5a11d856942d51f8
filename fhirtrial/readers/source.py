"""The bytes of one file, member or stream, read once and forwards, with a look at the beginning."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from fhirtrial.errors import InputError, UsageError
from fhirtrial.issue import Issue
from fhirtrial.readers.options import TableOptions
from fhirtrial.record import Origin

CHUNK = 1 << 20
"""How many bytes are read at a time."""

MAX_BYTES = 64 << 20
"""The most bytes that one record may have. The largest of ClinicalTrials.gov has about 5 MB."""

MAX_UNPACKED_BYTES = 64 << 30
"""The most bytes that one compressed file may unpack to: more than all of ClinicalTrials.gov."""

MAX_RATIO = 200
"""How often its own size a compressed file may unpack to. Registry JSON shrinks to a fifth, repeated text to a 50th."""

FREE_BYTES = 16 << 20
"""What may be unpacked before the ratio counts."""

GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a source may cost: bytes of one record, bytes unpacked of one file, unpacked bytes per packed one."""

    record: int = MAX_BYTES
    unpacked: int = MAX_UNPACKED_BYTES
    ratio: int = MAX_RATIO


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """
    What may be one record: its bytes, where they begin, and the JSON tree if it is known already.

    ``column`` is how many bytes of the same line stand before it. ``registry`` says whose record it is where a reader
    has put it together from parts; else empty.
    """

    origin: Origin
    raw: bytes
    column: int = 0
    tree: Any = None
    is_text: bool = False
    registry: str = ""


Found = Piece | Issue
"""What a reader finds: a piece, or that something cannot be read or was passed over."""


class Readable(Protocol):
    """An open binary file, or what can be read like one."""

    def read(self, size: int = ..., /) -> bytes | None:
        """At most ``size`` bytes; none at the end."""


class Stream:
    """Bytes that come in chunks. ``file`` is the file behind them if it can be searched, ``folder`` a folder's path."""

    __slots__ = ("_chunks", "_error", "_head", "file", "folder", "origin")

    def __init__(
        self, chunks: Iterator[bytes], origin: Origin, *, file: BinaryIO | None = None, folder: str = ""
    ) -> None:
        self._chunks = chunks
        self._head = b""
        self._error: InputError | None = None
        self.origin = origin
        self.file = file
        self.folder = folder

    def head(self, size: int) -> bytes:
        """
        The first bytes that are not yet taken: at least ``size``, or all.

        If the source breaks off with an error, what came before is given, and the error raised when that is taken.
        """
        parts = [self._head]
        have = len(self._head)
        try:
            while have < size and self._error is None and (chunk := next(self._chunks, b"")):
                parts.append(chunk)
                have += len(chunk)
        except InputError as error:
            if not have:
                raise
            self._error = error
        self._head = b"".join(parts)
        return self._head

    def skip(self, size: int) -> None:
        """Takes bytes away that ``head`` has shown."""
        self._head = self._head[size:]
        self.file = None

    def __iter__(self) -> Iterator[bytes]:
        head, self._head = self._head, b""
        if head:
            yield head
        if self._error is not None:
            raise self._error
        yield from self._chunks


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    What a reader needs besides the stream: the limits, and how to read what is found inside an archive.

    ``opened`` is called with each file that is opened, ``folder`` gives the reader of a folder that is read as a whole,
    by its path, ``members`` that of the files of such a folder in an archive, by their names and what gives the first
    bytes of each. ``is_table`` says by its name whether a file may be a table, ``tables`` how tables are to be read.
    """

    limits: Limits
    inner: Callable[[Stream], Iterator[Found]]
    opened: Callable[[BinaryIO], object] = lambda _: None
    folder: Callable[[str], Reader | None] = lambda _: None
    members: Callable[[list[str], Callable[[str], bytes]], Reader | None] = lambda *_: None
    is_table: Callable[[str], bool] = lambda _: False
    tables: TableOptions = field(default_factory=TableOptions)


Reader = Callable[[Stream, Reading], Iterator[Found]]


def refusal(code: str, message: str, origin: Origin, *, hint: str = "") -> InputError:
    """The error that says why a source, or the rest of it, is not read."""
    return InputError(Issue(severity="error", code=code, message=message, place=str(origin), hint=hint))


def chunks_of(file: Any, origin: Origin) -> Iterator[bytes]:
    """The bytes of an open file. Raises InputError if it cannot be read, UsageError if it was opened as text."""
    read = getattr(file, "read1", file.read)
    while True:
        try:
            chunk = read(CHUNK)
        except OSError as error:
            raise refusal("unreadable", f"cannot be read: {error.strerror or error}", origin) from error
        if isinstance(chunk, str):
            raise UsageError(f"{str(origin) or 'the source'}: the file is open as text; open it in binary mode ('rb')")
        if not chunk:
            return
        yield chunk


def gunzip(stream: Stream, limits: Limits) -> Stream:
    """What is packed in a gzip stream of one or more members (https://www.rfc-editor.org/rfc/rfc1952)."""
    return Stream(_inflate(stream, limits), stream.origin)


def inflate(stream: Stream, limits: Limits) -> Stream:
    """What is packed in a zlib stream (https://www.rfc-editor.org/rfc/rfc1950)."""
    return Stream(_inflate(stream, limits, frame="zlib"), stream.origin)


def _inflate(stream: Stream, limits: Limits, frame: str = "gzip") -> Iterator[bytes]:
    origin = stream.origin
    wbits = zlib.MAX_WBITS + (16 if frame == "gzip" else 0)
    packed, given = iter(stream), 0
    taken, data, members, ended = 0, b"", 0, False
    engine: Any = None
    while not ended:
        if len(data) < len(GZIP) and (engine is None or not data):
            more = next(packed, b"")
            taken += len(more)
            ended = not more
            data += more
        if engine is None:
            data = data.lstrip(b"\0") if members else data
            if not data or (len(data) < len(GZIP) and not ended):
                continue
            if members and (frame != "gzip" or not data.startswith(GZIP)):
                raise refusal("trailing-garbage", f"something that is not {frame} follows the {frame} data", origin)
            engine = zlib.decompressobj(wbits=wbits)
            members += 1
        try:
            out = engine.decompress(data, CHUNK)
        except zlib.error as error:
            raise refusal(f"broken-{frame}", f"the {frame} data are damaged ({_words(error)})", origin) from error
        given += len(out)
        check_unpacked(given, taken, limits, origin)
        if out:
            ended = False
            yield out
        if engine.eof:
            data, engine = engine.unused_data, None
        else:
            data = engine.unconsumed_tail
    if engine is not None:
        raise refusal(f"truncated-{frame}", f"the {frame} data end before they are complete", origin)


def _words(error: zlib.error) -> str:
    """What zlib says, without its numbers."""
    return str(error).rsplit(": ", 1)[-1]


def check_unpacked(given: int, taken: int, limits: Limits, origin: Origin) -> None:
    """Raises InputError if unpacking has given more than the limits allow."""
    if given > limits.unpacked:
        raise refusal("unpacks-too-far", f"unpacks to more than {limits.unpacked:,} bytes", origin)
    if given > FREE_BYTES and given > limits.ratio * taken:
        message = f"unpacks to more than {limits.ratio} times its size: no registry data do"
        raise refusal("unpacks-too-far", message, origin)
