"""Which format a source has, by its content; the name of the file decides only where the content does not."""

from __future__ import annotations

import re

import orjson

from fhirtrial.errors import InputError
from fhirtrial.readers.source import GZIP, Limits, Stream, refusal

HEAD = 1 << 16
"""How many bytes are looked at first."""

LONG_LINE = 4 << 20
"""A first line with more bytes is read as JSON Lines: one study on one line reads the same either way."""

PAGE_KEYS = frozenset({"studies", "nextPageToken", "totalCount"})
"""The members of a page of the API: https://clinicaltrials.gov/data-api/api#get-/studies"""

ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
"""How a zip file begins: with a member, or empty."""

UTF8_MARK = b"\xef\xbb\xbf"
WIDE_MARKS = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}

_FIRST_KEY = re.compile(rb'\{\s*("(?:[^"\\]|\\.)*")\s*:', re.DOTALL)
_ID_LINE = re.compile(r"^\s*NCT ID:", re.MULTILINE)
_LINES_NAME = re.compile(r"\.(?:jsonl|ndjson)(?:\.gz)?$", re.IGNORECASE)


def is_gzip(stream: Stream) -> bool:
    """Whether the stream is packed with gzip."""
    return stream.head(len(GZIP)).startswith(GZIP)


def is_zip(stream: Stream) -> bool:
    """Whether the stream is a zip file."""
    return stream.head(len(ZIPS[0])).startswith(ZIPS)


def detect(stream: Stream, limits: Limits) -> str:
    """
    The name of the stream's format.

    Raises InputError if the stream is empty, is not UTF-8, or is nothing that can be read.
    """
    if is_zip(stream):
        return "zip"
    body = start_of_text(stream, limits)
    if body.startswith(b"["):
        return "array"
    name = stream.origin.member or stream.origin.file
    if body.startswith(b"{"):
        first = _FIRST_KEY.match(body)
        if first and _key(first[1]) in PAGE_KEYS:
            return "page"
        return "jsonl" if _LINES_NAME.search(name) or _has_lines(stream) else "study"
    if _ID_LINE.search(body.decode(errors="replace")):
        return "text"
    if _LINES_NAME.search(name):
        return "jsonl"
    raise unknown_format(stream, body)


def unknown_format(stream: Stream, body: bytes) -> InputError:
    """The error for content that no reader can be meant for."""
    what = "XML or HTML" if body.startswith(b"<") else "neither JSON nor the page text of a study (no line 'NCT ID:')"
    hint = "formats: gzip, zip, a study, an API page or an array as JSON, JSON Lines, page text"
    return refusal("unknown-format", f"this is {what}", stream.origin, hint=hint)


def start_of_text(stream: Stream, limits: Limits) -> bytes:
    """
    The beginning of the text, from its first character that is not blank; a UTF-8 mark is taken off the stream.

    Raises InputError if there is none, or if the bytes are UTF-16 or UTF-32.
    """
    head = stream.head(HEAD)
    for mark, name in WIDE_MARKS.items():
        if head.startswith(mark):
            raise not_utf8(stream, name)
    if b"\0" in head[:4]:
        raise not_utf8(stream, "UTF-16 or UTF-32")
    if head.startswith(UTF8_MARK):
        stream.skip(len(UTF8_MARK))
        head = stream.head(HEAD)
    while not (body := head.lstrip()):
        grown = stream.head(2 * len(head) + 1)
        if len(grown) == len(head) or len(grown) > limits.record:
            raise refusal("empty-source", "there is nothing in it", stream.origin)
        head = grown
    return body


def not_utf8(stream: Stream, name: str) -> InputError:
    """The error for text in another encoding."""
    return refusal("not-utf-8", f"the text is {name}", stream.origin, hint="save it as UTF-8")


def _key(token: bytes) -> object:
    try:
        return orjson.loads(token)
    except orjson.JSONDecodeError:
        return None


def _has_lines(stream: Stream) -> bool:
    """
    Whether a text that begins with { is JSON Lines: its first line is whole, or the second begins with { too.

    The second is none of its own if the first leaves off where one JSON value waits for its next part.
    """
    head = stream.head(HEAD)
    while True:
        first, _, rest = head.lstrip().partition(b"\n")
        if rest := rest.lstrip():
            goes_on = first.rstrip().endswith((b"{", b"[", b":", b","))
            return is_whole(first) or (rest.startswith(b"{") and not goes_on)
        grown = stream.head(2 * len(head))
        if len(grown) == len(head):
            return False
        if len(grown) > LONG_LINE:
            return True
        head = grown


def is_whole(line: bytes) -> bool:
    """Whether some bytes are one value of JSON."""
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True
