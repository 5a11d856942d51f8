"""
How fast records go to FHIR and back, beside what the same bytes cost if they are only parsed and written.

    python -m tests.bench [--rounds N] [--long]

On the shared records if they lie beside the checkout, else on the few of the tests. The floor of a row is
`orjson.loads` of its input and `orjson.dumps` of its output, measured in the same rounds: what no program in Python
goes below. Each figure is the best of the rounds, which alternate between all rows. `--long` takes 100,000 records,
made of these under other numbers, through the whole command, and prints how much memory it had after each tenth.
"""

from __future__ import annotations

import argparse
import gc
import gzip
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from fhirtrial.mapping.mapper import Mapper
from fhirtrial.pipelines.convert import convert_all
from fhirtrial.pipelines.restore import restore_all
from fhirtrial.readers.json_study import record as record_of
from fhirtrial.readers.source import Piece
from fhirtrial.record import Origin, Record
from fhirtrial.releases.release import Release

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared" / "corpus" / "ctgov" / "studies.jsonl.gz"
SMALL = HERE / "data" / "read" / "studies.jsonl"
LONG = 100_000
_ID = re.compile(rb'"nctId":\s*"(NCT\d{8})"')


def corpus() -> list[bytes]:
    """The studies at hand, one per line."""
    raw = gzip.decompress(SHARED.read_bytes()) if SHARED.exists() else SMALL.read_bytes()
    return raw.splitlines()


def renumbered(studies: list[bytes], count: int) -> Iterator[bytes]:
    """So many studies, each with a number of its own."""
    for number in range(count):
        line = studies[number % len(studies)]
        found = _ID.search(line)
        assert found is not None
        yield line.replace(found[1], b"NCT%08d" % number) + b"\n"


def leaves(node: Any) -> int:
    """How many values a tree holds."""
    if isinstance(node, dict):
        return sum(map(leaves, node.values()))
    return sum(map(leaves, node)) if isinstance(node, list) else 1


class Rows:
    """What is measured: the work of each row and its floor."""

    def __init__(self, studies: list[bytes]) -> None:
        self.mapper = Mapper()
        self.schema = self.mapper.mapping.schema
        self.finishing = Release("R4").finishing(self.mapper.vocabulary)
        self.studies = studies
        self.texts = [self.forth(raw) for raw in studies]
        self.trees = [[orjson.loads(text) for text in texts] for texts in self.texts]
        self.trees_r4 = [[orjson.loads(text) for text in self.forth_r4(raw)] for raw in studies]
        self.records = [self.back(texts) for texts in self.texts]
        self.wanted = [orjson.loads(raw) for raw in self.records]

    def record(self, raw: bytes) -> Record:
        """Bytes, parsed and checked."""
        found = record_of(Piece(origin=Origin(), raw=raw), self.schema, whole=False)
        assert isinstance(found, Record), found
        return found

    def forth(self, raw: bytes) -> list[bytes]:
        """Bytes → check → map → bytes."""
        return list(self.mapper.convert(self.record(raw)).texts.values())

    def forth_r4(self, raw: bytes) -> list[bytes]:
        """The same, to R4."""
        return list(self.mapper.convert(self.record(raw), finishing=self.finishing).texts.values())

    def back(self, texts: list[bytes]) -> bytes:
        """Bytes → index → map → bytes."""
        return orjson.dumps(self.mapper.restore(map(orjson.loads, texts)).data)

    def convert(self) -> None:
        """Each study to the text of its resources."""
        for raw in self.studies:
            self.forth(raw)

    def convert_floor(self) -> None:
        """The same bytes in and out."""
        for raw, trees in zip(self.studies, self.trees, strict=True):
            orjson.loads(raw)
            for tree in trees:
                orjson.dumps(tree)

    def convert_to_r4(self) -> None:
        """Each study to the text of its R4 resources."""
        for raw in self.studies:
            self.forth_r4(raw)

    def convert_to_r4_floor(self) -> None:
        """The same bytes in and out."""
        for raw, trees in zip(self.studies, self.trees_r4, strict=True):
            orjson.loads(raw)
            for tree in trees:
                orjson.dumps(tree)

    def restore(self) -> None:
        """The text of each study's resources to the study."""
        for texts in self.texts:
            self.back(texts)

    def restore_floor(self) -> None:
        """The same bytes in and out."""
        for texts, tree in zip(self.texts, self.wanted, strict=True):
            for text in texts:
                orjson.loads(text)
            orjson.dumps(tree)

    def both(self) -> None:
        """There and back."""
        for raw in self.studies:
            self.back(self.forth(raw))

    def both_floor(self) -> None:
        """Both floors."""
        self.convert_floor()
        self.restore_floor()


def best(tasks: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """The least time of each task over rounds that take them in turn."""
    least = dict.fromkeys(tasks, float("inf"))
    for _ in range(rounds):
        for name, task in tasks.items():
            gc.collect()
            start = clock()
            task()
            least[name] = min(least[name], clock() - start)
    return least


def table(head: list[str], rows: list[list[str]]) -> None:
    """Prints columns: words to the left, numbers to the right."""
    widths = [max(len(row[place]) for row in [head, *rows]) for place in range(len(head))]
    for row in [head, *rows]:
        print(
            "  ".join(
                text.rjust(width) if place else text.ljust(width)
                for place, (text, width) in enumerate(zip(row, widths, strict=True))
            )
        )


def one_core(studies: list[bytes], rounds: int) -> None:
    """The library in one process, by CPU time."""
    rows = Rows(studies)
    tasks = {
        name: getattr(rows, name)
        for row in ("convert", "convert_to_r4", "restore", "both")
        for name in (row, f"{row}_floor")
    }
    times = best(tasks, rounds, time.process_time)
    values = sum(map(leaves, rows.wanted))
    shown = []
    for name in ("convert", "convert_to_r4", "restore", "both"):
        spent, floor = times[name], times[f"{name}_floor"]
        peak = in_own_process(name)
        shown.append(
            [
                name.replace("_", " ").replace("r4", "R4"),
                f"{len(studies) / spent:,.0f}",
                f"{values / spent:,.0f}",
                f"{spent / len(studies) * 1e6:,.0f}",
                f"{floor / len(studies) * 1e6:,.0f}",
                f"{spent / floor:.2f}",
                f"{peak:,.0f}",
            ]
        )
    table(["one core", "records/s", "leaves/s", "µs a record", "floor", "ratio", "peak MB"], shown)
    print(f"convert to R4: {times['convert_to_r4'] / times['convert']:.2f} times convert")


def in_own_process(name: str) -> float:
    """The peak memory, in MB, of a process that takes the corpus through one pipeline from file to file."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--peak", name], capture_output=True, check=True, text=True
    )
    return float(done.stdout)


def peak(name: str) -> None:
    """What that process does."""
    with tempfile.TemporaryDirectory() as folder:
        source = SHARED if SHARED.exists() else SMALL
        if name == "restore":
            # Converting must not count: it is done by another process.
            there = f"{folder}/there.ndjson"
            subprocess.run(
                [sys.executable, "-m", "fhirtrial", "convert", str(source), "-o", there],
                check=True,
                stderr=subprocess.DEVNULL,
            )
            restore_all([there], f"{folder}/back.jsonl")
        else:
            convert_all([source], f"{folder}/there.ndjson", to="R4" if name == "convert_to_r4" else "R5")
        if name == "both":
            restore_all([f"{folder}/there.ndjson"], f"{folder}/back.jsonl")
    status = Path("/proc/self/status")
    if status.exists():
        # The system's own count of this program alone: ru_maxrss also counts who started it.
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        assert found is not None
        print(int(found[1]) / 1024)
    else:
        unit = 1024 if sys.platform == "darwin" else 1
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit / 1024)


def jobs(studies: list[bytes], rounds: int) -> None:
    """The whole command's work, from a file to nowhere, by the clock on the wall, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "studies.jsonl"
        count = max(len(studies), 20_000)
        with source.open("wb") as file:
            file.writelines(renumbered(studies, count))
        least = dict.fromkeys((1, 2), float("inf"))
        for _ in range(rounds):
            for number in least:
                least[number] = min(least[number], seconds(source, number))
    shown = [
        [f"{number} job{'s' * (number > 1)}", f"{count / spent:,.0f}", f"{least[1] / spent:.2f}"]
        for number, spent in least.items()
    ]
    print(f"\n{os.cpu_count()} cores, {os.getloadavg()[0]:.1f} processes waiting for them")
    table(["convert, all of it", "records/s", "speed-up"], shown)


def seconds(source: Path, number: int) -> float:
    """How long so many jobs take to convert a file."""
    command = [sys.executable, "-m", "tests.bench", "--jobs", str(number), "--source", str(source)]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def memory_over_a_long_run(studies: list[bytes]) -> None:
    """The memory after each tenth of a long run, there and back."""

    def resident() -> str:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return f"{pages * os.sysconf('SC_PAGE_SIZE') / 2**20:,.0f}"

    class Feed:
        """An open file that is made while it is read."""

        def __init__(self) -> None:
            self.made = renumbered(studies, LONG)

        def read(self, _: int = -1) -> bytes:
            return b"".join(line for _, line in zip(range(40), self.made, strict=False))

    shown: dict[str, list[str]] = {"convert": [], "restore": []}

    def watch(name: str) -> Callable[[Any], None]:
        def progress(summary: Any) -> None:
            if summary.records >= LONG // 10 * (len(shown[name]) + 1):
                shown[name].append(resident())

        return progress

    with tempfile.TemporaryDirectory() as folder:
        there = f"{folder}/there.ndjson"
        convert_all([Feed()], there, progress=watch("convert"))
        restore_all([there], os.devnull, progress=watch("restore"))
    print(f"\nresident MB after each tenth of {LONG:,} records")
    for name, figures in shown.items():
        print(f"{name}  {'  '.join(figures)}")


def main() -> None:
    """Prints all figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--long", action="store_true")
    options.add_argument("--peak", choices=["convert", "convert_to_r4", "restore", "both"], help=argparse.SUPPRESS)
    options.add_argument("--jobs", type=int, help=argparse.SUPPRESS)
    options.add_argument("--source", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.peak:
        peak(given.peak)
        return
    if given.jobs:
        start = time.perf_counter()
        convert_all([given.source], os.devnull, jobs=given.jobs)
        print(time.perf_counter() - start)
        return
    studies = corpus()
    print(f"{len(studies):,} records, {sum(map(len, studies)) / 1e6:,.1f} MB")
    one_core(studies, given.rounds)
    jobs(studies, max(1, given.rounds // 2))
    if given.long:
        memory_over_a_long_run(studies)


if __name__ == "__main__":
    main()
