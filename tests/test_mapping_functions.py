"""Functions and code tables that a mapping file names or uses wrongly are found when the file is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from .changed_mapping import PMID, STUDY, TITLE, Case, check

STATUS = "{coded: $.overallStatus, by: status}"

CASES: dict[str, Case] = {
    "unknown function": (
        STUDY,
        PMID,
        PMID.replace("_url", "_ur"),
        0,
        "no function 'pubmed_ur'; did you mean pubmed_url?",
    ),
    "no inverse": (STUDY, PMID, PMID.replace("pubmed_url", "study_url"), 0, "`study_url` has no inverse: use `also`"),
    "unknown table": (
        STUDY,
        STATUS,
        STATUS.replace("by: status", "by: statuss"),
        0,
        "no code table 'statuss'; did you mean status?",
    ),
    "no table": (STUDY, STATUS, "{coded: $.overallStatus}", 0, "`coded` needs `by`"),
    "no code table": (
        STUDY,
        STATUS,
        STATUS.replace("by: status", "by: identifier-systems"),
        0,
        "identifier-systems is no code table",
    ),
    "too few tables": (
        STUDY,
        "by: [phase-combination, phase]",
        "by: phase",
        0,
        "`phase_codings` takes 2 tables (`by`), not 1",
    ),
    "too many tables": (
        STUDY,
        "lastUpdateSubmitDate}",
        "lastUpdateSubmitDate, call: day, by: status}",
        0,
        "`day` takes 0 tables (`by`), not 1",
    ),
    "too many paths": (
        STUDY,
        "{also: $.protocolSection.statusModule.lastUpdateSubmitDate}",
        "{also: [$.protocolSection.statusModule.lastUpdateSubmitDate, $.hasResults], call: day}",
        0,
        "`day` takes 1 path, not 2",
    ),
    "coded outside a Coding": (
        STUDY,
        TITLE,
        "  title: {coded: $.protocolSection.identificationModule.briefTitle, by: status}\n",
        0,
        "`coded` makes Codings; ResearchStudy.title is a string",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_line(tmp_path: Path, name: str) -> None:
    """One line changed for the worse: the error names the file and the line, and says what is wrong and what is right."""
    check(tmp_path, name, CASES[name])
