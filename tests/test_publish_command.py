"""The command `definitions`: what it prints, what it writes where, and what it says of what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from fhirtrial.cli import main

from .publications import made


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["definitions", *map(str, arguments)])


def test_command_prints_a_transaction() -> None:
    """Without an option the definitions of R5 are one Bundle on standard output, counted on standard error."""
    done = run()

    assert done.exit_code == 0
    assert orjson.loads(done.stdout_bytes) == made("R5").bundle()
    assert done.stderr.startswith(f"{len(made('R5').resources)} definitions for FHIR R5: 1 CapabilityStatement, ")


def test_command_writes_a_folder(tmp_path: Path) -> None:
    """A folder gets a file for each definition; what else is in it stays."""
    folder = tmp_path / "new" / "folder"
    done = run("--to", "R4", "-o", f"{folder}/")
    (folder / "mine.txt").write_text("x")
    again = run("--to", "R4", "-o", folder)

    assert (done.exit_code, again.exit_code, done.stdout_bytes) == (0, 0, b"")
    written = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert written.pop("mine.txt") == b"x"
    assert written == made("R4").files()


def test_command_writes_a_package_or_a_bundle(tmp_path: Path) -> None:
    """A file gets the package, or the Bundle, and no half one is left."""
    package, bundle = tmp_path / "a.tgz", tmp_path / "b.json"

    assert run("--to", "R4B", "--package", package).exit_code == 0
    assert run("--to", "R4B", "-o", bundle).exit_code == 0
    assert package.read_bytes() == made("R4B").package()
    assert orjson.loads(bundle.read_bytes()) == made("R4B").bundle()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.tgz", "b.json"]


def test_command_follows_links_and_writes_to_devices(tmp_path: Path) -> None:
    """A symbolic link stays one, and what is no regular file is written to."""
    (tmp_path / "link.tgz").symlink_to(tmp_path / "real.tgz")

    assert run("--package", tmp_path / "link.tgz").exit_code == 0
    assert run("-o", os.devnull).exit_code == 0
    assert (tmp_path / "link.tgz").is_symlink()
    assert (tmp_path / "real.tgz").is_file()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("releases/own.json", '{"resourceType": 1,\n}', "releases/own.json:2: not JSON: "),
        ("releases/own.json", '{"resourceType": "ConceptMap"}', "releases/own.json: a ConceptMap needs groups, "),
        (
            "releases/own.json",
            '{"resourceType": "ConceptMap", "group": [{"source": "urn:x:y", "element": [\n{"code": "A"}]}]}',
            "releases/own.json:2: A needs a target, or noMap: true if no code says the same",
        ),
        ("releases/study-status.json", "[]", "releases/study-status.json: no ConceptMap"),
        ("ctgov/schema.json", "{", "ctgov/schema.json:1: not JSON: "),
        ("fhir/r4.json", "{", "fhir/r4.json:1: not JSON: "),
    ],
)
def test_own_file_that_is_broken(file: str, text: str, message: str, tmp_path: Path) -> None:
    """A file in a folder of one's own that cannot be read is one error, with its name and, where known, its line."""
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(text)
    done = run("--to", "R4", "--mappings", str(tmp_path))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1


def test_command_says_what_is_wrong(tmp_path: Path) -> None:
    """What cannot be meant, or cannot be written, is one line and exit code 2."""
    (tmp_path / "file").write_text("")
    wrong = {
        ("--package", "a.tgz", "-o", "b/"): "-o and --package: the definitions are written one way at a time",
        ("--package", str(tmp_path)): f"--package {tmp_path}: this is a folder; a package is one file",
        (
            "--package",
            "no/such/a.tgz",
        ): "no/such/a.tgz: cannot be written: No such file or directory",
        ("-o", f"{tmp_path}/file/x/"): f"{tmp_path}/file/x: no such folder can be made: Not a directory",
    }
    for arguments, message in wrong.items():
        done = run(*arguments)
        assert (done.exit_code, done.stderr) == (2, f"error: {message}\n")
