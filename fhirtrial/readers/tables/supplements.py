"""Puts the rows of SUPP-- into the rows that they qualify (SDTMIG 8.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fhirtrial.layout import Dataset, Layout, Supplements
from fhirtrial.readers.tables.cells import WrongCell, cell_of, text

Rows = Mapping[str, list[dict[str, Any]]]
"""The rows of one record by dataset."""


def attach(row: dict[str, Any], rows: Rows, layout: Layout, prefix_of: str) -> str:
    """
    Puts a supplement into the row that it qualifies; why it cannot be, else nothing.

    The columns that lead to that row are taken out where they say what follows anyhow: none for the root, the sequence
    number for the others. ``prefix_of`` is the dataset that its file is named after.
    """
    supplements = layout.supplements
    assert supplements is not None
    named = row.pop(supplements.domain, "")
    dataset = layout.datasets.get((named or prefix_of).lower())
    if dataset is None:
        return f"{supplements.domain} is {named!r}, which is no dataset that is carried"
    for target in _qualified(row, rows.get(dataset.name, ()), dataset, supplements):
        target.setdefault(supplements.place, []).append(row)
        return ""
    variable, value = row.get(supplements.variable), row.get(supplements.value)
    which = f" with {variable} {value}" if variable else ""
    return f"it qualifies a row of {dataset.name}{which}, which there is not"


def _qualified(row: dict[str, Any], among: Any, dataset: Dataset, supplements: Supplements) -> Iterator[dict[str, Any]]:
    """The rows that a supplement qualifies. The row loses the columns that are not needed to find them again."""
    variable, value = row.get(supplements.variable), row.get(supplements.value)
    if variable is None:
        if not dataset.is_list:
            yield from among
        return
    known = dataset.variables.get(variable)
    if known is None or value is None:
        return
    try:
        wanted = cell_of(known.type, noticed=lambda _: None)(value)
    except WrongCell:
        return
    for target in among:
        if target.get(variable) == wanted:
            if variable == dataset.sequence and text(wanted) == value:
                del row[supplements.variable], row[supplements.value]
            yield target
