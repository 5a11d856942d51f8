"""Folders of tables for the tests, and what reading them gives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fhirtrial.issue import Issue
from fhirtrial.readers import read
from fhirtrial.record import Record

DATA = Path(__file__).resolve().parent / "data" / "sdtm"
"""A made-up study, the same in each of the folders."""

FORMS = ("csv", "dsjc", "dsjc-gzip", "json", "json-1.0", "ndjson", "xpt-v5", "xpt-v8")

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "corpus" / "sdtm"
"""Real and published data, beside the checkout."""

DM = "STUDYID,DOMAIN,USUBJID,AGE,SEX\nS,DM,S-1,63,F\nS,DM,S-2,64,M\n"
EX = "STUDYID,DOMAIN,USUBJID,EXSEQ,EXTRT,EXDOSE\nS,EX,S-1,1,A,54\nS,EX,S-1,2,A,0\nS,EX,S-2,1,B,81\n"


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """The folder, with these files in it."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def read_all(folder: Path, **options: Any) -> tuple[list[Record], list[str]]:
    """The records of a folder, and all that was said about it, with paths as seen from there."""
    issues: list[Issue] = []
    records = list(read(folder, refused=issues.append, **options))
    issues += [issue for record in records for issue in record.issues]
    return records, [str(issue).replace(f"{folder}/", "").replace(str(folder), ".") for issue in issues]
