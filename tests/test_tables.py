"""Tables of participants' data become the same records, whatever form they come in."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

import fhirtrial
from fhirtrial import read
from fhirtrial.errors import UsageError
from fhirtrial.readers.tables.define import read_define
from tests.tables import DATA, DM, FORMS, SHARED, read_all, write

needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside the checkout")


@pytest.fixture(scope="module")
def expected() -> list[bytes]:
    """The records of the made-up study, from NDJSON."""
    return [orjson.dumps(record.data) for record in read(DATA / "ndjson")]


@pytest.mark.parametrize("form", FORMS)
def test_all_forms_give_the_same_bytes(form: str, expected: list[bytes]) -> None:
    """CSV, Dataset-JSON 1.0 and 1.1, NDJSON, both compressed framings, and SAS transport 5 and 8 say the same."""
    records, issues = read_all(DATA / form)

    assert issues == []
    assert [record.registry for record in records] == ["sdtm-study"] + ["sdtm"] * 4
    assert [orjson.dumps(record.data) for record in records] == expected


def test_forms_may_be_mixed_and_packed(tmp_path: Path, expected: list[bytes]) -> None:
    """One folder may hold each table in another form; gzip may be around any of them."""
    for number, table in enumerate(sorted(path.stem for path in (DATA / "csv").iterdir())):
        source = next((DATA / FORMS[number % len(FORMS)]).glob(f"{table}.*"))
        shutil.copy(source, tmp_path)
    (tmp_path / "ex.csv.gz").write_bytes(gzip.compress((DATA / "csv" / "ex.csv").read_bytes()))
    next(path for path in tmp_path.glob("ex.*") if path.suffix != ".gz").unlink()
    records, issues = read_all(tmp_path)

    assert issues == []
    assert [orjson.dumps(record.data) for record in records] == expected


def test_what_a_subject_is() -> None:
    """Rows lie in their dataset, values have their variable's type, what is missing is absent, a zero is a zero."""
    records = {record.id: record.data for record in read(DATA / "xpt-v5")}

    assert records["SYN-01"]["STUDYID"] == "SYN-01"
    assert records["SYN-01"]["ts"][2] == {
        "TSSEQ": 1,
        "TSPARMCD": "AGEMAX",
        "TSPARM": "Planned Maximum Age of Subjects",
        "TSVALNF": "PINF",
    }
    subject = records["SYN-01-003"]
    assert subject["dm"]["AGE"] == 0.5
    assert repr(subject["ex"][0]["EXDOSE"]) == "0"
    assert subject["ds"][0]["DSTERM"] == 'Died, "at home"; été'
    assert not {"STUDYID", "DOMAIN", "USUBJID"} & set(subject["ex"][0])
    assert [row["EXDOSE"] for row in records["SYN-01-001"]["ex"]] == [10.8, 0.1]
    assert "ECDOSE" not in records["SYN-01-001"]["ec"][1]
    assert "ARMCD" not in records["SYN-01-002"]["dm"]
    assert records["SYN-01-002"]["ds"][0]["DSTERM"] == "NA"
    assert records["SYN-01-004"]["ds"][0]["DSTERM"] == "=SUM(A1:A9)"


def test_supplements_lie_in_the_rows_that_they_qualify() -> None:
    """By the sequence number, or by another variable: then it says which."""
    records = {record.id: record.data for record in read(DATA / "ndjson")}
    first, second = records["SYN-01-001"]["ex"]

    assert [row["QNAM"] for row in records["SYN-01-002"]["dm"]["supp"]] == ["RACE1", "RACE2"]
    assert second["supp"] == [
        {
            "QNAM": "EXREAS",
            "QLABEL": "Reason for Reduction",
            "QVAL": "NAUSEA",
            "QORIG": "CRF",
            "QEVAL": "INVESTIGATOR",
        }
    ]
    assert (first["supp"][0]["IDVAR"], first["supp"][0]["IDVARVAL"]) == ("EXLOT", "L1")


def test_rows_need_not_stand_together(tmp_path: Path) -> None:
    """Rows of one subject are found wherever they stand, and put into the order of their numbers."""
    shuffled = (
        "STUDYID,DOMAIN,USUBJID,EXSEQ,EXDOSE\nS,EX,S-2,2,1\nS,EX,S-1,3,3\nS,EX,S-2,1,2\nS,EX,S-1,1,1\nS,EX,S-1,2,2\n"
    )
    visits = "STUDYID,USUBJID,VISITNUM,SVSTDTC\nS,S-1,2,2020-02\nS,S-1,1,2020-01-03\nS,S-1,1,2020-01-02\n"
    records, issues = read_all(write(tmp_path, {"dm.csv": DM, "ex.csv": shuffled, "sv.csv": visits}))

    assert [[row["EXSEQ"] for row in record.data["ex"]] for record in records] == [[1, 2, 3], [1, 2]]
    assert [(row["VISITNUM"], row["SVSTDTC"]) for row in records[0].data["sv"]] == [
        (1, "2020-01-02"), (1, "2020-01-03"), (2, "2020-02"),
    ]  # fmt: skip
    order = "VISITNUM and SVSTDTC and VISIT"
    assert issues == [
        "information: ex.csv:3: S-1: ex.EXSEQ: the rows are not in the order of EXSEQ: they are put into it [sorted]",
        f"information: sv.csv:2: S-1: sv.VISITNUM: the rows are not in the order of {order}: they are put into it [sorted]",
    ]


def test_a_folder_of_studies_stays_one(tmp_path: Path) -> None:
    """Only a folder with DM or a roster is read as tables: other files are what they are, dm.json too if it is one."""
    study = b'{"protocolSection":{"identificationModule":{"nctId":"NCT00000102"}}}'
    records, _ = read_all(write(tmp_path / "a", {"dm.json": study}))
    write(tmp_path / "b", {"x.json": study})
    write(tmp_path / "b" / "sdtm", {"dm.csv": DM})
    mixed, _ = read_all(tmp_path / "b")

    assert [record.registry for record in records] == ["ctgov"]
    assert [record.id for record in mixed] == ["S-1", "S-2", "NCT00000102"]


def test_the_format_can_be_named(tmp_path: Path) -> None:
    """format='sdtm' and format='roster' read a folder so; a file is refused, and what is no format has a hint."""
    write(tmp_path, {"dm.csv": DM, "subjects.csv": "subject_id\nA\n"})

    assert [record.id for record in read(tmp_path, format="sdtm")] == ["S-1", "S-2"]
    assert [record.id for record in read(tmp_path, format="roster")] == ["A"]
    assert read_all(tmp_path / "dm.csv", format="sdtm")[1] == [
        "error: .: sdtm is read from a folder (a study is a folder, with one file for each of its tables) [not-a-folder]"
    ]
    with pytest.raises(UsageError, match="did you mean sdtm"):
        read(tmp_path, format="stdm")


# ------------------------------------------------------------------------------------------------------------ rosters

SUBJECTS = "subject_id,sex,age,status\nA,F,60,completed\nB,M,61,screen failure\n"
DOSES = "subject_id,dose_id,intervention,dose,given,reason\nA,1,Drug X,1.5,yes,\nA,2,Drug X,,no,nausea\n"


def test_what_a_roster_is(tmp_path: Path) -> None:
    """A row of subjects and the rows of doses; yes and no are words."""
    records, issues = read_all(write(tmp_path, {"subjects.csv": SUBJECTS, "doses.csv": DOSES}))

    assert issues == []
    assert [record.registry for record in records] == ["roster", "roster"]
    assert records[0].data == {
        "subject": {"subject_id": "A", "sex": "F", "age": 60, "status": "completed"},
        "doses": [
            {"dose_id": "1", "intervention": "Drug X", "dose": 1.5, "given": True},
            {"dose_id": "2", "intervention": "Drug X", "given": False, "reason": "nausea"},
        ],
    }
    assert "doses" not in records[1].data


def test_doses_stand_in_the_order_of_their_ids(tmp_path: Path) -> None:
    """By the numbers in the ids, however long: so single doses and intervals come back between each other."""
    long = "9" * 5000
    ids = ["D10", long, "D2", "02", "2", "b", "", "D1", "1", "D1a", "", ""]
    rows = [f"A,{id},{'QD,2020-01-01' if number % 2 else ','},{number}" for number, id in enumerate(ids)]
    doses = "\n".join(["subject_id,dose_id,frequency,end,dose", *rows, ""])
    records, issues = read_all(write(tmp_path, {"subjects.csv": "subject_id\nA\n", "doses.csv": doses}))

    assert [each.get("dose_id") for each in records[0].data["doses"]] == [
        "1", "02", "2", long, "D1", "D1a", "D2", "D10", "b", None, None, None,
    ]  # fmt: skip
    order = "dose_id and start and end and frequency"
    assert issues == [
        f"information: doses.csv:2: A: doses.dose_id: the rows are not in the order of {order}: they are put into it [sorted]"
    ]
    made = fhirtrial.convert(records[0])
    restored = fhirtrial.restore(made.resources, registry="roster", verify=True)
    assert (restored.data, restored.issues) == (records[0].data, ())


def _lines(text: str) -> str:
    rows = csv.DictReader(text.splitlines())
    return "".join(json.dumps({name: cell for name, cell in row.items() if cell}) + "\n" for row in rows)


EXCEL: dict[str, Any] = {
    "byte order mark": (lambda text: b"\xef\xbb\xbf" + text.encode(), {}),
    "UTF-16": (lambda text: text.encode("utf-16"), {}),
    "UTF-16 big-endian": (lambda text: b"\xfe\xff" + text.encode("utf-16-be"), {}),
    "semicolons": (lambda text: text.replace(",", ";").encode(), {}),
    "tabs": (lambda text: text.replace(",", "\t").encode(), {}),
    "its own first line": (lambda text: ("sep=;\r\n" + text.replace(",", ";")).encode(), {}),
    "CRLF": (lambda text: text.replace("\n", "\r\n").encode(), {}),
    "CR": (lambda text: text.replace("\n", "\r").encode(), {}),
    "decimal comma": (lambda text: text.replace(",", ";").replace("1.5", "1,5").encode(), {"decimal_comma": True}),
    "windows-1252": (lambda text: text.encode("windows-1252"), {"encoding": "windows-1252"}),
    "empty cells at the end": (lambda text: (text.replace("\n", ",,\n") + ",,,,,,,\n").encode(), {}),
    "JSON Lines": (lambda text: _lines(text).encode(), {}),
}


@pytest.mark.parametrize("how", EXCEL)
def test_files_made_by_excel_are_read_rightly(how: str, tmp_path: Path) -> None:
    """However Excel saves them; a decimal comma and an encoding only if that is told."""
    encode, options = EXCEL[how]
    subjects, doses = SUBJECTS.replace("completed", "completed été"), DOSES
    ending = "jsonl" if how == "JSON Lines" else "csv"
    plain, _ = read_all(write(tmp_path / "plain", {"subjects.csv": subjects, "doses.csv": doses}))
    files = {f"subjects.{ending}": encode(subjects), f"doses.{ending}": encode(doses)}
    records, issues = read_all(write(tmp_path / "excel", files), **options)

    assert [issue for issue in issues if "unknown-column" not in issue] == []
    assert [record.data for record in records] == [record.data for record in plain]


def test_line_breaks_in_quotes_are_text(tmp_path: Path) -> None:
    """A cell may go over several lines, and the lines of what follows are counted rightly."""
    subjects = 'subject_id,reason\nA,"one\ntwo, ""three"""\nB\n'
    records, issues = read_all(write(tmp_path, {"subjects.csv": subjects}))

    assert records[0].data["subject"]["reason"] == 'one\ntwo, "three"'
    assert issues == [
        (
            "error: subjects.csv:4: subjects: the row has 1 cell, where there are 2 columns; the row is not carried "
            "[ragged-row]"
        )
    ]


def test_ten_thousand_characters_are_text(tmp_path: Path) -> None:
    """A long text comes through whole."""
    records, issues = read_all(write(tmp_path, {"subjects.csv": f"subject_id,reason\nA,{'x' * 10_000}\n"}))

    assert issues == []
    assert records[0].data["subject"]["reason"] == "x" * 10_000


def test_the_example_names_what_its_study_names() -> None:
    """The synthetic roster has every state, and the arm and intervention of its study by their own names."""
    examples = Path(__file__).resolve().parent.parent / "examples"
    study = next(read(examples / "NCT05143125.page.txt")).data["protocolSection"]
    records, issues = read_all(examples / "roster")
    subjects = [record.data["subject"] for record in records]
    doses = [dose for record in records for dose in record.data.get("doses", ())]

    assert issues == ["information: README.txt: passed over: it lies beside the tables [passed-over]"]
    assert "made up" in (examples / "roster" / "README.txt").read_text()
    assert {subject["study"] for subject in subjects} == {study["identificationModule"]["nctId"]}
    arms = study["armsInterventionsModule"]
    assert {subject.get("arm") for subject in subjects} - {None} == {arm["label"] for arm in arms["armGroups"]}
    assert {dose["intervention"] for dose in doses} == {each["name"] for each in arms["interventions"]}
    assert set(Counter(subject["status"] for subject in subjects)) == {
        "completed",
        "ended early",
        "enrolled",
        "follow-up",
        "on treatment",
        "screen failure",
        "screening",
    }
    assert {dose["given"] for dose in doses} == {True, False}


# ----------------------------------------------------------------------------------------------------- published data


@needs_shared
def test_the_published_sample_is_the_same_in_all_forms(tmp_path: Path) -> None:
    """CDISC's sample: SAS transport, Dataset-JSON, NDJSON and compressed give equal records, and so does CSV of it."""
    given = {}
    for form in ("xpt", "json", "ndjson", "dsjc"):
        folder = tmp_path / form
        folder.mkdir()
        for path in (SHARED / "cdisc_sample").glob(f"*.{form}"):
            shutil.copy(path, folder)
        shutil.copy(SHARED / "cdisc_sample" / "define.xml", folder)
        records, issues = read_all(folder)
        given[form] = [orjson.dumps(record.data) for record in records]
        assert not [issue for issue in issues if not issue.startswith("information")]
    folder = tmp_path / "csv"
    folder.mkdir()
    for path in (SHARED / "cdisc_sample").glob("*.json"):
        dataset = json.loads(path.read_bytes())
        with (folder / f"{path.stem}.csv").open("w", newline="") as file:
            names = [column["name"] for column in dataset["columns"]]
            csv.writer(file).writerows([names, *dataset["rows"]])
    given["csv"] = [orjson.dumps(record.data) for record in read_all(folder)[0]]

    assert len(given["xpt"]) == 19
    assert all(given[form] == given["xpt"] for form in given)


@needs_shared
@pytest.mark.parametrize("name", ["pharmaversesdtm", "cdiscpilot01"])
def test_every_row_of_the_published_data_is_there(name: str) -> None:
    """As many rows of each dataset as an independent count finds, no error, and no more said than is so."""
    records, issues = read_all(SHARED / name, encoding="windows-1252")
    found = Counter[str]()
    for record in records:
        for dataset, rows in record.data.items():
            rows = rows if isinstance(rows, list) else [rows] * (dataset == "dm")
            found[dataset] += len(rows)
            found["supp"] += sum(len(row.get("supp", ())) for row in rows)
    wanted = {
        "pharmaversesdtm": {"dm": 306, "ds": 850, "ex": 591, "sv": 3559, "ts": 33, "supp": 1200},
        "cdiscpilot01": {"dm": 306, "ds": 596, "ex": 591, "sv": 3559, "ts": 48, "ta": 11, "te": 7, "ae": 961}
        | {"supp": 1200},
    }[name]
    if name == "pharmaversesdtm":
        for path in (SHARED / name).glob("*.csv"):
            if not path.stem.startswith("supp"):
                with path.open(encoding="windows-1252", newline="") as file:
                    assert sum(1 for _ in csv.DictReader(file)) == wanted[path.stem]

    assert {dataset: count for dataset, count in found.items() if count} == wanted
    assert [issue for issue in issues if not issue.startswith("information")] == []


DEFINE = """<?xml version="1.0"?>
<ODM xmlns="http://www.cdisc.org/ns/odm/v1.3"><Study OID="S"><GlobalVariables><StudyName>Never</StudyName>
</GlobalVariables><MetaDataVersion OID="M">
<ItemGroupDef OID="IG.EX" Name="EX"><ItemRef ItemOID="IT.1"/></ItemGroupDef>
<ItemDef OID="IT.1" Name="REMARK"><Description><TranslatedText>Mood of the Nurse</TranslatedText></Description>
<CodeListRef CodeListOID="CL.1"/></ItemDef>
<CodeList OID="CL.1" Name="Mood"><CodeListItem CodedValue="G"><Decode><TranslatedText>Good</TranslatedText></Decode>
<Alias Name="C1" Context="nci:ExtCodeID"/></CodeListItem><EnumeratedItem CodedValue="B"/></CodeList>
</MetaDataVersion></Study></ODM>"""


def test_a_define_says_what_a_column_is(tmp_path: Path) -> None:
    """Its labels stand in what is said about columns that are not carried; its code lists can be asked for."""
    write(tmp_path, {"dm.csv": DM, "ex.csv": "USUBJID,EXSEQ,REMARK\nS-1,1,G\n", "define.xml": DEFINE})
    terms = read_define(str(tmp_path / "define.xml")).code_lists["ex"]["REMARK"]

    assert read_all(tmp_path)[1] == [
        (
            "warning: ex.csv: ex.REMARK: 'REMARK' (Mood of the Nurse) is no column of ex, and is not carried "
            "[unknown-column]"
        )
    ]
    assert {value: (term.decode, term.nci_code) for value, term in terms.items()} == {
        "G": ("Good", "C1"),
        "B": ("", ""),
    }


@needs_shared
def test_a_define_says_labels_and_code_lists() -> None:
    """The labels of columns and the values that they may have, with NCI's codes."""
    define = read_define(str(SHARED / "cdisc_sample" / "define.xml"))

    assert define.study == "CDISCPILOT01"
    assert define.labels["ex"]["EXDOSE"] == "Dose"
    assert define.code_lists["dm"]["ARMNRS"]["SCREEN FAILURE"].nci_code == "C49628"


@needs_shared
def test_the_schema_has_every_variable_of_the_published_data() -> None:
    """Each column is a field of schema.json, with the label that CDISC's sample gives it."""
    labels = {}
    for registry in ("sdtm", "sdtm-study"):
        tree = json.loads((DATA.parents[2] / "mappings" / registry / "schema.json").read_bytes())
        for dataset, entry in tree["fields"].items():
            if entry.get("beside"):  # the study's record comes from no table
                continue
            labels |= {(dataset, name): field["label"] for name, field in entry.get("fields", {}).items()}
    for path in (SHARED / "cdisc_sample").glob("*.json"):
        for column in json.loads(path.read_bytes())["columns"]:
            key = (path.stem, column["name"])
            if path.stem in {dataset for dataset, _ in labels} and column["name"] not in (
                "STUDYID",
                "DOMAIN",
                "USUBJID",
            ):
                assert labels.get(key) == column["label"], key
