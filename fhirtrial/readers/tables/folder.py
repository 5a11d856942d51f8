"""A folder of tables: which registry's they are, which file holds which dataset, and what is passed over."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from fhirtrial.errors import InputError
from fhirtrial.issue import Issue
from fhirtrial.layout import Layout
from fhirtrial.readers.archive import lies_beside, passed_over, unopened, why_below_tables
from fhirtrial.readers.source import refusal
from fhirtrial.readers.tables.define import NOTHING, Define, read_define
from fhirtrial.readers.tables.form import ENDINGS
from fhirtrial.readers.tables.table_file import TableFile
from fhirtrial.record import Origin

REGISTRIES = ("sdtm", "roster")
"""The registries whose records come as tables, in the order in which a folder is asked for their root."""

DEFINE = "define.xml"

_NAME = re.compile(rf"(?P<stem>.+?)\.(?P<ending>{'|'.join(ENDINGS)})(?:\.gz)?", re.IGNORECASE)
_STUDY = b'"protocolSection"'
_HEAD = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The files of a folder: those with tables by registry, and what is to be said about the others."""

    tables: Mapping[str, list[TableFile]]
    issues: tuple[Issue, ...]


def is_table(name: str) -> bool:
    """Whether a file of that name may be one of tables, or says what is in them."""
    return name.lower() == DEFINE or _NAME.fullmatch(name) is not None


def kind_of_folder(names: list[str], head: Callable[[str], bytes], layouts: Mapping[str, Layout]) -> str:
    """
    The registry whose tables a folder holds; empty if it holds none. ``head`` gives the first bytes of a file.

    The folder has the table that the registry's records begin with, and that is no file of studies.
    """
    stems = {match["stem"].lower(): name for name in names if (match := _NAME.fullmatch(name))}
    for registry, layout in layouts.items():
        name = stems.get(layout.datasets[layout.root].file)
        if name is not None and _STUDY not in head(name):
            return registry
    return ""


def head_in(path: str) -> Callable[[str], bytes]:
    """What gives the first bytes of the files of a folder; none of those that cannot be read."""

    def head(name: str) -> bytes:
        try:
            with (Path(path) / name).open("rb") as file:
                return file.read(_HEAD)
        except OSError:
            return b""

    return head


def folder(path: str, layouts: Mapping[str, Layout]) -> Folder:
    """
    What the files of a folder are, for the registries of ``layouts``. Its define.xml is read for the labels of columns.

    Raises InputError if the folder cannot be listed, or if two files hold one dataset: nothing says which is right.
    """
    tables: dict[str, list[TableFile]] = {registry: [] for registry in layouts}
    issues: list[Issue] = []
    places: defaultdict[str, list[str]] = defaultdict(list)
    names = []
    for name, why in sorted(_entries(path)):
        if why:
            issues.append(passed_over(Origin(file=str(Path(path) / name)), why))
        else:
            names.append(name)
    define = NOTHING
    for name in names:
        if name.lower() == DEFINE:
            try:
                define = read_define(str(Path(path) / name))
            except InputError as error:
                # The tables can be read without it.
                issues.append(replace(error.issue, severity="warning"))
    for name in names:
        place = str(Path(path) / name)
        if name.lower() == DEFINE:
            continue
        registry, file = _table(name, place, layouts, define)
        if file is not None:
            tables[registry].append(file)
            places[file.title].append(place)
        elif lies_beside(name):
            issues.append(passed_over(Origin(file=place), "it lies beside the tables"))
        else:
            issues.append(passed_over(Origin(file=place), "it is no table that is carried"))
    for title, files in places.items():
        if len(files) > 1:
            both = " and ".join(Path(file).name for file in files)
            message = f"the dataset {title} is there {len(files)} times: {both}"
            raise refusal("duplicate-dataset", message, Origin(file=path), hint="one folder holds each dataset once")
    return Folder(tables=tables, issues=tuple(issues))


def _entries(path: str) -> Iterator[tuple[str, str]]:
    """The names in a folder, and why one is passed over that is no file."""
    try:
        for entry in os.scandir(path):
            if entry.is_file():
                yield entry.name, ""
            else:
                yield entry.name, why_below_tables(entry.name) if entry.is_dir() else "it is no file"
    except OSError as error:
        raise unopened(path, error) from error


def _table(name: str, place: str, layouts: Mapping[str, Layout], define: Define) -> tuple[str, TableFile | None]:
    match = _NAME.fullmatch(name)
    stem = match["stem"].lower() if match else ""
    own = define.labels.get(stem, {})
    for registry, layout in layouts.items():
        if dataset := layout.by_file.get(stem):
            return registry, TableFile(path=place, name=dataset.name, title=stem, labels=own)
        supplements = layout.supplements
        if supplements and stem.startswith(supplements.prefix):
            of = stem.removeprefix(supplements.prefix)
            if dataset := layout.datasets.get(of):
                file = TableFile(path=place, name=dataset.name, title=stem, supplements=True, labels=own)
                return registry, file
    return "", None
