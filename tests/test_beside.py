"""Files beside the main one, once per item of a list, and rules as data: what they do, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.row_order import in_order
from fhirtrial.rules import Rules, load_rules

from .changed_mapping import changed
from .golden_update import mapper_of
from .subjects import SCHEMAS, subject

HEAD = "sdtm/mapping.yaml"
SUBJECT, EXPOSURE, PATIENT = "sdtm/subject.yaml", "sdtm/exposure.yaml", "sdtm/patient.yaml"
STATE, RECORD = "sdtm/rules/subject-state.yaml", "sdtm/rules/collected-record.yaml"
EX = "{file: exposure, each: $.ex, order: EXSEQ}"
VISIT = "{file: visit, each: $.sv, order: [VISITNUM, SVSTDTC, VISIT]}"
EC = "only: collected\n      by: collected-record\n"

# Each: what is tried, the file, the old text, the new text, how many lines further the error is, the message.
CASES: dict[str, tuple[str, str, str, int, str]] = {
    "beside: unknown word": (
        HEAD, EX, EX.replace("order", "sort"), 0,
        "`sort` means nothing in an entry of `beside`; known: by, each, file, only, order",
    ),
    "beside: no list": (HEAD, EX, EX.replace("$.ex", "$.dm"), 0, "$.dm is no list"),
    "beside: no such field": (
        HEAD, EX, EX.replace("$.ex", "$.exx"), 0, "'exx' is no field of $; did you mean ex?",
    ),
    "beside: no path": (HEAD, EX, EX.replace("$.ex", "ex"), 0, "'ex' is no path: paths begin with `$.`"),
    "beside: no list to go over": (HEAD, EX, "{file: exposure}", 0, "`beside` needs `each`"),
    "beside: order of nothing": (
        HEAD, EX, EX.replace("EXSEQ", "EXSEK"), 0, "'EXSEK' is no field of the items; did you mean EXSEQ?",
    ),
    "beside: no list of files": (HEAD, f"beside:\n  - {VISIT}\n  - {EX}\n  - {{", "beside: {", 0, "`beside` must be a list of files"),
    "only: no such rules": (
        SUBJECT, EC, EC.replace("collected-record", "collected-recor"), 1,
        "no table of rules 'collected-recor'; did you mean collected-record?",
    ),
    "only: no such code": (
        SUBJECT, EC, EC.replace("only: collected", "only: colected"), 0,
        "no rule of sdtm/rules/collected-record.yaml gives 'colected'; did you mean collected?",
    ),
    "only: without by": (SUBJECT, EC, "only: collected\n", -1, "`only` needs `by`"),
    "made: unknown file": (
        EXPOSURE, "{made: patient}", "{made: patint}", 0, "no mapping file 'patint'; did you mean patient?",
    ),
    "made: several": (
        EXPOSURE, "{made: patient}", "{made: exposure}", 0,
        "exposure makes a MedicationAdministration; here FHIR wants a Patient or Group",
    ),
    "made: of a list": (
        EXPOSURE, "[{made: subject}]", "[{made: exposure}]", 0, "exposure makes several resources: `made` cannot say which",
    ),
    "made: with ref": (
        EXPOSURE, "{made: patient}", "{made: patient, ref: patient}", 0,
        "`made` refers to what is there: `ref` and `with` do not go with it",
    ),
    "identity: two kinds": (
        PATIENT, "hashed: true", "hashed: true, readable: true", 0,
        "`readable`, `hashed` and `shared` exclude each other",
    ),
    "rules: unknown member": (STATE, "told_by: ds ", "toldby: ds ", 0, "toldby has no meaning in a file of rules; did you mean told_by?"),
    "rules: no such list": (STATE, "told_by: ds ", "told_by: dss ", 0, "dss is no field of the record; did you mean ds?"),
    "rules: no code": (STATE, "  - code: ineligible\n    display", "  - display", 0, "a rule needs code"),
    "rules: no such place": (
        STATE, "- ds: {DSDECOD: SCREEN FAILURE}", "- dz: {DSDECOD: SCREEN FAILURE}", 0,
        "dz is no field of the record; none is like it",
    ),
    "rules: no such field": (
        STATE, "- ds: {DSDECOD: SCREEN FAILURE}", "- ds: {DSDECODE: SCREEN FAILURE}", 0,
        "DSDECODE is no field of ds; did you mean DSDECOD?",
    ),
    "rules: no such place below": (
        "sdtm/rules/exposure-status.yaml",
        "study.protocolSection.statusModule: {overallStatus: [COMPLETED",
        "study.protocolSection.statusModul: {overallStatus: [COMPLETED",
        0,
        "statusModul is no field of protocolSection; did you mean statusModule?",
    ),
    "rules: two places": (
        STATE, "- ds: {DSDECOD: SCREEN FAILURE}", "- {ds: {}, dm: {}}", 0, "a condition is about one place of the record",
    ),
    "rules: no list of conditions": (
        STATE, "    if:\n      - ds: {DSDECOD: SCREEN FAILURE}\n      - dm: {ARMNRS: SCREEN FAILURE}\n      - dm: {ARMCD: SCRNFAIL}\n",
        "    if: {ds: {DSDECOD: SCREEN FAILURE}}\n", 0, "`if` is a list",
    ),
    "rules: no value": (
        STATE, "- ds: {DSDECOD: SCREEN FAILURE}", "- ds: {DSDECOD: false}", 0,
        "a value is text, true (any) or null (absent)",
    ),
    "rules: no such date": (STATE, "since: dm.RFXSTDTC", "since: dm.RFXSTDT", 0, "RFXSTDT is no field of dm; did you mean RFXSTDTC?"),
    "rules: behind one that always holds": (
        RECORD, "rules:\n", "rules:\n  - code: first\n", 1, "first always holds: nothing after it is asked",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said(case: str, tmp_path: Path) -> None:
    """One error, with file and line and what would be right, before any data is seen."""
    file, old, new, further, message = CASES[case]
    line = changed(tmp_path, file, old, new)
    with pytest.raises(MappingError) as caught:
        Mapper(mappings=tmp_path, registry="sdtm")
    assert str(caught.value) == f"{file}:{line + further}: {message}"


def rules(folder: Path, text: str) -> Rules:
    """The rules of a file with this text."""
    (folder / "rules").mkdir()
    (folder / "rules" / "x.yaml").write_text(text, encoding="utf-8")
    return load_rules(MappingFiles(folder), "rules", SCHEMAS["sdtm"].tree)["x"]


def test_rules_hold_in_order(tmp_path: Path) -> None:
    """The first rule decides; all fields are of one row, without regard to case; the last such row is the one meant."""
    text = """
rules:
  - {code: first, if: [{ds: {DSCAT: ' Disposition event', DSDECOD: [DEATH, COMPLETED]}}], unless: [{dm: {DTHFL: 'N'}}]}
  - {code: second, if: [{ds: {DSDECOD: null}}, {ex: {}}]}
  - {code: third, if: [{$: {EXDOSE: '0'}}]}
"""
    found = rules(tmp_path, text)
    death, other = {"DSCAT": "DISPOSITION EVENT", "DSDECOD": "death"}, {"DSCAT": "x", "DSDECOD": "DEATH"}
    again = dict(death)
    decision = found.decide({"ds": [death, again, other]})
    assert decision is not None
    assert (decision.rule.code, decision.row is again) == ("first", True)
    assert found.code({"dm": {"DTHFL": "n"}, "ds": [death]}) is None
    assert found.code({"ds": [other]}) is None
    assert found.code({"ds": [{"DSCAT": "x"}]}) == "second"
    assert found.code({"ex": [{}]}) == "second"
    assert found.code({}, {"EXDOSE": 0}) == "third"
    assert found.code({}, {"EXDOSE": 1}) is None


MILESTONE = {"DSSEQ": 2, "DSCAT": "PROTOCOL MILESTONE", "DSDECOD": "RANDOMIZED", "DSTERM": "x"}
WITHDRAWN = {"DSSEQ": 3, "DSCAT": "DISPOSITION EVENT", "DSDECOD": "WITHDRAWAL BY SUBJECT", "DSTERM": "x"}
STATES: list[tuple[str, dict[str, Any]]] = [
    ("candidate", {}),
    ("screening", {"ds": [{"DSDECOD": "INFORMED CONSENT OBTAINED"}]}),
    ("screening", {"dm": {"RFICDTC": "2020"}}),
    ("eligible", {"dm": {"RFICDTC": "2020"}, "ds": [{"DSDECOD": "ELIGIBILITY CRITERIA MET"}]}),
    ("on-study", {"ds": [MILESTONE]}),
    ("on-study", {"dm": {"ARMCD": "A"}}),
    ("candidate", {"dm": {"ARMCD": "NOTASSGN"}}),
    ("on-study-intervention", {"ds": [MILESTONE], "ex": [{"EXSEQ": 1}]}),
    ("on-study-intervention", {"ds": [MILESTONE], "ec": [{"ECOCCUR": "Y"}]}),
    ("on-study", {"ds": [MILESTONE], "ec": [{"ECOCCUR": "N"}]}),
    ("follow-up", {"ex": [{"EXSEQ": 1}], "ds": [MILESTONE, WITHDRAWN | {"DSSCAT": "STUDY TREATMENT"}]}),
    ("off-study", {"ds": [MILESTONE, WITHDRAWN | {"DSSCAT": "STUDY PARTICIPATION"}, WITHDRAWN | {"DSSCAT": "DRUG X"}]}),
    ("off-study", {"ds": [MILESTONE, WITHDRAWN]}),
    ("off-study", {"dm": {"ARMCD": "A"}, "ds": [WITHDRAWN]}),
    ("withdrawn", {"ds": [WITHDRAWN]}),
    ("off-study", {"ds": [WITHDRAWN | {"DSDECOD": "DEATH"}]}),
    ("not-registered", {"ds": [WITHDRAWN | {"DSDECOD": "MET ELIGIBILITY CRITERIA BUT NOT NEEDED"}]}),
    ("ineligible", {"ds": [WITHDRAWN | {"DSDECOD": "SCREEN FAILURE"}], "ex": [{"EXSEQ": 1}]}),
    ("ineligible", {"dm": {"ARMNRS": "Screen Failure"}}),
    ("ineligible", {"dm": {"ARMCD": "Scrnfail"}}),
]
"""The order of the rules, one state after the other."""


@pytest.mark.parametrize(("state", "data"), STATES)
def test_the_state_of_a_subject(state: str, data: dict[str, Any]) -> None:
    """It follows from all datasets together, stands in one entry alone that has no end, and is R4's status."""
    record = subject({**data, "dm": {"USUBJID": "1", "STUDYID": "S", **data.get("dm", {})}})
    main = mapper_of("sdtm").convert(record).resources[0]
    entries = [entry for entry in main["progress"] if "subjectState" in entry]
    assert [entry["subjectState"]["coding"][0]["code"] for entry in entries if "endDate" not in entry] == [state]


def test_rows_in_the_order_of_their_numbers() -> None:
    """Numbers count, also those in digits; texts follow, and what is absent stands last, as it came."""
    rows = [{"n": "10"}, {"n": None}, {"n": 2}, {}, {"n": "x"}, {"n": "1"}]
    assert in_order(rows, ["n"]) == [{"n": "1"}, {"n": 2}, {"n": "10"}, {"n": "x"}, {"n": None}, {}]


def test_a_resource_that_no_file_makes_is_reported() -> None:
    """A dose that somebody else wrote for the same subject is not read as one of ours, and is said."""
    mapper = mapper_of("sdtm")
    resources = mapper.convert(
        subject({"dm": {"USUBJID": "1", "STUDYID": "S"}, "ex": [{"EXSEQ": 1, "EXTRT": "A"}]})
    ).resources
    foreign = next(dict(found) for found in resources if found["resourceType"] == "MedicationAdministration")
    del foreign["category"]
    restored = mapper.restore([*resources, foreign | {"id": "other"}])
    assert len(restored.data["ex"]) == 1
    assert [issue.code for issue in restored.issues] == ["damaged-entry"]
