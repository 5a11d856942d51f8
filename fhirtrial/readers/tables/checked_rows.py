"""The rows of a table as the record has them: known columns only, values by the types of their variables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from fhirtrial.errors import InputError
from fhirtrial.issue import Issue, nearest
from fhirtrial.layout import Layout, Variable
from fhirtrial.readers.source import refusal
from fhirtrial.readers.tables.cells import Cell, WrongCell, cell_of, text
from fhirtrial.readers.tables.complaints import Complaints
from fhirtrial.readers.tables.table import BadRow, Table
from fhirtrial.record import Origin

Checked = tuple[int, dict[str, Any]]
"""A row: its number and the values of its variables, without those that are missing."""


class CheckedRows:
    """
    The rows of a table.

    Args:
        table: from `open_table`.
        variables: the variables that it may have.
        needed: those that it must have.
        complaints: where what is wrong with single rows is counted.

    Raises InputError if a needed column is missing, or a column stands there twice.

    """

    def __init__(
        self,
        table: Table,
        variables: Mapping[str, Variable],
        *,
        needed: Collection[str],
        layout: Layout,
        complaints: Complaints,
        labels: Mapping[str, str],
    ) -> None:
        self.table = table
        self.variables = variables
        self.layout = layout
        self.complaints = complaints
        self.labels = labels
        self.noticed: list[Issue] = []
        self._unknown: set[str] = set()
        self._rounded: set[str] = set()
        if table.columns is not None:
            self._check_names(table.columns, needed)

    def _check_names(self, columns: tuple[str, ...], needed: Collection[str]) -> None:
        twice = [name for place, name in enumerate(columns) if name and name in columns[:place]]
        origin = Origin(file=self.table.file)
        if twice:
            raise refusal("duplicate-column", f"the column {twice[0]} stands there twice", origin)
        unknown = [name for name in columns if name not in self.variables]
        for name in needed:
            if name not in columns:
                shown = ", ".join(columns[:5]) + (", …" if len(columns) > 5 else "")
                hint = _meant(name, unknown) or f"its columns: {shown}"
                raise refusal("missing-column", f"there is no column {name}", origin, hint=hint)
        for name in unknown:
            self._note_unknown(name)
        for name in columns:
            variable = self.variables.get(name)
            if variable is not None and self.table.numeric.get(name) and variable.type == "text":
                message = f"{name} is a number in the file, and text in {self.layout.registry}: read as text"
                self.noticed.append(self.complaints.issue("information", "column-type", message, 0, name))

    def _note_unknown(self, name: str) -> None:
        if name in self._unknown:
            return
        self._unknown.add(name)
        label = self.labels.get(name, "")
        shown = f"{name!r} ({label})" if label else repr(name)
        message = f"{shown} is no column of {self.complaints.name}, and is not carried"
        hint = nearest(name, self.variables)
        self.noticed.append(self.complaints.issue("warning", "unknown-column", message, 0, name, "", hint))

    def __iter__(self) -> Iterator[Checked | Issue]:
        yield from self.noticed
        self.noticed.clear()
        try:
            yield from self._objects() if self.table.columns is None else self._lists(self.table.columns)
        except InputError as error:
            yield error.issue
        yield from self.complaints.rest()

    def _lists(self, columns: tuple[str, ...]) -> Iterator[Checked | Issue]:
        picked = [
            # None: text, which mostly is what it is.
            (place, name, None if self.variables[name].type == "text" else self._cell(self.variables[name]))
            for place, name in enumerate(columns)
            if name in self.variables
        ]
        width = len(columns)
        for item in self.table.rows:
            if type(item) is BadRow:
                yield from self.complaints.refused(item.number, item.code, item.message, hint=item.hint)
                continue
            number: int = item[0]
            values: Any = item[1]
            if len(values) != width:
                if not any(values):
                    continue
                if len(values) < width or any(values[width:]):
                    cells = "1 cell" if len(values) == 1 else f"{len(values)} cells"
                    message = f"the row has {cells}, where there are {width} columns"
                    yield from self.complaints.refused(number, "ragged-row", message)
                    continue
            row: dict[str, Any] = {}
            try:
                for place, name, cell in picked:
                    value = values[place]
                    if cell is None and type(value) is str:
                        if value:
                            row[name] = value
                    elif value is not None and value != "":
                        made = (cell or text)(value)
                        if made is not None:
                            row[name] = made
            except WrongCell as wrong:
                yield from self._wrong(number, name, wrong, dict(zip(columns, values, strict=False)))
                continue
            if row:
                yield number, row
            if self.noticed:
                yield from self.noticed
                self.noticed.clear()

    def _objects(self) -> Iterator[Checked | Issue]:
        cells = {name: self._cell(variable) for name, variable in self.variables.items()}
        for item in self.table.rows:
            if type(item) is BadRow:
                yield from self.complaints.refused(item.number, item.code, item.message, hint=item.hint)
                continue
            number: int = item[0]
            members: Any = item[1]
            row: dict[str, Any] = {}
            try:
                for name, value in members.items():
                    cell = cells.get(name)
                    if cell is None:
                        self._note_unknown(name)
                        continue
                    made = cell(value)
                    if made is not None:
                        row[name] = made
            except WrongCell as wrong:
                yield from self._wrong(number, name, wrong, members)
                continue
            if row:
                yield number, row
            if self.noticed:
                yield from self.noticed
                self.noticed.clear()

    def _wrong(self, number: int, column: str, wrong: WrongCell, values: Mapping[str, Any]) -> Iterator[Issue]:
        key = values.get(self.layout.key)
        record = key if isinstance(key, str) else ""
        yield from self.complaints.refused(
            number, "wrong-type", wrong.message, column=column, record=record, hint=wrong.hint
        )

    def _cell(self, variable: Variable) -> Cell:
        if variable.type == "text":
            return text

        def noticed(message: str) -> None:
            if variable.name not in self._rounded:
                self._rounded.add(variable.name)
                self.noticed.append(self.complaints.issue("warning", "rounded", message, 0, variable.name))

        return cell_of(
            variable.type,
            decimal_comma=self.table.decimal_comma,
            words=self.layout.words,
            noticed=noticed,
        )


def _meant(name: str, unknown: list[str]) -> str:
    """The hint at the unknown column that may be the missing one."""
    folded = {other.casefold(): other for other in reversed(unknown)}
    found = nearest(name.casefold(), folded).removeprefix("did you mean ").removesuffix("?")
    return f"is {folded[found]!r} meant?" if found in folded else ""
