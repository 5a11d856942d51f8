"""Properties that hold of every record that the registry's schema allows, found out with invented ones."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings
from hypothesis import strategies as st

from fhirtrial.mapping.mapper import Mapper
from fhirtrial.readers import read

from .properties import (
    exact,
    identified_wrongly,
    misplaced,
    not_conforming,
    restored_wrongly,
    unstable,
)
from .records import SCHEMA, record_of, trees, values

Json = dict[str, Any]
MAPPER = Mapper()
ID: Json = {"identificationModule": {"nctId": "NCT00000001"}}
EVERYTHING = list(HealthCheck)
PHASES = [Phase.explicit, Phase.generate, Phase.shrink]

# Fixed, so that a run of the tests says what the last one said.
many = settings(
    derandomize=True, deadline=None, database=None, max_examples=800, suppress_health_check=EVERYTHING, phases=PHASES
)
some = settings(many, max_examples=250)
few = settings(many, max_examples=40)


def study(**modules: Any) -> Json:
    """A tree with an id and these modules of its protocolSection."""
    return {"protocolSection": {**ID, **modules}}


@many
@given(trees())
@example(study(armsInterventionsModule={"interventions": [{"type": "DRUG", "name": "A"}] * 3}))
@example(study(designModule={"enrollmentInfo": {"type": "ACTUAL"}}))
@example(study(designModule={"enrollmentInfo": {"type": "NEW", "count": 0}}))
@example(study(eligibilityModule={"sex": "female", "minimumAge": "N/A", "maximumAge": ""}))
@example(study(contactsLocationsModule={"locations": [{"geoPoint": {"lat": 1.0}}, {"geoPoint": {"lat": 1}}]}))
def test_a_record_comes_back_as_it_was(tree: Json) -> None:
    """Whatever the registry's schema allows comes back, to the last type and order, and nothing is said about it."""
    record = record_of(tree)
    assert list(restored_wrongly(MAPPER, record, MAPPER.convert(record))) == []


@some
@given(trees())
def test_verify_finds_nothing_lost(tree: Json) -> None:
    """The library's own account agrees: with verify=True, neither way has a loss to report."""
    record = record_of(tree)
    conversion = MAPPER.convert(record, verify=True)
    assert [issue for issue in conversion.issues if issue.code == "not-restored"] == []
    assert MAPPER.restore(conversion.resources, verify=True).issues == ()


@many
@given(trees())
@example(study(identificationModule={**ID["identificationModule"], "briefTitle": "\u00a0"}))
@example(study(identificationModule={**ID["identificationModule"], "briefTitle": "a\x08b"}))
@example(study(identificationModule={**ID["identificationModule"], "briefTitle": "a\x0cb"}))
@example(study(designModule={"enrollmentInfo": {"count": -1, "type": "ACTUAL"}}))
@example(study(designModule={"enrollmentInfo": {"count": 2**31, "type": "ESTIMATED"}}))
@example(study(designModule={"phases": ["PHASE 1 "]}))
@example(study(contactsLocationsModule={"locations": [{"geoPoint": {"lat": 2**63 - 1, "lon": -(2**63)}}]}))
@example(study(contactsLocationsModule={"locations": [{"country": " "}]}))
@example(study(eligibilityModule={"minimumAge": ""}))
@example({"protocolSection": ID, "derivedSection": {"miscInfoModule": {"versionHolder": "2020-04-31"}}})
@example(
    {
        "protocolSection": ID,
        "documentSection": {"largeDocumentModule": {"largeDocs": [{"uploadDate": "2020-02-30T10:00"}]}},
    }
)
def test_what_is_made_is_fhir(tree: Json) -> None:
    """Every resource keeps R5's definitions and invariants, and every reference leads to one that was made."""
    assert list(not_conforming(MAPPER.convert(record_of(tree)), model=False)) == []


@settings(few, max_examples=20)
@given(trees())
def test_what_is_made_are_models(tree: Json) -> None:
    """Every resource is a `fhir.resources` object, and the conversion hands them out."""
    # FHIR's smallest integer64 is below what fhir.resources takes.
    assume(b"-9223372036854775808" not in orjson.dumps(tree))
    conversion = MAPPER.convert(record_of(tree))
    assert [model.get_resource_type() for model in conversion.models()] == [
        found["resourceType"] for found in conversion.resources
    ]


@some
@given(trees())
def test_ids_are_legal_and_unique(tree: Json) -> None:
    """Each resource stands under its own reference, with an id that FHIR takes."""
    assert list(identified_wrongly(MAPPER.convert(record_of(tree)))) == []


@some
@given(trees())
@example(study(sponsorCollaboratorsModule={"responsibleParty": {"investigatorAffiliation": " "}}))
@example(study(contactsLocationsModule={"locations": [{"city": "A", "contacts": [{}, {"name": " "}]}, {"zip": " "}]}))
def test_issues_name_places_of_the_record(tree: Json) -> None:
    """An issue about a value names where in the record it stands; one about an absent value, where it would be."""
    clean = record_of(record_of(tree).data)
    assert list(misplaced(clean, MAPPER.convert(clean))) == []


@pytest.mark.parametrize("empty", [{}, None], ids=["empty", "null"])
def test_a_finding_is_reported_once(empty: object) -> None:
    """What the reader and the mapping both notice is one issue, also where the reader dropped an empty neighbour."""
    tree = study(armsInterventionsModule={"interventions": [empty, {"name": "A", "type": "NEW"}]})
    conversion = MAPPER.convert(record_of(tree))
    assert [issue.code for issue in conversion.issues] == ["unknown-value"]


@some
@given(trees())
def test_twice_the_same(tree: Json) -> None:
    """Converting a record again gives the same bytes in the same order, and the same issues."""
    record = record_of(tree)
    assert list(unstable(MAPPER, record, MAPPER.convert(record))) == []


@few
@given(trees(), st.randoms(use_true_random=False))
def test_order_of_keys_means_nothing(tree: Json, random: Any) -> None:
    """A record whose keys come in another order makes the same resources, byte for byte."""

    def shuffled(node: Any) -> Any:
        if isinstance(node, list):
            return [shuffled(item) for item in node]
        if isinstance(node, dict):
            keys = list(node)
            random.shuffle(keys)
            return {key: shuffled(node[key]) for key in keys}
        return node

    first, second = (MAPPER.convert(record_of(found)) for found in (tree, shuffled(tree)))
    assert first.texts == second.texts


@few
@given(
    st.lists(
        trees(), min_size=2, max_size=3, unique_by=lambda tree: tree["protocolSection"]["identificationModule"]["nctId"]
    )
)
def test_alone_or_among_others(found: list[Json]) -> None:
    """Several studies among one heap of resources come back each for itself."""
    records = [record_of(tree) for tree in found]
    heap = {text: None for record in records for text in MAPPER.convert(record).texts.items()}
    texts = b"\n".join(text for _, text in heap)
    back = list(MAPPER.restore_all(orjson.loads(line) for line in texts.splitlines()))
    assert [exact(record.data) for record in back] == [exact(SCHEMA.wanted(record.data)) for record in records]


def test_every_field_occurs() -> None:
    """The strategies leave no field out that the schema has, and no type without values."""
    seen: set[str] = set()

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                walk(value, f"{path}.{key}" if path else key)
        elif isinstance(node, list):
            for value in node:
                walk(value, f"{path}[]")
        else:
            seen.add(path)

    @settings(many, max_examples=60)
    @given(trees())
    def collect(tree: Json) -> None:
        walk(tree, "")

    collect()
    wanted = {leaf.path for leaf in SCHEMA.leaves() if not leaf.left_out}
    assert seen == wanted


@pytest.mark.parametrize(
    "leaf", [leaf for leaf in SCHEMA.leaves() if leaf.enum and not leaf.left_out], ids=lambda leaf: leaf.path
)
def test_every_code_value_travels(leaf: Any) -> None:
    """Each value of each enumeration, and one that the registry may add tomorrow, goes there and back at its place."""
    for value in [*leaf.enum, "NEW_VALUE"]:
        item: Any = value
        for key in reversed(leaf.path.split(".")):
            item = {key.removesuffix("[]"): [item] if key.endswith("[]") else item}
        item.setdefault("protocolSection", {}).setdefault("identificationModule", {})["nctId"] = "NCT00000001"
        record = record_of(item)
        conversion = MAPPER.convert(record)
        assert list(restored_wrongly(MAPPER, record, conversion)) == []
        assert list(not_conforming(conversion, model=False)) == []
        unknown = [issue.path for issue in conversion.issues if issue.code == "unknown-value"]
        assert unknown == ([leaf.path.replace("[]", "[0]")] if value == "NEW_VALUE" else [])


@few
@given(st.sampled_from(sorted({leaf.type for leaf in SCHEMA.leaves()})).flatmap(values))
def test_values_are_json(value: Any) -> None:
    """What the strategies make is JSON that reads back as it was."""
    tree = {**study(), "resultsSection": {"x": value}}
    assert exact(next(read(tree)).data["resultsSection"]["x"]) == exact(value)
