"""Reading: every form of a source gives the same records, in little memory."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

from fhirtrial.errors import InputError, UsageError
from fhirtrial.issue import Issue
from fhirtrial.readers import READERS, read
from fhirtrial.readers.detect import detect
from fhirtrial.readers.source import Limits, Stream
from fhirtrial.record import Origin, Record

HERE = Path(__file__).resolve().parent
OWN = HERE / "data" / "read" / "studies.jsonl"
CORPUS = HERE.parent / ".." / "shared" / "corpus" / "ctgov" / "studies.jsonl.gz"
LINES = OWN.read_bytes().splitlines()
IDS = ["NCT00309868", "NCT01100827", "NCT01844037"]


def zipped(lines: list[bytes]) -> bytes:
    """A zip file with one study per member."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for line in lines:
            archive.writestr(f"{orjson.loads(line)['protocolSection']['identificationModule']['nctId']}.json", line)
    return out.getvalue()


def page(lines: list[bytes]) -> bytes:
    """A page of the API."""
    return b'{"totalCount":%d,"studies":[%b],"nextPageToken":"NF0g"}' % (len(lines), b",\n".join(lines))


def pretty(lines: list[bytes]) -> bytes:
    """An array with one value per line."""
    return orjson.dumps([orjson.loads(line) for line in lines], option=orjson.OPT_INDENT_2)


FORMS: dict[str, Callable[[list[bytes]], bytes]] = {
    "jsonl": b"\n".join,
    "jsonl with CRLF": b"\r\n".join,
    "jsonl.gz": lambda lines: gzip.compress(b"\n".join(lines)),
    "jsonl.gz of several members": lambda lines: b"".join(gzip.compress(line + b"\n") for line in lines),
    "array": lambda lines: b"[" + b",".join(lines) + b"]",
    "array.gz": lambda lines: gzip.compress(b" [\n" + b" ,\n ".join(lines) + b"\n]\n"),
    "pretty array": pretty,
    "page": page,
    "pretty page": lambda lines: orjson.dumps(orjson.loads(page(lines)), option=orjson.OPT_INDENT_2),
    "zip": zipped,
    "zip.gz": lambda lines: gzip.compress(zipped(lines)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_records(form: str) -> None:
    """The form is found by the content, and makes no difference."""
    records = list(read(FORMS[form](LINES)))

    assert [record.id for record in records] == IDS
    assert [record.data for record in records] == [orjson.loads(line) for line in LINES]
    assert all(record.issues == () and record.registry == "ctgov" for record in records)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_chunks_may_end_anywhere(form: str, size: int) -> None:
    """Records do not depend on how the bytes arrive: within strings, escapes, names and numbers too."""
    tricky = (
        rb'{"a\\":"\\\"]}{[,","b":[{"c":"\u0022\\","d":"\"}}"},[],-1.5e3,null],"' + "é\U0001f600".encode() + rb'":"}"}'
    )
    study = rb'{"protocolSection":{"identificationModule":{"nctId":"NCT0000000%d"}},"odd":%b}'
    # The beginning of a source is looked at in one piece: the first record is longer than that.
    lines = [study % (0, b'"%b"' % (b"x" * 140_000)), study % (1, tricky), study % (2, tricky)]

    records = list(read(Slow(FORMS[form](lines), size)))

    assert [record.id for record in records] == ["NCT00000000", "NCT00000001", "NCT00000002"]
    assert [issue.code for record in records for issue in record.issues] == ["unknown-field"] * 3


class Slow:
    """A stream that cannot be searched and gives few bytes at a time."""

    def __init__(self, content: bytes, size: int) -> None:
        self.content = io.BytesIO(content)
        self.size = size

    def read(self, size: int = -1) -> bytes:
        return self.content.read(self.size)


def test_one_study() -> None:
    """A study alone, compact or pretty, as bytes, text with a UTF-8 mark, dict, or packed twice."""
    line = LINES[0]
    data = orjson.loads(line)
    sources: list[Any] = [
        line,
        orjson.dumps(data, option=orjson.OPT_INDENT_2),
        b"\xef\xbb\xbf" + line,
        b" \n\t" + line + b"\n",
        gzip.compress(gzip.compress(line)),
        bytearray(line),
        io.BytesIO(line),
        data,
        [data],
        iter([data]),
    ]
    for source in sources:
        assert [record.data for record in read(source)] == [data]


def test_a_brace_on_a_line_of_its_own_is_no_second_record() -> None:
    """Pretty JSON may open its objects at the beginning of a line."""
    text = b'{"protocolSection":\n{"identificationModule":\n{"nctId": "NCT00000102"}\n}\n}'

    assert [record.id for record in read(text)] == ["NCT00000102"]


def test_the_given_tree_is_not_the_records() -> None:
    """What is done to a dict after it was read does not reach the record."""
    data = orjson.loads(LINES[0])
    record = next(read(data))
    data["protocolSection"].clear()

    assert record.data == orjson.loads(LINES[0])


def test_files_and_folders(tmp_path: Path) -> None:
    """A folder is read through and through, sorted by name; zip and gzip files in it too."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.json.gz").write_bytes(gzip.compress(LINES[1]))
    (tmp_path / "a.json").write_bytes(LINES[0])
    (tmp_path / "c.zip").write_bytes(zipped([LINES[2]]))

    records = list(read(tmp_path))

    assert [record.id for record in records] == IDS
    assert [str(record.origin) for record in records] == [
        f"{tmp_path}/a.json:1",
        f"{tmp_path}/b/1.json.gz:1",
        f"{tmp_path}/c.zip!NCT01844037.json:1",
    ]
    assert [record.id for record in read(str(tmp_path / "a.json"))] == IDS[:1]
    with (tmp_path / "c.zip").open("rb") as file:
        assert [record.id for record in read(file)] == IDS[2:]
        assert not file.closed


def test_what_lies_beside_records_is_told(tmp_path: Path) -> None:
    """Files that are none of records are passed over, and each is told once, before the records; but for our own."""
    for name in (
        ".DS_Store",
        "README.txt",
        "__MACOSX/1.json",
        "image.png",
        ".git/x.json",
        "deep/Thumbs.db",
        ".fhirtrial.sqlite",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a.json").write_bytes(LINES[0])
    (tmp_path / "link").symlink_to(tmp_path)
    beside = "passed over: it lies beside the records"
    other = "passed over: its name is none of a file of records (.json, .jsonl, .ndjson, .txt, .gz, .zip)"
    expected = [
        f"information: {tmp_path}/.DS_Store: {beside} [passed-over]",
        f"information: {tmp_path}/.git: {beside} [passed-over]",
        f"information: {tmp_path}/README.txt: {beside} [passed-over]",
        f"information: {tmp_path}/__MACOSX: {beside} [passed-over]",
        f"information: {tmp_path}/deep/Thumbs.db: {beside} [passed-over]",
        f"information: {tmp_path}/image.png: {other} [passed-over]",
        f"information: {tmp_path}/link: passed over: it is a symbolic link to a folder [passed-over]",
    ]

    told: list[Issue] = []
    records = list(read(tmp_path, refused=told.append))

    assert list(map(str, told)) == expected
    assert [record.issues for record in records] == [()]
    assert [str(issue) for record in read(tmp_path) for issue in record.issues] == expected


def test_lines_are_counted_to_the_beginning_of_each_record() -> None:
    """The place of a record is the line that it begins on."""
    places = [str(record.origin) for record in read(pretty(LINES))]
    lines = pretty(LINES).split(b"\n")
    expected = [f"<bytes>:{number}" for number, line in enumerate(lines, 1) if line == b"  {"]

    assert places == expected
    assert [record.origin.line for record in read(b"\n\n" + LINES[0] + b"\n \n" + LINES[1])] == [3, 5]
    assert [record.origin.line for record in read(page(LINES))] == [1, 2, 3]


def test_standard_input() -> None:
    """- is standard input; a zip file may come that way too."""
    code = "from fhirtrial.readers import read\nfor record in read('-'): print(record.origin, record.id)"
    expected = {
        b"\n".join(LINES): "-:1 NCT00309868\n-:2 NCT01100827\n-:3 NCT01844037\n",
        zipped(LINES[:1]): "-!NCT00309868.json:1 NCT00309868\n",
    }
    for content, text in expected.items():
        done = subprocess.run(
            [sys.executable, "-c", code], input=content, capture_output=True, check=True, cwd=HERE.parent
        )
        assert done.stdout.decode().replace(os.linesep, "\n") == text


def test_a_file_that_was_read_in_part_is_read_on() -> None:
    """An open file is read from where it stands, also if a zip file begins there."""
    for content in (LINES[0], zipped(LINES[:1])):
        file = io.BytesIO(b"skipped" + content)
        file.seek(7)
        assert [record.id for record in read(file)] == IDS[:1]


# ------------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (b'{"protocolSection":{}}', "", "study"),
        (b'{\n "protocolSection": {}}', "", "study"),
        (b'{"studies":[]}', "", "page"),
        (b'\n{ "nextPageToken" : "x",', "", "page"),
        (b'{"totalCount":3', "", "page"),
        (b' [{"protocolSection"', "", "array"),
        (b'{"a":1}\n{"a":2}\n', "", "jsonl"),
        (b'{"a":1}\nrubbish', "", "jsonl"),
        (b'{"a":"cut off\n{"a":2}\n', "", "jsonl"),
        (b'{"a":1}\n', "x.jsonl", "jsonl"),
        (b"rubbish\n", "x.ndjson.gz", "jsonl"),
        (b"A title\n\nNCT ID: NCT00000102\n", "", "text"),
        (b"PK\x03\x04", "", "zip"),
        (b"PK\x05\x06", "x.json", "zip"),
    ],
)
def test_detection(content: bytes, name: str, expected: str) -> None:
    """The content decides; the name where it does not."""
    assert detect(Stream(iter([content]), Origin(file=name)), Limits()) == expected


def test_a_format_can_be_said() -> None:
    """What is said overrides what would be found, also for the files inside an archive."""
    odd = b'{"meta":1,"studies":[' + LINES[0] + b"]}"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("x.json", odd)

    assert [record.id for record in read(odd, format="page")] == IDS[:1]
    assert [record.id for record in read(out.getvalue(), format="page")] == IDS[:1]
    assert [record.id for record in read(gzip.compress(LINES[0]), format="study")] == IDS[:1]


def test_unknown_format() -> None:
    """A wrong name is told at once, with the nearest right one."""
    with pytest.raises(UsageError) as caught:
        read(b"", format="jsonlines")

    assert str(caught.value) == "'jsonlines' is no format; did you mean jsonl?"
    with pytest.raises(UsageError) as caught:
        read(b"", format="xpt")
    assert str(caught.value) == f"'xpt' is no format; known formats: {', '.join(READERS)}"


def test_sources_that_cannot_be_meant() -> None:
    """A number is no source, and a file must be open in binary mode."""
    with pytest.raises(UsageError) as caught:
        list(read(5))  # type: ignore[arg-type]
    assert str(caught.value) == "a int cannot be read: give a path, bytes, an open file, or dicts"
    with pytest.raises(UsageError) as caught:
        list(read(io.StringIO("{}")))  # type: ignore[arg-type]
    assert str(caught.value) == "the source: the file is open as text; open it in binary mode ('rb')"
    with pytest.raises(UsageError) as caught:
        read(b"", max_bytes=0)
    assert str(caught.value) == "max_bytes is 0; it must be at least 1"


def test_nothing_in_it_is_no_error_where_nothing_may_be() -> None:
    """A page or an array may have no studies."""
    assert list(read(b'{"studies":[]}')) == []
    assert list(read(b" [ ] ")) == []


def test_reading_is_lazy() -> None:
    """The first record is there before the second is read."""

    def studies() -> Iterator[dict[str, Any]]:
        yield orjson.loads(LINES[0])
        raise RuntimeError("read too far")

    assert next(read(studies())).id == IDS[0]


# -------------------------------------------------------------------------------------------------------- corpus


@pytest.mark.skipif(not CORPUS.is_file(), reason="the corpus of real records is not beside the checkout")
def test_every_real_record_is_read_alike_from_every_form(tmp_path: Path) -> None:
    """1,278 records, from gzip, an array, a page, a zip file and a folder: none refused, none changed."""
    lines = gzip.decompress(CORPUS.read_bytes()).splitlines()
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, line in enumerate(lines):
        (folder / f"{number:04}.json").write_bytes(line)
    (tmp_path / "array.json").write_bytes(FORMS["array"](lines))
    (tmp_path / "page.json").write_bytes(page(lines))
    (tmp_path / "pretty.json").write_bytes(pretty(lines))
    (tmp_path / "all.zip").write_bytes(zipped(lines))
    sources = [CORPUS, folder, *(tmp_path / name for name in ("array.json", "page.json", "pretty.json", "all.zip"))]
    for source in sources:
        count = 0
        for record, line in zip(read(source), lines, strict=True):
            assert record.data == orjson.loads(line)
            assert record.issues == ()
            count += isinstance(record, Record)
        assert count == 1278


def test_without_refused_the_first_bad_record_stops() -> None:
    """Who gives no way to tell of refused records gets the first as an error, with the records before it."""
    records = read(LINES[0] + b"\n{}\n" + LINES[1])

    assert next(records).id == IDS[0]
    with pytest.raises(InputError) as caught:
        next(records)
    assert str(caught.value) == (
        "error: <bytes>:2: this is no study: it holds nothing (a study has protocolSection) [not-a-study]"
    )


# ------------------------------------------------------------------------------------------------------ page text


def test_page_text_is_checked_like_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the reader of page texts makes goes through the same schema; its own findings come first."""
    given: list[tuple[str, Origin]] = []

    def read_page(text: str, origin: Origin) -> tuple[dict[str, Any], list[Issue]]:
        given.append((text, origin))
        data = {"identificationModule": {"nctId": "NCT00000102"}, "statusModule": {"overallStatus": "Unknown status"}}
        return {"protocolSection": data}, [Issue(severity="warning", code="own", message="its own", place="<bytes>:4")]

    module = ModuleType("fhirtrial.readers.page")
    module.read_page = read_page  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    text = "\nA title\n\nNCT ID: NCT00000102\n"

    [record] = read(b"\xef\xbb\xbf" + text.encode())

    assert given == [(text, Origin(file="<bytes>"))]
    assert [str(issue) for issue in record.issues] == [
        "warning: <bytes>:4: NCT00000102: its own [own]",
        (
            "warning: <bytes>:1: NCT00000102: protocolSection.statusModule.overallStatus: 'Unknown status' is no Status"
            " (did you mean UNKNOWN?) [unknown-value]"
        ),
    ]
    told: list[Issue] = []
    assert list(read(text.encode() + b"caf\xe9", refused=told.append)) == []
    assert [str(issue) for issue in told] == [
        "error: <bytes>:1: byte 0xe9 is not UTF-8 (line 5, column 4) (save it as UTF-8) [not-utf-8]"
    ]
