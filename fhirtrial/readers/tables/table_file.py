"""One file of a folder that holds a table: what it is called there, and how it is opened."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fhirtrial.readers.archive import unopened
from fhirtrial.readers.source import Reading, Stream, chunks_of
from fhirtrial.readers.tables.form import open_table
from fhirtrial.readers.tables.table import Table
from fhirtrial.record import Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """
    A file of a table.

    ``name`` is the dataset that it holds, or, with ``supplements``, the one that it qualifies; ``title`` is what it is
    called in messages; ``labels`` are those of its columns where a define.xml has them.
    """

    path: str
    name: str
    title: str
    supplements: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def opened(self, reading: Reading, known: Collection[str]) -> Iterator[Table]:
        """The table in the file, as long as it is open. Raises InputError if it cannot be read."""
        origin = Origin(file=self.path)
        try:
            file = Path(self.path).open("rb")  # noqa: SIM115  # closed below, where reading it may fail otherwise
        except OSError as error:
            raise unopened(self.path, error) from error
        with file:
            reading.opened(file)
            yield open_table(Stream(chunks_of(file, origin), origin), reading, known)
