"""Resources made elsewhere, of every type and for every row of the table: HL7's own, hand-made ones, and R4's."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from fhirtrial.files import MappingFiles
from fhirtrial.releases.release import COVERED
from fhirtrial.releases.table import load_table
from fhirtrial.releases.view import to_release

from .conformance import problems
from .conformance.earlier import earlier_problems
from .golden_update import release_files, stored_releases
from .releases import DEFINITIONS, R4, R4B, SHARED, Release, changes, down, examples, hl7_examples, rows_met, said, up
from .test_golden import difference

Json = dict[str, Any]
R5_MADE, R4_MADE = examples("R5"), examples("R4")
TABLE = load_table(MappingFiles())

by_name = pytest.mark.parametrize("name", R5_MADE)
both = pytest.mark.parametrize("release", [R4, R4B], ids=["R4", "R4B"])


@by_name
def test_hand_made_resources_are_r5(name: str) -> None:
    """The examples themselves are valid R5: what is asked of the step is asked with what may be asked."""
    assert problems(R5_MADE[name]) == []


@by_name
@both
def test_hand_made_resources_come_back(name: str, release: Release) -> None:
    """With `check` each comes back identical; nothing that was given is changed on the way."""
    around = deepcopy(R5_MADE)
    made = down(R5_MADE[name], R5_MADE.values(), check=True, release=release)
    assert changes(R5_MADE[name], up(made.resource, R5_MADE.values(), release=release).resource) == {}
    assert around == R5_MADE


@by_name
@both
def test_hand_made_resources_are_r4(name: str, release: Release) -> None:
    """Each is R4 and R4B there, but for what an issue of severity error says: no server of the release takes that."""
    made = down(R5_MADE[name], R5_MADE.values(), check=True, release=release)
    refused = {issue.path.partition(".")[2].split(".")[-1] for issue in made.issues if issue.severity == "error"}
    found = earlier_problems(made.resource, release.name)
    assert [
        problem for problem in found if problem.partition(": ")[0].split(".")[-1].partition("[")[0] not in refused
    ] == []
    assert bool(found) == bool(refused)


def test_every_kind_of_row_occurs() -> None:
    """Every row of the table has an example that holds its R5 element, and every type of the library occurs."""
    met = {pair for found in R5_MADE.values() for pair in rows_met(found)}
    # `inside` gives a backbone's rows a name of their own, which is that of the backbone's FHIR type.
    aliases = {("Organization.contact", name) for owner, name in met if owner == "ExtendedContactDetail"}
    rows = {(kind, name) for kind, rows in TABLE.rows.items() for name in rows}
    assert rows - met - aliases == set()
    assert {found["resourceType"] for found in R5_MADE.values()} == set(COVERED)


def test_every_copy_is_made() -> None:
    """Every native element that is made as a copy is in the R4 form of some example."""
    met: set[tuple[str, str]] = set()
    for found in R5_MADE.values():
        made = down(found, R5_MADE.values()).resource
        met |= {(made["resourceType"], name.removeprefix("_")) for name in made}
    for kind, copies in TABLE.copies.items():
        for copy in copies:
            names = {copy.element, *(f"effective{form}" for form in ("Period", "DateTime") if "[x]" in copy.element)}
            assert {(kind, name) for name in names} & met, copy


@pytest.mark.skipif(not SHARED.is_dir(), reason="HL7's examples are not beside the checkout")
def test_hl7s_examples_come_back() -> None:
    """HL7's R5 examples, that of ClinicalTrials.gov among them, go to R4 and back identical with `check`."""
    found = hl7_examples()
    assert "R5-researchstudy-example-ctgov-study-record" in found
    for name, resource in found.items():
        for release in (R4, R4B):
            made = down(resource, check=True, release=release)
            assert up(made.resource, release=release).resource == resource, name
            assert [issue for issue in made.issues if issue.severity == "error"] == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="HL7's examples are not beside the checkout")
def test_what_hl7s_example_needs() -> None:
    """Of HL7's example of ClinicalTrials.gov the account is exact: it uses R4's address of a code system in R5."""
    made = down(hl7_examples()["R5-researchstudy-example-ctgov-study-record"], check=True)
    names = ("objective-type", "phase", "prim-purp-type")
    assert [issue.message for issue in made.issues if issue.code == "address-kept"] == [
        f"the resource uses http://terminology.hl7.org/CodeSystem/research-study-{name} in R5 already: the address is kept"
        for name in names
    ]


@pytest.mark.parametrize("name", R4_MADE)
def test_r4_from_elsewhere_is_r4(name: str) -> None:
    """The R4 examples are R4, and have no extension that would help."""
    assert earlier_problems(R4_MADE[name]) == []
    assert "5.0/StructureDefinition" not in str(R4_MADE[name])


@pytest.mark.parametrize("name", R4_MADE)
def test_r4_from_elsewhere_becomes_r5(name: str) -> None:
    """Each goes up to valid R5, but for codes that R5 lacks; what is lost stands in an issue with its place and value."""
    around = [up(found).resource for found in R4_MADE.values()]
    made = up(R4_MADE[name], around, check=True)
    codes = [issue for issue in made.issues if issue.code == "no-r5-code"]
    assert len(problems(made.resource)) == len(codes)
    again = down(made.resource, around, check=True).resource
    lost = {path for path, (before, _) in changes(R4_MADE[name], again).items() if before is not None}
    lost = {path for path in lost if not path.endswith("/extension")}
    told = {issue.message.partition(": ")[0] for issue in made.issues if " comes back as " in issue.message}
    assert lost == told


def test_a_whole_heap_of_r4() -> None:
    """`to_release` takes resources of R4 to R5 and, without a source, those of R5 to R4, each once, in their order."""
    r5, _ = to_release(R4_MADE.values(), Release("R5"), source=R4)
    assert [found["resourceType"] for found in r5] == [found["resourceType"] for found in R4_MADE.values()]
    subject = next(found for found in r5 if found["resourceType"] == "ResearchSubject")
    study = next(found for found in r5 if found["resourceType"] == "ResearchStudy")
    assert subject["subject"] == {"reference": "Patient/p"}
    assert study["associatedParty"][0]["party"] == {"reference": "Organization/1"}
    back, issues = to_release(R5_MADE.values(), R4, check=True)
    assert [found["id"] for found in back] == [found["id"] for found in R5_MADE.values()]
    assert {issue.severity for issue in issues} == {"error", "information"}


def test_the_account_is_the_stored_one() -> None:
    """What each example becomes and what is said is exactly what is stored; `python -m tests.golden_update` anew."""
    if told := difference(stored_releases(), dict(release_files())):
        pytest.fail(f"{told}\n\nIf this is meant: python -m tests.golden_update", pytrace=False)


def test_an_unknown_type_passes() -> None:
    """A type that has no form of its own here passes as it is, and that is said; also inside another resource."""
    made = down({"resourceType": "Observation", "id": "a", "status": "final"})
    assert made.resource == {"resourceType": "Observation", "id": "a", "status": "final"}
    message = "Observation is none of the types that have another form here: it passes as it is"
    assert said(made.issues) == [f"information type-not-covered Observation/a: {message}"]
    held = {"resourceType": "Location", "id": "l", "contained": [{"resourceType": "Basic", "id": "b"}]}
    assert [issue.code for issue in down(held).issues] == ["type-not-covered"]


def test_definitions_are_those_of_r5() -> None:
    """The walk that proves the coverage of rows knows inherited elements, choices and contained resources."""
    patient = {
        "resourceType": "Patient",
        "contained": [{"resourceType": "Group", "type": "person"}],
        "deceasedBoolean": True,
    }
    assert {("Patient", "deceased[x]"), ("Group", "type"), ("DomainResource", "contained")} <= {
        *rows_met(patient),
        ("DomainResource", "contained"),
    }
    assert DEFINITIONS.base("Patient") == "DomainResource"


@pytest.mark.parametrize(
    ("size", "native"),
    [("0", 0), ("2147483647", 2**31 - 1), ("2147483648", None), ("-1", None), ("007", None), ("１８", None)],
)
def test_sizes(size: str, native: int | None) -> None:
    """A size that R4's number says in the same digits is one; any other stands in HL7's extension on the element."""
    given = {"resourceType": "Patient", "id": "p", "photo": [{"size": size}]}
    made = down(given).resource
    assert up(made).resource == given
    url = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Attachment.size"
    kept = {"_size": {"extension": [{"url": url, "valueString": size}]}}
    assert made["photo"] == [kept if native is None else {"size": native}]


def test_ids_of_parts() -> None:
    """The id of an element that becomes an extension, or a part of one, goes along."""
    time = {"id": "t", "daysOfWeek": ["mon"]}
    given = {"resourceType": "PractitionerRole", "id": "r", "availability": [{"id": "a", "availableTime": [time]}]}
    made = down(given).resource
    assert up(made).resource == given
    assert made["extension"][0]["id"] == "a"
    assert made["extension"][0]["extension"][1]["id"] == "t"


def test_a_code_that_r5_requires() -> None:
    """R5 wants languages coded, R4 takes text: the text stays, and an error says that R5 servers refuse it."""
    text, coded = {"text": "German"}, {"coding": [{"system": "urn:ietf:bcp:47", "code": "de"}]}
    message = "R5 requires a code here, and text is none: kept as it is, and R5 servers refuse the resource"
    for kind, languages in {
        "Patient": [{"language": text}, {"language": coded}],
        "Practitioner": [text, coded],
    }.items():
        made = up({"resourceType": kind, "id": "p", "communication": languages})
        assert made.resource["communication"] == [{"language": text}, {"language": coded}]
        assert said(made.issues) == [f"error no-r5-code {kind}/p.communication.language: {message}"]
