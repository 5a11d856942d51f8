"""What is told about participants' data besides the data: the study's record, and what is not to be handed on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path

from fhirtrial.errors import InputError, UsageError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.layout import Layout
from fhirtrial.pseudonyms import Identifying, Pseudonyms
from fhirtrial.readers import Source, find
from fhirtrial.readers.json_study import record as record_of
from fhirtrial.readers.options import TableOptions
from fhirtrial.readers.source import Limits, Piece
from fhirtrial.record import Record
from fhirtrial.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """What of participants' data is not handed on: their ids (with ``pseudonyms``), sex, race and ethnicity."""

    pseudonyms: Pseudonyms | None = None
    sex: bool = True
    race: bool = True

    @property
    def without(self) -> tuple[str, ...]:
        """What is left out, as a Mapper takes it."""
        return (*(() if self.sex else ("sex",)), *(() if self.race else ("race",)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Participants:
    """
    What is told about participants' data.

    Args:
        study: a source, as `read` takes it, with the one record of the study that they take part in.
        study_too: False makes resources of the participants only, and none of the study.
        privacy: what is not handed on.
        us_core_race: race and ethnicity are on the Patient as well, as US Core has them.
        zone: the time zone of times that say none, as a Mapper takes it.
        encoding: that of CSV and SAS transport files; UTF-8 if empty.
        decimal_comma: in tables, ``1,5`` is a number.
        explode: single doses are made of intervals, as `Mapper.convert` makes them.

    """

    study: Source | None = None
    study_too: bool = True
    privacy: Privacy = field(default_factory=Privacy)
    us_core_race: bool = False
    zone: str = ""
    encoding: str = ""
    decimal_comma: bool = False
    explode: bool = False

    @property
    def asked(self) -> tuple[str, ...]:
        """What is made besides, as a Mapper takes it."""
        return ("us-core-race",) if self.us_core_race else ()

    def tables(self, mappings: str | None) -> TableOptions:
        """How tables are read, with the layouts of a folder of your own mapping files."""
        return TableOptions(encoding=self.encoding, decimal_comma=self.decimal_comma, layout=layouts(mappings))


def layouts(mappings: str | None) -> Callable[[str], Layout]:
    """The layouts of registries' tables by name, each read once."""
    files = MappingFiles(None if mappings is None else Path(mappings))

    @cache
    def layout(registry: str) -> Layout:
        return Layout.load(files, registry)

    return layout


def the_study(source: Source, schema: Schema) -> tuple[Piece, Record]:
    """
    The one record of a study in a source, as it was found and as it was read.

    Raises UsageError if there is none, or more than one, or if it is no study; InputError if it cannot be read.
    """
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else "(not a path)"
    pieces: list[Piece] = []
    for found in islice(_found(source), 2):
        if found.registry:
            raise UsageError(f"--study {name}: these are participants' data, where a study's record is wanted")
        pieces.append(found)
    if len(pieces) != 1:
        records = [record_of(piece, schema) for piece in pieces]
        names = " and ".join(record.id for record in records if isinstance(record, Record))
        count = f"more than one record: {names}, …" if pieces else "no record"
        raise UsageError(f"--study {name}: there is {count}; the record of one study is wanted")
    record = record_of(pieces[0], schema, whole=False)
    if isinstance(record, Issue):
        raise InputError(record)
    return pieces[0], record


def _found(source: Source) -> Iterator[Piece]:
    for found in find(source, None, Limits()):
        if isinstance(found, Piece):
            yield found
        elif found.severity == "error":
            raise InputError(found)


@cache
def identifying(mappings: str | None, registry: str) -> Identifying | None:
    """What identifies a person in records of a registry; None if nothing does."""
    return Identifying.load(MappingFiles(None if mappings is None else Path(mappings)), registry)
