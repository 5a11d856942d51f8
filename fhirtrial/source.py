"""Python source in the making: what the compilers write with."""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Source:
    """Lines of Python, the names they use, and the objects that those names stand for."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}
        self.depth = 0
        self._count = 0
        self._by_id: dict[int, str] = {}

    def add(self, text: str, line: object = None) -> None:
        """One line at the present depth; ``line`` says in a comment which line of a mapping file it comes from."""
        comment = f"  # {line}" if line else ""
        self.lines.append(f"{'    ' * self.depth}{text}{comment}")

    @contextmanager
    def block(self, head: str, line: object = None) -> Iterator[None]:
        """A head (``if …:``) and what is added inside; ``pass`` where nothing is."""
        self.add(head, line)
        before = len(self.lines)
        self.depth += 1
        yield
        if len(self.lines) == before:
            self.add("pass")
        self.depth -= 1

    def fresh(self, stem: str) -> str:
        """A name that nothing else has."""
        self._count += 1
        cleaned = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in stem)
        cleaned = f"_{cleaned}" if cleaned[:1].isdigit() else cleaned
        return f"{cleaned}_{self._count}"

    def name(self, thing: Any, stem: str) -> str:
        """The global name of an object, the same for the same object."""
        if id(thing) not in self._by_id:
            name = self.fresh(stem)
            self.names[name] = thing
            self._by_id[id(thing)] = name
        return self._by_id[id(thing)]

    @property
    def text(self) -> str:
        """The whole source."""
        return "\n".join(self.lines) + "\n"

    def compiled(self, title: str) -> dict[str, Any]:
        """The names after running the source; tracebacks and debuggers show its lines under ``title``."""
        text = self.text
        names = dict(self.names)
        exec(compile(text, title, "exec"), names)  # the source is made from checked nodes, constants through repr()
        linecache.cache[title] = (len(text), None, text.splitlines(keepends=True), title)
        return names


def literal(value: Any) -> str:
    """
    A JSON value as Python source.

    >>> literal({"code": "x", "exclude": False})
    "{'code': 'x', 'exclude': False}"
    """
    return repr(value)
