"""Periods whose two dates say more and less exactly when: R4's rule for them is met where both say the same much."""

from __future__ import annotations

from typing import Any

from fhirtrial.releases.block import Block, Inner, Json, extension_of, with_extension, without_extension
from fhirtrial.releases.run import Run
from fhirtrial.releases.table import Row, Table

NAME = "exact-date"
"""What our extension for the date itself is called."""
_OTHER = {"start": "end", "end": "start"}


def comparable(period: Json, url: str) -> Json:
    """
    A period that R4 can compare the ends of; ``url`` is the address of our extension. The same object where it could.

    >>> comparable({"start": "2021-02", "end": "2021-02-04"}, "x")["end"]
    '2021-02'
    """
    made = dict(period)
    for name in _OTHER:
        _set(period, name, made, url)
    return period if made == period else made


def _set(period: Json, name: str, out: Json, url: str) -> None:
    """Puts a date of a period into another one, as exact as both are."""
    given, against = period.get(name), period.get(_OTHER[name])
    if isinstance(given, str) and isinstance(against, str) and len(against) < len(given) and given.startswith(against):
        out[name] = against
        out[f"_{name}"] = with_extension(period.get(f"_{name}"), {"url": url, "valueDateTime": given})
    elif given is not None:
        out[name] = given


def add_exact_date(block: Block, row: Row, table: Table, inner: Inner) -> None:  # noqa: ARG001
    """
    Period.start and Period.end: R4's rule per-1 compares them, R5's the first and the last moment that they may mean.

    2021-02 is neither before nor after 2021-02-04, so that R4 refuses such a period: there both say 2021-02, and our
    extension ``exact-date`` holds the date itself.
    https://hl7.org/fhir/R4/datatypes.html#Period
    """
    name, below = row.name, f"_{row.name}"
    url, path = table.own(NAME), f"{block.path}.{row.name}"

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        _set(source, name, out, url)

    def down_beside(given: Any, out: Json, *_: Any) -> None:
        out.setdefault(below, given)

    def up(given: Any, out: Json, source: Json, run: Run) -> None:
        kept = (extension_of(source.get(below), url) or {}).get("valueDateTime")
        if not isinstance(kept, str):
            out[name] = given
        elif kept.startswith(given):
            out[name] = kept
        else:
            run.say("warning", "conflict", f"{given} wins over {kept}, which the extension says", path, row.line)
            out[name] = given

    def up_beside(given: Any, out: Json, *_: Any) -> None:
        if rest := without_extension(given, url):
            out[below] = rest

    block.down_rows |= {name: down, below: down_beside}
    block.up_rows |= {name: up, below: up_beside}
