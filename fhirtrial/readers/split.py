"""Takes the studies out of a long JSON array or API page one by one, without holding more than one."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from fhirtrial.readers.cursor import Cursor
from fhirtrial.readers.lines import too_large
from fhirtrial.readers.source import Found, Piece, Reading, Stream, refusal


def array(stream: Stream, reading: Reading) -> Iterator[Found]:
    """The items of a JSON array."""
    cursor = Cursor(stream, reading.limits.record)
    yield from _items(cursor, reading)
    yield from _end(cursor)


def page(stream: Stream, reading: Reading) -> Iterator[Found]:
    """The studies of a page of the API: ``{"studies": […], "nextPageToken": …}``."""
    cursor = Cursor(stream, reading.limits.record)
    cursor.take(b"{", "at the beginning of a page")
    found = False
    closed = cursor.peek() == ord("}")
    while not closed:
        if cursor.peek() != ord('"'):
            cursor.take(b'"', "before a member's name")
        key = cursor.value()
        cursor.take(b":", "after a member's name")
        if key == b'"studies"':
            found = True
            yield from _items(cursor, reading)
        elif cursor.peek() >= 0:
            cursor.value()
        closed = cursor.take(b",}", "after a member of the page") == ord("}")
    if not found:
        raise refusal("not-a-page", "there is no member studies", stream.origin)
    yield from _end(cursor)


def _items(cursor: Cursor, reading: Reading) -> Iterator[Found]:
    cursor.take(b"[", "at the beginning of the studies")
    if cursor.peek() == ord("]"):
        cursor.at += 1
        return
    while True:
        first = cursor.peek()
        origin, column = cursor.place(), cursor.column()
        if first < 0 or first in b",]":
            cursor.take(b"{", "at the beginning of a study")
        guessed = cursor.guess()
        if guessed is not None:
            yield Piece(origin=origin, raw=guessed[0], column=column, tree=guessed[1])
        else:
            raw = cursor.value()
            yield too_large(origin, reading.limits) if raw is None else Piece(origin=origin, raw=raw, column=column)
            if cursor.peek() < 0 and raw is not None and not _is_whole(raw):
                return
        if cursor.take(b",]", "after a study") == ord("]"):
            return


def _is_whole(raw: bytes) -> bool:
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True


def _end(cursor: Cursor) -> Iterator[Found]:
    if cursor.peek() >= 0:
        message = f"something follows the end of the JSON (column {cursor.column() + 1})"
        yield refusal("trailing-garbage", message, cursor.place()).issue
