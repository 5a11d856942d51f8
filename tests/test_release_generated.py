"""Properties of the release step that hold of every resource which HL7's definitions allow, found out with invented ones."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fhirtrial.definitions import Definitions
from fhirtrial.errors import InputError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.releases.detect import release_of
from fhirtrial.releases.release import COVERED
from fhirtrial.releases.systems import both_ways
from fhirtrial.releases.table import load_table

from .conformance import problems
from .conformance.earlier import earlier_problems
from .release_resources import MAKERS, OFFICIAL, resources
from .releases import R4, R4B, Json, changes, down, examples, up

many = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=300,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # shrinking a whole resource takes minutes
)
some = settings(many, max_examples=150)
SYSTEMS = load_table(MappingFiles()).systems
OTHER_ADDRESS = {other for other, _ in SYSTEMS.values()}
DEFINITIONS = {release: Definitions.load(MappingFiles(), release) for release in ("r4", "r5")}
STRUCTURE = ("unknown-element", "cardinality", "type", "format", "empty")


def places(issues: Iterable[Issue]) -> set[str]:
    """The elements that issues are about, the last two of each path: what stands beside counts as the element."""
    return {name.lstrip("_") for issue in issues for name in issue.path.replace(": ", ".").split(".")[-2:]}


@many
@given(resources("r5"))
def test_with_check_everything_comes_back(resource: Json) -> None:
    """Any R5 resource of the covered types goes to R4 and back identical with `check`; the given one stays as it was."""
    before = orjson.dumps(resource)
    made = down(resource, check=True)
    assert orjson.dumps(resource) == before
    assert changes(resource, up(made.resource).resource) == {}


@many
@given(resources("r5"))
def test_without_check_no_loss_is_silent(resource: Json) -> None:
    """What does not come back the same is named by an issue; an address of R4 in R5 becomes R5's, which is the same."""
    made = down(resource)
    again = up(made.resource)
    told = places((*made.issues, *again.issues))
    for path, (before, after) in changes(resource, again.resource).items():
        if path.endswith("/system") and before in OTHER_ADDRESS:
            continue
        names = {*path.split("/"), *(key for _, key in nodes(before) if isinstance(key, str))}
        assert {name.lstrip("_") for name in names} & told, (path, before, after)


@many
@given(resources("r5"))
def test_what_is_made_is_r4(resource: Json) -> None:
    """The R4 form has only elements, types, codes and targets of R4; HL7's extensions are as HL7 defines them."""
    for release in (R4, R4B):
        for check in (False, True):
            made = down(resource, check=check, release=release)
            refused = places(issue for issue in made.issues if issue.severity == "error")
            for problem in earlier_problems(made.resource, release.name):
                element = problem.partition(": ")[0].rpartition(".")[2].partition("[")[0]
                assert element in refused, problem


@some
@given(resources("r4"))
def test_r4_goes_up(resource: Json) -> None:
    """Any R4 resource becomes R5 and with `check` comes back with all that it said; the given one stays as it was."""
    before = orjson.dumps(resource)
    made = up(resource, check=True)
    assert orjson.dumps(resource) == before
    assert made.resource["resourceType"] == resource["resourceType"]
    again = down(made.resource, check=True).resource
    assert list(lost(resource, again, "")) == []
    assert up(again, check=True).resource == made.resource


def lost(given: Any, back: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """What does not come back: members that are gone or changed; of extensions, those that are gone."""
    if isinstance(given, dict) and isinstance(back, dict):
        for name, value in given.items():
            yield from lost(value, back.get(name), f"{path}/{name}")
    elif path.endswith("/extension") and isinstance(given, list) and isinstance(back, list):
        yield from ((f"{path}/{place}", None, each) for place, each in enumerate(given) if each not in back)
    elif isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        for place, (one, other) in enumerate(zip(given, back, strict=True)):
            yield from lost(one, other, f"{path}/{place}")
    elif path.endswith("/extension") and isinstance(given, list):
        yield from ((f"{path}/{place}", None, each) for place, each in enumerate(given))
    elif given != back:
        yield path, back, given


@some
@given(resources("r4"))
def test_what_goes_up_is_r5(resource: Json) -> None:
    """What R4 says is R5 in its elements and types: what R5 lacks is left out."""
    made = up(resource)
    refused = places(issue for issue in made.issues if issue.severity == "error")
    for problem in problems(made.resource, model=False):
        place, word, _ = problem.split(": ", 2)
        # What is required and nobody can know, and what an error is said of.
        told = place.rpartition(".")[2].lstrip("_") in refused
        if word in STRUCTURE and place != "Group.membership" and not told:
            pytest.fail(problem)


@many
@given(resources("r4"))
def test_on_the_way_up_no_loss_is_silent(resource: Json) -> None:
    """What R5 does not give back is named by an issue."""
    resource = both_ways(SYSTEMS)[0].tree(resource)  # R5's address of a code system would become R4's
    made = up(resource)
    told = places(made.issues)
    for path, _, value in lost(resource, down(made.resource).resource, ""):
        assert {name.lstrip("_") for name in path.split("/")} & told, (path, value)


@some
@given(resources("r5"))
def test_native_forms_are_detected(resource: Json) -> None:
    """A resource of R5 is never taken for one of R4, and what R4 got of it never for R5's."""
    resource = both_ways(SYSTEMS)[1].tree(resource)  # R4's address of a code system is a mark of R4
    resource.pop("contained", None)
    assert release_of(resource) in ("R5", None)
    assert release_of(down(resource).resource) in ("R4", None)


@settings(some, max_examples=60)
@given(resources("r5"), st.integers(0, 10**6))
def test_the_same_makes_the_same(resource: Json, seed: int) -> None:
    """The same resource makes the same bytes and issues, whatever was converted before it and whatever its key order."""
    keys = list(resource)
    random.Random(seed).shuffle(keys)
    first, second, third = R4.down(resource), R4.down(resource), R4.down({key: resource[key] for key in keys})
    assert orjson.dumps(first.resource) == orjson.dumps(second.resource)
    assert first.issues == second.issues
    assert set(map(str, first.issues)) == set(map(str, third.issues))


def nodes(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a tree: what holds it, and its key."""
    for key in node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield node, key
        yield from nodes(node[key])


@pytest.mark.parametrize("release", ["R5", "R4"])
def test_damaged_resources(release: str) -> None:
    """A resource that has not FHIR's shape anywhere is refused in words, or passes; nothing else is ever raised."""
    chance = random.Random(4)
    step = R4.down if release == "R5" else R4.up
    counts: Counter[str] = Counter()
    for found in examples(release).values():
        for _ in range(60):
            spoilt = orjson.loads(orjson.dumps(found))
            holder, key = chance.choice([place for place in nodes(spoilt) if place[1] != "resourceType"])
            holder[key] = chance.choice([None, 1, True, "x", [], {}, [None], ["x"], {"a": 1}, [[]]])
            try:
                step(spoilt, check=chance.random() < 0.5)
            except InputError as error:
                counts[error.issue.message.partition(": ")[0]] += 1
            else:
                counts["passed"] += 1
    assert counts.keys() == {"passed", "the resource is not FHIR-shaped"}
    assert min(counts.values()) > 40


@pytest.mark.parametrize("release", ["r4", "r5"])
def test_every_element_can_be_drawn(release: str) -> None:
    """The strategies know every element of the covered types in either release, and every form of a choice."""
    passed_by = {"id", "extension", "modifierExtension", "contained", "meta", "implicitRules", "language", "text"}
    for kind in COVERED:
        may, must = MAKERS[release].names(kind)
        assert {*may, *(form for forms in must for form in forms)} == DEFINITIONS[release].elements(
            kind
        ).keys() - passed_by


def test_the_official_address_is_hl7s() -> None:
    """What the strategies call official is what the table does."""
    assert load_table(MappingFiles()).official == OFFICIAL
