"""Reading takes as much memory as the largest record needs, however long the source is."""

from __future__ import annotations

import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhirtrial.issue import Issue
from fhirtrial.readers import read
from fhirtrial.readers.source import Readable

LINES = (Path(__file__).resolve().parent / "data" / "read" / "studies.jsonl").read_bytes().splitlines()
IDS = ["NCT00309868", "NCT01100827", "NCT01844037"]


class Generated:
    """About 50 MB of different studies, made while they are read."""

    def __init__(self, head: bytes, between: bytes, tail: bytes, count: int) -> None:
        self.parts = self._parts(head, between, tail, count)
        self.held = b""

    def _parts(self, head: bytes, between: bytes, tail: bytes, count: int) -> Iterator[bytes]:
        for number in range(count):
            study = LINES[number % 3].replace(IDS[number % 3].encode(), b"NCT%08d" % number)
            yield (between if number else head) + study
        yield tail

    def read(self, size: int = -1) -> bytes:
        while len(self.held) < size and (part := next(self.parts, b"")):
            self.held += part
        given, self.held = self.held[:size], self.held[size:]
        return given


COUNT = 12_500
BOUND = 12 << 20


def peak(source: Readable | Path, **options: Any) -> tuple[int, int]:
    """How many records there were, and the most memory that reading them took."""
    tracemalloc.start()
    try:
        count = sum(1 for _ in read(source, **options))
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("head", "between", "tail"),
    [(b"", b"\n", b"\n"), (b"[", b",\n", b"]"), (b"[", b",", b"]"), (b'{"studies":[', b",", b"]}")],
    ids=["jsonl", "array", "array on one line", "page"],
)
def test_memory_does_not_grow_with_the_source(head: bytes, between: bytes, tail: bytes) -> None:
    """50 MB are read in less than 12, most of which remember the ids."""
    count, most = peak(Generated(head, between, tail, COUNT))

    assert count == COUNT
    assert most < BOUND


def test_memory_does_not_grow_with_a_zip_file(tmp_path: Path) -> None:
    """A member of 50 MB is read as it is unpacked."""
    made = Generated(b"", b"\n", b"\n", COUNT)
    with (
        zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.jsonl", "w") as member,
    ):
        while chunk := made.read(1 << 20):
            member.write(chunk)
    count, most = peak(tmp_path / "a.zip")

    assert count == COUNT
    assert most < BOUND


@pytest.mark.parametrize("form", ["study", "array", "jsonl"])
def test_a_record_that_is_too_large_is_not_held(form: str) -> None:
    """200 MB of text in one record are refused in little memory."""

    def chunks() -> Iterator[bytes]:
        yield b"[" * (form == "array") + b'{"a":"'
        for _ in range(200):
            yield b"x" * (1 << 20)
        yield b'"}' + b"]" * (form == "array")

    class Endless:
        made = chunks()

        def read(self, size: int = -1) -> bytes:
            return next(self.made, b"")

    refused: list[Issue] = []
    tracemalloc.start()
    records = list(read(Endless(), format=form, max_bytes=8 << 20, refused=refused.append))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert records == []
    assert [issue.message for issue in refused] == ["the record has more than 8,388,608 bytes"]
    assert most < 32 << 20


@pytest.mark.parametrize("order", ["together", "apart"])
@pytest.mark.parametrize("form", ["csv", "json"])
def test_memory_does_not_grow_with_a_table(form: str, order: str, tmp_path: Path) -> None:
    """50 MB of EX are read in less than 12, whether the rows of a subject stand together or not."""
    subjects, each = 500, 20
    places = [(subject, number) for subject in range(subjects) for number in range(each)]
    if order == "apart":
        places.sort(key=lambda place: place[1])
    names = ["USUBJID", "EXSEQ", "EXTRT"]
    (tmp_path / "dm.csv").write_text("USUBJID\n" + "".join(f"S{subject}\n" for subject in range(subjects)))
    with (tmp_path / f"ex.{form}").open("w") as file:
        if form == "csv":
            file.write(",".join(names) + "\n")
            file.writelines(f"S{subject},{number},{'x' * 5_000}\n" for subject, number in places)
        else:
            columns = ",".join(f'{{"name":"{name}"}}' for name in names)
            file.write(f'{{"datasetJSONVersion":"1.1.0","columns":[{columns}],"rows":[')
            file.writelines(f'["S{subject}",{number},"{"x" * 5_000}"],' for subject, number in places)
            file.write('["S1",-1,"x"]]}')
    count, most = peak(tmp_path)

    assert count == subjects
    assert most < BOUND
