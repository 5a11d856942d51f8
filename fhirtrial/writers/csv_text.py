"""
Tables as CSV (https://www.rfc-editor.org/rfc/rfc4180), in UTF-8.

Text is always in quotes, numbers never are, and what is missing is empty: so the text ``NA`` is not taken for R's mark
of a missing value. A cell that looks like a formula (``=1+2``) is written as it is, because anything put before it
would be read back: who opens such a file in a spreadsheet imports its columns as text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from fhirtrial.writers.sheet import Sheet


def csv_bytes(sheet: Sheet) -> bytes:
    """The table as CSV, with a header."""
    return b"".join(csv_lines(sheet))


def csv_lines(sheet: Sheet) -> Iterator[bytes]:
    """The same line by line."""
    columns = sheet.columns
    names = [variable.name for variable in columns]
    kinds = [variable.type == "text" for variable in columns]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerow(names)
    yield out.getvalue().encode()
    for row in sheet.rows:
        cells = [_cell(row.get(name), is_text) for name, is_text in zip(names, kinds, strict=True)]
        yield (",".join(cells) + "\n").encode()


def _cell(value: object, is_text: bool) -> str:  # noqa: FBT001
    if value is None:
        return ""
    if is_text:
        return '"' + str(value).replace('"', '""') + '"'
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(value)
