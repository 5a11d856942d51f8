"""What a Dataset-JSON file says about itself: https://github.com/cdisc-org/DataExchange-DatasetJson"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fhirtrial.readers.source import refusal
from fhirtrial.record import Origin

NUMBERS = frozenset({"integer", "float", "double", "decimal"})
"""The values of ``dataType`` (1.0: ``type``) that are numbers."""

_VERSION = re.compile(r"1\.[01](\.[0-9]+)?")
_SEQUENCE = "ITEMGROUPDATASEQ"
"""The first column of each dataset in 1.0: the number of the row, which is no variable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The columns of a dataset in Dataset-JSON, and how many rows there ought to be (None: it does not say)."""

    columns: tuple[str, ...]
    numeric: dict[str, bool]
    records: int | None
    skipped: int
    """How many values at the beginning of each row belong to no variable."""

    @property
    def width(self) -> int:
        """How many values a row has."""
        return self.skipped + len(self.columns)


def metadata(tree: dict[str, Any], origin: Origin) -> Metadata:
    """
    The metadata in the members of a file: ``columns`` (1.1) or ``items`` (1.0), ``records``, ``datasetJSONVersion``.

    Raises InputError for another version, and for columns without names.
    """
    version = tree.get("datasetJSONVersion")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        found = f"version {version!r} of Dataset-JSON" if version is not None else "Dataset-JSON without its version"
        raise refusal("unknown-version", f"this is {found}", origin, hint="1.0 and 1.1 are read")
    columns = tree.get("columns", tree.get("items"))
    if not isinstance(columns, list) or not columns:
        raise refusal("no-columns", "there are no columns in it", origin)
    names: list[str] = []
    for number, column in enumerate(columns, 1):
        name = column.get("name") if isinstance(column, dict) else None
        if not isinstance(name, str):
            raise refusal("no-columns", f"column {number} has no name", origin)
        names.append(name)
    kinds = [column.get("dataType", column.get("type")) for column in columns]
    skipped = int(names[0] == _SEQUENCE)
    records = tree.get("records")
    return Metadata(
        columns=tuple(names[skipped:]),
        numeric={name: kind in NUMBERS for name, kind in zip(names, kinds, strict=True)},
        records=records if type(records) is int else None,
        skipped=skipped,
    )
