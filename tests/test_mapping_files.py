"""A mapping file that is wrong as a whole is named: no YAML, empty, used by no other, or without what its head must say."""

from __future__ import annotations

from pathlib import Path

import pytest

from .changed_mapping import CODE, NAME, ORGANIZATION, ROLE, Case, changed, check, error_of

CASES: dict[str, Case] = {
    "unknown main file": (
        "ctgov/mapping.yaml",
        "main: study",
        "main: studdy",
        None,
        "no mapping file 'studdy'; did you mean study?",
    ),
    "a key twice": (
        ORGANIZATION,
        NAME,
        NAME + "\n" + NAME,
        1,
        "'name' stands twice in one object, first in line {line}",
    ),
    "an alias": (
        ROLE,
        CODE,
        "code: &x [{text: $.title}]\n  specialty: *x",
        0,
        "aliases are not part of the mapping language",
    ),
    "an alias of a plain value": (
        ROLE,
        CODE,
        "code: [{text: &x $.title}, {text: *x}]",
        0,
        "aliases are not part of the mapping language",
    ),
    "a tag": (ORGANIZATION, NAME, "  name: !x $.name", 0, "tags are not part of the mapping language: !x"),
    "no YAML": (ORGANIZATION, NAME, "  name: [", 1, "not YAML: did not find expected node content"),
    "a key that is no text": (ORGANIZATION, NAME, "  ? [a]\n  : b", 0, "a key must be plain text"),
    "a prefix without address": (
        "prefixes.yaml",
        "hl7: 'http://hl7.org/fhir/'",
        "hl7: nothing",
        0,
        "the prefix hl7 needs an address",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_line(tmp_path: Path, name: str) -> None:
    """One line changed for the worse: the error names the file and the line, and says what is wrong and what is right."""
    check(tmp_path, name, CASES[name])


def test_a_file_that_nothing_uses(tmp_path: Path) -> None:
    """A file that no other reaches is named."""
    changed(tmp_path, ORGANIZATION, NAME, NAME)
    (tmp_path / "ctgov" / "extra.yaml").write_bytes((tmp_path / ORGANIZATION).read_bytes())
    assert str(error_of(tmp_path)) == "ctgov/extra.yaml: no other file uses this one; reach it from study"


def test_an_empty_file(tmp_path: Path) -> None:
    """An empty file is named."""
    (tmp_path / "ctgov").mkdir()
    (tmp_path / ORGANIZATION).write_text("# nothing\n")
    assert str(error_of(tmp_path)) == "ctgov/organization.yaml: the file is empty"


def test_no_such_folder(tmp_path: Path) -> None:
    """A folder that is not there is named."""
    assert str(error_of(tmp_path / "none")) == f"{tmp_path / 'none'}: no such folder of mapping files"


@pytest.mark.parametrize("text", ["- a\n", "registry: ctgov\n", "main: [study]\n", "main: study\nbeside: provenance\n"])
def test_a_wrong_head_of_the_mapping(tmp_path: Path, text: str) -> None:
    """mapping.yaml without what it must say is a mapping error, not a crash."""
    (tmp_path / "ctgov").mkdir()
    (tmp_path / "ctgov" / "mapping.yaml").write_text(text)
    error = error_of(tmp_path)
    assert error.file == "ctgov/mapping.yaml"
    assert "'p'" not in error.message
