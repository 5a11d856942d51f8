"""Records of which a run that converts has nothing to say are looked at once: what they become is the same."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirtrial.errors import InputError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.pipelines.convert import convert_all
from fhirtrial.pseudonyms import Identifying, Pseudonyms
from fhirtrial.readers import find, read, registry_schema
from fhirtrial.readers.json_study import record
from fhirtrial.readers.source import Limits, Piece
from fhirtrial.record import Origin, Record
from fhirtrial.schema import Schema

from .records import SCHEMA, SHARED, golden, golden_subjects, made_sound, spoiled, trees
from .test_generated_records import many, some
from .test_schema import STUDIES as SMALL

Json = dict[str, Any]
MAPPER = Mapper()
ONE = b'{"protocolSection":{"identificationModule":{"nctId":"NCT00000001"}}'
TWICE = ONE[:-2] + b',"acronym":"A","acronym":"B"}}'
MAPPERS = {"ctgov": MAPPER} | {name: Mapper(registry=name) for name in ("sdtm", "roster", "sdtm-study")}


def carried(raw: bytes) -> Record | Issue:
    """A record as a run that converts reads it."""
    return record(Piece(origin=Origin(file="x"), raw=raw), SCHEMA, whole=False)


def carried_record(raw: bytes) -> Record:
    """The same, where it is one."""
    found = carried(raw)
    assert isinstance(found, Record), found
    return found


def same(mapper: Mapper, found: Record, study: Record | None = None) -> bool:
    """Whether the quicker code makes of a sound record, byte for byte, what the careful one makes."""
    try:
        careful = mapper.convert(replace(found, sound=False), study=study)
    except InputError as error:
        with pytest.raises(InputError, match=re.escape(str(error))):
            mapper.convert(found, study=study)
        return True
    quick = mapper.convert(found, study=study)
    return list(quick.texts.items()) == list(careful.texts.items()) and quick.issues == careful.issues


@many
@given(trees())
def test_quick_and_careful_code_agree(tree: Json) -> None:
    """Whatever a sound record holds; and nothing of it is lost."""
    clean = made_sound(tree)
    found = carried_record(orjson.dumps(clean))
    assert found.sound
    assert found.data == clean
    assert same(MAPPER, found)
    assert MAPPER.restore(MAPPER.convert(found).resources).data == clean


@some
@given(trees())
def test_any_record_is_read_as_read_reads_it(tree: Json) -> None:
    """Odd ones, too: the same data and issues, but for what is left out."""
    raw = orjson.dumps(tree)
    found, whole = carried_record(raw), next(read(raw, format="study"))
    assert found.data == SCHEMA.wanted(whole.data)
    assert found.issues == tuple(replace(issue, place="x") for issue in whole.issues)
    assert not whole.sound


@some
@given(trees(), st.sampled_from([None, 1]), st.booleans())
def test_however_a_record_is_written(tree: Json, indent: int | None, ascii_only: bool) -> None:
    """With blanks or as ASCII, it is read as the shortest text is: the quick way is open to it as well."""
    clean = made_sound(tree)
    found = carried_record(json.dumps(clean, indent=indent, ensure_ascii=ascii_only).encode())
    assert found.sound
    assert found.data == clean


def test_what_stands_beside_a_record_is_not_left_out() -> None:
    """A subject's study is no part of the subject, but the mapping looks things up in it."""
    whole = next(found for name, found in golden_subjects() if name == "roster")
    assert "study" in whole.data
    schema = registry_schema("roster")
    found = record(Piece(origin=Origin(), raw=orjson.dumps(whole.data)), schema, whole=False)
    assert isinstance(found, Record)
    assert found.data == whole.data
    assert not found.sound


def test_long_texts_where_days_belong() -> None:
    """They are told, and not remembered as days are."""
    schema = Schema.load(MappingFiles())
    raw = ONE[:-1] + b',"statusModule":{"statusVerifiedDate":"' + b"2" * 100_000 + b'"}}}'
    found = record(Piece(origin=Origin(), raw=raw), schema, whole=False)
    assert isinstance(found, Record)
    assert [issue.code for issue in found.issues] == ["wrong-shape"]
    assert schema.carried(raw) is None
    assert all(shape.cache_info().currsize == 0 for shape in schema.carried.shapes.values())


def test_spoiled_records_are_not_sound() -> None:
    """Of 5,000 records with something odd in one place those are sound that the slow check finds nothing about."""
    odd: list[Any] = [None, {}, [], "", "x", " ", 1, 1.5, True, ["x"], [{}], [None], {"x": 1}, 2**64, "2020-13", "ALL"]
    odd += [
        "2019-02-29",
        "2020-02-29",
        "2020-01-01\n",
        [[]],
        1e300,
        -(2**63) - 1,
        "a\x00",
        "\x1f",
        "\b",
        "\f",
        "\u00a0",
    ]
    sound = 0
    for _, raw in spoiled(SMALL, odd, count=5000, seed=11):
        found = carried(raw)
        tree, issues = SCHEMA.check(orjson.loads(raw))
        if isinstance(found, Issue):
            assert any(issue.severity == "error" for issue in issues) or found.code in ("missing-id", "bad-id")
            continue
        assert found.data == SCHEMA.wanted(tree)
        rest = without_left_out(orjson.loads(raw))
        odd_texts = re.search(rb'""|\\u00|\\[bf]', orjson.dumps(rest))
        fine = (
            rest is not None
            and SCHEMA.check(rest) == (rest, ())
            and not odd_texts
            and orjson.dumps(orjson.loads(raw)) == raw
        )
        assert found.sound == fine
        assert same(MAPPER, found)
        sound += found.sound
    assert 200 < sound < 2500


def without_left_out(tree: Json) -> Json | None:
    """A tree without what the mapping leaves out, and without what is empty then; None if some of that is null."""
    for path in SCHEMA.left_out:
        *parents, last = path.split(".")
        nodes = [tree]
        for name in parents:
            nodes.append(nodes[-1].get(name) or {})
        if last in nodes[-1]:
            if nodes[-1].pop(last) is None:
                return None
            for name in reversed(parents):
                nodes.pop()
                if not nodes[-1][name]:
                    del nodes[-1][name]
    return tree


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared records is not beside the checkout")
def test_real_records_are_sound() -> None:
    """Nearly all of them: the quick way is the usual one."""
    pieces = [piece for piece in find(SHARED, None, Limits()) if isinstance(piece, Piece)]
    found = [carried_record(piece.raw) for piece in pieces]
    assert sum(each.sound for each in found) > 0.98 * len(found)
    for each in found[::7]:
        assert same(MAPPER, each), each.id


@pytest.mark.parametrize(("name", "whole"), [*golden(), *golden_subjects()])
def test_golden_records(name: str, whole: Record) -> None:
    """Studies and subjects give the same, sound or not; subjects beside a study, too."""
    mapper = MAPPERS[whole.registry]
    whole = replace(whole, data={key: value for key, value in whole.data.items() if key != "study"})
    piece = Piece(origin=Origin(), raw=orjson.dumps(whole.data))
    found = record(piece, registry_schema(whole.registry), whole=False)
    assert isinstance(found, Record), name
    assert same(mapper, found)
    assert dict(mapper.convert(found).texts) == dict(mapper.convert(whole).texts)
    if whole.registry in ("sdtm", "roster"):
        _, study = next(golden())
        assert same(mapper, found, study=carried_record(orjson.dumps(study.data)))


@pytest.mark.parametrize("registry", ["sdtm", "roster"])
def test_records_that_were_changed_are_not_sound(registry: str) -> None:
    """Pseudonyms stand in what nobody has looked at."""
    whole = next(found for _, found in golden_subjects() if found.registry == registry)
    known = Identifying.load(MappingFiles(), registry)
    assert known is not None
    assert not Pseudonyms(b"a key of more than thirty-two bytes").record(replace(whole, sound=True), known).sound


# ----------------------------------------------------------------------------------- what the mapping leaves out


LEFT_OUT = {
    "a key twice": b',"resultsSection":{"a":[0,{"b":1,"b":1}]}}',
    "unknown fields and nulls": b',"resultsSection":{"x":null,"y":[{}],"z":{}}}',
    "nothing": b',"resultsSection":{}}',
    "all of an object": b',"derivedSection":{"conditionBrowseModule":{"ancestors":[{"id":"D1","id":"D2"}]}}}',
    "all of two": (
        b',"derivedSection":{"conditionBrowseModule":{"ancestors":[1],"browseLeaves":[2]},'
        b'"interventionBrowseModule":{"browseBranches":[3]}}}'
    ),
    "control characters": b',"resultsSection":{"a":"\\u0000"}}',
    "not as orjson writes it": b', "resultsSection": {"a": 1.50, "b" : "\\u0041", "b": 2}}',
    "text beyond ASCII": ',"resultsSection":{"a":"ü"}}'.encode(),
}


@pytest.mark.parametrize("rest", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_is_left_out_is_not_looked_into(rest: bytes) -> None:
    """Only that it is JSON matters: the record is what it is without it."""
    found = carried_record(ONE + rest)
    assert found.data == orjson.loads(ONE + b"}")
    assert found.issues == ()


BAD = {
    "no object": (b',"resultsSection":[1]}', "resultsSection: expected an object, found a list [wrong-type]"),
    "no list": (
        b',"derivedSection":{"conditionBrowseModule":{"ancestors":{}}}}',
        "",
    ),
    "no JSON": (b',"resultsSection":{"a":01}}', "not JSON: "),
    "no UTF-8": (b',"resultsSection":{"a":"\xff"}}', "byte 0xff is not UTF-8 (line 1, column 92)"),
    "half a character": (
        b',"resultsSection":{"a":"\\ud800"}}',
        "\\ud800 is half a character: its other half is missing",
    ),
    "cut off": (b',"resultsSection":{"a":1', "the JSON ends in the middle of a value (line 1, column 92)"),
}


@pytest.mark.parametrize(("rest", "text"), BAD.values(), ids=BAD)
def test_what_is_left_out_must_be_what_it_is(rest: bytes, text: str) -> None:
    """JSON in UTF-8, an object or a list as the schema says; the same error as where all is looked at."""
    found, whole = carried(ONE + rest), record(Piece(origin=Origin(file="x"), raw=ONE + rest), SCHEMA)
    assert str(found if isinstance(found, Issue) else found.issues) == str(
        whole if isinstance(whole, Issue) else whole.issues
    )
    assert text in str(found)


TWO_PLACES = [
    TWICE + b"}",
    TWICE + LEFT_OUT["a key twice"],
    b'{"resultsSection":{"a":[{"b":1,"b":1}]},' + TWICE[1:] + b"}",
    TWICE.replace(b":", b" : ") + b"}",
]


@pytest.mark.parametrize("raw", TWO_PLACES)
def test_a_key_that_stands_twice_in_what_is_carried(raw: bytes) -> None:
    """The record is refused, also where one stands twice in what is left out, and however it is written."""
    found = carried(raw)
    assert isinstance(found, Issue)
    assert found.code == "duplicate-key"
    assert found.path == "protocolSection.identificationModule.acronym"


NO_STUDY = {
    b"{}": "not-a-study",
    b'{"a":1}': "not-a-study",
    b"[]": "not-a-study",
    b"null": "not-a-study",
    b'"x"': "not-a-study",
    b"": "truncated",
    ONE[:-1]: "truncated",
    b'{"hasResults":true}': "missing-id",
}


@pytest.mark.parametrize(("raw", "code"), NO_STUDY.items())
def test_what_is_no_study(raw: bytes, code: str) -> None:
    """The error is the one that `read` gives."""
    found, whole = carried(raw), record(Piece(origin=Origin(file="x"), raw=raw), SCHEMA)
    assert isinstance(found, Issue)
    assert found.code == code
    assert found == whole


def test_checking_looks_at_everything(tmp_path: Path) -> None:
    """`check` writes nothing and tells what stands twice in what is left out; converting does not need to know."""
    source = tmp_path / "study.json"
    source.write_bytes(ONE + LEFT_OUT["a key twice"])
    noticed: list[Issue] = []
    assert convert_all([source], None, noticed=noticed.append).refused == 1
    assert [issue.path for issue in noticed] == ["resultsSection.a[1].b"]
    out = BytesIO()
    assert convert_all([source], out, noticed=noticed.append).records == 1
    assert len(noticed) == 1
    assert b"NCT00000001" in out.getvalue()


@pytest.mark.parametrize("whole", [True, False])
def test_records_that_are_handed_out_are_never_sound(whole: bool) -> None:
    """Who has a record can change it: so it is looked at again when it is converted."""
    found = next(read(ONE + b',"hasResults":true}', whole=whole))
    assert not found.sound
    found.data["protocolSection"]["identificationModule"]["briefTitle"] = "\x00"
    assert b'"valueBase64Binary":"' in MAPPER.convert(found).ndjson()


def test_reading_without_what_is_left_out() -> None:
    """`whole=False` gives what the mapping carries, and the rest only has to be JSON."""
    raw = ONE + LEFT_OUT["a key twice"]
    assert [found.data for found in read(raw, whole=False)] == [orjson.loads(ONE + b"}")]
    with pytest.raises(InputError, match="stands twice"):
        next(read(raw))
