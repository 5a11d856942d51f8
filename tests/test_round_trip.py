"""Real records go to FHIR and come back the same."""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import replace

import orjson
import pytest

from fhirtrial.conversion import Conversion
from fhirtrial.errors import UsageError
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.record import Record

from .conformance import problems
from .properties import by_reference, canonicals, complaints, exact
from .records import SCHEMA, SHARED, at_hand, golden

MAPPER = Mapper()
GOLDEN = dict(golden())
in_golden = pytest.mark.parametrize("record", GOLDEN.values(), ids=GOLDEN)


def wanted(record: Record) -> bytes:
    """What must come back of a record."""
    return exact(SCHEMA.wanted(record.data))


def test_every_record_comes_back() -> None:
    """Every real record at hand comes back exactly, in silence, with ids of its own and issues at places it has."""
    found = {record.id: told for record in at_hand() if (told := complaints_without_checker(record))}
    assert found == {}


def complaints_without_checker(record: Record) -> list[str]:
    """What is wrong with a record's way, FHIR's rules aside: those are `test_valid_output.py`."""
    conversion = MAPPER.convert(record, verify=True)
    restored = MAPPER.restore(conversion.resources)
    told = [
        str(issue) for issue in (*conversion.issues, *restored.issues) if issue.code in ("not-restored", "unresolved")
    ]
    if exact(restored.data) != wanted(record):
        told.append("comes back changed")
    return told


@pytest.mark.skipif(not SHARED.exists(), reason="the shared corpus is not beside the checkout")
def test_the_corpus_is_whole() -> None:
    """The run over the corpus means its 1,278 records, not a part of them."""
    assert len(at_hand()) == 1278


@in_golden
def test_all_properties(record: Record) -> None:
    """Each golden record keeps every property that is asked of invented ones, models included."""
    assert complaints(MAPPER, record, model=True) == []


@in_golden
def test_verify_is_silent(record: Record) -> None:
    """Verified both ways, nothing is reported beyond what the conversion itself says."""
    verified = MAPPER.convert(record, verify=True)
    assert verified.issues == MAPPER.convert(record).issues
    assert MAPPER.restore(verified.resources, verify=True).issues == ()


def test_verify_tells_every_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """If something does not come back, verify says what, where, and what comes instead."""
    record = GOLDEN["drug"]
    mapper = Mapper()
    spoilt = deepcopy(SCHEMA.wanted(record.data))
    status = spoilt["protocolSection"]["statusModule"]
    status["overallStatus"] = "COMPLETED"
    del status["whyStopped"]
    monkeypatch.setattr(mapper, "restore", lambda _: replace(record, data=spoilt))
    path = "protocolSection.statusModule"
    assert [(issue.severity, issue.code, issue.path) for issue in mapper.convert(record, verify=True).issues] == [
        ("error", "not-restored", f"{path}.overallStatus"),
        ("error", "not-restored", f"{path}.whyStopped"),
    ]
    first, second = (issue.message for issue in mapper.convert(record, verify=True).issues)
    assert first == "'TERMINATED' comes back as 'COMPLETED'"
    assert second.endswith("comes back as nothing")


@in_golden
@pytest.mark.parametrize("type", ["transaction", "collection"])
def test_bundles(record: Record, type: str) -> None:
    """A bundle of either kind is valid, and is read back as it is."""
    bundle = MAPPER.convert(record).bundle(type)  # type: ignore[arg-type]
    assert problems(bundle, model=False) == []
    assert exact(MAPPER.restore(bundle).data) == wanted(record)
    assert [("request" in entry) for entry in bundle["entry"]] == [type == "transaction"] * len(bundle["entry"])


def test_an_unknown_bundle_is_refused() -> None:
    """Only the two kinds of bundle that mean something here can be asked for."""
    with pytest.raises(UsageError) as caught:
        MAPPER.convert(GOLDEN["drug"]).bundle("batch")  # type: ignore[arg-type]
    assert str(caught.value) == "a bundle is a 'transaction' or a 'collection', not 'batch'"


def test_transaction_updates_by_business_identifier() -> None:
    """In a transaction each resource is found by its identifier, Provenance by its id; no address is there twice."""
    for record in GOLDEN.values():
        entries = MAPPER.convert(record).bundle()["entry"]
        addresses = [entry["request"]["url"] for entry in entries]
        assert len(set(addresses)) == len(addresses)
        assert {entry["request"]["method"] for entry in entries} == {"PUT"}
        for entry, address in zip(entries, addresses, strict=True):
            kind, id = entry["resource"]["resourceType"], entry["resource"]["id"]
            value = record.id if kind == "ResearchStudy" else id
            assert address.startswith(f"{kind}?identifier=https://") or kind == "Provenance"
            assert address.endswith(f"%7C{value}") or address == f"Provenance/{record.id}-provenance"


def lines_of(conversions: list[Conversion]) -> list[bytes]:
    """All resources as lines, each once, in a fixed disorder."""
    lines = sorted({line for conversion in conversions for line in conversion.ndjson().splitlines()})
    random.Random(7).shuffle(lines)
    return lines


@in_golden
def test_lines_in_any_order(record: Record) -> None:
    """The lines of the NDJSON can come in any order."""
    lines = lines_of([MAPPER.convert(record)])
    assert exact(MAPPER.restore(map(orjson.loads, lines)).data) == wanted(record)


def test_many_studies_in_one_heap() -> None:
    """The resources of many studies together, shared ones once, in any order, give every record back."""
    records = at_hand()[:200]
    heap = map(orjson.loads, lines_of([MAPPER.convert(record) for record in records]))
    restored = {record.id: exact(record.data) for record in MAPPER.restore_all(heap)}
    assert restored == {record.id: wanted(record) for record in records}


@in_golden
def test_skipping_what_is_there(record: Record) -> None:
    """Shared resources that a writer has already are not made again; everything else stays, byte for byte."""
    whole = MAPPER.convert(record).texts
    shared = {name for name in whole if name.startswith(("Organization/", "Practitioner", "Location/"))}
    rest = MAPPER.convert(record, skip=set(shared)).texts
    assert rest == {name: text for name, text in whole.items() if name not in shared}


@in_golden
def test_the_study_comes_first(record: Record) -> None:
    """The study is the first resource; otherwise what is referred to stands before what refers to it."""
    resources = MAPPER.convert(record).resources
    assert resources[0]["resourceType"] == "ResearchStudy"
    known = by_reference(resources[:1])
    urls = canonicals(resources[:1])
    for found in resources[1:]:
        text = orjson.dumps(found).decode()
        for name in by_reference(resources).keys() - known.keys() - by_reference([found]).keys():
            assert f'"reference":"{name}"' not in text
        for url in canonicals(resources).keys() - urls.keys() - canonicals([found]).keys():
            assert f'"{url}"' not in text
        known |= by_reference([found])
        urls |= canonicals([found])


def test_resources_are_made_anew() -> None:
    """Editing what a conversion hands out changes neither the conversion nor the record."""
    record = GOLDEN["drug"]
    before = exact(record.data)
    conversion = MAPPER.convert(record)
    conversion.resources[0]["title"] = "edited"
    conversion.resources[0]["identifier"].clear()
    assert exact(MAPPER.restore(conversion.resources).data) == wanted(record)
    assert exact(record.data) == before
