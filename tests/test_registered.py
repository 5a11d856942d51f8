"""What a study's own tables say is compared with the registry's record: each difference is told, with both values."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

import fhirtrial
from fhirtrial.cli.app import main
from fhirtrial.errors import MappingError, UsageError
from fhirtrial.files import MappingFiles
from fhirtrial.mapping.facts import load_facts
from fhirtrial.pipelines.convert import convert_all
from fhirtrial.pipelines.participants import Participants
from fhirtrial.record import Record

from .tables import DATA, write

Json = dict[str, Any]
COMPARE = Path(__file__).parents[1] / "mappings" / "sdtm-study" / "compare.yaml"


def registered(**changes: Any) -> Record:
    """A registry's record of a study; ``changes`` by the last name of a field, None takes it out."""
    data = {
        "protocolSection": {
            "identificationModule": {
                "nctId": "NCT00000777",
                "orgStudyIdInfo": {"id": "SYN-01"},
                "secondaryIdInfos": [{"id": "2010-123456-12"}],
            },
            "statusModule": {
                "startDateStruct": {"date": "2020-03-15"},
                "completionDateStruct": {"date": "2021-06", "type": "ACTUAL"},
            },
            "designModule": {
                "studyType": "INTERVENTIONAL",
                "phases": ["PHASE1", "PHASE2"],
                "designInfo": {
                    "allocation": "RANDOMIZED",
                    "interventionModel": "PARALLEL",
                    "maskingInfo": {"masking": "TRIPLE"},
                },
                "enrollmentInfo": {"count": 90, "type": "ESTIMATED"},
            },
            "armsInterventionsModule": {"armGroups": [{"label": "Placebo"}, {"label": "Active  arm"}]},
            "eligibilityModule": {"minimumAge": "18 Years", "sex": "ALL"},
        }
    }
    _change(data, changes)
    return Record(registry="ctgov", id="NCT00000777", data=data)


def _change(tree: Json, changes: Json) -> None:
    for key in list(tree):
        if key in changes:
            if changes[key] is None:
                del tree[key]
            else:
                tree[key] = changes[key]
        elif isinstance(tree[key], dict):
            _change(tree[key], changes)


def told(rows: list[Json], *, arms: list[Json] | None = None, **changes: Any) -> list[str]:
    """What is told of rows of TS and TA: severity, path, message and hint."""
    data: Json = {"STUDYID": "S", "ts": [{"TSSEQ": 1, **row} for row in rows]}
    if arms is not None:
        data["ta"] = arms
    record = Record(registry="sdtm-study", id="S", data=data)
    found = fhirtrial.differences(record, study=registered(**changes))
    assert {issue.record for issue in found} <= {"S"}
    assert all(issue.mapping.startswith("sdtm-study/compare.yaml:") for issue in found)
    codes = {"warning": "registry-differs", "information": "not-compared"}
    assert all(issue.code == codes[issue.severity] for issue in found)
    return [
        f"{each.severity[:4]} {each.path}: {each.message}{f' ({each.hint})' if each.hint else ''}" for each in found
    ]


def row(name: str, value: str) -> Json:
    """A row of TS."""
    return {"TSPARMCD": name, "TSVAL": value}


SAME = [
    row("REGID", "nct00000777"), row("REGID", "2010-123456-12"), row("STYPE", "Interventional"),
    row("TPHASE", "PHASE I/II TRIAL"), row("RANDOM", "Y"), row("INTMODEL", "PARALLEL"), row("TBLIND", "DOUBLE BLIND"),
    row("PLANSUB", "90"), row("NARMS", "2"), row("AGEMIN", "P216M"), {"TSPARMCD": "AGEMAX", "TSVALNF": "PINF"},
    row("SEXPOP", "BOTH"), row("SSTDTC", "2020-03"), row("SENDTC", "2021-06-30"), row("TITLE", "Anything"),
]  # fmt: skip
ARMS = [{"ARM": "PLACEBO", "ARMCD": "P"}, {"ARM": "High dose", "ARMCD": "active arm"}, {"ARM": "PLACEBO", "ARMCD": "P"}]


def test_equal_values_are_not_told() -> None:
    """The same in other words, units, precision or case is no difference."""
    assert told(SAME, arms=ARMS) == []


P = "protocolSection."
OTHER = {
    "number": (row("REGID", "NCT00000778"), f"{P}identificationModule.nctId of NCT00000777 is 'NCT00000777', 'SYN-01', '2010-123456-12'"),
    "type": (row("STYPE", "OBSERVATIONAL"), f"{P}designModule.studyType of NCT00000777 is 'INTERVENTIONAL'"),
    "phase": (row("TPHASE", "PHASE II TRIAL"), f"{P}designModule.phases of NCT00000777 is 'PHASE1', 'PHASE2'"),
    "allocation": (row("RANDOM", "N"), f"{P}designModule.designInfo.allocation of NCT00000777 is 'RANDOMIZED'"),
    "model": (row("INTMODEL", "CROSS-OVER"), f"{P}designModule.designInfo.interventionModel of NCT00000777 is 'PARALLEL'"),
    "masking": (row("TBLIND", "SINGLE BLIND"), f"{P}designModule.designInfo.maskingInfo.masking of NCT00000777 is 'TRIPLE'"),
    "planned": (row("PLANSUB", "91"), f"{P}designModule.enrollmentInfo.count of NCT00000777 is 90"),
    "arms": (row("NARMS", "3"), f"{P}armsInterventionsModule.armGroups.label of NCT00000777 is 'Placebo', 'Active  arm'"),
    "lowest age": (row("AGEMIN", "P17Y"), f"{P}eligibilityModule.minimumAge of NCT00000777 is '18 Years'"),
    "highest age": (row("AGEMAX", "P65Y"), f"{P}eligibilityModule.maximumAge of NCT00000777 is absent"),
    "sex": (row("SEXPOP", "F"), f"{P}eligibilityModule.sex of NCT00000777 is 'ALL'"),
    "start": (row("SSTDTC", "2020-03-16"), f"{P}statusModule.startDateStruct.date of NCT00000777 is '2020-03-15'"),
    "end": (row("SENDTC", "2021"), None),
    "end, another year": (row("SENDTC", "2022"), f"{P}statusModule.completionDateStruct.date of NCT00000777 is '2021-06'"),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER)
def test_each_difference_is_one_warning(case: str) -> None:
    """With the row, the path in the record, and both values."""
    given, says = OTHER[case]
    name, value = given["TSPARMCD"], given["TSVAL"]
    assert told([given]) == ([] if says is None else [f"warn ts[0].TSVAL: {name} is {value!r}; {says}"])


def test_an_age_above_no_limit_and_no_limit_above_an_age() -> None:
    """Where one side has a limit and the other has none they differ; a lowest age of nothing is no limit."""
    given = [{"TSPARMCD": "AGEMAX", "TSVALNF": "PINF"}, row("AGEMIN", "P0D")]
    assert told(given, maximumAge="75 Years", minimumAge=None) == []
    path = f"{P}eligibilityModule.maximumAge of NCT00000777 is '75 Years'"
    assert told(given, eligibilityModule={"maximumAge": "75 Years"}) == [
        f"warn ts[0].TSVALNF: AGEMAX is missing (PINF); {path}"
    ]


UNLIKE: dict[str, tuple[Json, Json, str]] = {
    "actual, where a plan is known": (row("ACTSUB", "88"), {}, f"ACTSUB is '88'; {P}designModule.enrollmentInfo.count of NCT00000777 is 90, where type is ESTIMATED"),
    "no word about the type": (row("PLANSUB", "88"), {"enrollmentInfo": {"count": 90}}, f"PLANSUB is '88'; {P}designModule.enrollmentInfo.count of NCT00000777 is 90, where there is no type"),
    "no number": (row("PLANSUB", "about 90"), {}, f"PLANSUB is 'about 90'; {P}designModule.enrollmentInfo.count of NCT00000777 is 90: it is no whole number"),
    "a term of the sponsor's": (row("TPHASE", "Phase 2"), {}, f"TPHASE is 'Phase 2'; {P}designModule.phases of NCT00000777 is 'PHASE1', 'PHASE2': no code of the registry is known to mean the term"),
    "an age in words": (row("AGEMIN", "18 years"), {}, f"AGEMIN is '18 years'; {P}eligibilityModule.minimumAge of NCT00000777 is '18 Years': it is no duration of ISO 8601 in one unit, as P18Y"),
    "no limit, in words": (row("AGEMAX", "none"), {}, f"AGEMAX is 'none'; {P}eligibilityModule.maximumAge of NCT00000777 is absent: it is no duration of ISO 8601 in one unit, as P18Y"),
    "months and days": (row("AGEMIN", "P30D"), {"minimumAge": "1 Month"}, f"AGEMIN is 'P30D'; {P}eligibilityModule.minimumAge of NCT00000777 is '1 Month': months have no fixed length"),
    "an odd age of the record": (row("AGEMIN", "P30D"), {"minimumAge": "grown"}, f"AGEMIN is 'P30D'; {P}eligibilityModule.minimumAge of NCT00000777 is 'grown': it is no number and unit"),
    "no date": (row("SSTDTC", "--03-15"), {}, f"SSTDTC is '--03-15'; {P}statusModule.startDateStruct.date of NCT00000777 is '2020-03-15': one is no date"),
    "an expected date": (row("SENDTC", "2021-07"), {"completionDateStruct": {"date": "2021-06", "type": "ESTIMATED"}}, f"SENDTC is '2021-07'; {P}statusModule.completionDateStruct.date of NCT00000777 is '2021-06', where type is ESTIMATED"),
    "nothing in the record": (row("SEXPOP", "F"), {"sex": None}, f"SEXPOP is 'F'; {P}eligibilityModule.sex of NCT00000777 is absent: nothing is said"),
    "another registry": (row("REGID", "ISRCTN12345678"), {}, f"REGID is 'ISRCTN12345678'; {P}identificationModule.nctId of NCT00000777 is 'NCT00000777', 'SYN-01', '2010-123456-12': it is the number of another registry"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNLIKE)
def test_what_cannot_be_compared_is_said(case: str) -> None:
    """As an information, with the reason."""
    given, changes, message = UNLIKE[case]
    assert told([given], **changes) == [f"info ts[0].TSVAL: {message}"]


def test_a_value_that_is_missing_is_said() -> None:
    """With the reason that the row gives."""
    (found,) = told([{"TSPARMCD": "TPHASE", "TSVALNF": "NASK"}])
    assert (
        found
        == f"info ts[0].TSVALNF: TPHASE is missing (NASK); {P}designModule.phases of NCT00000777 is 'PHASE1', 'PHASE2': nothing is said"
    )


def test_arms_are_compared_both_ways() -> None:
    """An arm that the record does not have, once however many elements it has, and one that the tables do not have."""
    arms = [{"ARM": "Placebo"}, {"ARM": "Active", "ARMCD": "A"}, {"ARM": "Active", "ARMCD": "A"}, {"ETCD": "X"}]
    path = f"{P}armsInterventionsModule.armGroups.label"
    assert told([], arms=arms) == [
        f"warn ta[1].ARM: 'Active' is no arm of NCT00000777; {path} is 'Placebo', 'Active  arm' (did you mean Active  arm?)",
        f"warn ta: 'Active  arm', an arm of NCT00000777 ({path}), is not in ta",
    ]
    assert told([], arms=arms, armGroups=None) == [
        f"info ta: the arms of ta; {path} of NCT00000777 is absent: nothing is said"
    ]


@pytest.mark.parametrize("how", ["convert", "check"])
def test_a_run_tells_them(how: str, tmp_path: Path) -> None:
    """The differences are among the issues of a run, and nothing is made of the tables of the study."""
    (tmp_path / "record.json").write_bytes(orjson.dumps(registered().data))
    sources = [str(DATA / "csv"), "--study", str(tmp_path / "record.json"), "--issues", str(tmp_path / "issues")]
    output = ["-o", f"{tmp_path}/out/"] if how == "convert" else []
    done = CliRunner().invoke(main, [how, *sources, *output])
    assert done.exit_code == 0, done.output
    lines = [orjson.loads(line) for line in (tmp_path / "issues").read_bytes().splitlines()]
    found = [line for line in lines if line["code"] in ("registry-differs", "not-compared", "left-out")]
    assert [line["code"] for line in found][-1] == "left-out"
    assert {line["path"].partition("[")[0] for line in found[:-1]} <= {"ts", "ta"}
    assert any(line["code"] == "registry-differs" for line in found)


def test_without_a_record_nothing_is_compared() -> None:
    """Then the study is made of the tables."""
    found: list[Any] = []
    summary = convert_all([DATA / "csv"], BytesIO(), participants=Participants(), noticed=found.append)
    assert summary.resources["ResearchStudy"] == 1
    assert [issue for issue in found if issue.code in ("registry-differs", "not-compared", "left-out")] == []


def test_only_tables_of_a_study_are_compared() -> None:
    """A subject is no study."""
    with pytest.raises(UsageError, match=r"^records of sdtm are not compared with a registry's record of the study$"):
        fhirtrial.differences(Record(registry="sdtm", id="1", data={}), study=registered())
    mine = Record(registry="sdtm-study", id="S", data={"STUDYID": "S"})
    with pytest.raises(UsageError, match=r"^sdtm-study is compared with a record of ctgov, not of sdtm-study$"):
        fhirtrial.differences(mine, study=mine)


WRONG = {
    "no such registry": ("with: ctgov", "with: ctgv", "no registry 'ctgv'; did you mean ctgov?"),
    "no such table": ("{in: ts,", "{in: tss,", "no table 'tss'; did you mean ts?"),
    "no such column": ("missing: TSVALNF}", "missing: TSVALN}", "TSVALN is no field of ts; did you mean TSVALNF?"),
    "no such field": ("designModule.studyType,", "designModule.studyTyp,", "studyTyp is no field of designModule; did you mean studyType?"),
    "an object": ("designModule.studyType,", "designModule,", "protocolSection.designModule is an object: name one of its fields"),
    "no such way": ("name: NARMS, as: size", "name: NARMS, as: siz", "'siz' is no way to compare; did you mean size?"),
    "no such code": ("F: FEMALE", "F: FEMAL", "'FEMAL' is no Sex; did you mean FEMALE?"),
    "no such part of a code": ("PHASE1+PHASE2", "PHASE1+PHAS2", "'PHAS2' is no Phase; did you mean PHASE2?"),
    "no such state": ("enrollmentInfo.type: ESTIMATED}", "enrollmentInfo.type: ESTIMATE}", "'ESTIMATE' is no EnrollmentType; did you mean ESTIMATED?"),
    "no values": ("name: NARMS, as: size", "name: NARMS, as: code", "`values` goes with `as: code`, and only with that"),
    "absent of no age": ("name: NARMS, as: size,", "name: NARMS, as: size, absent: PINF,", "`absent` goes with `as: age`"),
    "twice": ("name: ACTSUB", "name: PLANSUB", "PLANSUB stands twice, first in line {0}"),
    "an unknown word": ("missing: TSVALNF}", "lacking: TSVALNF}", "`lacking` means nothing in `rows`; known: in, missing, name, value"),
    "a word too few": (", missing: TSVALNF}", "}", "`rows` needs `missing`"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case: str, tmp_path: Path) -> None:
    """One error, with file and line and what would be right, before any data are seen."""
    old, new, message = WRONG[case]
    text = COMPARE.read_text("utf-8")
    assert text.count(old) == 1
    write(tmp_path / "sdtm-study", {"compare.yaml": text.replace(old, new)})
    line = text[: text.index(old)].count("\n") + 1
    with pytest.raises(MappingError) as caught:
        load_facts(MappingFiles(tmp_path), "sdtm-study")
    assert str(caught.value) == f"sdtm-study/compare.yaml:{line}: {message.format(line - 1)}"
