"""
Native elements that are made of several of R5's, for readers who know R4 only.

Each rule makes its copy on the way down; on the way up it makes it again of the restored R5 object and compares. Equal,
or not there at all: nothing. Different: somebody has edited it, who works on an R4 server and sees nothing else; so the
native element wins, and an issue names both values.
"""

from __future__ import annotations

from collections.abc import Callable

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.releases.block import Copying
from fhirtrial.releases.copies.effective import Effective
from fhirtrial.releases.copies.group import Actual, Narrative
from fhirtrial.releases.copies.parties import Contact, Party
from fhirtrial.releases.copies.recorded import Recorded
from fhirtrial.releases.copies.study_status import StudyStatus
from fhirtrial.releases.copies.subject_status import SubjectStatus
from fhirtrial.releases.copies.summary import Summary
from fhirtrial.releases.table import CopyRow, Table

RULES: dict[str, Callable[[CopyRow, Table, MappingFiles], Copying]] = {
    "actual": Actual,
    "contact": Contact,
    "effective": Effective,
    "narrative": Narrative,
    "party": Party,
    "recorded": Recorded,
    "study-status": StudyStatus,
    "subject-status": SubjectStatus,
    "summary": Summary,
}


def copy_rule(row: CopyRow, table: Table, files: MappingFiles) -> Copying:
    """The rule that a line of the table names. Raises MappingError if there is none."""
    if row.rule not in RULES:
        hint = nearest(row.rule, RULES) or f"known: {', '.join(RULES)}"
        file, _, line = row.line.rpartition(":")
        raise MappingError(f"no rule is called {row.rule!r}; {hint}", file=file, line=int(line))
    return RULES[row.rule](row, table, files)
