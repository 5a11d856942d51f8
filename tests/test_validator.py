"""HL7's own rules find nothing wrong with the output of any release, by a judge that is shown to find what is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from fhirtrial.issue import Issue
from fhirtrial.publish.publication import definitions_for
from fhirtrial.releases.release import COVERED
from tests.maven import need
from tests.validator import controls, definitions
from tests.validator.finding import Finding
from tests.validator.foreign import made
from tests.validator.further_rules import dangling, further
from tests.validator.good import GOOD
from tests.validator.judgement import judge, judge_foreign, lacking, validator
from tests.validator.sample import RELEASES, SAMPLE, resources, sample, us_core_patients
from tests.validator.validator import PROGRAM, Validator
from tests.validator.warnings import FOREIGN, Harmless, entries, sift

from .records import golden, golden_subjects, shared


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_is_wrong_in_a_release(release: str) -> None:
    """
    Every wrong control is rejected by its rule, every good one passes, and neither the sample nor our own definitions
    nor what becomes of resources made elsewhere have an error, or a warning that is not on the list. One test, because
    the validator takes seconds to start.
    """
    need(lacking(release))
    with validator(release) as running:
        assert list(controls.misjudged(running)) == []
        found = resources(sample(), release) | us_core_patients(release)
        assert judge(running, found | definitions.published(release)).wrong == []
        assert judge_foreign(running).wrong == []


def test_a_package_for_another_release_is_refused(tmp_path: Path) -> None:
    """Our package loads as any FHIR package does: by what it says of itself."""
    need(PROGRAM.lacking())
    package = tmp_path / "package.tgz"
    package.write_bytes(definitions_for("R4").package())
    with pytest.raises(RuntimeError, match=r"is for FHIR 4\.0\.1, not 5\.0\.0"):
        Validator("R5", packages=[package])


def test_an_element_that_no_definition_has_is_refused(tmp_path: Path) -> None:
    """A package is parsed strictly: a misspelt element would be dropped in silence otherwise."""
    need(PROGRAM.lacking())
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "package.json").write_text('{"name": "x", "version": "1", "fhirVersions": ["5.0.0"]}')
    (folder / "CodeSystem-x.json").write_text('{"resourceType": "CodeSystem", "id": "x", "urll": "urn:x:y"}')
    with pytest.raises(RuntimeError, match="Unknown element 'urll'"):
        Validator("R5", packages=[tmp_path])


def test_the_sample_is_large_enough() -> None:
    """All golden cases are in it, and a hundred shared records where they are at hand."""
    names = {record.id for record in sample()}
    assert names >= {record.id for _, record in golden()}
    if next(shared(), None):
        assert len(sample()) >= SAMPLE + len(list(golden()))


@pytest.mark.parametrize("release", RELEASES)
def test_each_type_of_the_output_is_controlled(release: str) -> None:
    """Wrong and good resources stand for every type that records become, and there are many of them."""
    records = (record for _, record in (*golden(), *golden_subjects()))
    found = {name.partition("/")[0] for name in resources(records, release)}
    assert found <= {resource["resourceType"] for resource in GOOD[release].values()}
    assert controls.count(release)["wrong"] > 100


@pytest.mark.parametrize("release", RELEASES)
def test_each_type_comes_from_elsewhere(release: str) -> None:
    """The release step is judged by resources of all its types, both ways, and where they are kept whole as well."""
    ways = {way for way in ("R4→R5", "R4B→R5", "R5→R4", "R5→R4B") if way.endswith(f"→{release}")}
    assert {each.way for each in made(release)} == ways | {f"{way} checked" for way in ways}
    for way in ways:
        assert {each.resource["resourceType"] for each in made(release) if each.way == way} == set(COVERED)


def test_what_the_step_refuses_may_be_wrong_there_only() -> None:
    """A code that R5 lacks is said by an error of the step: what is found at that place is no news, elsewhere it is."""
    group = next(each for each in made("R5") if each.name == "R4→R5 Group/1")
    assert group.refused(Finding(severity="error", place="Group.type", rule="x", text="x"))
    assert not group.refused(Finding(severity="error", place="Group.membership", rule="x", text="x"))
    said = (Issue(severity="information", code="type-not-covered", message="x", path="Group/1: Basic"),)
    contained = {"contained": [{"resourceType": "Basic"}, {"resourceType": "Patient"}]}
    holder = replace(group, resource={**group.resource, **contained}, issues=said)
    assert holder.refused(Finding(severity="error", place="Group.contained[0].code", rule="x", text="x"))
    assert not holder.refused(Finding(severity="error", place="Group.contained[1].name", rule="x", text="x"))
    assert not holder.refused(Finding(severity="error", place="Group.type", rule="x", text="x"))


def test_an_error_is_never_harmless() -> None:
    """The list is for warnings: the same message as an error is left, and so is one at another place."""
    entry = next(each for each in entries() if each.path == "PractitionerRole.code")
    text = entry.text.replace("\\", "")
    warning = Finding(severity="warning", place="PractitionerRole.code[0]", rule=entry.rule, text=text)
    error = Finding(severity="error", place="PractitionerRole.code[0]", rule=entry.rule, text=text)
    elsewhere = Finding(severity="warning", place="Location.code", rule=entry.rule, text=text)
    met: Counter[Harmless] = Counter()
    assert sift([warning, error, elsewhere], met) == [error, elsewhere]
    assert met == {entry: 1}


def test_every_entry_of_the_list_has_a_reason() -> None:
    """A warning is let pass for a reason that a reader can judge, and each is there once; of our own output, no error."""
    listed = [*entries(), *entries(FOREIGN)]
    assert all(len(entry.reason) > 20 for entry in listed)
    assert {entry.severity for entry in entries()} == {"warning"}
    assert len({(entry.rule, entry.path, entry.text) for entry in listed}) == len(listed)


def test_what_no_definition_says_is_checked_here() -> None:
    """Media types, and members of a group that is only described, which R5 has no rule for."""
    group = {"resourceType": "Group", "membership": "definitional", "member": [{"contentType": "none"}]}
    assert [(each.place, each.rule) for each in further(group, "R5")] == [
        ("Group", "grp-1"),
        ("Group.member[0].contentType", "media-type"),
    ]
    assert list(further(group | {"membership": "enumerated", "member": [{"contentType": "text/plain"}]}, "R5")) == []


def test_a_reference_to_nothing_is_found_in_extensions_too() -> None:
    """In R4 much of a study stands in extensions."""
    party = {"url": "party", "valueReference": {"reference": "Organization/1"}}
    study = {"resourceType": "ResearchStudy", "extension": [{"url": "urn:x:y", "extension": [party]}]}
    assert [each.rule for each in dangling({"ResearchStudy/1": study})] == ["dangling"]
    assert list(dangling({"ResearchStudy/1": study, "Organization/1": {}})) == []
