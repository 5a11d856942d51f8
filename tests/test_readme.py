"""The documentation is executed: what the README shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from fhirtrial.mapping.language.asked import WORD
from fhirtrial.mapping.language.words import WORDS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
LANGUAGE = (ROOT / "mappings" / "README.md").read_text("utf-8")


def blocks(kind: str, text: str = README) -> list[str]:
    """The code blocks of one kind."""
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the examples in it, to run things in."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


def run(command: list[str], where: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("place", range(len(blocks("python"))))
def test_python_examples_print_what_the_readme_says(place: int, checkout: Path) -> None:
    """Each Python block runs as it stands and prints the text block that follows it."""
    code = blocks("python")[place]
    shown = README.split(code)[1]
    expected = re.match(r"```\s*```text\n(.*?)```", shown, re.DOTALL)

    done = run([sys.executable, "-c", code], checkout)

    assert done.stderr == ""
    assert expected, "the README shows what the example prints"
    assert done.stdout == expected[1]


def test_commands_work_in_the_order_of_the_readme(checkout: Path) -> None:
    """Each `fhirtrial` line of the README runs, one after the other, and leaves what the text says."""
    lines = [line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ fhirtrial")]

    for line in lines:
        done = run([sys.executable, "-m", *line.split()], checkout)

        assert done.returncode == 0, done.stderr
    assert len(lines) >= 2
    assert (checkout / "out" / "ResearchStudy.ndjson").is_file()
    restored = (checkout / "restored.jsonl").read_bytes().splitlines()
    assert len(restored) == len((ROOT / "examples" / "studies.jsonl").read_bytes().splitlines())


def test_make_targets_of_the_readme_exist() -> None:
    """What the README tells people to make can be made."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))

    assert {*re.findall(r"make ([a-z]+)", README)} <= targets


def test_language_page_names_every_word() -> None:
    """The page of the mapping language explains every word that the parser knows, and no other."""
    table = LANGUAGE.split("| word |")[1].split("**Rules**")[0]
    named = set(re.findall(r"^\| `([a-z]+):", table, re.MULTILINE))

    assert set(WORDS) | {"at", "ref", "made", WORD} == named


def test_example_of_the_language_page_is_the_file_itself() -> None:
    """The worked example is the mapping file in use, letter by letter."""
    example = blocks("yaml", LANGUAGE)[0]

    assert example == (ROOT / "mappings" / "ctgov" / "location.yaml").read_text("utf-8")
