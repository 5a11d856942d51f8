"""The study of the data sets TS, TA and TE: every row comes back, and what people look for is in FHIR's own elements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirtrial.conversion import Conversion
from fhirtrial.errors import MappingError
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.record import Record
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release
from fhirtrial.releases.view import as_r5
from fhirtrial.resources import Resources

from .conformance import problems
from .conformance.earlier import earlier_problems
from .golden_update import mapper_of
from .properties import by_reference, exact, misplaced
from .records import NAMES, ODD
from .subjects import SETS, STAMPS, shared_study

Json = dict[str, Any]


def shared(name: str) -> Record:
    """The record of a shared study; the test is skipped where it is not at hand."""
    found = shared_study(name)
    if found is None:
        pytest.skip(f"the folder of shared data is not beside the checkout: {name}")
    return found


def study(rows: list[Json]) -> Json:
    """The ResearchStudy of a few rows of TS."""
    return convert(rows).resources[0]


def convert(rows: list[Json]) -> Conversion:
    """What a few rows of TS become."""
    return mapper_of("sdtm-study").convert(Record(registry="sdtm-study", id="S", data={"STUDYID": "S", "ts": rows}))


def row(code: str, value: str, **more: Any) -> Json:
    """A row of TS."""
    return {"TSSEQ": 1, "TSPARMCD": code, "TSPARM": code.title(), "TSVAL": value, **more}


@pytest.mark.parametrize("name", SETS)
def test_every_row_comes_back_from_every_release(name: str) -> None:
    """All rows of TS, TA and TE are restored, from R5, R4 and R4B, and what they become is valid there."""
    record, mapper = shared(name), mapper_of("sdtm-study")
    made = mapper.convert(record)
    refs = by_reference(made.resources)
    assert [problem for found in refs.values() for problem in problems(found, refs, model=True)] == []
    assert list(misplaced(record, made)) == []
    restored = mapper.restore(made.resources)
    assert (exact(restored.data), restored.issues) == (exact(record.data), ())
    for release in ("R4", "R4B"):
        step = Release(release)
        earlier = released(made, step).resources
        assert [problem for found in earlier for problem in earlier_problems(found, release)] == []
        again = mapper.restore(as_r5(Resources(earlier), step)[0])
        assert (exact(again.data), again.issues) == (exact(record.data), ())


def test_only_what_is_no_number_or_duration_is_said() -> None:
    """Of the shared studies: ages in words; every term of theirs has a row."""
    told = [
        (issue.code, issue.message) for name in SETS for issue in mapper_of("sdtm-study").convert(shared(name)).issues
    ]
    message = (
        "'50 years' and 'No maximum' are no durations of ISO 8601 in one unit, as P18Y is: text in their rows alone"
    )
    assert told == [("not-a-duration", message)]


def test_what_is_looked_for_is_where_fhir_has_it() -> None:
    """Phase, dates, numbers, sponsor, objectives and design of a published study."""
    found = mapper_of("sdtm-study").convert(shared("cdisc_sample"))
    (mine, *others) = found.resources
    assert mine["phase"]["coding"][0]["code"] == "phase-2"
    assert mine["period"] == {"start": "2012-10-06", "end": "2014-11-01"}
    assert (mine["recruitment"]["targetNumber"], mine["recruitment"]["actualNumber"]) == (20, 18)
    assert [each["name"] for each in mine["associatedParty"]] == ["SDTM Metadata Submission Guidelines Team"]
    assert mine["condition"][0]["coding"] == [{"system": "http://snomed.info/sct", "code": "26929004"}]
    assert len(mine["objective"]) == 2
    assert len(mine["outcomeMeasure"]) == 5
    codes = [coding["code"] for each in mine["studyDesign"] for coding in each["coding"]]
    assert codes == ["SEVCO:01001", "C98388", "SEVCO:01011", "C82639", "SEVCO:01003", "SEVCO:01060", "C15228", "C49648"]
    assert [each["value"] for each in mine["identifier"] if each.get("use") == "secondary"] == ["NCT00000000"]
    assert {each["resourceType"] for each in others} == {"Organization", "Group"}


def test_what_is_not_certain_is_not_coded() -> None:
    """A term of the sponsor's own stays text, an unknown code system's code is not written, partial dates stay so."""
    found = study(
        [
            row("TPHASE", "Phase 2"),
            row("RANDOM", "N"),
            row("INDIC", "Hay fever", TSVALCD="1", TSVCDREF="MedDRA"),
            row("SSTDTC", "2020-03"),
            row("SENDTC", "2019-12-31"),
        ]
    )
    assert found["phase"] == {"text": "Phase 2"}
    assert found["studyDesign"] == [{"text": "Random: N"}]
    assert found["condition"] == [{"text": "Hay fever"}]
    assert found["period"] == {"start": "2020-03"}


@pytest.mark.parametrize(("term", "code"), [("F", "female"), (" f", "female"), ("m", "male"), ("Both", None)])
def test_the_sex_of_those_who_take_part(term: str, code: str | None) -> None:
    """In whatever case; both are no characteristic, since all of them are required."""
    made = convert([row("SEXPOP", term)])
    (group,) = (found for found in made.resources if found["resourceType"] == "Group")
    if code is None:
        assert [each["valueCoding"]["code"] for each in group["extension"]] == ["ALL"]
    values = [each["valueCodeableConcept"]["coding"][0]["code"] for each in group.get("characteristic", ())]
    assert (values, made.issues) == ([code] if code else [], ())


def test_what_is_unknown_or_contradicts_itself_is_said() -> None:
    """A sex that is no term, and an end before the start: a warning each, with the value."""
    rows = [row("SEXPOP", "women"), row("SSTDTC", "2020-03"), row("SENDTC", "2019-12-31")]
    assert [(issue.severity, issue.code, issue.message) for issue in convert(rows).issues] == [
        ("warning", "contradiction", "'2019-12-31' is before the start, 2020-03: no end is copied"),
        (
            "warning",
            "unknown-value",
            "'women' has no row in sdtm-study/codes/sex-population.json: it stays text",
        ),
    ]
    later = [row("SSTDTC", "2020-03"), row("SENDTC", "2020")]
    assert [convert(rows).issues for rows in (later, [row("SENDTC", "soon"), later[0]], [later[1]])] == [()] * 3


CODES = (
    "TITLE", "TPHASE", "STYPE", "INTMODEL", "RANDOM", "TBLIND", "TCNTRL", "INTTYPE", "INDIC", "SPONSOR", "PLANSUB",
    "ACTSUB", "AGEMIN", "AGEMAX", "SEXPOP", "HLTSUBJI", "OBJPRIM", "OBJSEC", "OUTMSPRI", "OUTMSSEC", "REGID", "SSTDTC",
    "SENDTC", "OTHER",
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from((*NAMES, *ODD, *STAMPS)),
    st.sampled_from(
        ("Y", "N", "F", "M", "BOTH", "P18Y", "P2M", "PT5M", "120", "-1", "PHASE II TRIAL", "double blind", "PARALLEL")
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
ROWS = st.fixed_dictionaries(
    {"TSPARMCD": st.sampled_from(CODES)},
    optional={
        "TSPARM": VALUES, "TSVAL": VALUES, "TSVAL1": VALUES, "TSVAL9": VALUES, "TSVALNF": VALUES, "TSVALCD": VALUES,
        "TSVCDREF": st.one_of(st.sampled_from(("CDISC", "SNOMED", "CDISC CT", "clinicaltrials.gov")), VALUES),
    },
)  # fmt: skip


@settings(derandomize=True, deadline=None, database=None, max_examples=60)
@given(st.lists(ROWS, max_size=12))
def test_any_rows_come_back(rows: list[Json]) -> None:
    """Whatever stands in TS: it is restored, from R4 too, and what it becomes is valid."""
    mapper = mapper_of("sdtm-study")
    data, issues = mapper.mapping.schema.check({"STUDYID": "S", "ts": [{"TSSEQ": 1, **each} for each in rows]})
    record = Record(registry="sdtm-study", id="S", data=data, issues=issues)
    made = mapper.convert(record)
    refs = by_reference(made.resources)
    assert [problem for found in refs.values() for problem in problems(found, refs)] == []
    assert exact(mapper.restore(made.resources).data) == exact(data)
    step = Release("R4")
    earlier = released(made, step).resources
    assert [problem for found in earlier for problem in earlier_problems(found)] == []
    assert exact(mapper.restore(as_r5(Resources(earlier), step)[0]).data) == exact(data)


WRONG = {
    "no such list": ("$.tss(TSPARMCD=SSTDTC).TSVAL", "$.tss(TSPARMCD=SSTDTC).TSVAL: 'tss' is no field of $; did you mean ts?"),
    "no list": ("$.STUDYID(TSPARMCD=SSTDTC).TSVAL", "$.STUDYID(TSPARMCD=SSTDTC).TSVAL: 'STUDYID' is no list: it has no rows to choose from"),
    "no such field": ("$.ts(TSPARMC=SSTDTC).TSVAL", "$.ts(TSPARMC=SSTDTC).TSVAL: 'TSPARMC' is no field of ts; did you mean TSPARMCD?"),
    "no such value": ("$.ts(TSPARMCD=SSTDTC).TSVALUE", "$.ts(TSPARMCD=SSTDTC).TSVALUE: 'TSVALUE' is no field of $.ts(TSPARMCD=SSTDTC); did you mean TSVAL?"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_row_that_cannot_be_chosen_is_said(case: str, tmp_path: Path) -> None:
    """With file and line, when the mapping is loaded."""
    path, message = WRONG[case]
    with pytest.raises(MappingError) as caught:
        changed(tmp_path, "{also: $.ts(TSPARMCD=SSTDTC).TSVAL, call", f"{{also: {path}, call")
    assert str(caught.value).partition(": ")[2] == message


def test_a_chosen_row_is_never_read_back(tmp_path: Path) -> None:
    """Which row a value would be set in is not for the mapping to say."""
    with pytest.raises(MappingError, match="a row of a list is chosen in `also` only"):
        changed(
            tmp_path,
            "start: {also: $.ts(TSPARMCD=SSTDTC).TSVAL, call: certain_date}",
            "start: $.ts(TSPARMCD=SSTDTC).TSVAL",
        )


def changed(folder: Path, old: str, new: str) -> Mapper:
    """The mapper of a folder with one line changed."""
    text = (Path(__file__).parents[1] / "mappings" / "sdtm-study" / "study.yaml").read_text("utf-8")
    assert text.count(old) == 1
    (folder / "sdtm-study").mkdir()
    (folder / "sdtm-study" / "study.yaml").write_text(text.replace(old, new), encoding="utf-8")
    return Mapper(mappings=folder, registry="sdtm-study")
