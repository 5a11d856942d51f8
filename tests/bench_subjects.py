"""
How fast participants' data go to FHIR and back, beside what the same bytes cost if they are only parsed and written.

    python -m tests.bench_subjects [--rounds N] [--long]

On tables that are made up: CSV files of DM, DS and EX, 40 rows of EX for each subject. The floor of a row reads its
input (`csv.reader`, `orjson.loads`) and writes its output (`orjson.dumps`) and does nothing else, in the same rounds.
Each figure is the best of the rounds, by CPU time, from file to file. `--long` takes 1,000,000 rows of EX through
conversion, figures and restoring, and prints how much memory the process had, and at most.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson

from fhirtrial.pipelines.convert import convert_all
from fhirtrial.pipelines.participants import layouts
from fhirtrial.pipelines.restore import restore_all
from fhirtrial.pipelines.subjects import subject_figures
from fhirtrial.pipelines.tables import TableFolder

from .bench import best, table

SUBJECTS, EACH = 250, 40
LONG = 1_000_000
ARMS = (("A", "Active"), ("P", "Placebo"))


def made(folder: Path, subjects: int) -> Path:
    """The tables of a study of so many subjects."""
    folder.mkdir(parents=True)
    with (folder / "dm.csv").open("w") as dm, (folder / "ds.csv").open("w") as ds, (folder / "ex.csv").open("w") as ex:
        dm.write("STUDYID,DOMAIN,USUBJID,SUBJID,RFSTDTC,RFXSTDTC,AGE,AGEU,SEX,ARMCD,ARM,ACTARMCD,ACTARM\n")
        ds.write("STUDYID,DOMAIN,USUBJID,DSSEQ,DSTERM,DSDECOD,DSCAT,DSSTDTC\n")
        ex.write("STUDYID,DOMAIN,USUBJID,EXSEQ,EXTRT,EXDOSE,EXDOSU,EXDOSFRM,EXDOSFRQ,EXROUTE,EXSTDTC,EXENDTC\n")
        for number in range(subjects):
            who = f"BENCH,{{}},BENCH-{number:06}"
            code, arm = ARMS[number % 2]
            dm.write(
                f"{who.format('DM')},{number:06},2020-01-06,2020-01-06,{40 + number % 40},YEARS,F,{code},{arm},{code},{arm}\n"
            )
            ds.write(f"{who.format('DS')},1,COMPLETED,COMPLETED,DISPOSITION EVENT,2021-02-03\n")
            for row in range(EACH):
                day = f"2020-{row % 12 + 1:02}-{row % 28 + 1:02}"
                ex.write(f"{who.format('EX')},{row + 1},SYNTHETOL,{54 * (number % 2)},mg,TABLET,QD,ORAL,{day},{day}\n")
    return folder


class Rows:
    """What is measured: the work of each row and its floor, on files of one folder."""

    def __init__(self, folder: Path, subjects: int) -> None:
        self.tables = made(folder / "tables", subjects)
        self.there = folder / "there.ndjson"
        self.back = folder / "back"
        self.convert()
        self.restore()
        self.resources = [orjson.loads(line) for line in self.there.read_bytes().splitlines()]

    def convert(self) -> None:
        """The tables to resources."""
        convert_all([self.tables], self.there)

    def convert_to_r4(self) -> None:
        """The tables to resources of R4."""
        convert_all([self.tables], os.devnull, to="R4")

    def figures(self) -> None:
        """The figures of the resources."""
        subject_figures([self.there])

    def restore(self) -> None:
        """The tables again."""
        restore_all([self.there], TableFolder(self.back, layouts(None)("sdtm")), registry="sdtm")

    def convert_floor(self) -> None:
        """The tables read, the resources written."""
        for file in sorted(self.tables.iterdir()):
            with file.open(newline="") as opened:
                list(csv.reader(opened))
        with Path(os.devnull).open("wb") as out:
            out.writelines(orjson.dumps(resource) + b"\n" for resource in self.resources)

    convert_to_r4_floor = convert_floor

    def figures_floor(self) -> None:
        """The resources read."""
        for line in self.there.read_bytes().splitlines():
            orjson.loads(line)

    def restore_floor(self) -> None:
        """The resources read, the tables written."""
        self.figures_floor()
        for file in sorted(self.back.iterdir()):
            with file.open(newline="") as opened, Path(os.devnull).open("w") as out:
                csv.writer(out).writerows(csv.reader(opened))


def one_core(rounds: int) -> None:
    """The table of one process."""
    with tempfile.TemporaryDirectory() as folder:
        rows = Rows(Path(folder), SUBJECTS)
        names = ("convert", "convert_to_r4", "figures", "restore")
        tasks = {name: getattr(rows, name) for row in names for name in (row, f"{row}_floor")}
        times = best(tasks, rounds, time.process_time)
    shown = []
    for name in names:
        spent, floor = times[name], times[f"{name}_floor"]
        doses = SUBJECTS * EACH
        shown.append(
            [
                name.replace("_", " ").replace("r4", "R4"),
                f"{SUBJECTS / spent:,.0f}",
                f"{doses / spent:,.0f}",
                f"{spent / doses * 1e6:,.0f}",
                f"{floor / doses * 1e6:,.0f}",
                f"{spent / floor:.2f}",
            ]
        )
    table(["one core", "subjects/s", "administrations/s", "µs each", "floor", "ratio"], shown)


def memory(rows: int) -> None:
    """The greatest memory of a process for each step of a long run, and how long that took."""
    with tempfile.TemporaryDirectory() as folder:
        source = made(Path(folder) / "tables", rows // EACH)
        there, back = f"{folder}/there.ndjson", f"{folder}/back"
        steps = {
            "convert": ["convert", str(source), "-o", there, "--jobs", "2"],
            "figures": ["subjects", there, "--json"],
            "restore": ["restore", there, "--format", "sdtm", "-o", back],
        }
        print(f"\n{rows:,} rows of EX")
        shown = []
        for name, arguments in steps.items():
            start = time.perf_counter()
            done = subprocess.run([sys.executable, "-c", PEAK, *arguments], check=True, capture_output=True, text=True)
            found = re.search(r"VmHWM:\s*(\d+) kB", done.stderr)
            assert found is not None, done.stderr
            shown.append([name, f"{int(found[1]) / 1024:,.0f}", f"{time.perf_counter() - start:,.0f}"])
        table(["whole command", "peak MB", "seconds"], shown)


PEAK = """
import pathlib, sys
from fhirtrial.cli import main
try:
    main()
finally:
    sys.stderr.write(pathlib.Path("/proc/self/status").read_text())
"""


def main() -> None:
    """Prints all figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--long", action="store_true")
    given = options.parse_args()
    one_core(given.rounds)
    if given.long:
        for rows in (LONG // 10, LONG):
            memory(rows)


if __name__ == "__main__":
    main()
