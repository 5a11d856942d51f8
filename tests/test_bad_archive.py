"""Bad gzip and zip files, folders and files that cannot be opened: refused with the reason; the rest goes on."""

from __future__ import annotations

import gzip
import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from fhirtrial.issue import Issue
from fhirtrial.readers import find
from fhirtrial.readers.source import Limits
from tests.test_bad_input import END, ONE, THREE, TWO, refused, study


def test_truncated_gzip() -> None:
    """What came through before the end is read."""
    packed = gzip.compress(ONE + b"\n" + TWO + b"\n" + os.urandom(1000).hex().encode() + b"\n")

    assert refused(packed[:-700]) == (
        ["1", "2"],
        ["error: <bytes>: the gzip data end before they are complete [truncated-gzip]"],
    )
    assert refused(packed[:5])[1] == ["error: <bytes>: the gzip data end before they are complete [truncated-gzip]"]


def test_broken_gzip() -> None:
    """A wrong check sum is told."""
    packed = bytearray(gzip.compress(ONE, mtime=0))
    packed[-6] ^= 1

    ids, texts = refused(bytes(packed))
    assert texts == ["error: <bytes>: the gzip data are damaged (incorrect data check) [broken-gzip]"]
    assert ids == []


def test_garbage_after_gzip() -> None:
    """Padding with zeros is usual, anything else is told; the records before are read."""
    lines = gzip.compress(ONE + b"\n" + TWO + b"\n", mtime=0)

    assert refused(lines + bytes(10)) == (["1", "2"], [])
    assert refused(lines + b"x") == (
        ["1", "2"],
        ["error: <bytes>: something that is not gzip follows the gzip data [trailing-garbage]"],
    )


def test_gzip_bomb() -> None:
    """What unpacks to far more than registry data do is not unpacked to its end."""
    bomb = gzip.compress(ONE + b"\n" + b" " * (40 << 20), mtime=0)

    assert refused(bomb, format="jsonl")[1] == [
        "error: <bytes>: unpacks to more than 200 times its size: no registry data do [unpacks-too-far]"
    ]


def test_gzip_in_gzip_in_gzip() -> None:
    """Three layers are taken off, no more."""
    packed = ONE
    for _ in range(3):
        packed = gzip.compress(packed, mtime=0)

    assert refused(packed) == (["1"], [])
    assert refused(gzip.compress(packed, mtime=0)) == (
        [],
        ["error: <bytes>: packed with gzip more than 3 times [unpacks-too-far]"],
    )


def test_limit_on_what_is_unpacked() -> None:
    """There is a limit in bytes too, for gzip and for each member of a zip file; bytes are counted as they come."""
    limits = Limits(unpacked=1000)
    lines = b"\n".join(study(number) for number in range(50))
    text = "unpacks to more than 1,000 bytes [unpacks-too-far]"
    for source, place in ((gzip.compress(lines, mtime=0), "<bytes>"), (zipped({"a.jsonl": lines}), "<bytes>!a.jsonl")):
        issues = [str(item) for item in find(source, None, limits) if isinstance(item, Issue)]
        assert issues == [f"error: {place}: {text}"]


# ----------------------------------------------------------------------------------------------------- zip files


def zipped(members: dict[str, bytes], **attributes: int) -> bytes:
    """A zip file of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            archive.writestr(info, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("../b.json", TWO, "the name leads out of the archive [bad-member-name]"),
        ("a/../../b.json", TWO, "the name leads out of the archive [bad-member-name]"),
        ("/b.json", TWO, "the name leads out of the archive [bad-member-name]"),
        ("a\\..\\b.json", TWO, "the name leads out of the archive [bad-member-name]"),
        ("C:b.json", TWO, "the name leads out of the archive [bad-member-name]"),
        ("b.zip", b"x", "a zip file inside a zip file is not read (unpack it first) [nested-zip]"),
        ("b.json", b"PK\x03\x04", "a zip file inside a zip file is not read (unpack it first) [nested-zip]"),
        (
            "b.json.gz",
            gzip.compress(b"PK\x05\x06", mtime=0),
            "a zip file inside a zip file is not read (unpack it first) [nested-zip]",
        ),
        ("b.json", b"", "there is nothing in it [empty-source]"),
        (
            "b.json",
            b'{"a":"' + b"x" * (40 << 20) + b'"}',
            "unpacks to more than 200 times its size: no registry data do [unpacks-too-far]",
        ),
    ],
)
def test_a_bad_member_among_good_ones(name: str, content: bytes, text: str) -> None:
    """The bad one is told with its name, and the others are read."""
    source = zipped({"a.json": ONE, name: content, "./c/d.json": THREE})

    assert refused(source) == (["1", "3"], [f"error: <bytes>!{name}: {text}"])


def test_symlink_member() -> None:
    """A link is no file: it is not followed."""
    source = zipped({"b.json": b"/etc/passwd"}, external_attr=(stat.S_IFLNK | 0o777) << 16)

    assert refused(source) == (
        [],
        ["error: <bytes>!b.json: the member is a symbolic link, not a file [symlink-member]"],
    )


def test_encrypted_member() -> None:
    """There is no way to give a password."""
    source = bytearray(zipped({"b.json": TWO}))
    source[6] |= 1
    source[source.index(b"PK\x01\x02") + 8] |= 1

    assert refused(bytes(source)) == (
        [],
        ["error: <bytes>!b.json: the member is encrypted (unpack it first) [encrypted-member]"],
    )


def test_a_member_that_lies_about_its_size() -> None:
    """The sizes in the archive's directory prove nothing: the check sum over the bytes themselves does."""
    source = bytearray(zipped({"b.json": TWO + b" " * 5000}))
    size = source.index(b"PK\x01\x02") + 24
    source[size : size + 4] = (100).to_bytes(4, "little")

    assert refused(bytes(source)) == (
        [],
        ["error: <bytes>!b.json: the member is damaged (Bad CRC-32 for file 'b.json') [broken-zip]"],
    )


def test_a_damaged_zip_file() -> None:
    """A zip file without its directory is refused, one with a damaged member is read on."""
    whole = zipped({"a.json": ONE, "b.json": TWO, "c.json": THREE})
    assert refused(whole[:-30]) == (
        [],
        ["error: <bytes>: the zip file is damaged (File is not a zip file) [broken-zip]"],
    )
    damaged = bytearray(whole)
    damaged[whole.index(b"b.json") + 20] ^= 255
    ids, [text] = refused(bytes(damaged))
    assert ids == ["1", "3"]
    assert text.startswith("error: <bytes>!b.json: the member is damaged (")


def test_a_zip_file_with_nothing_in_it() -> None:
    """An empty archive is told, and so is one that has no file of records."""
    assert refused(zipped({})) == ([], ["error: <bytes>: there is no file in it [empty-zip]"])
    assert refused(zipped({"README": b"x"})) == (
        [],
        [
            "information: <bytes>!README: passed over: it lies beside the records [passed-over]",
            "error: <bytes>: there is no file of records in it [empty-zip]",
        ],
    )


# ------------------------------------------------------------------------------------------- files and folders


def test_no_such_file(tmp_path: Path) -> None:
    """The path is told; JSON given as a path gets a hint."""
    path = tmp_path / "missing.json"

    assert refused(path) == ([], [f"error: {path}: there is no such file or folder [no-such-file]"])
    assert refused('{"a":1}') == (
        [],
        ['error: {"a":1}: there is no such file or folder (JSON itself is given as bytes) [no-such-file]'],
    )


def test_an_empty_folder(tmp_path: Path) -> None:
    """No record at all is an error, not silence."""
    (tmp_path / "a").mkdir()

    assert refused(tmp_path) == (
        [],
        [f"error: {tmp_path}: there is no file of records in the folder [empty-folder]"],
    )


def test_a_bad_file_among_good_ones(tmp_path: Path) -> None:
    """Bad files of a folder are told, and the others are read; a record in two files is read once."""
    (tmp_path / "a.json").write_bytes(ONE)
    (tmp_path / "b.json").write_bytes(b"")
    (tmp_path / "c.json").symlink_to(tmp_path / "gone.json")
    (tmp_path / "d.json").write_bytes(ONE)
    (tmp_path / "e.json").write_bytes(b'{"studies": ')
    os.mkfifo(tmp_path / "f.json")
    (tmp_path / "g.json").write_bytes(THREE)
    (tmp_path / "h.jsonl").write_bytes(b"\n" + THREE)

    assert refused(tmp_path) == (
        ["1", "3"],
        [
            f"information: {tmp_path}/f.json: passed over: it is no file [passed-over]",
            f"error: {tmp_path}/b.json: there is nothing in it [empty-source]",
            f"error: {tmp_path}/c.json: there is no such file or folder [no-such-file]",
            (
                f"error: {tmp_path}/d.json:1: NCT00000001: the record was read before, at {tmp_path}/a.json:1"
                " [duplicate-record]"
            ),
            f"error: {tmp_path}/e.json:1: the JSON ends at the beginning of the studies (column 13) {END}",
            (
                f"error: {tmp_path}/h.jsonl:2: NCT00000003: the record was read before, at {tmp_path}/g.json:1"
                " [duplicate-record]"
            ),
        ],
    )


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be read is told; so is one that breaks off."""
    path = tmp_path / "a.json"
    path.write_bytes(ONE)

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    assert refused(path) == ([], [f"error: {path}: no permission to read it [no-permission]"])

    class Breaking(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    assert refused(Breaking()) == ([], ["error: cannot be read: Input/output error [unreadable]"])
