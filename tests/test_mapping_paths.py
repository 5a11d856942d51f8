# ruff: noqa: ISC004 (exact texts, as they are read)
"""Paths of a mapping file that lead to no field, or to one that does not fit, are found when the file is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhirtrial.errors import MappingError
from fhirtrial.mapping.mapper import Mapper

from .changed_mapping import CONDITIONS, NAME, ORGANIZATION, STUDY, TITLE, Case, changed, check

CASES: dict[str, Case] = {
    "unknown field": (
        STUDY,
        TITLE,
        TITLE.replace("briefTitle", "brieftitle"),
        0,
        "$.protocolSection.identificationModule.brieftitle: 'brieftitle' is no field of "
        "$.protocolSection.identificationModule; did you mean briefTitle?",
    ),
    "no path": (
        STUDY,
        TITLE,
        "  title: $protocolSection\n",
        0,
        "'$protocolSection' is no path: paths begin with `$.` or `$$.`",
    ),
    "path through a list": (
        STUDY,
        TITLE,
        TITLE + "  version: {also: $.protocolSection.outcomesModule.primaryOutcomes.measure}\n",
        1,
        "$.protocolSection.outcomesModule.primaryOutcomes.measure: 'primaryOutcomes' is a list: use `each`",
    ),
    "a list as value": (
        STUDY,
        TITLE,
        TITLE + "  version: {also: $.protocolSection.conditionsModule.conditions}\n",
        1,
        "$.protocolSection.conditionsModule.conditions is a list: use `each`",
    ),
    "an object as value": (
        STUDY,
        TITLE,
        TITLE + "  version: {also: $.protocolSection.conditionsModule}\n",
        1,
        "$.protocolSection.conditionsModule is an object: ResearchStudy.version is a string",
    ),
    "yes or no as text": (
        STUDY,
        TITLE,
        TITLE + "  version: {also: $.hasResults}\n",
        1,
        "$.hasResults is true or false: ResearchStudy.version is a string",
    ),
    "each over no list": (
        STUDY,
        CONDITIONS,
        CONDITIONS.replace(".conditions\n", "\n"),
        0,
        "$.protocolSection.conditionsModule is no list",
    ),
    "at of an unknown field": (
        STUDY,
        "    - at: $.protocolSection.statusModule.startDateStruct\n",
        "    - at: $.protocolSection.statusModule.startDatStruct\n",
        0,
        "$.protocolSection.statusModule.startDatStruct: 'startDatStruct' is no field of $.protocolSection.statusModule; "
        "did you mean startDateStruct?",
    ),
    "a fact that the shared file does not have": (
        ORGANIZATION,
        NAME,
        NAME + "\n  description: $.class",
        1,
        "$.class: 'class' is no field of $; the record has none like it",
    ),
    "a shared file that looks at the record": (
        ORGANIZATION,
        NAME,
        "  name: {also: $$.protocolSection.identificationModule.nctId}",
        0,
        "a shared file may use nothing but the facts of its identity: `$$` is none",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_line(tmp_path: Path, name: str) -> None:
    """One line changed for the worse: the error names the file and the line, and says what is wrong and what is right."""
    check(tmp_path, name, CASES[name])


def test_contacts_that_do_not_exist(tmp_path: Path) -> None:
    """A path of contacts.yaml that the registry does not have is an error: otherwise what it means is handed on."""
    line = changed(tmp_path, "ctgov/contacts.yaml", "locations.contacts.email", "locations.contacts.mail")
    with pytest.raises(MappingError) as caught:
        Mapper(mappings=tmp_path, contacts=False)
    assert (caught.value.file, caught.value.line) == ("ctgov/contacts.yaml", line)
    assert "'mail'" in caught.value.message
    assert "did you mean email?" in caught.value.message
