"""From the tables of a folder to its records: rows are checked, sorted by record on disk, and put together."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import orjson

from fhirtrial.errors import InputError
from fhirtrial.issue import Issue
from fhirtrial.layout import Dataset, Layout, Variable
from fhirtrial.readers.lines import too_large
from fhirtrial.readers.source import Found, Piece, Reading
from fhirtrial.readers.tables.checked_rows import CheckedRows
from fhirtrial.readers.tables.complaints import Complaints
from fhirtrial.readers.tables.spool import Numbered, Spool
from fhirtrial.readers.tables.supplements import attach
from fhirtrial.readers.tables.table import Table
from fhirtrial.readers.tables.table_file import TableFile
from fhirtrial.record import Origin
from fhirtrial.row_order import in_order


class Assembly:
    """
    The records of one kind in some files.

    Args:
        layout: what ties the tables together.
        files: at most one for each dataset and each supplement.
        reading: the limits and options.

    """

    def __init__(self, layout: Layout, files: Sequence[TableFile], reading: Reading) -> None:
        self.layout = layout
        self.reading = reading
        # The root first: its rows say which records there are.
        self.files = sorted(files, key=lambda file: file.name != layout.root or file.supplements)
        self.tables: dict[int, Table] = {}
        self.numbers: dict[str, int] = {}
        self.first: dict[int, int] = {}
        self.disordered: set[str] = set()
        self.complaints: dict[int, Complaints] = {}

    def __iter__(self) -> Iterator[Found]:
        with Spool() as spool:
            for part, file in enumerate(self.files):
                yield from self._take(file, part, spool)
            names = list(self.numbers)
            try:
                for number, parts in spool.records(self.reading.limits.record):
                    yield from self._record(names[number], parts)
            except InputError as error:
                yield error.issue
            for complaints in self.complaints.values():
                yield from complaints.rest()

    # ------------------------------------------------------------------------------------------- table by table

    def _variables(self, file: TableFile) -> tuple[dict[str, Variable], tuple[str, ...]]:
        """The columns that a file may have, and those that it must have."""
        dataset = self.layout.datasets[file.name]
        tied = {variable.name: variable for variable in self.layout.tied(dataset)}
        supplements = self.layout.supplements
        if not file.supplements or supplements is None:
            return tied | dict(dataset.variables), (self.layout.key,)
        key = {name: variable for name, variable in self.layout.tied_names.items() if name != self.layout.domain}
        return key | dict(supplements.variables), (self.layout.key,)

    def _take(self, file: TableFile, part: int, spool: Spool) -> Iterator[Issue]:
        """Checks the rows of a file and puts them aside; gives what is wrong with them."""
        try:
            variables, needed = self._variables(file)
            with file.opened(self.reading, variables) as table:
                self.tables[part] = table
                complaints = Complaints(table, file.title)
                rows = CheckedRows(
                    table,
                    variables,
                    needed=needed,
                    layout=self.layout,
                    complaints=complaints,
                    labels=file.labels,
                )
                yield from self._put_aside(file, part, rows, spool, complaints)
        except InputError as error:
            yield error.issue

    def _put_aside(
        self, file: TableFile, part: int, rows: CheckedRows, spool: Spool, complaints: Complaints
    ) -> Iterator[Issue]:
        layout, numbers = self.layout, self.numbers
        is_root = file.name == layout.root and not file.supplements
        domain = "" if file.supplements else layout.domain
        expected = layout.domain_of(layout.datasets[file.name])
        orphans: dict[str, list[int]] = {}
        for item in rows:
            if isinstance(item, Issue):
                yield item
                continue
            place, row = item
            key = row.get(layout.key)
            if key is None:
                yield from complaints.refused(place, "missing-key", f"there is no {layout.key}", column=layout.key)
                continue
            if domain and row.get(domain, expected) != expected:
                message = f"{domain} is {row[domain]!r} in the dataset {expected}"
                yield from complaints.refused(place, "wrong-domain", message, column=domain, record=key)
                continue
            number = numbers.get(key)
            if is_root:
                if number is not None:
                    first = complaints.table.place(self.first[number])
                    message = f"{layout.key} {key!r} stands there twice, first at {first}"
                    yield from complaints.refused(place, "duplicate-row", message, column=layout.key, record=key)
                    continue
                number = numbers[key] = len(numbers)
                self.first[number] = place
            elif number is None:
                if layout.root:
                    orphans.setdefault(key, [place, 0])[1] += 1
                    continue
                number = numbers[key] = len(numbers)
            if not is_root:
                del row[layout.key]
                if domain:
                    row.pop(domain, None)
            spool.add(number, part, place, row)
        for key, (place, count) in orphans.items():
            kept = f"{count} rows are" if count > 1 else "the row is"
            root = layout.datasets[layout.root].file
            message = f"{layout.key} {key!r} has no row in {root} that can be used: {kept} not carried"
            yield complaints.issue("error", "orphan-row", message, place, "", key)

    # ------------------------------------------------------------------------------------------ record by record

    def _record(self, key: str, parts: dict[int, list[Numbered]] | None) -> Iterator[Found]:
        layout = self.layout
        root = next((part for part, file in enumerate(self.files) if self._is_root(file)), -1)
        origin = self._origin(root, parts[root][0][0] if parts and root in parts else 0)
        if parts is None:
            yield too_large(origin, self.reading.limits)
            return
        if layout.root and root not in parts:
            return
        tree: dict[str, Any] = {} if layout.root else {layout.key: key}
        shared = {name: parts[root][0][1].get(name) for name in layout.shared} if layout.root else {}
        supplements: list[tuple[int, int, dict[str, Any]]] = []
        by_name: dict[str, list[dict[str, Any]]] = {}
        for part, rows in parts.items():
            file = self.files[part]
            kept: list[tuple[int, dict[str, Any]]] = []
            for place, row in rows:
                if part != root and (wrong := _disagrees(row, shared)):
                    yield from self._complaints(part).refused(place, "wrong-study", wrong, record=key)
                elif file.supplements:
                    supplements.append((part, place, row))
                else:
                    kept.append((place, row))
            if not file.supplements:
                dataset = layout.datasets[file.name]
                by_name[file.name] = yield from self._in_order(kept, dataset, part, key)
        for part, place, row in supplements:
            if why := attach(row, by_name, layout, self.files[part].name):
                yield from self._complaints(part).refused(place, "orphan-row", why, record=key)
        for name, dataset in layout.datasets.items():
            if found := by_name.get(name):
                tree[name] = found if dataset.is_list else found[0]
        yield Piece(origin=origin, raw=orjson.dumps(tree), registry=layout.registry)

    def _in_order(
        self, rows: list[tuple[int, dict[str, Any]]], dataset: Dataset, part: int, key: str
    ) -> Generator[Issue, None, list[dict[str, Any]]]:
        """The rows in the order of their sequence numbers, each number once; gives what is wrong with them."""
        sequence = dataset.sequence
        seen: dict[Any, int] = {}
        found: list[dict[str, Any]] = []
        for place, row in rows:
            number = row.get(sequence) if sequence else None
            if number is not None:
                if number in seen:
                    first = self.tables[part].place(seen[number])
                    message = f"{sequence} {number} stands there twice, first at {first}"
                    complaints = self._complaints(part)
                    yield from complaints.refused(place, "duplicate-row", message, column=sequence, record=key)
                    continue
                seen[number] = place
            found.append(row)
        by = dataset.order or ((sequence,) if sequence else ())
        put = in_order(found, by) if by else found
        if any(one is not other for one, other in zip(found, put, strict=True)):
            yield from self._put_in_order(dataset, by, part, rows[0][0], key)
        return put

    def _put_in_order(self, dataset: Dataset, by: tuple[str, ...], part: int, place: int, key: str) -> Iterator[Issue]:
        """Says, once for a dataset, that its rows were not in order."""
        if dataset.name not in self.disordered:
            self.disordered.add(dataset.name)
            message = f"the rows are not in the order of {' and '.join(by)}: they are put into it"
            yield self._complaints(part).issue("information", "sorted", message, place, by[0], key)

    def _is_root(self, file: TableFile) -> bool:
        return file.name == self.layout.root and not file.supplements

    def _origin(self, root: int, number: int) -> Origin:
        table = self.tables.get(root) or next(iter(self.tables.values()))
        return Origin(file=table.file, line=number if table.by_line else 0)

    def _complaints(self, part: int) -> Complaints:
        """What is said about the rows of a file when they are put together."""
        if part not in self.complaints:
            self.complaints[part] = Complaints(self.tables[part], self.files[part].title)
        return self.complaints[part]


def _disagrees(row: dict[str, Any], shared: dict[str, Any]) -> str:
    """What a row says otherwise than the root row; empty if nothing. What both say is taken out of it."""
    for name, value in shared.items():
        own = row.pop(name, None)
        if own is not None and own != value:
            return f"{name} is {own!r}, where the record has {value!r}" if value else f"{name} is {own!r} here only"
    return ""
