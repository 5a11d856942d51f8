"""How the rows of several tables make one record: which table is its root, and what ties the others to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A column of a table: its name, its type in schema.json, and what it says in words."""

    name: str
    type: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """
    A table: ``name`` as the record has it, ``file`` as the file is called, without its ending.

    ``is_list`` is False for the root, of which each record has one row. ``keys`` are the columns that tell the rows of
    one record apart, ``sequence`` the one that numbers them (they are in its order if it is a number), ``order`` those
    by which they stand in order where none does; empty where there is none.
    """

    name: str
    file: str
    label: str
    is_list: bool
    variables: Mapping[str, Variable]
    keys: tuple[str, ...]
    sequence: str
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplements:
    """
    Tables whose rows qualify rows of others, as SUPP-- does in SDTM.

    A file ``prefix`` + dataset qualifies that dataset; ``domain``, ``variable`` and ``value`` are its columns that say
    which row, ``name`` the one that names the qualifier, ``place`` the list in that row where the qualifiers go.
    """

    prefix: str
    domain: str
    variable: str
    value: str
    name: str
    place: str
    variables: Mapping[str, Variable]


class Layout:
    """
    The tables of a registry, from the members ``tables`` and ``fields`` of its schema.json.

    ``key`` is the column whose value is the record's id; ``shared`` are columns that all rows of a record have in
    common, ``domain`` the one that names the table itself: they stand once, in the root row.

    >>> layout = Layout.load(MappingFiles(), "sdtm")
    >>> layout.root, layout.key, layout.datasets["ex"].sequence
    ('dm', 'USUBJID', 'EXSEQ')
    """

    def __init__(self, schema: Schema, tables: Mapping[str, Any]) -> None:
        self.schema = schema
        self.registry = schema.registry
        self.root: str = tables.get("root", "")
        self.key: str = tables["key"]
        self.shared: tuple[str, ...] = tuple(tables.get("shared", ()))
        self.domain: str = tables.get("domain", "")
        self.before: str = tables.get("before", "")
        self.words: Mapping[str, bool] = {
            word: value == "true" for value, words in tables.get("words", {}).items() for word in words
        }
        above = schema.tree.get(self.root, {}).get("fields", schema.tree)
        labels = {name: field.get("label", "") for name, field in above.items()} | tables.get("labels", {})
        self.tied_names: dict[str, Variable] = {
            name: Variable(name=name, type=above.get(name, {}).get("type", "text"), label=labels.get(name, ""))
            for name in (*self.shared, self.domain, self.key)
            if name
        }
        place = tables.get("supplements", {}).get("as", "")
        self.datasets: dict[str, Dataset] = {
            name: self._dataset(name, entry, place)
            for name, entry in schema.tree.items()
            if "fields" in entry and not entry.get("beside")  # what is put beside a record comes from no table
        }
        self.supplements = self._supplements(tables["supplements"]) if place else None

    @classmethod
    def load(cls, files: MappingFiles, registry: str) -> Layout:
        """The layout of a registry. Raises MappingError if it has no tables, or a file says something it must not."""
        schema = Schema.load(files, registry)
        if schema.tables is None:
            raise MappingError("'tables' is missing: nothing says how rows make a record", file=schema.file)
        try:
            return cls(schema, schema.tables)
        except KeyError as error:
            raise MappingError(f"tables: {error} is missing", file=schema.file) from error

    @cached_property
    def by_file(self) -> Mapping[str, Dataset]:
        """The datasets by the names of their files."""
        return {dataset.file: dataset for dataset in self.datasets.values()}

    def tied(self, dataset: Dataset) -> Iterator[Variable]:
        """The columns of a dataset that its rows have in common with the record's root, in their usual order."""
        if dataset.is_list:
            yield from self.tied_names.values()

    def domain_of(self, dataset: Dataset) -> str:
        """What stands in the rows of a dataset where they name it themselves."""
        return dataset.name.upper()

    def _dataset(self, name: str, entry: Mapping[str, Any], place: str) -> Dataset:
        variables = {
            column: Variable(name=column, type=field["type"], label=field.get("label", ""))
            for column, field in entry["fields"].items()
            if column != place
        }
        return Dataset(
            name=name,
            file=entry.get("file", name),
            label=entry.get("label", ""),
            is_list=entry.get("list", False),
            variables=variables,
            keys=tuple(entry.get("keys", ())),
            sequence=entry.get("sequence", ""),
            order=tuple(entry.get("order", ())),
        )

    def _supplements(self, entry: Mapping[str, str]) -> Supplements:
        fields = self.schema.tree[self.root]["fields"][entry["as"]]["fields"]
        columns = {entry["domain"]: ("text", entry.get("label", ""))}
        columns |= {name: (field["type"], field.get("label", "")) for name, field in fields.items()}
        return Supplements(
            prefix=entry["prefix"],
            domain=entry["domain"],
            variable=entry["variable"],
            value=entry["value"],
            name=entry["name"],
            place=entry["as"],
            variables={name: Variable(name=name, type=kind, label=label) for name, (kind, label) in columns.items()},
        )
