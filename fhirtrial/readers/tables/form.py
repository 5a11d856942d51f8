"""In which form a file holds its table: its content says, and its name only where the content does not."""

from __future__ import annotations

import re
from collections.abc import Collection

from fhirtrial.readers.detect import HEAD, UTF8_MARK, is_gzip, is_whole
from fhirtrial.readers.source import Reading, Stream, gunzip, inflate
from fhirtrial.readers.tables.csv_text import csv_table
from fhirtrial.readers.tables.dataset_json import dataset_json_table
from fhirtrial.readers.tables.json_lines import json_lines_table
from fhirtrial.readers.tables.table import Table
from fhirtrial.readers.tables.xport import MARK, xport_table

ENDINGS = ("csv", "dsjc", "json", "jsonl", "ndjson", "tsv", "txt", "xpt")
"""How the names of files of tables end, before a ``.gz``."""

_LINES = re.compile(r"\.(?:dsjc|jsonl|ndjson)(?:\.gz)?$", re.IGNORECASE)
_FIRST_LINE = 1 << 20
"""The metadata of a dataset have fewer bytes than these."""
_PACKED = re.compile(r"\.dsjc$", re.IGNORECASE)


def open_table(stream: Stream, reading: Reading, known: Collection[str]) -> Table:
    """
    The table in a file, in whatever form; ``known`` are the names that its columns may have.

    Compressed Dataset-JSON (``.dsjc``) is framed as zlib by its specification, and as gzip in CDISC's own examples.

    Raises InputError if it cannot be read.
    """
    if is_gzip(stream):
        stream = gunzip(stream, reading.limits)
    elif _PACKED.search(stream.origin.file) and _is_zlib(stream.head(2)[:2]):
        stream = inflate(stream, reading.limits)
    head = stream.head(HEAD)
    if head.startswith(MARK):
        return xport_table(stream, reading)
    body = head.removeprefix(UTF8_MARK).lstrip()
    if not body.startswith((b"{", b"[")):
        return csv_table(stream, reading, known)
    if _LINES.search(stream.origin.file) or _has_lines(stream):
        return json_lines_table(stream, reading)
    return dataset_json_table(stream, reading)


def _has_lines(stream: Stream) -> bool:
    """Whether the first line is JSON of its own, and others follow."""
    first, _, rest = stream.head(_FIRST_LINE).removeprefix(UTF8_MARK).lstrip().partition(b"\n")
    return bool(rest.strip()) and is_whole(first)


def _is_zlib(head: bytes) -> bool:
    return len(head) == 2 and head[0] & 15 == 8 and int.from_bytes(head, "big") % 31 == 0
