"""A place in a stream of JSON, from which values are taken one by one, without holding more than one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import orjson

from fhirtrial.readers.source import CHUNK, Stream, refusal
from fhirtrial.record import Origin

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_OUTSIDE = {
    # Up to the next brace or bracket that is in no string, or to a string that does not end here. Only the kind of
    # bracket that the item opened with is counted, so that a wrong one of the other kind spoils this item alone.
    ord("{"): re.compile(rb'[^"{}]*+(?:%b[^"{}]*+)*+' % _STRING, re.DOTALL),
    ord("["): re.compile(rb'[^"\[\]]*+(?:%b[^"\[\]]*+)*+' % _STRING, re.DOTALL),
}
_INSIDE = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_BLANK = re.compile(rb"[ \t\r\n]*+")
_SCALAR = re.compile(rb"[^,:\[\]{} \t\r\n]*+")
_FIRST_KEY = re.compile(rb'\{\s*"[^"\\]{1,60}"\s*:')


class Cursor:
    """A place in a stream of JSON: the buffer, the next byte in it, and the line that it is on."""

    def __init__(self, stream: Stream, limit: int) -> None:
        self.origin = stream.origin
        self.limit = limit
        self.chunks = iter(stream)
        self.buffer = b""
        self.at = 0
        self._line = 1
        self._column = 0
        self._counted = 0

    def place(self) -> Origin:
        """The next byte's place."""
        self._count()
        return replace(self.origin, line=self._line)

    def column(self) -> int:
        """How many bytes of the line stand before the next byte."""
        self._count()
        return self._column

    def _count(self) -> None:
        newlines = self.buffer.count(b"\n", self._counted, self.at)
        if newlines:
            self._line += newlines
            self._column = self.at - self.buffer.rfind(b"\n", self._counted, self.at) - 1
        else:
            self._column += self.at - self._counted
        self._counted = self.at

    def grow(self) -> bool:
        """Takes the next chunk into the buffer, and drops what lies behind; False at the end."""
        chunk = next(self.chunks, b"")
        if not chunk:
            return False
        self._count()
        self.buffer = self.buffer[self.at :] + chunk
        self.at = self._counted = 0
        return True

    def peek(self) -> int:
        """The next byte that is not blank; -1 at the end."""
        while True:
            self.at = _BLANK.match(self.buffer, self.at).end()  # type: ignore[union-attr]  # matches anything
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if not self.grow():
                return -1

    def take(self, wanted: bytes, after: str) -> int:
        """The next byte, which must be one of those wanted. Raises InputError."""
        found = self.peek()
        if found < 0:
            message = f"the JSON ends {after} (column {self.column() + 1})"
            raise refusal("truncated", message, self.place(), hint="the file is not complete")
        if found not in wanted:
            words = " or ".join(repr(chr(byte)) for byte in wanted)
            message = f"expected {words} {after}, found {chr(found)!r} (column {self.column() + 1})"
            raise refusal("not-json", message, self.place(), hint="the rest of the file is not read")
        self.at += 1
        return found

    def value(self) -> bytes | None:
        """
        The bytes of the value that begins here, also if the text ends within it; None if there are too many.

        Only strings and one kind of bracket are looked at: whether it is JSON is the parser's business.
        """
        parts: list[bytes] = []
        size = 0
        for part in self._scan():
            size += len(part)
            if size > self.limit:
                parts.clear()
            else:
                parts.append(part)
        return None if size > self.limit else b"".join(parts)

    def _scan(self) -> Iterator[bytes]:
        """The value that begins here, in as many parts as there are buffers."""
        opener = self.buffer[self.at]
        outside = _OUTSIDE.get(opener)
        start, depth, in_string, escaped = self.at, 0, opener == ord('"'), False
        # The first byte belongs to the value whatever it is: so every value takes the cursor on.
        self.at += outside is None
        while True:
            self.at += escaped
            escaped = False
            pattern = _INSIDE if in_string else outside or _SCALAR
            end = pattern.match(self.buffer, self.at).end()  # type: ignore[union-attr]  # matches anything
            byte = self.buffer[end] if end < len(self.buffer) else -1
            if byte >= 0 and not in_string and outside is None:
                self.at = end
                break
            if byte >= 0 and (not in_string or byte == ord('"')):
                self.at = end + 1
                if byte == ord('"'):
                    in_string = not in_string
                    ended = outside is None
                else:
                    depth += 1 if byte == opener else -1
                    ended = depth == 0
                if ended:
                    break
                continue
            # The buffer ends within the value; a backslash at its end keeps its meaning.
            escaped = byte >= 0
            self.at = len(self.buffer)
            yield self.buffer[start:]
            start = 0
            if not self.grow():
                return
        yield self.buffer[start : self.at]

    def guess(self) -> tuple[bytes, object] | None:
        """
        The object that begins here, parsed, if it ends where the next seems to begin; None if that cannot be said.

        No JSON object is the beginning of another, so bytes from here on that are one are the one.
        """
        first = _FIRST_KEY.match(self.buffer, self.at)
        if first is None:
            return None
        following = self.buffer.find(first[0], first.end(), self.at + self.limit)
        if following < 0 and len(self.buffer) - self.at < CHUNK and self.grow():
            following = self.buffer.find(first[0], len(first[0]), self.limit)
        raw = self.buffer[self.at : following].rstrip() if following > 0 else b""
        if not raw.endswith(b","):
            return None
        raw = raw[:-1].rstrip()
        try:
            tree = orjson.loads(raw)
        except orjson.JSONDecodeError:
            return None
        self.at += len(raw)
        return raw, tree
