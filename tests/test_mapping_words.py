"""Wrong words in a mapping file are found when it is loaded, and said with file, line and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from .changed_mapping import CONDITIONS, HEAD, ORGANIZATION, PLAN, PMID, STUDY, Case, check

CASES: dict[str, Case] = {
    "unknown word": (
        STUDY,
        CONDITIONS,
        CONDITIONS.replace("make", "makes"),
        1,
        "`makes` means nothing in a node with `each`; did you mean make?",
    ),
    "unknown word of a function": (
        PLAN,
        "call: arms_with_interventions",
        "calls: arms_with_interventions",
        0,
        "`calls` means nothing in a node with `also`; did you mean call?",
    ),
    "unknown word in the head": (
        ORGANIZATION,
        HEAD,
        HEAD + "shard: true\n",
        1,
        "`shard` means nothing in a mapping file; known: body, canonical, identity, resource",
    ),
    "unknown word in identity": (
        ORGANIZATION,
        "shared: true",
        "shard: true",
        0,
        "`shard` means nothing in identity; did you mean shared?",
    ),
    "no flag": (ORGANIZATION, "shared: true", "shared: maybe", 0, "`shared` is true or false"),
    "identity without kind": (ORGANIZATION, "kind: organization, ", "", 0, "`identity` lacks `kind`"),
    "each without make": (STUDY, CONDITIONS, CONDITIONS.split("\n")[0] + "\n", 0, "`each` needs `make`"),
    "each over a constant": (
        STUDY,
        "each: {also: $.protocolSection.armsInterventionsModule.interventions}",
        "each: {x: y}",
        0,
        "`each` takes a path, `also` or `from`",
    ),
    "from without call": (STUDY, PMID, PMID.replace(", call: pubmed_url", ""), 0, "`from` needs `call`"),
    "from that begins at the root": (
        STUDY,
        "from: [$.filename, $$.protocolSection.identificationModule.nctId]",
        "from: [$$.protocolSection.identificationModule.nctId, $.filename]",
        0,
        "the first path of `from` is set on the way back: it cannot begin with `$$`",
    ),
    "also with two paths": (
        STUDY,
        "date: {also: $.protocolSection.statusModule.lastUpdateSubmitDate}",
        "date: {also: [$.protocolSection.statusModule.lastUpdateSubmitDate, $.hasResults]}",
        0,
        "`also` with several paths needs `call`",
    ),
    "with without ref": (
        STUDY,
        "  whyStopped: {",
        "  whyStopped: {with: {a: $.hasResults}, ",
        0,
        "`with` goes with `ref`",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_line(tmp_path: Path, name: str) -> None:
    """One line changed for the worse: the error names the file and the line, and says what is wrong and what is right."""
    check(tmp_path, name, CASES[name])
