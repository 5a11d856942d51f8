"""What is written as a table is read back as it was, and Dataset-JSON is what CDISC's schema says."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirtrial import read
from fhirtrial.errors import UsageError
from fhirtrial.layout import Layout, Variable
from fhirtrial.readers.options import standard_layout
from fhirtrial.record import Record
from fhirtrial.row_order import in_order
from fhirtrial.writers.csv_text import csv_bytes
from fhirtrial.writers.dataset_json import dataset_dsjc, dataset_json, dataset_ndjson
from fhirtrial.writers.sheet import Sheet, sheets
from tests.tables import DATA, SHARED, read_all

CREATED = "2026-01-31T12:00:00Z"

WRITERS: dict[str, Callable[[Sheet], bytes]] = {
    "csv": csv_bytes,
    "json": partial(dataset_json, created=CREATED),
    "ndjson": partial(dataset_ndjson, created=CREATED),
    "dsjc": partial(dataset_dsjc, created=CREATED),
}

REGISTRIES = ("sdtm-study", "sdtm", "roster")


def write_all(records: list[Record], form: str, folder: Path) -> None:
    """All tables of all records, each in its file."""
    for registry in REGISTRIES:
        own = [record for record in records if record.registry == registry]
        for sheet in sheets(own, standard_layout(registry)):
            (folder / f"{sheet.name}.{form}").write_bytes(WRITERS[form](sheet))


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("source", [DATA / "csv", DATA.parents[2] / "examples" / "roster"], ids=["sdtm", "roster"])
def test_what_is_written_is_read_back(source: Path, form: str, tmp_path: Path) -> None:
    """The records of the made-up study and of the synthetic roster, supplements too; written twice, the same bytes."""
    records, _ = read_all(source)
    write_all(records, form, tmp_path)
    again, issues = read_all(tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_all(again, form, tmp_path)

    assert issues == []
    assert again == records
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first


def test_rows_stand_as_they_stood() -> None:
    """Each row of the made-up study comes out with all its cells, and with no others."""
    made = {}
    records = list(read(DATA / "ndjson"))
    for registry in ("sdtm-study", "sdtm"):
        own = [record for record in records if record.registry == registry]
        made |= {sheet.name: sheet.rows for sheet in sheets(own, standard_layout(registry))}
    given = {}
    for path in (DATA / "ndjson").iterdir():
        head, *rows = map(json.loads, path.read_text().splitlines())
        names = [column["name"] for column in head["columns"]]
        given[path.stem] = [
            {name: cell for name, cell in zip(names, row, strict=True) if cell not in ("", None)} for row in rows
        ]

    assert {name: _sorted(rows) for name, rows in made.items()} == {name: _sorted(rows) for name, rows in given.items()}


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


@cache
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SHARED / "dataset_json_schema" / "dataset.schema.json").read_bytes())
    return found


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside the checkout")
@pytest.mark.parametrize("source", [DATA / "csv", SHARED / "pharmaversesdtm"], ids=["made up", "published"])
def test_dataset_json_is_what_its_schema_says(source: Path) -> None:
    """CDISC's own JSON Schema finds nothing wrong, and would: a file without its columns is refused."""
    records, _ = read_all(source)
    checker = jsonschema.Draft201909Validator(schema())
    for registry in ("sdtm-study", "sdtm"):
        own = [record for record in records if record.registry == registry]
        for sheet in sheets(own, standard_layout(registry)):
            tree = json.loads(dataset_json(sheet, created=CREATED))
            checker.validate(tree)
            assert [column["name"] for column in tree["columns"] if "keySequence" in column]
            del tree["columns"]
            assert not checker.is_valid(tree)


def test_the_time_is_told_and_never_taken_from_a_clock() -> None:
    """Dataset-JSON without a date and time of its making is not written."""
    sheet = sheets(list(read(DATA / "csv")), standard_layout("sdtm"))[0]

    with pytest.raises(UsageError, match="'yesterday' is no date and time; one looks like 2026-01-31T12:00:00Z"):
        dataset_json(sheet, created="yesterday")


# --------------------------------------------------------------------------------------------------------- properties

_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12) | st.sampled_from(
    [
        "NA",
        '"NA"',
        "=1+2",
        "a,b",
        "a;b",
        "a\nb",
        "a\r\nb",
        "\r",
        '"',
        " x ",
        ".",
        "sep=;",
        "2020-01",
        "\ufeff",
        "1,5",
        "\x1f",
    ]
)
_INTEGER = st.integers(-(2**53), 2**53)
_NUMBER = _INTEGER | st.floats(allow_nan=False, allow_infinity=False).map(
    lambda value: int(value) if value.is_integer() and abs(value) < 2**63 else value
)
_CELLS = {"text": _TEXT, "integer": _INTEGER, "number": _NUMBER, "boolean": st.booleans()}
_ID = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=6)


def _row(variables: dict[str, Variable], *, at_least: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    names = [name for name in variables if name != "USUBJID"]
    some = st.lists(st.sampled_from(names), unique=True, min_size=at_least, max_size=6)
    return some.flatmap(lambda chosen: st.fixed_dictionaries({name: _CELLS[variables[name].type] for name in chosen}))


@st.composite
def _records(draw: st.DrawFn, registry: str) -> list[Record]:
    layout = standard_layout(registry)
    records = []
    for id in draw(st.lists(_ID, min_size=1, max_size=3, unique=True)):
        data: dict[str, Any] = {}
        for name, dataset in layout.datasets.items():
            rows = []
            plain = {column: each for column, each in dataset.variables.items() if column not in _tied(layout)}
            if not dataset.is_list:
                data[name] = _own(layout, id) | draw(_row(plain))
                continue
            for number in range(draw(st.integers(0, 2))):
                row = draw(_row(plain, at_least=1))
                if dataset.sequence:
                    row[dataset.sequence] = str(number) if registry == "roster" else number
                rows.append(row)
            if rows:
                data[name] = in_order(rows, dataset.order) if dataset.order else rows
        records.append(Record(registry=registry, id=id, data=data))
    return records


def _tied(layout: Layout) -> set[str]:
    return {*layout.shared, layout.key, layout.domain}


def _own(layout: Layout, id: str) -> dict[str, Any]:
    return {layout.key: id} | ({"STUDYID": "S", "DOMAIN": "DM"} if layout.domain else {})


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("registry", ["sdtm", "roster"])
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_any_rows_come_back(form: str, registry: str, data: st.DataObject) -> None:
    """Any text, any number, anything missing: what is written in a form is read from it."""
    records = data.draw(_records(registry))
    with TemporaryDirectory() as name:
        write_all(records, form, Path(name))
        again, issues = read_all(Path(name))

    assert [record.data for record in again] == [record.data for record in records]
    assert [issue for issue in issues if "nul-character" not in issue] == []
