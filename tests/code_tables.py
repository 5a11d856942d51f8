"""What the tests of the code tables share: the tables, their rows, and the files that they are compared with."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhirtrial.codes import Table, load_tables
from fhirtrial.files import MappingFiles

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"
TABLES = load_tables(MappingFiles())


def shared(*names: str) -> Path:
    """A file of the folder beside the checkout; skips the test where it is not at hand."""
    file = SHARED.joinpath(*names)
    if not file.exists():
        pytest.skip(f"{'/'.join(names)} is not at hand")
    return file


def records() -> Iterator[dict[str, Any]]:
    """The real records beside the checkout."""
    with gzip.open(shared("corpus", "ctgov", "studies.jsonl.gz")) as lines:
        yield from map(json.loads, lines)


def rows(table: Table) -> list[dict[str, Any]]:
    """The rows of a table as they stand in the file."""
    (group,) = table.resource["group"]
    return list(group["element"])


def targets(table: Table) -> Iterator[tuple[str, dict[str, Any]]]:
    """The registry's code and the target of every row that has one."""
    for row in rows(table):
        for target in row.get("target", ()):
            yield row["code"], target
