"""Reads participants' data, which comes as tables: SDTM datasets, and rosters of those who have none."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fhirtrial.issue import Issue
from fhirtrial.layout import Layout
from fhirtrial.readers.options import TableOptions
from fhirtrial.readers.source import Found, Reader, Reading, Stream, refusal
from fhirtrial.readers.tables.assembly import Assembly
from fhirtrial.readers.tables.folder import REGISTRIES, folder, head_in, is_table, kind_of_folder
from fhirtrial.record import Origin

__all__ = ["REGISTRIES", "head_in", "is_table", "kind", "tables"]


def kind(names: list[str], head: Callable[[str], bytes], options: TableOptions) -> str:
    """The registry whose tables a folder holds, by the names and first bytes of its files; empty if it holds none."""
    return kind_of_folder(names, head, {registry: options.layout(registry) for registry in REGISTRIES})


def tables(registry: str) -> Reader:
    """The reader of a folder with tables of that registry: one record for each subject, and one for the study."""

    def reader(stream: Stream, reading: Reading) -> Iterator[Found]:
        if not stream.folder:
            hint = "a study is a folder, with one file for each of its tables"
            raise refusal("not-a-folder", f"{registry} is read from a folder", stream.origin, hint=hint)
        yield from _records(stream.folder, reading.tables.layout(registry), reading)

    return reader


def _records(path: str, layout: Layout, reading: Reading) -> Iterator[Found]:
    layouts = {layout.registry: layout}
    if layout.before:
        layouts = {layout.before: reading.tables.layout(layout.before), **layouts}
    found = folder(path, layouts)
    yield from found.issues
    for registry, each in layouts.items():
        files = found.tables[registry]
        if each.root and not any(file.name == each.root and not file.supplements for file in files):
            yield _no_root(path, each)
        elif files:
            yield from Assembly(each, files, reading)


def _no_root(path: str, layout: Layout) -> Issue:
    root = layout.datasets[layout.root]
    message = f"there is no file {root.file}.* ({root.label}): nothing says which subjects there are"
    return refusal("missing-dataset", message, Origin(file=path)).issue
