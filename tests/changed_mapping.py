"""A mapping in a folder of one's own with one place changed, and the error that loading it gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhirtrial.errors import MappingError
from fhirtrial.mapping.mapper import Mapper

MAPPINGS = Path(__file__).resolve().parents[1] / "mappings"
STUDY, ORGANIZATION, ROLE, PLAN, GROUP = (
    f"ctgov/{name}.yaml" for name in ("study", "organization", "role", "plan", "eligibility")
)
TITLE = "  title: $.protocolSection.identificationModule.briefTitle\n"
NAME = "  name: $.name"
HEAD = "resource: Organization\n"
CODE = "code: [{text: $.title}]"
CONDITIONS = "    - each: $.protocolSection.conditionsModule.conditions\n      make: {text: $}\n"
PMID = "document: {url: {from: $.pmid, call: pubmed_url}}"

Case = tuple[str, str, str, int | None, str]
"""The file, the old text, the new text, how many lines further the error is (None: it names no line), the message."""


def changed(folder: Path, file: str, old: str, new: str) -> int:
    """Puts a file into a folder of one's own with one place changed; the line of that place, from 1."""
    text = (MAPPINGS / file).read_text("utf-8")
    assert text.count(old) >= 1, f"{file} no longer holds {old!r}"
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def error_of(folder: Path) -> MappingError:
    """The error that loading the folder gives."""
    with pytest.raises(MappingError) as caught:
        Mapper(mappings=folder)
    return caught.value


def check(folder: Path, name: str, case: Case) -> None:
    """Changes one place for the worse: the error names the file and the line, and says what the case says."""
    file, old, new, further, message = case
    line = changed(folder, file, old, new)
    error = error_of(folder)
    text = (folder / file).read_text("utf-8")
    first = (
        text[: text.index("$.protocolSection.descriptionModule.briefSummary")].count("\n") + 1 if file == STUDY else 0
    )
    seealso = line_of_entry(text, "referencesModule.seeAlsoLinks") if file == STUDY else 0
    wanted = message.format(line=line, before=line - 1, first=first, seealso=seealso) if "{" in message else message
    assert error.message == wanted
    if further is None:
        assert error.file == file
        return
    other = {"canonical of a file without URL": PLAN}.get(name, file)
    assert error.file == other
    if other == file and name not in (
        "two places",
        "a value that only some entries of a kind have",
        "when without otherwise",
    ):
        assert error.line == line + further
    assert str(error) == f"{error.file}:{error.line}: {wanted}"


def line_of_entry(text: str, part: str) -> int:
    """The line, from 1, that holds a part of the text."""
    return text[: text.index(part)].count("\n") + 1
