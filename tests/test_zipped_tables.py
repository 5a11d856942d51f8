"""Tables in a zip file are read as a folder with them would be, under the rules for any zip file."""

from __future__ import annotations

import stat
import tempfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import orjson
import pytest

from fhirtrial.issue import Issue
from fhirtrial.readers import find, read
from fhirtrial.readers.source import Limits
from tests.tables import DATA, DM, EX, FORMS, read_all
from tests.test_bad_archive import zipped
from tests.test_bad_input import ONE
from tests.test_participants import ROSTER, run

ROWS = {"dm.csv": DM.encode(), "ex.csv": EX.encode()}


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary folders are made; nothing is left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def packed(folder: Path, into: Path, within: str = "") -> Path:
    """A zip file with the files of a folder."""
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, within + file.name)
    return into


def told(source: bytes) -> tuple[list[str], list[str]]:
    """The ids of the records in a zip file, and all that is said."""
    issues: list[str] = []
    return [each.id for each in read(source, refused=lambda issue: issues.append(str(issue)))], issues


CASES = [*((DATA / form, "") for form in FORMS), (DATA / "csv", "study/tables/"), (DATA / "csv", "./"), (ROSTER, "")]


@pytest.mark.parametrize(("source", "within"), CASES, ids=[f"{within}{path.name}" for path, within in CASES])
def test_the_same_bytes_as_from_the_folder(source: Path, within: str, tmp_path: Path) -> None:
    """Whatever form the tables have and whatever folder they lie in; places are named as members of the archive."""
    archive = packed(source, tmp_path / "study.zip", within)
    wanted = run("convert", source, "-o", tmp_path / "folder.ndjson", "--issues", tmp_path / "folder.issues")
    made = run("convert", archive, "-o", tmp_path / "zip.ndjson", "--issues", tmp_path / "zip.issues")

    assert (made.exit_code, made.output) == (wanted.exit_code, wanted.output)
    assert (tmp_path / "zip.ndjson").read_bytes() == (tmp_path / "folder.ndjson").read_bytes() != b""
    there = (tmp_path / "folder.issues").read_text().replace(f"{source}/", f"{archive}!{within.removeprefix('./')}")
    assert (tmp_path / "zip.issues").read_text() == there


def test_what_is_no_stream_and_what_lies_beside(tmp_path: Path) -> None:
    """Bytes are read as well, in one archive with studies; a folder of zip files has them all; closing early is clean."""
    source = zipped(
        {"a/dm.csv": ROWS["dm.csv"], "studies/1.json": ONE, "a/protocol.pdf": b"x" * 100, "__MACOSX/dm.csv": b""}
    )
    assert told(source) == (
        ["NCT00000001", "S-1", "S-2"],
        [
            "information: <bytes>!__MACOSX/dm.csv: passed over: it lies beside the records [passed-over]",
            "information: <bytes>!a/protocol.pdf: passed over: it is no table that is carried [passed-over]",
        ],
    )
    (tmp_path / "all").mkdir()
    for name in ("one", "two"):
        (tmp_path / "all" / f"{name}.zip").write_bytes(zipped({"dm.csv": ROWS["dm.csv"].replace(b"S-", name.encode())}))
    records, _ = read_all(tmp_path / "all")
    assert [each.id for each in records] == ["one1", "one2", "two1", "two2"]
    places = find(source, None, Limits())
    assert isinstance(next(places), Issue)
    next(places)
    next(places)
    places.close()


@pytest.mark.parametrize("within", ["", "st/"])
def test_what_lies_with_tables_is_passed_over_as_in_a_folder(within: str, tmp_path: Path) -> None:
    """A zip file, and folders, whatever is in them, are information, and no studies of their own."""
    names = ["dm.csv", "raw.zip", "old/dm.csv", "old/a/1.json", "__MACOSX/dm.csv"]
    members = {within + name: ONE if name.endswith("json") else ROWS["dm.csv"] for name in names}
    for name, content in members.items():
        (tmp_path / "all" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "all" / name).write_bytes(content)
    ids, said = told(zipped(members))
    records, there = read_all(tmp_path / "all" / within)

    assert ids == [each.id for each in records] == ["S-1", "S-2"]
    assert sorted(said) == sorted(
        f"information: <bytes>!{within}{name}: passed over: {why} [passed-over]"
        for name, why in (
            ("raw.zip", "it is no table that is carried"),
            ("old", "it is a folder, and lies in one of tables"),
            ("__MACOSX", "it lies beside the tables"),
        )
    )
    assert sorted(there) == sorted(line.replace(f"<bytes>!{within}", "") for line in said)


def test_studies_that_are_called_like_tables_are_studies() -> None:
    """What is in a file decides, as in a folder."""
    assert told(zipped({"subjects.json": ONE})) == (["NCT00000001"], [])


def test_nobody_else_sees_the_tables(temporary: Path) -> None:
    """They are unpacked into a folder of this user alone, and no file that is no table is."""
    places = find(zipped({**ROWS, "scan.pdf": b"x"}), None, Limits())
    next(places)
    (folder,) = temporary.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {file.name: file.stat().st_size for file in folder.iterdir()} == {
        "dm.csv": len(DM), "ex.csv": len(EX), "scan.pdf": 0
    }  # fmt: skip
    places.close()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("../dm.csv", b"", "the name leads out of the archive [bad-member-name]"),
        ("/ex.csv", b"", "the name leads out of the archive [bad-member-name]"),
        ("C:ex.csv", b"", "the name leads out of the archive [bad-member-name]"),
        ("x" * 252 + ".csv", b"", "the name has more than 255 bytes [bad-member-name]"),
        (
            "ex.csv",
            b"STUDYID,USUBJID,EXSEQ,EXTRT\n" + b"S,S-1,1," + b" " * (40 << 20),
            "unpacks to more than 200 times its size: no registry data do [unpacks-too-far]",
        ),
    ],
)
def test_a_bad_member_among_good_ones(name: str, content: bytes, text: str) -> None:
    """The bad one is told with its name and is nowhere; the others are read."""
    ids, said = told(zipped({"dm.csv": ROWS["dm.csv"], name: content}))
    assert (ids, said) == (["S-1", "S-2"], [f"error: <bytes>!{name}: {text}"])


def test_links_and_encrypted_and_damaged_members() -> None:
    """None of them is read, and all are told; that the table is missing is not said besides."""
    linked = zipped({"dm.csv": b"/etc/passwd"}, external_attr=(stat.S_IFLNK | 0o777) << 16)
    assert told(linked)[1] == [
        "error: <bytes>!dm.csv: the member is a symbolic link, not a file [symlink-member]",
    ]
    encrypted = bytearray(zipped({"dm.csv": ROWS["dm.csv"]}))
    encrypted[6] |= 1
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1
    assert told(bytes(encrypted))[1] == [
        "error: <bytes>!dm.csv: the member is encrypted (unpack it first) [encrypted-member]",
    ]
    whole = zipped(ROWS)
    damaged = bytearray(whole)
    damaged[whole.index(b"ex.csv") + 20] ^= 255
    ids, said = told(bytes(damaged))
    assert ids == ["S-1", "S-2"]
    assert said[0].startswith("error: <bytes>!ex.csv: the member is damaged (")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_damaged_table_spoils_no_other_study(method: int) -> None:
    """Bytes that cannot be unpacked, of the very table that a study begins with, are one error, whatever the packing."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("st/dm.csv", DM)
        archive.writestr("ok/dm.csv", DM)
    damaged = bytearray(out.getvalue())
    start = damaged.index(b"st/dm.csv") + len("st/dm.csv")
    damaged[start : start + 20] = b"\xff" * 20
    ids, said = told(bytes(damaged))
    assert (ids, len(said)) == (["S-1", "S-2"], 1)
    assert said[0].startswith("error: <bytes>!st/dm.csv: the member is damaged (")


def test_a_name_that_is_there_twice_counts_once() -> None:
    """Nothing says which of two members is right: the second is refused."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("dm.csv", DM)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("dm.csv", DM.replace("S-1", "S-9"))
    assert told(out.getvalue()) == (
        ["S-1", "S-2"],
        ["error: <bytes>!dm.csv: the archive has two files of this name [duplicate-member]"],
    )


def test_the_limit_is_one_for_all_members() -> None:
    """What all tables of a folder unpack to counts together."""
    size = len(DM) + len(EX)
    for limit, ids in ((size, ["S-1", "S-2"]), (size - 1, [])):
        found = list(find(zipped({"ex.csv": ROWS["ex.csv"], "dm.csv": ROWS["dm.csv"]}), None, Limits(unpacked=limit)))
        assert [orjson.loads(each.raw)["dm"]["USUBJID"] for each in found if not isinstance(each, Issue)] == ids
