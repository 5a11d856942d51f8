"""
Native elements that are made of several of R5's, for readers who know R4 only.

Each rule makes its copy on the way down; on the way up it makes it again of the restored R5 object and compares. Equal,
or not there at all: nothing. Different: somebody has edited it, who works on an R4 server and sees nothing else; so the
native element wins, and an issue names both values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.releases.block import Copying
from fhirtrial.releases.copies.action_ids import ActionIds
from fhirtrial.releases.copies.effective import Effective
from fhirtrial.releases.copies.group import Actual, Narrative
from fhirtrial.releases.copies.parties import Contact, Party
from fhirtrial.releases.copies.study_status import StudyStatus
from fhirtrial.releases.copies.subject_status import SubjectStatus
from fhirtrial.releases.copies.summary import Summary
from fhirtrial.releases.copies.unknown import Unknown
from fhirtrial.releases.table import CopyRow, Table, wrong

RULES: dict[str, Callable[[CopyRow, Table, MappingFiles], Copying]] = {
    "action-ids": ActionIds,
    "actual": Actual,
    "contact": Contact,
    "effective": Effective,
    "narrative": Narrative,
    "party": Party,
    "study-status": StudyStatus,
    "subject-status": SubjectStatus,
    "summary": Summary,
    "unknown": Unknown,
}


OPTIONS: dict[str, tuple[str, ...]] = {
    "contact": ("roles", "own"),
    "party": ("roles", "prefer"),
    "unknown": ("of", "unless"),
}
"""What a line says beside its rule; ``roles`` is needed."""


def copy_rule(row: CopyRow, table: Table, files: MappingFiles) -> Copying:
    """The rule that a line of the table names. Raises MappingError if there is none, or if it needs to know other."""
    if row.rule not in RULES:
        raise wrong(row, f"no rule is called {row.rule!r}; {nearest(row.rule, RULES) or _known(RULES)}")
    options = OPTIONS.get(row.rule, ())
    for name in row.options:
        if name not in options:
            raise wrong(row, f"{row.rule} does not know `{name}`; {nearest(name, options) or _known(options)}")
    for name in options:
        said = row.options.get(name, () if name != "roles" else None)
        if name in ("roles", "unless") and not isinstance(said, list | tuple):
            raise wrong(row, f"{row.rule} needs `{name}`, a list")
    return RULES[row.rule](row, table, files)


def _known(names: Iterable[str]) -> str:
    return f"known: {', '.join(names) or 'nothing'}"
