"""What is said about the rows of one file: each row that is refused, but not a hundred thousand times the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fhirtrial.issue import Issue, Severity
from fhirtrial.readers.tables.table import Table

SAID = 20
"""How many rows are named for one reason; what more there are is counted."""

_ONCE = frozenset({"not-utf-8"})
"""Reasons that lie in the file: the first row is enough."""


class Complaints:
    """The issues about one table. ``name`` is what the record calls it."""

    def __init__(self, table: Table, name: str) -> None:
        self.table = table
        self.name = name
        self._counts: Counter[tuple[str, str]] = Counter()

    def refused(
        self, number: int, code: str, message: str, *, column: str = "", record: str = "", hint: str = ""
    ) -> Iterator[Issue]:
        """The issue that a row is not carried; none if enough have been named for that reason."""
        self._counts[code, column] += 1
        if self._counts[code, column] <= (1 if code in _ONCE else SAID):
            yield self.issue("error", code, f"{message}; the row is not carried", number, column, record, hint)

    def issue(
        self,
        severity: Severity,
        code: str,
        message: str,
        number: int = 0,
        column: str = "",
        record: str = "",
        hint: str = "",
    ) -> Issue:
        """An issue about a row, or about the file if there is no number."""
        return Issue(
            severity=severity,
            code=code,
            message=message,
            record=record,
            place=self.table.place(number) if number else self.table.file,
            path=f"{self.name}.{column}" if column else self.name,
            hint=hint,
        )

    def rest(self) -> Iterator[Issue]:
        """How many more rows there were for each reason."""
        for (code, column), count in self._counts.items():
            more = count - (1 if code in _ONCE else SAID)
            if more > 0:
                rows = f"{more:,} more rows are" if more > 1 else "1 more row is"
                yield self.issue("error", code, f"{rows} not carried for the same reason", 0, column)
