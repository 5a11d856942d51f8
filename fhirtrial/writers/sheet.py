"""The tables that records make: for each dataset its columns and its rows, as they stood before they were joined."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from fhirtrial.layout import Dataset, Layout, Variable
from fhirtrial.record import Record


class Rows(Protocol):
    """Rows that can be gone through more than once; a list, or what reads them from elsewhere."""

    def __iter__(self) -> Iterator[dict[str, Any]]: ...

    def __len__(self) -> int: ...

    def append(self, row: dict[str, Any], /) -> None:
        """Takes a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """
    A table to be written.

    ``name`` is that of its file, without ending; ``label`` says what it holds. ``keys`` are the columns that tell its
    rows apart. Rows lack what is missing in them. ``met`` are the columns that rows had when they were appended.
    """

    name: str
    label: str
    variables: Mapping[str, Variable]
    keys: tuple[str, ...]
    rows: Rows = field(default_factory=list[dict[str, Any]])
    met: set[str] = field(default_factory=set)

    def append(self, row: dict[str, Any]) -> None:
        """Takes a row."""
        self.rows.append(row)
        self.met.update(row)

    @property
    def columns(self) -> list[Variable]:
        """The columns that have a value in some row, in their usual order."""
        present = self.met or {name for row in self.rows for name in row}
        return [variable for name, variable in self.variables.items() if name in present]

    @property
    def lengths(self) -> dict[str, int]:
        """How long the longest text of each column is."""
        found: dict[str, int] = {}
        for row in self.rows:
            for name, value in row.items():
                if isinstance(value, str) and len(value) > found.get(name, 0):
                    found[name] = len(value)
        return found


def sheets(records: Iterable[Record], layout: Layout, rows: Callable[[], Rows] = list[dict[str, Any]]) -> list[Sheet]:
    """
    The tables of records, each with the rows of all of them; without those that would have no row.

    ``rows`` makes what takes the rows of a table.

    What was said once for a whole record stands in each row again, and supplements are tables of their own.

    >>> from fhirtrial.files import MappingFiles
    >>> record = Record(registry="sdtm", id="1", data={"dm": {"STUDYID": "S", "USUBJID": "1"}, "ex": [{"EXSEQ": 1}]})
    >>> [sheet.rows for sheet in sheets([record], Layout.load(MappingFiles(), "sdtm"))]
    [[{'STUDYID': 'S', 'USUBJID': '1'}], [{'STUDYID': 'S', 'DOMAIN': 'EX', 'USUBJID': '1', 'EXSEQ': 1}]]
    """
    main = {name: _sheet(dataset, layout, rows()) for name, dataset in layout.datasets.items()}
    beside = {
        name: _supplements(dataset, layout, rows()) for name, dataset in layout.datasets.items() if layout.supplements
    }
    place = layout.supplements.place if layout.supplements else ""
    for record in records:
        root = record.data.get(layout.root, record.data)
        said = {name: root[name] for name in (*layout.shared, layout.key) if name in root}
        for name, dataset in layout.datasets.items():
            value = record.data.get(name)
            for row in value if isinstance(value, list) else [value] if value else ():
                plain = {column: cell for column, cell in row.items() if column != place}
                main[name].append(_tied(dataset, said, layout) | plain)
                for supplement in row.get(place, ()):
                    beside[name].append(_supplement(supplement, row, dataset, said, layout))
    return [sheet for sheet in (*main.values(), *beside.values()) if len(sheet.rows)]


def _sheet(dataset: Dataset, layout: Layout, rows: Rows) -> Sheet:
    tied = {variable.name: variable for variable in layout.tied(dataset)}
    once = () if layout.root and not dataset.is_list else dataset.keys
    return Sheet(
        name=dataset.file,
        label=dataset.label,
        variables=tied | dict(dataset.variables),
        keys=(*_common(layout), *once),
        rows=rows,
    )


def _supplements(dataset: Dataset, layout: Layout, rows: Rows) -> Sheet:
    supplements = layout.supplements
    assert supplements is not None
    all_tied = {name: variable for name, variable in layout.tied_names.items() if name != layout.domain}
    key = all_tied.pop(layout.key)
    own = dict(supplements.variables)
    variables = all_tied | {supplements.domain: own.pop(supplements.domain), layout.key: key} | own
    where = (supplements.domain, supplements.variable, supplements.value, supplements.name)
    return Sheet(
        name=supplements.prefix + dataset.file,
        label=f"Supplemental Qualifiers for {dataset.name.upper()}",
        variables=variables,
        keys=(*_common(layout), *where),
        rows=rows,
    )


def _common(layout: Layout) -> Iterator[str]:
    yield from (*layout.shared, layout.key)


def _tied(dataset: Dataset, said: dict[str, Any], layout: Layout) -> dict[str, Any]:
    values = said | ({layout.domain: layout.domain_of(dataset)} if layout.domain else {})
    return {variable.name: values[variable.name] for variable in layout.tied(dataset) if variable.name in values}


def _supplement(
    supplement: dict[str, Any], row: dict[str, Any], dataset: Dataset, said: dict[str, Any], layout: Layout
) -> dict[str, Any]:
    supplements = layout.supplements
    assert supplements is not None
    leads: dict[str, Any] = {supplements.domain: layout.domain_of(dataset)}
    if supplements.variable not in supplement and dataset.sequence in row:
        leads |= {supplements.variable: dataset.sequence, supplements.value: str(row[dataset.sequence])}
    return said | leads | supplement
