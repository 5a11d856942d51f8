"""The checker of finished resources finds what is wrong with them, for the right reason, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import problems
from tests.conformance.faults import ENTRY, WRONG
from tests.conformance.resource_rules import RULES
from tests.conformance.rules import NOT_CHECKED, STRUCTURAL
from tests.conformance.samples import GOOD, KNOWN, URN, changed, ucum
from tests.conformance.scope import INVARIANTS, TYPES

EXAMPLES = Path(__file__).resolve().parents[1] / ".." / "shared" / "fhir" / "examples"
DOCUMENT = {"resourceType": "Bundle", "type": "document", "entry": [ENTRY]}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_resource_has_no_problem(name: str) -> None:
    """Hand-made resources of every type pass all checks, warnings and the models of fhir.resources included."""
    assert problems(GOOD[name], KNOWN, warnings=True) == []


@pytest.mark.parametrize(("name", "changes", "expected"), WRONG, ids=[f"{each[2]} {n}" for n, each in enumerate(WRONG)])
def test_a_wrong_resource_is_rejected_for_its_reason_alone(name: str, changes: dict[str, Any], expected: str) -> None:
    """One change to a good resource gives exactly the one problem that it causes, at its place."""
    found = problems(changed(name, changes), KNOWN, model=False, warnings=True)
    assert [text.split(": ")[:2] for text in found] == [expected.split(": ")]


def test_a_document_bundle_keeps_its_own_rules() -> None:
    """A document needs an identifier, a time and a Composition, and has no issues."""
    issues = {"resourceType": "OperationOutcome", "issue": [{"severity": "warning", "code": "invalid"}]}
    found = problems(DOCUMENT | {"issues": issues}, model=False)
    assert [text.split(": ")[1] for text in found] == ["bdl-9", "bdl-10", "bdl-11", "bdl-17"]


def test_a_simple_quantity_in_a_profile_has_no_comparator() -> None:
    """The comparator of a SimpleQuantity is reported as an element it lacks: its invariant sqty-1 can add nothing."""
    ((key, rule),) = [each for each in RULES["SimpleQuantity"] if each[0] == "sqty-1"]
    assert key == "sqty-1"
    around: Any = None
    assert not rule({"comparator": "<"}, around)
    assert rule({"value": 1}, around)


def test_every_invariant_is_checked_or_left_out_for_a_reason() -> None:
    """No invariant of severity error of the types in use is left out, and no rule is for an invariant that is none."""
    implemented = {key for rules in RULES.values() for key, _ in rules}
    errors = {key for key, each in INVARIANTS.items() if each["severity"] == "error"}
    assert errors <= implemented | set(STRUCTURAL)
    assert set(INVARIANTS) == implemented | set(STRUCTURAL) | set(NOT_CHECKED)


def test_every_rule_stands_at_the_types_that_declare_it() -> None:
    """A rule is tried where HL7 declares its invariant, and nowhere else."""
    for key in INVARIANTS.keys() - STRUCTURAL.keys() - NOT_CHECKED.keys():
        declared = {re.sub(r"\.(url|div)$", "", path) for path in INVARIANTS[key]["on"]}
        assert {name for name, rules in RULES.items() if key in dict(rules)} == declared, key
    for name in RULES.keys() - TYPES.keys():
        owner, _, element = name.rpartition(".")
        assert element in TYPES[owner]["elements"], name


def test_every_rule_has_a_resource_that_breaks_it() -> None:
    """A rule that no wrong resource here breaks may be one that cannot fail."""
    apart = {"bdl-9", "bdl-10", "bdl-11", "bdl-17", "sqty-1"}
    broken = {expected.split(": ")[1] for _, _, expected in WRONG} | apart
    assert INVARIANTS.keys() - broken == NOT_CHECKED.keys()


def test_dangling_references_are_asked_for_only_with_a_set() -> None:
    """Without the set of what exists a relative reference may lead anywhere of the right type."""
    study = GOOD["study"]
    assert problems(study, None, model=False) == []
    places = ["protocol[0]", "associatedParty[0].party", "recruitment.eligibility", "focus[1].reference"]
    expected = [f"ResearchStudy.{place}: dangling" for place in places]
    assert [text.rpartition(": ")[0] for text in problems(study, set(), model=False)] == expected
    assert problems(study, set(KNOWN), model=False) == []


def test_the_entries_of_a_bundle_are_known_to_each_other() -> None:
    """Without any set, a reference to another entry shows its type, and one to no entry is dangling."""
    assert problems(GOOD["bundle"], model=False) == []
    place = "entry[1].resource.practitioner.reference"
    for address, word in ((URN, "target"), (f"{URN[:-1]}0", "dangling")):
        (found,) = problems(changed("bundle", {place: address}), model=False)
        assert found.startswith(f"Bundle.entry[1].resource.PractitionerRole.practitioner: {word}: ")


def places(node: Any, path: str = "") -> Iterator[str]:
    """The paths of everything in a resource."""
    if path:
        yield path
    if isinstance(node, dict):
        for key, value in node.items():
            yield from places(value, f"{path}.{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from places(value, f"{path}[{number}]")


@pytest.mark.parametrize("name", GOOD)
def test_nonsense_anywhere_is_a_problem_and_never_an_exception(name: str) -> None:
    """Whatever stands anywhere in a resource, the checker reports it instead of breaking."""
    junk: list[Any] = [{}, [], [[]], [{}], {"a": 1}, [None, None, None]]
    for place in places(GOOD[name]):
        for value in junk:
            assert problems(changed(name, {place: value}), KNOWN, model=False), (place, value)
        for value in (None, 0, True, "x", "#x"):
            problems(changed(name, {place: value}), KNOWN, model=False, warnings=True)


def test_boundaries_of_periods_and_ranges_count() -> None:
    """A month may end a period that starts within it; 18 to 18 is a range, and so is 1 day to 1 year."""
    for start, end in (("2020-03-31", "2020-03"), ("2020", "2020-01"), ("2020-01-01", "2020-01-01")):
        assert problems(changed("study", {"period": {"start": start, "end": end}}), model=False) == []
    for low, high in ((ucum(18, "a"), ucum(18, "a")), (ucum(1, "d"), ucum(1, "a")), (ucum(30, "d"), ucum(30, "a"))):
        value = {"characteristic[0].valueRange": {"low": low, "high": high}}
        assert problems(changed("group", value), model=False) == []


def test_the_models_are_asked_as_well() -> None:
    """What the models of fhir.resources refuse is reported besides, unless they are switched off."""
    wrong = changed("study", {"sponsor": {"display": "x"}})
    assert [text.split(": ")[1] for text in problems(wrong, KNOWN)] == ["unknown-element", "model"]


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="HL7's examples are not beside the checkout")
def test_the_examples_of_hl7_have_only_their_known_faults() -> None:
    """
    HL7's own examples pass, but for their real faults: displays in another case than the code system's, references
    without a type; and the EvidenceVariables in one, which is no type of ours.
    """
    found = {
        (file.stem, text.split(": ")[1])
        for file in EXAMPLES.glob("R5-*.json")
        for text in problems(json.loads(file.read_bytes()), warnings=True)
    }
    assert found == {
        ("R5-researchstudy-example-ctgov-study-record", "display"),
        ("R5-researchstudy-example-ctgov-study-record", "unknown-type"),
        ("R5-researchsubject-example-crossover", "target"),
    }
