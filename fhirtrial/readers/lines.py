"""Whole texts and JSON Lines (https://jsonlines.org): a file that is one record, and a file with one per line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fhirtrial.issue import Issue
from fhirtrial.readers.source import Found, Limits, Piece, Reading, Stream
from fhirtrial.record import Origin


def too_large(origin: Origin, limits: Limits) -> Issue:
    """The finding that a record has more bytes than one may have."""
    message = f"the record has more than {limits.record:,} bytes"
    return Issue(severity="error", code="record-too-large", message=message, place=str(origin), hint="see max_bytes")


def whole(stream: Stream, reading: Reading, *, is_text: bool = False) -> Iterator[Found]:
    """The one record that a file is."""
    parts: list[bytes] = []
    size = 0
    for chunk in stream:
        size += len(chunk)
        if size > reading.limits.record:
            yield too_large(stream.origin, reading.limits)
            return
        parts.append(chunk)
    raw = b"".join(parts)
    if is_text:
        yield Piece(origin=replace(stream.origin, line=1), raw=raw, is_text=True)
        return
    body = raw.lstrip()
    before = raw[: len(raw) - len(body)]
    line = 1 + before.count(b"\n")
    column = len(before) - before.rfind(b"\n") - 1
    yield Piece(origin=replace(stream.origin, line=line), raw=body.rstrip(), column=column)


def text(stream: Stream, reading: Reading) -> Iterator[Found]:
    """The page text of one study."""
    yield from whole(stream, reading, is_text=True)


def lines(stream: Stream, reading: Reading) -> Iterator[Found]:
    """One record per line; blank lines mean nothing. A bad line spoils no other."""
    limits, file, member = reading.limits, stream.origin.file, stream.origin.member
    number = 0
    parts: list[bytes] = []
    size = 0
    for chunk in stream:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:  # many times as fast as splitting the chunk
            number += 1
            line, start = chunk[start:end], end + 1
            origin = Origin(file=file, member=member, line=number)
            if size + len(line) > limits.record:
                yield too_large(origin, limits)
            else:
                yield from _line(b"".join([*parts, line]) if parts else line, origin)
            parts.clear()
            size = 0
        rest = chunk[start:]
        size += len(rest)
        if size > limits.record:
            parts.clear()
        else:
            parts.append(rest)
    origin = replace(stream.origin, line=number + 1)
    if size > limits.record:
        yield too_large(origin, limits)
    else:
        yield from _line(b"".join(parts), origin)


def _line(line: bytes, origin: Origin) -> Iterator[Found]:
    body = line.rstrip()
    if body:
        yield Piece(origin=origin, raw=body)
