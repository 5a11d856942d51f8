"""The mapping file of pages: a wrong one is refused with its line, and one's own teaches the reader new blocks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.readers.page import read_page
from fhirtrial.record import Origin

from .page_texts import SEED, odd

PAGE_YAML = MappingFiles().read_bytes("ctgov/page.yaml").decode()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "statusModule.overallStatus}",
            "statusModule.overalStatus}",
            "did you mean protocolSection.statusModule.overallStatus?",
        ),
        ("kind: list", "kind: lists", "'lists' is no kind of block; did you mean list?"),
        ("    path: protocolSection.descriptionModule.briefSummary\n", "", "needs 'path'"),
        ("split: /", "splitt: /", "unknown word 'splitt'; did you mean split?"),
        (", words: {'Yes': true, 'No': false}", "", "needs 'words' or 'value'"),
        ("    chooses: Sponsor Role\n", "", "'chooses' and 'goes'"),
        ("blocks:", "blocs:", "unknown word 'blocs'; did you mean blocks?"),
        ("  Conditions:\n", "  Brief Summary:\n", "stands twice"),
        ("unit: [participants, participant]", "unit: participants", "'unit' must be a list of texts"),
        ("{'Yes': true, 'No': false}", "{'Yes': 1, 'No': 0}", "'words' must be true or false"),
        ("value: false", "value: no", "'value' must be true or false"),
        ("[city, state, country]", "[city, country]", "city, state and country"),
        ("{Site Status: {path: status}}", "Site Status", "'labels' must be things with a name each"),
        ("{Site Status: {path: status}}", "{Site Status: status}", "expected words with values"),
        ("chooses: Sponsor Role", "chooses: Sponsor Roll", "none of the labels"),
        (", path: domain}", "}", "'otherwise' needs 'to' and 'path'"),
    ],
)
def test_a_wrong_mapping_file_is_refused_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    """A mapping file that says what cannot be meant is an error before any page is read."""
    assert old in PAGE_YAML
    (tmp_path / "ctgov").mkdir()
    (tmp_path / "ctgov" / "page.yaml").write_text(PAGE_YAML.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(MappingError, match=re.escape(message)) as caught:
        read_page(SEED, Origin(), MappingFiles(tmp_path))
    assert caught.value.line


def test_an_own_mapping_file_teaches_a_new_block(tmp_path: Path) -> None:
    """A block with another title is read as soon as a mapping file names it."""
    own = PAGE_YAML.replace(
        "  Conditions:\n",
        "  Keywords:\n    kind: list\n    sentence: Browse the keywords.\n"
        "    path: protocolSection.conditionsModule.keywords[]\n\n  Conditions:\n",
    )
    (tmp_path / "ctgov").mkdir()
    (tmp_path / "ctgov" / "page.yaml").write_text(own, encoding="utf-8")
    data, issues = read_page(
        SEED + "\n\nKeywords\n\nBrowse the keywords.\n\nNK cell\n", Origin(), MappingFiles(tmp_path)
    )
    assert data["protocolSection"]["conditionsModule"] == {"conditions": ["Malignancy"], "keywords": ["NK cell"]}
    assert odd(issues) == []
