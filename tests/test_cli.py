"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click
import orjson
import pytest
from click.testing import CliRunner, Result

from fhirtrial.cli import main
from fhirtrial.cli.app import COMMANDS
from fhirtrial.cli.report import far
from fhirtrial.loading.summary import LoadSummary
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.readers import read
from fhirtrial.version import __version__

from .test_convert import BAD, STUDIES, lines, many, study

ROOT = Path(__file__).resolve().parents[1]
TAKEN = "error: --issues -: standard output is taken by the result; use -o FILE, or --issues FILE"


def run(*arguments: object, input: bytes | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=input)


def real(*arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "fhirtrial", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, cwd=ROOT, timeout=60, **options)


def test_convert_to_standard_output() -> None:
    """Resources on standard output, the summary on standard error, exit code 0."""
    done = run("convert", STUDIES)
    assert done.exit_code == 0
    kinds = [orjson.loads(line)["resourceType"] for line in done.stdout_bytes.splitlines()]
    assert kinds.count("ResearchStudy") == 3
    assert done.stderr.splitlines()[-1].startswith(f"3 records, 0 refused; {len(kinds)} resources: ")


def test_there_and_back_through_pipes(tmp_path: Path) -> None:
    """`convert - | restore -` gives the records again."""
    there = real("convert", "-", input=STUDIES.read_bytes())
    back = real("restore", "-", "--verify", input=there.stdout)
    assert (there.returncode, back.returncode) == (0, 0)
    schema = Mapper().mapping.schema
    assert [orjson.loads(line) for line in back.stdout.splitlines()] == [
        schema.wanted(record.data) for record in read(STUDIES)
    ]
    folder, packed = f"{tmp_path}/out/", tmp_path / "back.jsonl.gz"
    assert real("convert", STUDIES, "-o", folder).returncode == 0
    assert real("restore", folder, "-o", packed).returncode == 0
    assert gzip.decompress(packed.read_bytes()) == back.stdout


def test_refused_records() -> None:
    """One line for each, exit code 1, the others are written."""
    done = run("convert", BAD, BAD.with_name("none.jsonl"))
    assert done.exit_code == 1
    assert done.stdout_bytes.count(b'{"resourceType":"ResearchStudy"') == 3
    errors = [line.replace(str(BAD.parent), "…") for line in done.stderr.splitlines() if line.startswith("error")]
    assert errors == [
        (
            "error: …/bad.jsonl:3: NCT00000013: protocolSection.identificationModule.briefTitle: expected text, "
            "found a list [wrong-type]"
        ),
        "error: …/bad.jsonl:4: the JSON ends in the middle of a value (line 4, column 22) [truncated]",
        "error: …/bad.jsonl:5: NCT00000011: the record was read before, at …/bad.jsonl:1 [duplicate-record]",
        "error: …/none.jsonl: there is no such file or folder [no-such-file]",
    ]
    assert "3 records, 4 refused; " in done.stderr.splitlines()[-1]


def test_issues_in_a_file(tmp_path: Path) -> None:
    """Each as one JSON object; on standard error only the summary is left."""
    done = run("convert", BAD, "-o", tmp_path / "out.ndjson", "--issues", tmp_path / "issues.jsonl")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    found = [json.loads(line) for line in (tmp_path / "issues.jsonl").read_text().splitlines()]
    assert [issue["line"] if "line" in issue else issue["code"] for issue in found if issue["severity"] == "error"] == [
        "wrong-type", "truncated", "duplicate-record",
    ]  # fmt: skip
    unknown = next(issue for issue in found if issue["code"] == "unknown-value")
    assert unknown["path"] == "protocolSection.statusModule.overallStatus"
    assert unknown["hint"] == "did you mean COMPLETED?"


def test_check_writes_nothing_but_reports(tmp_path: Path) -> None:
    """The issues are those of convert, also on standard output."""
    converted = run("convert", BAD, "-o", tmp_path / "out", "--issues", tmp_path / "issues")
    done = run("check", BAD, "--issues", "-")
    assert (converted.exit_code, done.exit_code) == (1, 1)
    assert done.stdout_bytes == (tmp_path / "issues").read_bytes()
    assert run("check", STUDIES).exit_code == 0
    assert run("check", STUDIES).stdout == ""


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["convert", STUDIES, "--issues", "-"], TAKEN),
        (["convert", STUDIES, "--issues", "/tmp/"],
         "error: --issues /tmp/: this is a folder; the issues go to one file"),
        (["restore", STUDIES, "-o", "/tmp/"], "error: /tmp/: restored records go to one file, not to a folder"),
        (["convert", STUDIES, "-o", "/no/such/file"],
         "error: /no/such/file: cannot be written: No such file or directory"),
        (["convert", STUDIES, "--input-format", "jsnol"], "error: 'jsnol' is no format; did you mean jsonl?"),
        (["convert", STUDIES, "--mappings", "/no/such"], "error: /no/such: no such folder of mapping files"),
        (["convert", STUDIES, "--to", "R6"], "Error: Invalid value for '--to': 'R6' is not one of 'R4', 'R4B', 'R5'."),
        (["convert", STUDIES, "--jobs", "0"], "Error: Invalid value for '--jobs': 0 is not in the range x>=1."),
        (["convert"], "Error: Missing argument 'SOURCE...'."),
        (["coverage", "--format", "xml"],
         "Error: Invalid value for '--format': 'xml' is not one of 'table', 'json', 'markdown'."),
    ],
)  # fmt: skip
def test_wrong_use(arguments: list[object], text: str) -> None:
    """One clear line, exit code 2, no traceback, nothing on standard output."""
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == text
    assert "Traceback" not in done.stderr


def test_wrong_mapping(tmp_path: Path) -> None:
    """A mapping file that is wrong is told with file and line."""
    (tmp_path / "ctgov").mkdir()
    text = (ROOT / "mappings" / "ctgov" / "location.yaml").read_text()
    (tmp_path / "ctgov" / "location.yaml").write_text(text.replace("  mode: instance", "  mood: instance"))
    done = run("convert", STUDIES, "--mappings", tmp_path)
    assert done.exit_code == 2
    line = 1 + text[: text.index("  mode: instance")].count("\n")
    message = f"error: ctgov/location.yaml:{line}: 'mood' is no element of Location; did you mean mode?\n"
    assert done.stderr == message


def test_own_mapping_is_used_by_every_process(tmp_path: Path) -> None:
    """A user's file replaces the one of its name, with several jobs, too."""
    (tmp_path / "ctgov").mkdir()
    text = (ROOT / "mappings" / "ctgov" / "location.yaml").read_text()
    (tmp_path / "ctgov" / "location.yaml").write_text(text.replace("mode: instance", "mode: kind"))
    source = lines(*(study(number, facility=f"Clinic {number}") for number in range(1, 100)))
    one = run("convert", "-", "--mappings", tmp_path, input=source)
    assert one.stdout_bytes.count(b'"mode":"kind"') == 99
    assert run("convert", "-", "--mappings", tmp_path, "--jobs", 2, input=source).stdout_bytes == one.stdout_bytes


def test_without_contacts() -> None:
    """The count of what was left out goes to the issues."""
    source = study(1)
    source["protocolSection"]["contactsLocationsModule"] = {
        "centralContacts": [{"name": "Anna", "email": "anna@example.org"}]
    }
    done = run("convert", "-", "--no-contacts", input=lines(source))
    assert b"anna@example.org" not in done.stdout_bytes
    assert "2 names, phones and e-mails of contacts were left out, as asked [withheld]" in done.stderr


def test_formats_of_output() -> None:
    """One Bundle per record."""
    for format, type_ in (("bundle", "transaction"), ("collection", "collection")):
        found = [orjson.loads(line) for line in run("convert", STUDIES, "--format", format).stdout_bytes.splitlines()]
        assert [(bundle["resourceType"], bundle["type"]) for bundle in found] == [("Bundle", type_)] * 3


def test_restoring_what_is_no_study() -> None:
    """Refused with its place, exit code 1."""
    done = run("restore", "-", input=b'{"resourceType":"ResearchStudy","id":"x","status":"active"}\n')
    assert done.exit_code == 1
    assert "error: -:1: ResearchStudy/x: no identifier of the registry" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("0 records, 1 refused")


def test_show_the_first_or_all() -> None:
    """Numbers of the studies, for people; refused ones on standard error."""
    first = run("show", STUDIES)
    assert first.exit_code == 0
    assert "NCT00309868" in first.stdout
    assert "NCT01100827" not in first.stdout
    everything = run("show", "--all", STUDIES)
    assert all(name in everything.stdout for name in ("NCT00309868", "NCT01100827", "NCT01844037"))
    bad = run("show", BAD.with_name("none"))
    assert bad.exit_code == 1
    assert bad.stderr.endswith("none: there is no such file or folder [no-such-file]\n")


@pytest.mark.parametrize("format", ["table", "json", "markdown"])
def test_coverage(format: str) -> None:
    """Each form names a field, its element and the line of the mapping."""
    done = run("coverage", "--format", format)
    assert done.exit_code == 0
    assert "briefTitle" in done.stdout
    assert "study.yaml:" in done.stdout
    if format == "json":
        json.loads(done.stdout)


@pytest.mark.parametrize("command", ["convert", "restore", "coverage", "show", "check", "subjects"])
def test_help_has_examples(command: str) -> None:
    """Each command shows two or three ways to use it."""
    text = run(command, "--help").stdout
    assert 2 <= text.partition("Examples:")[2].count("fhirtrial ") <= 4
    assert f"fhirtrial {command}" in text.partition("Examples:")[2]


def test_version() -> None:
    """The version of the package."""
    assert run("--version").stdout == f"fhirtrial {__version__}\n"


@pytest.mark.parametrize("count", [2, 2000])
def test_a_pipe_that_nobody_reads_any_more(count: int) -> None:
    """`fhirtrial convert … | head -1` ends in silence."""
    command = [sys.executable, "-m", "fhirtrial", "convert", "-"]
    running = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert running.stdout is not None
    running.stdout.close()
    running.stdout = None
    _, errors = running.communicate(many(count), timeout=60)
    assert errors == b""
    assert running.returncode == 141


@pytest.mark.parametrize("command", [["show", STUDIES], ["coverage"], ["check", BAD, "--issues", "-"]], ids=str)
def test_other_commands_and_a_pipe_that_nobody_reads(command: list[object]) -> None:
    """They end in the same way."""
    reading, writing = os.pipe()
    os.close(reading)
    arguments = [sys.executable, "-m", "fhirtrial", *map(str, command)]
    done = subprocess.run(arguments, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def on_terminal(*arguments: object, **environment: str) -> tuple[int, str]:
    """The exit code, and what a command shows on a terminal that is its standard error."""
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "fhirtrial", *map(str, arguments)]
    settings = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200", **environment}
    running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=child, env=settings)
    os.close(child)
    shown = b""
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(parent)
    return running.wait(timeout=60), shown.decode()


def test_progress_on_a_terminal_alone(tmp_path: Path) -> None:
    """A terminal sees how far the run is; NO_COLOR takes the colours out; a pipe sees none of it."""
    source = tmp_path / "many.jsonl"
    source.write_bytes(many(200))
    code, shown = on_terminal("convert", source)
    assert code == 0
    assert "199 records, 0 refused, " in shown
    assert "\x1b[3" in shown
    assert "\x1b[3" not in on_terminal("convert", source, NO_COLOR="1")[1]
    assert b"\x1b" not in real("convert", source).stderr


def test_progress_of_a_load_says_how_fast_and_how_long(tmp_path: Path) -> None:
    """A load shows resources a second, what was sent again and, where the size of the sources is known, what is left."""
    summary = LoadSummary(studies=3, outcomes={"Group": Counter(created=1_200, unchanged=300)})
    assert far(summary, 0.0) == "1,200 written, 300 unchanged"
    assert far(summary, 10.0) == "1,200 written, 300 unchanged, 150 resources/s"
    summary.again["HTTP 503"] += 2
    summary.share = 0.25
    assert far(summary, 30.0) == "1,200 written, 300 unchanged, 50 resources/s, 2 sent again, about 1:30 left"
    source = tmp_path / "many.jsonl"
    source.write_bytes(many(200))
    shown = on_terminal("load", source, "--folder", tmp_path / "out")[1]
    assert re.search(r"199 studies, 0 refused, [\d,]+ written, 0 unchanged, [\d,]+ resources/s", shown)
    assert " left" not in shown


def test_information_is_counted_on_a_terminal(tmp_path: Path) -> None:
    """Warnings and errors are shown one by one; what only informs is counted by code."""
    source = study(1)
    source["protocolSection"]["contactsLocationsModule"] = {"centralContacts": [{"name": "Anna"}]}
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(source) + BAD.read_bytes())
    code, shown = on_terminal("convert", path, "--no-contacts")
    assert code == 1
    assert "information: 1 times [withheld]; --issues FILE has each" in shown
    assert "left out, as asked" not in shown
    assert "did you mean COMPLETED?" in shown
    assert "[duplicate-record]" in shown


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_the_seed_of_hashes_does_not_matter(seed: str) -> None:
    """Same bytes on both outputs for each PYTHONHASHSEED and number of jobs."""
    source = many(150) + BAD.read_bytes() + STUDIES.read_bytes()
    wanted = run("convert", "-", input=source)
    for jobs in (1, 2):
        done = real("convert", "-", "--jobs", jobs, input=source, env={**os.environ, "PYTHONHASHSEED": seed})
        assert (done.returncode, done.stdout, done.stderr) == (1, wanted.stdout_bytes, wanted.stderr_bytes)
    back = run("restore", "-", input=wanted.stdout_bytes)
    done = real("restore", "-", input=wanted.stdout_bytes, env={**os.environ, "PYTHONHASHSEED": seed})
    assert (done.stdout, done.stderr) == (back.stdout_bytes, back.stderr_bytes)


def test_jobs_give_the_same_folder(tmp_path: Path) -> None:
    """Files and issues, for one, two and four jobs."""
    made = []
    source = tmp_path / "in.jsonl"
    source.write_bytes(many(200) + BAD.read_bytes())
    for jobs in (1, 2, 4):
        folder, issues = tmp_path / str(jobs), tmp_path / f"issues-{jobs}"
        assert run("convert", source, "-o", f"{folder}/", "--jobs", jobs, "--issues", issues).exit_code == 1
        made.append(({path.name: path.read_bytes() for path in folder.iterdir()}, issues.read_bytes()))
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_help_says(name: str) -> None:
    """The list is written without loading the commands; each line is the beginning of the command's own help."""
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.help is not None
    said = " ".join(command.help.split())
    assert said.startswith(COMMANDS[name].rstrip("."))
