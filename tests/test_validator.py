"""HL7's own rules find nothing wrong with the output of any release, by a judge that is shown to find what is wrong."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from fhirtrial.publish.publication import definitions_for
from tests.validator import build, controls, definitions
from tests.validator.finding import Finding
from tests.validator.further_rules import dangling, further
from tests.validator.good import GOOD
from tests.validator.judgement import judge, lacking, validator
from tests.validator.sample import RELEASES, SAMPLE, resources, sample
from tests.validator.validator import Validator
from tests.validator.warnings import Harmless, harmless, sift

from .records import golden, golden_subjects, shared

REQUIRED = "FHIRTRIAL_REQUIRE_JAVA"
"""The environment variable that CI sets: what is lacking is an error then, instead of a reason to skip."""


def need(reason: str) -> None:
    """Skips a test for a reason, where there is one; where the validator must run, the test fails."""
    if reason and os.environ.get(REQUIRED):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_is_wrong_in_a_release(release: str) -> None:
    """
    Every wrong control is rejected by its rule, every good one passes, and neither the sample nor our own definitions
    have an error, or a warning that is not on the list. One test, because the validator takes seconds to start.
    """
    need(lacking(release))
    with validator(release) as running:
        assert list(controls.misjudged(running)) == []
        assert judge(running, resources(sample(), release) | definitions.published(release)).wrong == []


def test_a_package_for_another_release_is_refused(tmp_path: Path) -> None:
    """Our package loads as any FHIR package does: by what it says of itself."""
    need(build.lacking())
    package = tmp_path / "package.tgz"
    package.write_bytes(definitions_for("R4").package())
    with pytest.raises(RuntimeError, match=r"is for FHIR 4\.0\.1, not 5\.0\.0"):
        Validator("R5", packages=[package])


def test_an_element_that_no_definition_has_is_refused(tmp_path: Path) -> None:
    """A package is parsed strictly: a misspelt element would be dropped in silence otherwise."""
    need(build.lacking())
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


def test_an_error_is_never_harmless() -> None:
    """The list is for warnings: the same message as an error is left, and so is one at another place."""
    entry = next(each for each in harmless() if each.path == "PractitionerRole.code")
    text = entry.text.replace("\\", "")
    warning = Finding(severity="warning", place="PractitionerRole.code[0]", rule=entry.rule, text=text)
    error = Finding(severity="error", place="PractitionerRole.code[0]", rule=entry.rule, text=text)
    elsewhere = Finding(severity="warning", place="Location.code", rule=entry.rule, text=text)
    met: Counter[Harmless] = Counter()
    assert sift([warning, error, elsewhere], met) == [error, elsewhere]
    assert met == {entry: 1}


def test_every_entry_of_the_list_has_a_reason() -> None:
    """A warning is let pass for a reason that a reader can judge, and each is there once."""
    entries = harmless()
    assert all(len(entry.reason) > 20 for entry in entries)
    assert len({(entry.rule, entry.path, entry.text) for entry in entries}) == len(entries)


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


def test_without_java_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Java or Maven skips these tests and says why; where they are required, they fail."""
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "mvn" else name)
    assert build.lacking() == "the independent validator needs Java 17 and Maven: there is no mvn"
    monkeypatch.delenv(REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="there is no mvn"):
        need(build.lacking())
    monkeypatch.setenv(REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match="there is no mvn"):
        need(build.lacking())
