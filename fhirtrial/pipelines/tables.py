"""Writes records as tables into a folder, in as much memory as one of them needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, Literal

import orjson

from fhirtrial.errors import UsageError
from fhirtrial.issue import nearest
from fhirtrial.layout import Layout
from fhirtrial.pipelines.output import File
from fhirtrial.readers.tables.form import ENDINGS
from fhirtrial.record import Record
from fhirtrial.writers.csv_text import csv_lines
from fhirtrial.writers.dataset_json import dsjc_parts, json_parts, ndjson_parts
from fhirtrial.writers.sheet import Sheet, sheets

Form = Literal["csv", "json", "ndjson", "dsjc"]
FORMS: dict[str, Callable[..., Iterator[bytes]] | None] = {
    "csv": None,
    "json": json_parts,
    "ndjson": ndjson_parts,
    "dsjc": dsjc_parts,
}
"""The forms of tables by the ending of their files: CSV, and those of Dataset-JSON 1.1."""

_IN_MEMORY = 1 << 20


class TableFolder:
    """
    A folder for the tables of records; see `TableFolder.write`.

    Args:
        path: the folder; it is made if there is none.
        layout: the tables of the registry.
        form: one of FORMS.
        created: the date and time that Dataset-JSON gives as that of its making, as in ``2026-01-31T12:00:00Z``.

    Raises UsageError for an unknown form, a missing time, and a folder that has one of the tables in another form:
    nothing would say which of the two counts.

    """

    def __init__(self, path: str | os.PathLike[str], layout: Layout, *, form: str = "csv", created: str = "") -> None:
        if form not in FORMS:
            hint = nearest(form, FORMS) or f"known: {', '.join(FORMS)}"
            raise UsageError(f"{form!r} is no form of tables; {hint}")
        if form != "csv" and not created:
            raise UsageError(
                "Dataset-JSON says when it was made: tell it, as in --created 2026-01-31T12:00:00Z; it is taken from "
                "no clock, so that the same input gives the same bytes"
            )
        self.path = Path(path)
        self.layout = layout
        self.form = form
        self.created = created
        prefix = layout.supplements.prefix if layout.supplements else ""
        names = [dataset.file for dataset in layout.datasets.values()]
        self.names = {*names, *(prefix + name for name in names if prefix)}
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            found = sorted(entry.name for entry in os.scandir(self.path))
        except OSError as error:
            raise UsageError(f"{path}: no such folder can be made: {error.strerror or error}") from error
        for name in found:
            stem, _, ending = name.lower().removesuffix(".gz").rpartition(".")
            if stem in self.names and ending in ENDINGS and name != f"{stem}.{form}":
                raise UsageError(f"{path}: there is {name} already, in another form: name a folder without such tables")

    def write(self, records: Iterable[Record]) -> None:
        """Writes the tables of records. They get their names when all is done; older ones of this form go."""
        made: list[File] = []
        waiting: list[SpooledRows] = []

        def rows() -> SpooledRows:
            waiting.append(SpooledRows())
            return waiting[-1]

        try:
            for sheet in sheets(records, self.layout, rows):
                made.append(file := File(self.path / f"{sheet.name}.{self.form}"))
                for part in self._parts(sheet):
                    file.write_lines("", part)
            for file in made:
                file.finish()
        except BaseException:
            for file in made:
                file.discard()
            raise
        finally:
            for each in waiting:
                each.close()
        for name in self.names - {file.path.stem for file in made}:
            (self.path / f"{name}.{self.form}").unlink(missing_ok=True)

    def _parts(self, sheet: Sheet) -> Iterator[bytes]:
        parts = FORMS[self.form]
        return csv_lines(sheet) if parts is None else parts(sheet, created=self.created)


class SpooledRows:
    """Rows that wait on disk when they are many; they can be gone through again and again."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self._count = 0
        self._is_read = False

    def append(self, row: dict[str, Any]) -> None:
        """Takes a row."""
        if self._is_read:  # only then: what is written after a seek goes to the disk at once, piece by piece
            self._file.seek(0, os.SEEK_END)
            self._is_read = False
        self._file.write(orjson.dumps(row) + b"\n")
        self._count += 1

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self._file.seek(0)
        self._is_read = True
        yield from map(orjson.loads, self._file)

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        """Gives the memory and the disk space back."""
        self._file.close()
