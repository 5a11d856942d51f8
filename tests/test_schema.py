"""The registry's schema: how it is made, what it says, and what the check of a record finds."""

from __future__ import annotations

import copy
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.schema import Leaf, Schema
from fhirtrial.typed import PATTERNS
from tests import make_schema

from .records import SCHEMA, spoiled

HERE = Path(__file__).resolve().parent
CORPUS = HERE.parent / ".." / "shared" / "corpus" / "ctgov"
STUDIES = [orjson.loads(line) for line in (HERE / "data" / "read" / "studies.jsonl").read_bytes().splitlines()]


def study(**parts: Any) -> dict[str, Any]:
    """A study of an id and one or more modules of its protocol section."""
    return {"protocolSection": {"identificationModule": {"nctId": "NCT00000102"}, **parts}}


def found(**parts: Any) -> list[str]:
    """What the check says about such a study, line by line."""
    return [str(issue) for issue in SCHEMA.check(study(**parts))[1]]


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the registry's own field lists are not beside the checkout")
def test_the_file_is_what_the_registry_publishes() -> None:
    """schema.json is derived from the registry's three files, byte by byte."""
    expected = make_schema.render(make_schema.derive(CORPUS))

    assert expected == MappingFiles().read_bytes("ctgov/schema.json").decode()


def test_one_field_or_value_per_line() -> None:
    """A new field or value of the registry is a diff of one line."""
    lines = MappingFiles().read_bytes("ctgov/schema.json").decode().splitlines()
    tree = json.loads("\n".join(lines))
    named = [line for line in lines if line.lstrip().startswith('"')]

    assert len(named) == _names(tree)
    assert all(len(line) < 200 for line in lines)


def _names(tree: dict[str, Any]) -> int:
    """The names in a schema: its own members, notes, parts of the id, enumerations, values and fields."""

    def fields(members: dict[str, Any]) -> int:
        return sum(1 + fields(member.get("fields", {})) for member in members.values())

    values = sum(1 + len(enum) for enum in tree["enums"].values())
    return len(tree) + len(tree["notes"]) + len(tree["id"]) + values + fields(tree["fields"])


def test_leaves() -> None:
    """A leaf says its path with [] for lists, its type, its code values, and why it is left out."""
    leaves = {leaf.path: leaf for leaf in SCHEMA.leaves()}
    sex = leaves["protocolSection.eligibilityModule.sex"]

    assert sex == Leaf(path=sex.path, type="Sex", enum={"FEMALE": "Female", "MALE": "Male", "ALL": "All"})
    assert leaves["protocolSection.conditionsModule.conditions[]"].type == "text"
    assert leaves["protocolSection.armsInterventionsModule.armGroups[].label"].left_out == ""
    assert leaves["protocolSection.contactsLocationsModule.locations[].geoPoint.lat"].type == "number"
    assert leaves["derivedSection.miscInfoModule.modelPredictions.bmiLimits.minBmi"].type == "number"
    assert leaves["documentSection.largeDocumentModule.largeDocs[].uploadDate"].type == "minute"
    assert (
        leaves["resultsSection.outcomeMeasuresModule.outcomeMeasures[].title"].left_out == "results are not mapped yet"
    )
    assert sum(not leaf.left_out for leaf in leaves.values()) == 190


def test_left_out_parts_are_not_wanted() -> None:
    """What the mapping leaves out is taken off, and what is empty then; nothing else is."""
    data = study()
    more = {
        "resultsSection": {"moreInfoModule": {}},
        "derivedSection": {"conditionBrowseModule": {"ancestors": [{"id": "D1"}]}},
        "documentSection": {"largeDocumentModule": {"largeDocs": [{"filename": "a.pdf", "size": 1}]}},
    }
    kept = {**data, "documentSection": more["documentSection"]}

    assert kept == SCHEMA.wanted({**data, **more})


@pytest.mark.parametrize("data", STUDIES, ids=lambda data: data["protocolSection"]["identificationModule"]["nctId"])
def test_a_good_record_is_given_back_as_it_is(data: dict[str, Any]) -> None:
    """Nothing is changed, and nothing said, if there is nothing to say."""
    assert SCHEMA.check(data) == (data, ())
    assert fine(orjson.dumps(data))


def test_what_is_empty_is_dropped() -> None:
    """Nulls, empty objects and lists, and what holds only such, are no content; empty text and false are."""
    data = study(
        statusModule={"startDateStruct": {"date": None}, "delayedPosting": False},
        conditionsModule={"conditions": [None], "keywords": []},
        descriptionModule={"briefSummary": ""},
        noSuchModule={},
    )
    before = copy.deepcopy(data)
    expected = study(statusModule={"delayedPosting": False}, descriptionModule={"briefSummary": ""})

    assert SCHEMA.check(data) == (expected, ())
    assert data == before


P = "protocolSection."


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        (
            {"statusModule": {"overallStatus": "RECRUTING"}},
            (
                f"warning: {P}statusModule.overallStatus: 'RECRUTING' is no Status (did you mean RECRUITING?)"
                " [unknown-value]"
            ),
        ),
        (
            {"statusModule": {"overallStatus": "Active, not recruiting"}},
            (
                f"warning: {P}statusModule.overallStatus: 'Active, not recruiting' is no Status"
                " (did you mean ACTIVE_NOT_RECRUITING?) [unknown-value]"
            ),
        ),
        (
            {"designModule": {"phases": ["PHASE1", "PHASE9"]}},
            f"warning: {P}designModule.phases[1]: 'PHASE9' is no Phase (did you mean PHASE4?) [unknown-value]",
        ),
        (
            {"statusModule": {"startDateStruct": {"date": "2020-13"}}},
            f"warning: {P}statusModule.startDateStruct.date: '2020-13' is no date of the calendar [impossible-date]",
        ),
        (
            {"statusModule": {"studyFirstSubmitDate": "2021-02-30"}},
            f"warning: {P}statusModule.studyFirstSubmitDate: '2021-02-30' is no date of the calendar [impossible-date]",
        ),
        (
            {"statusModule": {"studyFirstSubmitDate": "2021-02"}},
            (
                f"warning: {P}statusModule.studyFirstSubmitDate: '2021-02' has not the shape of a day (yyyy-MM-dd)"
                " [wrong-shape]"
            ),
        ),
        (
            {"statusModule": {"startDateStruct": {"date": "May 2020"}}},
            (
                f"warning: {P}statusModule.startDateStruct.date: 'May 2020' has not the shape of a date"
                " (yyyy, yyyy-MM or yyyy-MM-dd) [wrong-shape]"
            ),
        ),
        (
            {"eligibilityModule": {"minimumAge": "eighteen"}},
            (
                f"warning: {P}eligibilityModule.minimumAge: 'eighteen' has not the shape of a time"
                " (a number and a unit, as in 18 Years) [wrong-shape]"
            ),
        ),
        (
            {"statusModule": {"whyStoped": "no money"}},
            (
                f"warning: {P}statusModule.whyStoped: 'whyStoped' is no field of statusModule, and is not carried"
                " (did you mean whyStopped?) [unknown-field]"
            ),
        ),
        (
            {"statusModule": "COMPLETED"},
            f"error: {P}statusModule: expected an object, found 'COMPLETED' [wrong-type]",
        ),
        (
            {"conditionsModule": {"conditions": "Asthma"}},
            f"error: {P}conditionsModule.conditions: expected a list, found 'Asthma' (put it into a list) [wrong-type]",
        ),
        (
            {"armsInterventionsModule": {"armGroups": [{"label": "A"}, {"label": 2}]}},
            f"error: {P}armsInterventionsModule.armGroups[1].label: expected text, found the number 2 [wrong-type]",
        ),
        (
            {"oversightModule": {"oversightHasDmc": "Yes"}},
            f"error: {P}oversightModule.oversightHasDmc: expected true or false, found 'Yes' [wrong-type]",
        ),
        (
            {"statusModule": {"overallStatus": ["COMPLETED"]}},
            f"error: {P}statusModule.overallStatus: expected text (Status), found a list [wrong-type]",
        ),
        (
            {"designModule": {"enrollmentInfo": {"count": "60"}}},
            f"error: {P}designModule.enrollmentInfo.count: expected a whole number, found '60' [wrong-type]",
        ),
        (
            {"designModule": {"enrollmentInfo": {"count": 60.0}}},
            f"error: {P}designModule.enrollmentInfo.count: expected a whole number, found the number 60.0 [wrong-type]",
        ),
        (
            {"designModule": {"enrollmentInfo": {"count": True}}},
            f"error: {P}designModule.enrollmentInfo.count: expected a whole number, found true [wrong-type]",
        ),
        (
            {"designModule": {"enrollmentInfo": {"count": 2**63}}},
            (
                f"error: {P}designModule.enrollmentInfo.count: 9223372036854775808 does not fit into 64 bits"
                " [out-of-range]"
            ),
        ),
        (
            {"designModule": {"enrollmentInfo": {"count": float(2**70)}}},
            (
                f"error: {P}designModule.enrollmentInfo.count: 1.1805916207174113e+21 does not fit into 64 bits"
                " [out-of-range]"
            ),
        ),
        (
            {"contactsLocationsModule": {"locations": [{"geoPoint": {"lat": float("nan"), "lon": 1}}]}},
            (
                f"error: {P}contactsLocationsModule.locations[0].geoPoint.lat: nan cannot be written in JSON"
                " [out-of-range]"
            ),
        ),
        (
            {"descriptionModule": {"briefSummary": "a\0b"}},
            (
                f"information: {P}descriptionModule.briefSummary: holds the character NUL, which FHIR text cannot hold:"
                " it travels as bytes beside the text [nul-character]"
            ),
        ),
    ],
)
def test_findings(parts: dict[str, Any], line: str) -> None:
    """What is odd is said with its place and the nearest right value."""
    assert found(**parts) == [line]


def test_an_unknown_field_is_taken_out_and_an_unknown_value_stays() -> None:
    """The tree holds what can be carried, as it was written."""
    data, _ = SCHEMA.check(study(statusModule={"overallStatus": "NEW", "x": 1, "startDateStruct": {"date": "soon"}}))

    assert data == study(statusModule={"overallStatus": "NEW", "startDateStruct": {"date": "soon"}})


def test_every_finding_is_collected() -> None:
    """One bad field does not hide the next."""
    lines = found(statusModule={"overallStatus": 1, "whyStopped": 2}, x=3)

    assert [line.rsplit(" ", 1)[1] for line in lines] == ["[wrong-type]", "[wrong-type]", "[unknown-field]"]


def test_left_out_parts_are_passed_over() -> None:
    """Nothing is said about what is not mapped, but it must be an object where one belongs."""
    data = {**study(), "resultsSection": {"no such": [None]}}

    assert SCHEMA.check(data) == (data, ())
    assert [issue.code for issue in SCHEMA.check({**study(), "resultsSection": [1]})[1]] == ["wrong-type"]


@pytest.mark.parametrize("data", [None, 1, "x", [], [1]])
def test_what_is_no_object_at_all(data: object) -> None:
    """Anything can be checked; what is no object gives an empty tree."""
    assert SCHEMA.check(data)[0] == {}


def fine(raw: bytes) -> bool:
    """Whether the fast reader has nothing to say about a record."""
    return SCHEMA.whole(raw) is not None


def test_the_fast_reader_is_no_second_opinion() -> None:
    """Of 3,000 spoiled records it passes those that the slow check finds nothing about, and gives them unchanged."""
    odd: list[Any] = [None, {}, [], "", "x", 1, 1.5, True, ["x"], [{}], [None], {"x": 1}, 2**64, "2020-13", "ALL", [[]]]
    odd += ["2019-02-29", "2020-02-29", "1900-02-29", "0000-01-01", "2020-04-31", "2020-01-01\n", 1e300, -(2**63) - 1]
    wrong = 0
    for value, raw in spoiled(STUDIES, odd, count=3000, seed=7):
        tree = orjson.loads(raw)
        slow = SCHEMA.check(tree)
        # Looked at slowly, and found fine: empty texts, and what is not written the shortest way (1e+300).
        slowly = value == "" or orjson.dumps(tree) != raw
        assert fine(raw) == (slow == (tree, ()) and not slowly)
        assert not fine(raw) or SCHEMA.whole(raw) == tree
        wrong += slow != (tree, ())
    assert wrong > 2000


def test_dates_are_those_of_the_calendar() -> None:
    """Every day of 400 years and some more, and none besides: what the patterns say is what the calendar says."""
    for year in (*range(1600, 2001), 1, 4, 100, 400, 9999, 0):
        for month in range(14):
            for day in range(33):
                text = f"{year:04}-{month:02}-{day:02}"
                assert bool(re.fullmatch(PATTERNS["date"], text)) == is_day(year, month, day)
            assert bool(re.fullmatch(PATTERNS["date"], f"{year:04}-{month:02}")) == is_day(year, month, 1)
        assert bool(re.fullmatch(PATTERNS["date"], f"{year:04}")) == is_day(year, 1, 1)


def is_day(year: int, month: int, day: int) -> bool:
    """Whether the calendar has the day."""
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def test_issues_are_equal_in_every_run() -> None:
    """Two checks of one record say the same, in the same order."""
    data = study(x=1, y=2, statusModule={"a": 1, "b": 2})

    assert SCHEMA.check(data) == SCHEMA.check(copy.deepcopy(data))
    assert all(isinstance(issue, Issue) for issue in SCHEMA.check(data)[1])


# ------------------------------------------------------------------------------------------- files that are wrong


def write(folder: Path, *, schema: Any = None, left_out: str | None = None) -> MappingFiles:
    """A user's own folder with a changed schema or list of what is left out."""
    (folder / "ctgov").mkdir()
    if schema is not None:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        (folder / "ctgov" / "schema.json").write_text(text)
    if left_out is not None:
        (folder / "ctgov" / "left-out.yaml").write_text(left_out)
    return MappingFiles(folder)


@pytest.mark.parametrize(
    ("left_out", "text"),
    [
        ("resultSection: x\n", "1: resultSection: no field resultSection; did you mean resultsSection?"),
        ("# a\nresultsSection: x\nresultsSection: y\n", "3: resultsSection stands here twice"),
        ("hasResults: x\n", "1: hasResults: only whole objects can be left out"),
        ("resultsSection:\n", "1: expected a path and its reason"),
        ("- resultsSection\n", " expected one path and its reason per line"),
    ],
)
def test_a_wrong_list_of_what_is_left_out(tmp_path: Path, left_out: str, text: str) -> None:
    """The error names file and line."""
    with pytest.raises(MappingError) as caught:
        Schema.load(write(tmp_path, left_out=left_out))

    assert str(caught.value) == f"ctgov/left-out.yaml:{text}"


def test_a_wrong_schema(tmp_path: Path) -> None:
    """An unknown type is an error when the file is loaded, with the nearest known one."""
    tree = orjson.loads(MappingFiles().read_bytes("ctgov/schema.json"))
    tree["fields"]["hasResults"]["type"] = "bolean"

    with pytest.raises(MappingError) as caught:
        Schema.load(write(tmp_path, schema=tree))

    assert str(caught.value) == "ctgov/schema.json: hasResults: 'bolean' is no type; did you mean boolean?"


def test_a_schema_that_is_no_json(tmp_path: Path) -> None:
    """The error names the line."""
    with pytest.raises(MappingError, match=r"^ctgov/schema\.json:2: not JSON: "):
        Schema.load(write(tmp_path, schema='{\n"source" 1}'))


def test_a_schema_without_enums(tmp_path: Path) -> None:
    """A part that is missing is named."""
    with pytest.raises(MappingError) as caught:
        Schema.load(write(tmp_path, schema={"source": "x", "id": {}, "fields": {}}))

    assert str(caught.value) == "ctgov/schema.json: 'enums' is missing"
