"""A table as a file holds it: the names of its columns, and its rows one by one, not yet looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class BadRow(NamedTuple):
    """A row that is none, and why; ``number`` is its line or its place among the rows, from 1."""

    number: int
    code: str
    message: str
    hint: str = ""


Row = tuple[int, Sequence[Any]]
"""A row: the line it begins on, or its place among the rows; and its values, in the order of the columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """
    A table of a file.

    ``columns`` is None where each row is an object with its own names; its values are then one dict. ``numeric`` says
    of a column whether the file holds it as numbers, where the file says so. ``by_line`` tells what rows are counted
    in: the lines of a text, or the rows themselves. ``decimal_comma`` says how numbers are written in it.
    """

    file: str
    columns: tuple[str, ...] | None
    rows: Iterator[Row | tuple[int, dict[str, Any]] | BadRow]
    by_line: bool
    numeric: Mapping[str, bool] = field(default_factory=dict)
    decimal_comma: bool = False

    def place(self, number: int) -> str:
        """
        Where a row stands, as issues write it.

        >>> Table(file="ex.csv", columns=(), rows=iter(()), by_line=True).place(7)
        'ex.csv:7'
        >>> Table(file="ex.xpt", columns=(), rows=iter(()), by_line=False).place(7)
        'ex.xpt, row 7'
        """
        return f"{self.file}:{number}" if self.by_line else f"{self.file}, row {number}"
