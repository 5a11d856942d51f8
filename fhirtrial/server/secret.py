"""Passwords, tokens and keys: read from the environment or a file, and never shown."""

from __future__ import annotations

import html
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, quote_plus

import orjson

from fhirtrial.errors import UsageError

HIDDEN = "•••"
_SHORTEST = 4
"""Shorter secrets are not blotted out of texts: that would blot out half of every text, and tell what they are."""


class Secret:
    """
    Where a secret is read from: a file, a variable of the environment, or a text that is at hand.

    It is read at once, and again each time it is needed, so that a file which another program keeps fresh stays right.

    >>> Secret.text("open sesame")
    Secret(•••)
    """

    # No dataclass: those are written out, compared and copied by all sorts of tools.
    __slots__ = ("_name", "_read")

    def __init__(self, name: str, read: Callable[[], str]) -> None:
        self._name = name
        self._read = read
        self.reveal()

    @classmethod
    def text(cls, text: str) -> Secret:
        """A secret that the program has, from a vault of its own. Raises UsageError if it is empty."""
        return cls(HIDDEN, lambda: text)

    @classmethod
    def in_file(cls, file: str | os.PathLike[str]) -> Secret:
        """The secret in a file, without the line's end. Raises UsageError if it cannot be read or is empty."""
        return cls(os.fspath(file), lambda: _in_file(os.fspath(file)))

    @classmethod
    def in_environment(cls, variable: str, environment: Mapping[str, str] | None = None) -> Secret:
        """The secret in a variable of the environment. Raises UsageError if that is not set or empty."""
        found = os.environ if environment is None else environment
        return cls(variable, lambda: found.get(variable, ""))

    def reveal(self) -> str:
        """The secret itself. Raises UsageError if it cannot be read any more."""
        text = self._read().strip("\r\n")
        if not text.strip():
            raise UsageError(f"{self._name}: there is no secret in it")
        return text

    def __repr__(self) -> str:
        return f"Secret({self._name})"

    def __reduce__(self) -> NoReturn:
        """A secret is not written anywhere, not even for another process."""
        raise TypeError("a Secret cannot be pickled")


def _in_file(file: str) -> str:
    try:
        return Path(file).read_bytes().decode()
    except OSError as error:
        problem = error.strerror
    except UnicodeDecodeError:
        problem = "not a text in UTF-8"
    # Raised apart from the errors above: that of a decoding holds the bytes.
    raise UsageError(f"{file}: {problem}")


def one_line(text: str, what: str) -> str:
    """
    A secret that may stand in a header. Raises UsageError, without showing it, if it holds a space or is not ASCII.

    The HTTP library would show it: its errors quote the header.
    """
    if not text.isascii() or not text.isprintable() or " " in text:
        raise UsageError(f"{what} holds a space, a line's end or a letter that a header cannot carry")
    return text


def _in_json(text: str) -> str:
    return orjson.dumps(text).decode()[1:-1]


_SPELLINGS: tuple[Callable[[str], str], ...] = (str, quote, quote_plus, html.escape, _in_json)
"""How a text may look where others repeat it."""


def blotted(text: str, secrets: Iterable[str]) -> str:
    """
    A text of others, in which secrets are made unreadable: some servers say what they were sent.

    >>> blotted("no such token: abcd-efgh", ["abcd-efgh"])
    'no such token: •••'
    """
    spelt = {way(each) for each in secrets if len(each) >= _SHORTEST for way in _SPELLINGS}
    for secret in sorted(spelt, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
