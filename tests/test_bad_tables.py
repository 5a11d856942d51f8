"""What is wrong with tables is said once, clearly, and the rest is read."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirtrial import InputError, UsageError, read
from tests.table_faults import BAD, ROW, dataset
from tests.tables import DATA, DM, EX, FORMS, read_all, write


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_said_and_the_rest_is_read(what: str, tmp_path: Path) -> None:
    """Exactly these messages, and these rows."""
    files, expected, rows = BAD[what]
    records, issues = read_all(write(tmp_path, files))

    assert issues == expected
    assert [len(record.data.get("ex", ())) for record in records] == rows


def test_a_dataset_that_is_there_twice_is_named_with_its_files(tmp_path: Path) -> None:
    """Nothing says which of two files is right: nothing of the folder is read."""
    records, issues = read_all(write(tmp_path, {"dm.csv": DM, "ex.csv": EX, "EX.json": dataset(ROW)}))

    assert records == []
    assert issues == [
        (
            "error: .: the dataset ex is there 2 times: EX.json and ex.csv (one folder holds each dataset once) "
            "[duplicate-dataset]"
        )
    ]


def test_a_folder_without_dm_is_no_study(tmp_path: Path) -> None:
    """Where SDTM is asked for, DM is needed; what the study says of itself is read all the same."""
    ts = "STUDYID,DOMAIN,TSSEQ,TSPARMCD,TSVAL\nS,TS,1,TITLE,T\n"
    records, issues = read_all(write(tmp_path, {"ex.csv": EX, "ts.csv": ts}), format="sdtm")

    assert [record.registry for record in records] == ["sdtm-study"]
    assert issues == [
        "error: .: there is no file dm.* (Demographics): nothing says which subjects there are [missing-dataset]"
    ]


def test_what_is_not_carried_is_named_once(tmp_path: Path) -> None:
    """Other datasets are passed over; of many rows with one fault, twenty are named and the others counted."""
    many = EX + "".join(f"S,EX,S-2,{number},B,much\n" for number in range(2, 130))
    records, issues = read_all(write(tmp_path, {"dm.csv": DM, "ex.csv": many, "cm.csv": "a\n"}))

    assert issues[0] == "information: cm.csv: passed over: it is no table that is carried [passed-over]"
    assert len(issues) == 1 + 20 + 1
    assert issues[-1] == "error: ex.csv: ex.EXDOSE: 108 more rows are not carried for the same reason [wrong-type]"
    assert len(records) == 2


def test_columns_of_the_wrong_type_in_xpt() -> None:
    """A number where text belongs is read as its text; text where a number belongs, if it is one."""
    records, issues = read_all(DATA / "odd")

    assert issues == [
        "information: dm.xpt: dm.SUBJID: SUBJID is a number in the file, and text in sdtm: read as text [column-type]"
    ]
    assert records[0].data["dm"] == {"STUDYID": "S", "DOMAIN": "DM", "USUBJID": "S-1", "SUBJID": "1015", "AGE": 63}


def test_without_pyreadstat_one_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only who has SAS transport files needs it."""
    monkeypatch.setitem(sys.modules, "pyreadstat", None)
    _, issues = read_all(DATA / "odd")

    assert issues == [
        "error: dm.xpt: SAS transport files are read with pyreadstat (pip install fhirtrial[sas]) [no-reader]"
    ]


def test_without_refused_the_first_error_is_raised(tmp_path: Path) -> None:
    """As for studies."""
    write(tmp_path, {"dm.csv": DM, "ex.csv": EX + "S,EX,S-9,1,A,54\n"})

    with pytest.raises(InputError, match="orphan-row"):
        list(read(tmp_path))


def test_a_subject_with_too_many_bytes_is_refused(tmp_path: Path) -> None:
    """It is not held; the others are read."""
    write(tmp_path, {"dm.csv": DM, "ex.csv": EX + "".join(f"S,EX,S-1,{n},A,1\n" for n in range(3, 200))})
    records, issues = read_all(tmp_path, max_bytes=5_000)

    assert [record.id for record in records] == ["S-2"]
    assert issues == ["error: dm.csv: the record has more than 5,000 bytes (see max_bytes) [record-too-large]"]


def test_a_roster_says_which_column_is_meant(tmp_path: Path) -> None:
    """The header is checked, with the nearest names; words that are neither yes nor no are named."""
    files = {
        "subjects.csv": "subject_id,birthdate,arm\nA,1960,X\n",
        "doses.csv": "subject_id,dose_id,given\nA,1,perhaps\nA,2,no\nA,2,yes\nB,1,yes\n",
    }
    records, issues = read_all(write(tmp_path, files))

    assert issues == [
        (
            "warning: subjects.csv: subjects.birthdate: 'birthdate' is no column of subjects, and is not carried (did you "
            "mean birth_date?) [unknown-column]"
        ),
        (
            "error: doses.csv:2: A: doses.given: 'perhaps' is neither yes nor no; the row is not carried (words: yes, y, "
            "true, 1, given, no, n, false, 0, not given) [wrong-type]"
        ),
        (
            "error: doses.csv:5: B: doses: subject_id 'B' has no row in subjects that can be used: the row is not carried "
            "[orphan-row]"
        ),
        (
            "error: doses.csv:4: A: doses.dose_id: dose_id 2 stands there twice, first at doses.csv:3; the row is not "
            "carried [duplicate-row]"
        ),
    ]
    assert records[0].data == {"subject": {"subject_id": "A", "arm": "X"}, "doses": [{"dose_id": "2", "given": False}]}


def test_a_point_is_none_where_the_comma_is_decimal(tmp_path: Path) -> None:
    """1.500 may be one and a half or one thousand five hundred: it is not guessed."""
    write(tmp_path, {"dm.csv": DM, "ex.csv": EX.replace(",", ";") + "S;EX;S-2;2;B;1.500\n"})

    assert read_all(tmp_path, decimal_comma=True)[1] == [
        (
            "error: ex.csv:5: S-2: ex.EXDOSE: '1.500' is no number; the row is not carried (the comma is the decimal comma) "
            "[wrong-type]"
        )
    ]


def test_faults_between_tables_are_counted_too(tmp_path: Path) -> None:
    """Twenty rows of another study are named, the others counted at the end."""
    many = EX + "".join(f"T,EX,S-2,{number},B,1\n" for number in range(2, 130))
    _, issues = read_all(write(tmp_path, {"dm.csv": DM, "ex.csv": many}))

    assert len(issues) == 21
    assert issues[-1] == "error: ex.csv: ex: 108 more rows are not carried for the same reason [wrong-study]"


def test_an_unknown_encoding_is_wrong_use(tmp_path: Path) -> None:
    """It is told before anything is opened."""
    with pytest.raises(UsageError, match="'klingon' is no encoding; one is windows-1252"):
        read(tmp_path, encoding="klingon")


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_whatever_befalls_a_file_it_is_told(data: st.DataObject) -> None:
    """A file that is cut, or has other bytes in it, is read as far as it can be; nothing breaks."""
    source = DATA / data.draw(st.sampled_from(FORMS))
    file = data.draw(st.sampled_from(sorted(path.name for path in source.iterdir())))
    raw = (source / file).read_bytes()
    start, end = sorted((data.draw(st.integers(0, len(raw))), data.draw(st.integers(0, len(raw)))))
    damaged = raw[:start] + data.draw(st.binary(max_size=90)) + raw[end if data.draw(st.booleans()) else start :]
    with TemporaryDirectory() as name:
        shutil.copytree(source, name, dirs_exist_ok=True)
        (Path(name) / file).write_bytes(damaged)
        _, issues = read_all(Path(name))

    assert all(issue.endswith("]") for issue in issues)
