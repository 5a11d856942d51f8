"""Bad input: each kind is refused with a text that says what, where and what to do; the rest goes on."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest

from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.readers import find, read
from fhirtrial.readers.json_study import record
from fhirtrial.readers.source import Limits, Piece
from fhirtrial.record import Record
from fhirtrial.schema import Schema

ID = "protocolSection.identificationModule.nctId"


def study(number: int, more: bytes = b"") -> bytes:
    """A small study; ``more`` stands in its identification module."""
    return b'{"protocolSection":{"identificationModule":{"nctId":"NCT%08d"%b}}}' % (number, more)


ONE, TWO, THREE = study(1), study(2), study(3)


def refused(source: Any, **options: Any) -> tuple[list[str], list[str]]:
    """The numbers of the records that are read, and what is said of the others."""
    said: list[Issue] = []
    read_ids = [record.id.lstrip("NCT0") for record in read(source, refused=said.append, **options)]
    return read_ids, [str(issue) for issue in said]


BAD_RECORDS = {
    "truncated": (
        TWO[:-3],
        "error: <bytes>:2: the JSON ends in the middle of a value (line 2, column 66) [truncated]",
    ),
    "truncated in a string": (
        TWO[:60],
        "error: <bytes>:2: the JSON ends in the middle of a value (line 2, column 61) [truncated]",
    ),
    "a half character": (
        study(2, rb',"acronym":"\ud800x"'),
        "error: <bytes>:2: \\ud800 is half a character: its other half is missing (line 2, column 78) [not-json]",
    ),
    "a half character after a whole one": (
        study(2, rb',"acronym":"\ud83d\ude00\ud801"'),
        "error: <bytes>:2: \\ud801 is half a character: its other half is missing (line 2, column 90) [not-json]",
    ),
    "a lone second half": (
        study(2, rb',"acronym":"\udc00"'),
        "error: <bytes>:2: \\udc00 is half a character: its other half is missing (line 2, column 78) [not-json]",
    ),
    "not UTF-8": (
        study(2, b',"acronym":"caf\xe9"'),
        "error: <bytes>:2: byte 0xe9 is not UTF-8 (line 2, column 81) (save it as UTF-8) [not-utf-8]",
    ),
    "nested": (
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "error: <bytes>:2: the JSON is nested more than 250 levels deep: no study is [too-deep]",
    ),
    "nested less": (
        b'{"a":' * 300 + b"1" + b"}" * 300,
        "error: <bytes>:2: the JSON is nested more than 250 levels deep: no study is [too-deep]",
    ),
    "a key twice": (
        study(2, b',"acronym":"A","acronym":"B"'),
        (
            "error: <bytes>:2: protocolSection.identificationModule.acronym: the key 'acronym' stands twice in one object"
            " (line 2, column 81) (keep one of the two) [duplicate-key]"
        ),
    ),
    "a key twice, written otherwise": (
        study(2, rb',"acronym":"A" ,"\u0061cronym":"\u0022\u0022\u0022\u0022"'),
        (
            "error: <bytes>:2: protocolSection.identificationModule.acronym: the key 'acronym' stands twice in one object"
            " (line 2, column 82) (keep one of the two) [duplicate-key]"
        ),
    ),
    "a key twice, hidden in its length": (
        b'{"hasResults":1E2,"hasResults":1E2,"x":[1E2,1E2,1E2,1E2,1E2,1E2,1E3]}',
        (
            "error: <bytes>:2: hasResults: the key 'hasResults' stands twice in one object"
            " (line 2, column 19) (keep one of the two) [duplicate-key]"
        ),
    ),
    "a key twice in a left-out part": (
        b'{"resultsSection":{"a":[0,{"b":1,"b":1}]},' + TWO[1:],
        (
            "error: <bytes>:2: resultsSection.a[1].b: the key 'b' stands twice in one object"
            " (line 2, column 34) (keep one of the two) [duplicate-key]"
        ),
    ),
    "no study": (
        b'{"a":1,"b":2}',
        "error: <bytes>:2: this is no study: it holds a, b (a study has protocolSection) [not-a-study]",
    ),
    "a page in a line": (
        b'{"studies":[]}',
        "error: <bytes>:2: this is no study: it holds studies (read it with format='page') [not-a-study]",
    ),
    "a number": (b"17", "error: <bytes>:2: expected a study, found a number [not-a-study]"),
    "a text": (b'"NCT00000002"', "error: <bytes>:2: expected a study, found text [not-a-study]"),
    "null": (b"null", "error: <bytes>:2: expected a study, found null [not-a-study]"),
    "a list": (b"[[]]", "error: <bytes>:2: expected a study, found a list [not-a-study]"),
    "no id": (
        b'{"protocolSection":{"identificationModule":{"nctId":null,"acronym":"A"}}}',
        f"error: <bytes>:2: {ID}: the record has no id (an id looks like NCT00000102) [missing-id]",
    ),
    "no id module": (
        b'{"protocolSection":{}}',
        f"error: <bytes>:2: {ID}: the record has no id (an id looks like NCT00000102) [missing-id]",
    ),
    "a small id": (
        TWO.replace(b"NCT", b"nct"),
        f"error: <bytes>:2: {ID}: 'nct00000002' is no id (did you mean NCT00000002?) [bad-id]",
    ),
    "an id without its letters": (
        TWO.replace(b"NCT", b""),
        f"error: <bytes>:2: {ID}: '00000002' is no id (did you mean NCT00000002?) [bad-id]",
    ),
    "a short id": (
        TWO.replace(b"NCT0", b"NCT"),
        f"error: <bytes>:2: {ID}: 'NCT0000002' is no id (an id looks like NCT00000102) [bad-id]",
    ),
    "an id and more": (
        TWO.replace(b"NCT00000002", b"NCT00000002x"),
        f"error: <bytes>:2: {ID}: 'NCT00000002x' is no id (did you mean NCT00000002?) [bad-id]",
    ),
    "an id of another type": (
        TWO.replace(b'"NCT00000002"', b"2"),
        f"error: <bytes>:2: {ID}: expected text, found the number 2 [wrong-type]",
    ),
    "wrong types": (
        study(2, b',"acronym":[],"briefTitle":1,"organization":"x","secondaryIdInfos":{"id":1}'),
        (
            "error: <bytes>:2: NCT00000002: protocolSection.identificationModule.briefTitle: expected text,"
            " found the number 1; 2 more errors, at protocolSection.identificationModule.organization,"
            " protocolSection.identificationModule.secondaryIdInfos [wrong-type]"
        ),
    ),
    "an integer of more than 64 bits": (
        TWO[:-2] + b',"designModule":{"enrollmentInfo":{"count":99999999999999999999}}}}',
        (
            "error: <bytes>:2: NCT00000002: protocolSection.designModule.enrollmentInfo.count:"
            " 1e+20 does not fit into 64 bits [out-of-range]"
        ),
    ),
    "the same record again": (
        ONE,
        "error: <bytes>:2: NCT00000001: the record was read before, at <bytes>:1 [duplicate-record]",
    ),
}


@pytest.mark.parametrize("kind", BAD_RECORDS)
def test_a_bad_record_among_good_ones(kind: str) -> None:
    """The bad one is told with its place, and the others are read: in JSON Lines, and in an array unless it is cut."""
    bad, text = BAD_RECORDS[kind]

    assert refused(ONE + b"\n" + bad + b"\n" + THREE, format="jsonl") == (["1", "3"], [text])
    if "truncated" not in kind:
        assert refused(b"[" + ONE + b",\n" + bad + b",\n" + THREE + b"]") == (["1", "3"], [text])
        assert refused(b'{"studies":[' + ONE + b",\n" + bad + b",\n" + THREE + b"]}") == (["1", "3"], [text])


def orjson_words(text: bytes) -> str:
    """What the parser says: its words are its own, and may change with its version."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return error.msg
    raise AssertionError("this is JSON")


@pytest.mark.parametrize(
    ("bad", "column", "hint"),
    [
        (b'{"a" 1}', 6, ""),
        (b'{"a":"\x00"}', 7, ""),
        (b'{"a":"tab\there"}', 10, ""),
        (b'{"a":NaN}', 6, " (JSON has no NaN and no Infinity)"),
        (b'{"a":-Infinity}', 7, " (JSON has no NaN and no Infinity)"),
        (b"{'a':1}", 2, ""),
        (b'{"\xc3\xa9":01}', 7, ""),
        (b'{"a":[}', 7, ""),
    ],
)
def test_what_is_not_json(bad: bytes, column: int, hint: str) -> None:
    """Line and column (in bytes) are told, and the parser's words; the records around are read."""
    error = f"not JSON: {orjson_words(bad)} (line {{}}, column {{}}){hint} [not-json]"
    expected = f"error: <bytes>:2: {error.format(2, column)}"

    assert refused(ONE + b"\n" + bad + b"\n" + THREE) == (["1", "3"], [expected])
    assert refused(b"[" + ONE + b",\n" + bad + b",\n" + THREE + b"]") == (["1", "3"], [expected])
    one_line = b"[" + ONE + b"," + bad + b"," + THREE + b"]"
    expected = f"error: <bytes>:1: {error.format(1, len(ONE) + 2 + column)}"
    assert refused(one_line) == (["1", "3"], [expected])


def test_a_mistake_on_a_later_line_of_a_record() -> None:
    """The place is where the record begins, the text says where the mistake is."""
    bad = b'{\n  "protocolSection": {\n    "x": 1,,\n  }\n}'
    words = orjson_words(bad)

    assert refused(b"\n\n" + bad) == (
        [],
        [f"error: <bytes>:3: not JSON: {words} (line 5, column 12) [not-json]"],
    )


END = "(the file is not complete) [truncated]"
REST = "(the rest of the file is not read) [not-json]"


@pytest.mark.parametrize(
    ("source", "ids", "texts"),
    [
        (b"[" + ONE + b",\n" + TWO[:-3], ["1"], [BAD_RECORDS["truncated"][1]]),
        (b"[" + ONE + b",\n", ["1"], [f"error: <bytes>:2: the JSON ends at the beginning of a study (column 1) {END}"]),
        (b"[" + ONE, ["1"], [f"error: <bytes>:1: the JSON ends after a study (column {len(ONE) + 2}) {END}"]),
        (
            b"[" + ONE + b",]",
            ["1"],
            [f"error: <bytes>:1: expected '{{' at the beginning of a study, found ']' (column {len(ONE) + 3}) {REST}"],
        ),
        (
            b"[" + ONE + b"\n" + TWO + b"]",
            ["1"],
            [f"error: <bytes>:2: expected ',' or ']' after a study, found '{{' (column 1) {REST}"],
        ),
        (
            b"[" + ONE + b"] x",
            ["1"],
            [f"error: <bytes>:1: something follows the end of the JSON (column {len(ONE) + 4}) [trailing-garbage]"],
        ),
        (b"[,]", [], [f"error: <bytes>:1: expected '{{' at the beginning of a study, found ',' (column 2) {REST}"]),
        (
            b'{"studies":[' + ONE + b'],"nextPageToken"',
            ["1"],
            [f"error: <bytes>:1: the JSON ends after a member's name (column {len(ONE) + 30}) {END}"],
        ),
        (
            b'{"studies":null}',
            [],
            [f"error: <bytes>:1: expected '[' at the beginning of the studies, found 'n' (column 12) {REST}"],
        ),
        (b'{"totalCount":5}', [], ["error: <bytes>: there is no member studies [not-a-page]"]),
        (
            b'{"studies":[],x}',
            [],
            [f"error: <bytes>:1: expected '\"' before a member's name, found 'x' (column 15) {REST}"],
        ),
    ],
)
def test_a_broken_array_or_page(source: bytes, ids: list[str], texts: list[str]) -> None:
    """What comes before the break is read; where the text ends or goes wrong is told."""
    assert refused(source) == (ids, texts)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (b"", "there is nothing in it [empty-source]"),
        (b" \r\n\t \n", "there is nothing in it [empty-source]"),
        (b"\xef\xbb\xbf", "there is nothing in it [empty-source]"),
        (gzip.compress(b"", mtime=0), "there is nothing in it [empty-source]"),
        (ONE.decode().encode("utf-16"), "the text is UTF-16 (save it as UTF-8) [not-utf-8]"),
        (b"\xfe\xff" + ONE.decode().encode("utf-16-be"), "the text is UTF-16 (save it as UTF-8) [not-utf-8]"),
        (ONE.decode().encode("utf-32"), "the text is UTF-32 (save it as UTF-8) [not-utf-8]"),
        (ONE.decode().encode("utf-16-le"), "the text is UTF-16 or UTF-32 (save it as UTF-8) [not-utf-8]"),
        (
            b"<html></html>",
            (
                "this is XML or HTML (formats: gzip, zip, a study, an API page or an array as JSON, JSON Lines, page text)"
                " [unknown-format]"
            ),
        ),
        (
            b"nct_id,title\n",
            (
                "this is neither JSON nor the page text of a study (no line 'NCT ID:') (formats: gzip, zip, a study,"
                " an API page or an array as JSON, JSON Lines, page text) [unknown-format]"
            ),
        ),
    ],
)
def test_a_file_of_no_use(source: bytes, text: str) -> None:
    """What is empty, in another encoding, or something else is told as such, whatever format is said."""
    assert refused(source) == ([], [f"error: <bytes>: {text}"])


def test_a_wrong_format_said() -> None:
    """What is said to be a zip file or a folder must be one."""
    assert refused(ONE, format="zip") == ([], ["error: <bytes>: this is no zip file [not-a-zip]"])
    assert refused(__file__, format="folder") == (
        [],
        [f"error: {__file__}: this is a file, not a folder [not-a-folder]"],
    )


def test_nul_travels() -> None:
    """The character NUL is JSON, so the record is read, and an information says where it is."""
    [record] = read(study(1, rb',"acronym":"A\u0000B"'))

    assert record.data["protocolSection"]["identificationModule"]["acronym"] == "A\0B"
    assert [str(issue) for issue in record.issues] == [
        (
            "information: <bytes>:1: NCT00000001: protocolSection.identificationModule.acronym: holds the character NUL,"
            " which FHIR text cannot hold: it travels as bytes beside the text [nul-character]"
        )
    ]


def test_escapes_and_blanks_are_no_duplicates() -> None:
    """Keys that only look alike, and text that is full of quotes, raise no doubt."""
    more = rb',"acronym":"\u0022nctId\u0022 \"nctId\"", "briefTitle" : "{\"nctId\":1,\"nctId\":2}"'

    assert refused(study(1, more)) == (["1"], [])


@pytest.mark.parametrize("form", [b"%b\n%b\n%b", b"[%b,%b,%b]", b'{"studies":[%b,%b,%b]}'])
def test_a_record_that_is_too_large(form: bytes) -> None:
    """A record beyond the limit is skipped to its end, and the next one read."""
    large = study(2, b',"acronym":"' + b']},{\\"' * 500_000 + b'"')
    ids, [text] = refused(form % (ONE, large, THREE), max_bytes=1 << 20)

    assert ids == ["1", "3"]
    assert text.endswith(": the record has more than 1,048,576 bytes (see max_bytes) [record-too-large]")
    assert refused(form % (ONE, large, THREE)) == (["1", "2", "3"], [])


# ------------------------------------------------------------------------------------------- files and folders


# ------------------------------------------------------------------------------------------------ Python objects


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), "JSON gives it back changed: it holds NaN, Infinity or other objects"),
        ((1, 2), "JSON gives it back changed: it holds NaN, Infinity or other objects"),
        ("\ud800", "cannot be written as JSON: str is not valid UTF-8: surrogates not allowed"),
        ({1, 2}, "cannot be written as JSON: Type is not JSON serializable: set"),
    ],
)
def test_objects_that_are_no_json(value: object, text: str) -> None:
    """A dict is read as the JSON it stands for; what JSON cannot hold is refused, and the next one read."""
    bad = {"protocolSection": {"identificationModule": {"nctId": "NCT00000002", "acronym": value}}}

    assert refused(bad) == ([], [f"error: <dict>: {text} [not-json]"])
    assert refused([orjson.loads(ONE), bad, 3, orjson.loads(THREE)]) == (
        ["1", "3"],
        [
            f"error: item 2: {text} [not-json]",
            "error: item 3: expected a study, found a number [not-a-study]",
        ],
    )


def test_a_record_may_have_an_origin_without_a_line() -> None:
    """The step from bytes to a record stands alone."""
    schema = Schema.load(MappingFiles())
    piece = next(item for item in find(orjson.loads(ONE), None, Limits()) if isinstance(item, Piece))

    assert isinstance(record(piece, schema), Record)
