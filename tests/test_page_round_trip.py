"""Registry records that are written as pages come back from them, with all that a page shows."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from .page_texts import DATA, odd, read
from .page_writer import write_page

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"
NOT_ON_A_PAGE = {
    "otherNames",
    "stdAges",
    "genderBased",
    "genderDescription",
    "studyPopulation",
    "samplingMethod",
    "zip",
    "geoPoint",
    "countryCode",
    "phoneExt",
    "domain",
    "link",
    "investigatorAffiliation",
    "oldNameTitle",
    "oldOrganization",
}
SHOWN = [
    "identificationModule.nctId",
    "identificationModule.briefTitle",
    "identificationModule.orgStudyIdInfo",
    "identificationModule.secondaryIdInfos",
    "statusModule.overallStatus",
    "statusModule.startDateStruct.date",
    "statusModule.completionDateStruct.date",
    "statusModule.lastUpdatePostDateStruct.date",
    "descriptionModule",
    "conditionsModule.conditions",
    "designModule.phases",
    "designModule.studyType",
    "designModule.enrollmentInfo.count",
    "armsInterventionsModule",
    "eligibilityModule",
    "sponsorCollaboratorsModule",
    "contactsLocationsModule.overallOfficials",
    "contactsLocationsModule.centralContacts",
    "contactsLocationsModule.locations",
]


def test_a_record_with_everything_comes_back_from_its_page() -> None:
    """A record that holds all a page shows, written as a page, is read back the same."""
    record = json.loads((DATA / "invented.record.json").read_text(encoding="utf-8"))
    data, issues = read(write_page(record))
    assert data == record
    assert odd(issues) == []


def test_real_records_come_back_from_their_pages() -> None:
    """
    Records written as pages come back with all that a page shows; where one does not, the reader has said so.

    Not on a page: which comma of a place parts city and state, and whether the criteria's titles had a colon.
    """
    file = SHARED / "corpus" / "ctgov" / "studies.jsonl.gz"
    if not file.is_file():
        pytest.skip("the corpus of registry records is not here")
    silent = []
    with gzip.open(file) as lines:
        for line in itertools.islice(lines, 0, None, 4):
            record = json.loads(line)
            data, issues = read(write_page(record))
            told = bool(odd(issues))
            for path in SHOWN:
                wanted, found = shown(record["protocolSection"], path), shown(data["protocolSection"], path)
                if wanted != found and not told:
                    silent.append((data["protocolSection"]["identificationModule"]["nctId"], path))
            assert "unknown-block" not in [issue.code for issue in issues]
    assert silent == []


def shown(protocol: dict[str, Any], path: str) -> Any:
    """The part of a record that a page can show, in one form."""
    found: Any = protocol
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if path.endswith("locations") and found:
        several = len(found) > 1
        found = [
            {
                name: value
                for name, value in site.items()
                if name not in ("city", "state") and not (several and name == "contacts")
            }
            | {"place": ", ".join(site[name] for name in ("city", "state") if name in site)}
            for site in found
        ]
    return comparable(found)


def comparable(value: Any, name: str = "") -> Any:
    """A value without what pages lack, and without differences that pages cannot show."""
    if isinstance(value, dict):
        made = {key: comparable(inner, key) for key, inner in value.items() if key not in NOT_ON_A_PAGE}
        return {key: inner for key, inner in made.items() if inner} or None
    if isinstance(value, list):
        made_list = [comparable(inner) for inner in value]
        return sorted(made_list) if name == "armGroupLabels" else made_list
    if name == "eligibilityCriteria":
        return re.sub(r"\s+", " ", re.sub(r"(?m)^(Inclusion|Exclusion) Criteria:?$", r"\1 Criteria", value)).strip()
    return value.strip() if isinstance(value, str) else value
