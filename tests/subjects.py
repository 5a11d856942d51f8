"""
Subjects of clinical studies: the shared data sets, the product's own invented ones, and strategies for more.

The strategies are made from the registry's own list of fields, as those of `tests.records`: a field that is added there
is generated here without another line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st

from fhirtrial.codes import load_tables
from fhirtrial.files import MappingFiles
from fhirtrial.readers import read
from fhirtrial.record import Record
from fhirtrial.schema import Schema

from .records import DATES, EDGES, NAMES, NUMBERS, ODD

Json = dict[str, Any]

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "corpus" / "sdtm"
SETS = ("cdisc_sample", "pharmaversesdtm", "cdiscpilot01")
FILES = MappingFiles()
SCHEMAS = {registry: Schema.load(FILES, registry) for registry in ("sdtm", "roster")}


@cache
def shared_subjects(name: str) -> tuple[Record, ...]:
    """The subjects of a shared study; none where it is not at hand."""
    folder = SHARED / name
    if not folder.is_dir():
        return ()
    if name != "cdisc_sample":
        return tuple(_subjects(folder))
    with TemporaryDirectory() as one_form:  # the same tables lie there in five forms
        for file in folder.glob("*.ndjson"):
            (Path(one_form) / file.name).write_bytes(file.read_bytes())
        return tuple(replace(record, issues=()) for record in _subjects(Path(one_form)))


@cache
def shared_study(name: str) -> Record | None:
    """The record of a shared study itself, of its tables; None where it is not at hand."""
    if not (SHARED / name).is_dir():
        return None
    with TemporaryDirectory() as one_form:
        for table in ("ts", "ta", "te", "dm"):
            forms = sorted((SHARED / name).glob(f"{table}.ndjson")) or sorted((SHARED / name).glob(f"{table}.[cx]*"))
            for file in forms[:1]:
                (Path(one_form) / file.name).write_bytes(file.read_bytes())
        found = read(Path(one_form), refused=lambda _: None, encoding="windows-1252")
        return next(record for record in found if record.registry == "sdtm-study")


def _subjects(folder: Path) -> Iterator[Record]:
    for record in read(folder, refused=lambda _: None):
        if record.registry == "sdtm":
            yield record


def subject(data: Json, registry: str = "sdtm") -> Record:
    """The record of one subject, checked as a reader checks it."""
    schema = SCHEMAS[registry]
    checked, issues = schema.check(data)
    found: Any = checked
    for key in schema.id.path:
        found = found[key]
    return Record(registry=registry, id=found, data=checked, issues=issues)


STAMPS = (
    *DATES, "2020-01-01T10:00", "2020-01-01T10:00:00", "2020-02-29T23:59:59.5", "2020---15", "--12-15", "-----T07:15",
    "2020-01-03/2020-01-09", "2020-01/2021-02", "2020-01-01T10", "2019-12-31T10:00/2020-01-01T09:00", "/", "2020/",
)  # fmt: skip
IDS = ("01-701-1015", "1", "S 1", "ü/1", "a" * 70, "..", "$.x", "CDISC001")
WORDS = (
    "Y",
    "N",
    "NOT DONE",
    "SCHEDULED",
    "ONGOING",
    "STUDY PARTICIPATION",
    "STUDY TREATMENT",
    "screening",
    "completed",
)
"""What rules ask for."""


@cache
def terms() -> tuple[str, ...]:
    """Every code of every table, and words that rules ask for: any of them may stand in any field."""
    tables = load_tables(FILES, "sdtm/codes")
    return (*sorted({code for table in tables.values() for code in table.labels}), *WORDS)


def _value(name: str, kind: str) -> st.SearchStrategy[Any]:
    if kind == "integer":
        return st.one_of(st.integers(-5, 400), st.sampled_from(EDGES))
    if kind == "number":
        finite = st.floats(allow_nan=False, allow_infinity=False)
        return st.one_of(
            st.integers(0, 100), st.sampled_from((0, 0.5, 54)), st.sampled_from((*NUMBERS, *EDGES)), finite
        )
    if kind == "boolean":
        return st.booleans()
    if name.endswith(("DTC", "_date")) or name in ("start", "end"):
        return st.one_of(st.dates().map(str), st.sampled_from(STAMPS[:7]), st.sampled_from(STAMPS))
    letters = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    known = st.sampled_from(terms())
    return st.one_of(known, known, st.sampled_from(NAMES), st.sampled_from(ODD), letters)


def _object(fields: Mapping[str, Any], *, full: bool, needed: tuple[str, ...] = ()) -> st.SearchStrategy[Json]:
    members: dict[str, st.SearchStrategy[Any]] = {}
    for name, field in fields.items():
        one = _object(field["fields"], full=full) if "fields" in field else _value(name, field["type"])
        if field.get("list"):
            one = st.lists(one, min_size=int(full), max_size=2 if full else 3)
        members[name] = one
    if needed:
        members[needed[0]] = st.sampled_from(IDS)
    if full:
        return st.fixed_dictionaries(members)
    must = {name: members.pop(name) for name in needed}
    return st.fixed_dictionaries(must, optional=members)


@cache
def subject_trees(registry: str = "sdtm") -> st.SearchStrategy[Json]:
    """
    The trees of subjects, not yet canonical: empty objects and lists occur.

    Three of four hold some of the fields, one holds them all. Rows of a list are numbered, as readers see to.
    """
    schema = SCHEMAS[registry]
    root, key = schema.id.path
    kinds = {}
    for full in (False, True):
        members = {}
        for name, field in schema.tree.items():
            if name in schema.left_out:
                continue
            one = _object(field["fields"], full=full, needed=(key,) if name == root else ())
            members[name] = (
                st.lists(one, max_size=3).map(lambda rows, f=field: _numbered(rows, f)) if field.get("list") else one
            )
        must = {root: members.pop(root)}
        kinds[full] = st.fixed_dictionaries(must | members) if full else st.fixed_dictionaries(must, optional=members)
    return st.integers(0, 3).flatmap(lambda kind: kinds[kind == 3])


def _numbered(rows: list[Json], field: Mapping[str, Any]) -> list[Json]:
    key = field["keys"][0]
    text = field["fields"][key]["type"] == "text"
    return [{**row, key: str(number) if text else number} for number, row in enumerate(rows, 1)]
