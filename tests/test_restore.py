"""Runs from FHIR to records: whatever form the resources come in, the records are the same."""

from __future__ import annotations

import random
import uuid
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhirtrial.errors import InputError, UsageError
from fhirtrial.issue import Issue
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.pipelines.convert import convert_all
from fhirtrial.pipelines.restore import restore_all
from fhirtrial.readers import read
from fhirtrial.readers.fhir import read_resources
from fhirtrial.store import KeySet, Names, ResourceStore

from .test_convert import SHARED, STUDIES, lines, many, study
from .test_participants import ROSTER

MAPPER = Mapper()
Json = dict[str, Any]


def restored(*sources: Any, **options: Any) -> tuple[list[Any], list[Issue]]:
    """The records that a run restores, and its issues."""
    out, noticed = BytesIO(), []
    restore_all(sources, out, noticed=noticed.append, **options)
    return [orjson.loads(line) for line in out.getvalue().splitlines()], noticed


def converted(source: Any, **options: Any) -> bytes:
    out = BytesIO()
    convert_all([source], out, **options)
    return out.getvalue()


def wanted(source: Any) -> list[Any]:
    """What of each record is carried."""
    return [MAPPER.mapping.schema.wanted(record.data) for record in read(source)]


def by_id(records: list[Any]) -> list[Any]:
    return sorted(records, key=lambda data: data["protocolSection"]["identificationModule"]["nctId"])


def as_ndjson(source: Any, _: Path) -> Any:
    return converted(source)


def as_gzip(source: Any, folder: Path) -> Any:
    convert_all([source], folder / "out.ndjson.gz")
    return folder / "out.ndjson.gz"


def as_folder(source: Any, folder: Path) -> Any:
    convert_all([source], f"{folder}/out/")
    return folder / "out"


def as_folder_of_other_names(source: Any, folder: Path) -> Any:
    convert_all([source], f"{folder}/out/")
    for number, path in enumerate(sorted((folder / "out").iterdir(), reverse=True)):
        path.rename(folder / "out" / f"{number}.json")
    return folder / "out"


def as_zip(source: Any, folder: Path) -> Any:
    with zipfile.ZipFile(folder / "out.zip", "w") as archive:
        archive.writestr("all.ndjson", converted(source))
    return folder / "out.zip"


def as_transactions(source: Any, _: Path) -> Any:
    return converted(source, format="bundle")


def as_collections(source: Any, _: Path) -> Any:
    return converted(source, format="collection")


def as_array(source: Any, _: Path) -> Any:
    return b"[" + b",\n".join(converted(source).splitlines()) + b"]"


def as_one_bundle(source: Any, _: Path) -> Any:
    entry = [{"resource": orjson.loads(line)} for line in converted(source).splitlines()]
    return orjson.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entry}, option=orjson.OPT_INDENT_2)


def as_bundle_in_a_bundle(source: Any, folder: Path) -> Any:
    inner = orjson.loads(as_one_bundle(source, folder))
    return orjson.dumps({"resourceType": "Bundle", "type": "batch-response", "entry": [{"resource": inner}]})


def as_open_file(source: Any, _: Path) -> Any:
    return BytesIO(converted(source))


FORMS = [
    as_ndjson, as_gzip, as_folder, as_folder_of_other_names, as_zip, as_transactions, as_collections, as_array,
    as_one_bundle, as_bundle_in_a_bundle, as_open_file,
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("memory", [1 << 30, 20_000, 0], ids=["in memory", "in both", "on disk"])
def test_every_form_gives_the_records_again(form: Callable[[Any, Path], Any], memory: int, tmp_path: Path) -> None:
    """In the order of the studies, and nothing to say about them."""
    source = many(40) + STUDIES.read_bytes()
    records, noticed = restored(form(source, tmp_path), memory=memory)
    assert records == wanted(source)
    assert noticed == []


@pytest.mark.parametrize("memory", [1 << 30, 20_000, 0], ids=["in memory", "in both", "on disk"])
def test_any_order_of_resources(memory: int) -> None:
    """Shuffled lines give the same records, in the order in which the studies stand."""
    source = many(40) + STUDIES.read_bytes()
    shuffled = converted(source).splitlines(keepends=True)
    random.Random(7).shuffle(shuffled)
    order = [found["id"] for line in shuffled if (found := orjson.loads(line))["resourceType"] == "ResearchStudy"]
    records, noticed = restored(b"".join(shuffled), memory=memory)
    assert [data["protocolSection"]["identificationModule"]["nctId"] for data in records] == order
    assert order != sorted(order)
    assert by_id(records) == by_id(wanted(source))
    assert noticed == []


def test_resources_over_several_sources(tmp_path: Path) -> None:
    """A study may stand in one file and what it refers to in another, before it or after it."""
    convert_all([STUDIES], f"{tmp_path}/out/")
    files = sorted((tmp_path / "out").iterdir())
    for order in (files, files[::-1]):
        records, noticed = restored(*order)
        assert by_id(records) == by_id(wanted(STUDIES))
        assert noticed == []


def rewritten(source: Any, change: Callable[[str], str], name: Callable[[Json], Json]) -> bytes:
    """The resources of a source in one Bundle, with other references and entries."""

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: change(value) if key == "reference" and isinstance(value, str) else walk(value)
                for key, value in node.items()
            }
        return [walk(item) for item in node] if isinstance(node, list) else node

    entry = [name(walk(orjson.loads(line))) for line in converted(source).splitlines()]
    return orjson.dumps({"resourceType": "Bundle", "type": "collection", "entry": entry})


def test_absolute_references() -> None:
    """Of a server, with and without versions."""
    base = "https://server.example/fhir/"
    source = rewritten(
        many(20) + STUDIES.read_bytes(),
        lambda reference: f"{base}{reference}/_history/2",
        lambda resource: {"fullUrl": f"{base}{resource['resourceType']}/{resource['id']}", "resource": resource},
    )
    assert restored(source) == (wanted(many(20) + STUDIES.read_bytes()), [])


@pytest.mark.parametrize("memory", [1 << 30, 0], ids=["in memory", "on disk"])
def test_urn_uuid_references_without_ids(memory: int) -> None:
    """The form of a Bundle that is to be created: no ids, only the Bundle's own names."""

    def urn(reference: str) -> str:
        return uuid.uuid5(uuid.NAMESPACE_URL, reference).urn

    def entry(resource: Json) -> Json:
        name = urn(f"{resource['resourceType']}/{resource.pop('id')}")
        return {"fullUrl": name, "resource": resource}

    source = many(20) + STUDIES.read_bytes()
    assert restored(rewritten(source, urn, entry), memory=memory) == (wanted(source), [])


@pytest.mark.parametrize("memory", [1 << 30, 0], ids=["in memory", "on disk"])
def test_one_resource_under_several_names(memory: int) -> None:
    """Each Bundle has its own fullUrl for a resource that both hold: references by either find it."""

    def bundle(number: int) -> bytes:
        def urn(reference: str) -> str:
            return uuid.uuid5(uuid.NAMESPACE_URL, f"{number} {reference}").urn

        def entry(resource: Json) -> Json:
            return {"fullUrl": urn(f"{resource['resourceType']}/{resource['id']}"), "resource": resource}

        return rewritten(lines(study(number, "A", facility="Clinic")), urn, entry)

    source = lines(study(1, "A", facility="Clinic"), study(2, "A", facility="Clinic"))
    assert restored(bundle(1), bundle(2), memory=memory) == (wanted(source), [])


def test_what_a_server_gives() -> None:
    """Other ids, meta and narrative do not matter."""
    ids: dict[str, str] = {}

    def given(reference: str) -> str:
        return f"{reference.partition('/')[0]}/{ids.setdefault(reference, str(1000 + len(ids)))}"

    def entry(resource: Json) -> Json:
        resource["id"] = given(f"{resource['resourceType']}/{resource['id']}").partition("/")[2]
        resource["meta"] = {"versionId": "3", "lastUpdated": "2024-01-01T00:00:00Z"}
        resource["text"] = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
        return {"resource": resource, "search": {"mode": "include"}}

    source = many(20) + STUDIES.read_bytes()
    assert restored(rewritten(source, given, entry)) == (wanted(source), [])


def test_verification_after_a_run() -> None:
    """Nothing is reported of what convert made."""
    source = many(20) + STUDIES.read_bytes()
    assert restored(converted(source), verify=True) == (wanted(source), [])


def test_a_study_without_its_provenance_and_sites() -> None:
    """What is missing is named with file, line and study; the rest is restored."""
    kept = [
        line
        for line in converted(lines(study(1, "A", facility="Clinic"))).splitlines()
        if b'"Location"' not in line[:40]
    ]
    records, noticed = restored(b"\n".join(line for line in kept if b'"Provenance"' not in line[:40]))
    assert len(records) == 1
    assert sorted({issue.code for issue in noticed}) == ["unresolved"]
    assert all(issue.place.startswith("<bytes>:1: ResearchStudy/NCT00000001") for issue in noticed)
    assert any("is not among the resources" in issue.message for issue in noticed)


def test_a_bad_line_stops_nothing(tmp_path: Path) -> None:
    """Each is reported with its place; the others go on."""
    good = converted(lines(study(1), study(2)))
    bad = (
        b'{"resourceType":"Location"\n[1]\n{"protocolSection":{}}\n'
        + good
        + b'{"resourceType":"ResearchStudy","id":"x"}\n'
    )
    path = tmp_path / "bad.ndjson"
    path.write_bytes(bad)
    out, noticed = BytesIO(), []
    summary = restore_all([path, b"<xml/>", b""], out, noticed=noticed.append)
    errors = [str(issue).replace(f"{tmp_path}/", "") for issue in noticed if issue.severity == "error"]
    assert errors == [
        "error: bad.ndjson:1: the JSON ends in the middle of a value (line 1, column 27) [truncated]",
        "error: bad.ndjson:2: expected a resource, found a list [not-a-resource]",
        (
            "error: bad.ndjson:3: this is no FHIR resource: it holds protocolSection (a resource has resourceType)"
            " [not-a-resource]"
        ),
        (
            "error: <bytes>: this is XML or HTML (FHIR is read as JSON: a resource, a Bundle, an array or NDJSON)"
            " [unknown-format]"
        ),
        "error: <bytes>: there is nothing in it [empty-source]",
        (
            "error: bad.ndjson:8: ResearchStudy/x: no identifier of the registry: "
            "protocolSection.identificationModule.nctId cannot be restored (an identifier like NCT00000102) [no-id]"
        ),
    ]
    assert (summary.records, summary.refused) == (2, 6)
    assert len(out.getvalue().splitlines()) == 2


def test_bundles_that_are_none() -> None:
    """Entries that hold no resource are named with their path; an entry that means a deletion is not."""
    entries = [1, {"resource": []}, {"request": {"method": "DELETE", "url": "Location/1"}}, {"resource": {"id": "1"}}]
    bundle = {"resourceType": "Bundle", "link": [{"relation": "next", "url": "…"}], "entry": entries}
    refused: list[Issue] = []
    sources = [orjson.dumps(bundle), b'{"resourceType":"Bundle","entry":{}}', b'{"resourceType":"Bundle"}']
    assert [list(read_resources(source, refused=refused.append)) for source in sources] == [[], [], []]
    assert [(issue.severity, issue.path, issue.message) for issue in refused] == [
        ("warning", "link", "the Bundle is one page of several: the next ones are not read"),
        ("error", "entry[0]", "expected an entry, found a number"),
        ("error", "entry[1].resource", "expected a resource, found a list"),
        ("error", "entry[3].resource", "this is no FHIR resource: it holds id"),
        ("error", "entry", "the entries of a Bundle are a list, not an object"),
    ]


def test_bundles_in_bundles_without_end() -> None:
    """They are refused at some depth."""
    bundle: Json = {"resourceType": "Location", "id": "1"}
    for _ in range(20):
        bundle = {"resourceType": "Bundle", "entry": [{"resource": bundle}]}
    with pytest.raises(InputError, match="more than 8 Bundles lie in one another"):
        list(read_resources(orjson.dumps(bundle)))


def test_without_refused_the_first_error_is_raised() -> None:
    """As `read` does it; and a source of a wrong type is wrong use."""
    with pytest.raises(InputError, match=r"error: no\.json: there is no such file or folder"):
        list(read_resources("no.json"))
    with pytest.raises(UsageError, match="a int cannot be read"):
        list(read_resources(3))  # type: ignore[arg-type]


@pytest.mark.parametrize("memory", [1 << 30, 0], ids=["in memory", "on disk"])
def test_duplicates(memory: int) -> None:
    """The same again is silent; other content is reported with both places: of a study it is refused."""
    text = converted(lines(study(1, "A", facility="Clinic")))
    assert restored(text, text, memory=memory) == restored(text)
    changed = text.replace(b'"name":"Clinic"', b'"name":"Klinik"').replace(b'"title":"Study 1"', b'"title":"Studie 1"')
    records, noticed = restored(text, changed, memory=memory)
    assert records == wanted(lines(study(1, "A", facility="Clinic")))
    assert [str(issue).partition("-28d4")[0] for issue in noticed] == [
        (
            "error: <bytes>:1: ResearchStudy/NCT00000001 was read before, at <bytes>:1, with other content: "
            "the first counts [duplicate-resource]"
        ),
        "warning: <bytes>:3: Location/location",
    ]


@pytest.mark.parametrize("memory", [1 << 30, 0], ids=["in memory", "on disk"])
def test_a_dose_that_is_there_twice_counts_once(memory: int) -> None:
    """Of what points at a subject the first of a name counts too, as the warning says."""
    text = converted(ROSTER)
    (dose, *_) = (line for line in text.splitlines() if b'"resourceType":"MedicationAdministration"' in line)
    changed = orjson.loads(dose)
    changed["dosage"]["dose"]["value"] = 99

    records, noticed = restored(text, orjson.dumps(changed), registry="roster", memory=memory)

    assert records == restored(text, registry="roster")[0]
    assert [(issue.severity, issue.code, issue.place) for issue in noticed[-1:]] == [
        ("warning", "duplicate-resource", "<bytes>:1")
    ]


def test_sets_of_keys_spill() -> None:
    """A set that is larger than its limit answers like one that is not."""
    numbers = random.Random(3)
    keys, plain = KeySet(limit=50), set()
    for _ in range(2000):
        key = b"%d" % numbers.randrange(700)
        assert (key in keys) == (key in plain)
        assert keys.add(key) == (key not in plain)
        plain.add(key)
    keys.close()


def test_the_first_number_of_a_name_counts() -> None:
    """Whether the names are in memory or on disk, a name keeps the number that it was given first."""
    numbers = random.Random(3)
    names, plain = Names(limit=5), dict[str, int]()
    for place in range(500):
        name = f"name {numbers.randrange(30)}"
        names.give(name, place)
        plain.setdefault(name, place)
        assert names.find(name) == plain[name]
    names.close()


def test_stores_spill() -> None:
    """A store answers the same whether it is in memory, on disk, or both."""
    answers = []
    for limit in (1 << 30, 1000, 0):
        store = ResourceStore(limit=limit)
        for number in range(100):
            store.add({"n": number}, size=20, place=f"p:{number}", group="even" if number % 2 == 0 else "")
            store.name(f"name {number % 60}", number)
        for number in range(100):
            store.link(number, number % 7)
        answers.append(
            (
                [store.get(number) for number in range(100)],
                [store.place(number) for number in range(100)],
                [store.find(f"name {number}") for number in range(70)],
                list(store.group("even")),
                list(store.group("")),
                [store.pointing_at(number) for number in range(8)],
            )
        )
        store.close()
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][2][5] == 5
    assert answers[0][5][6][:3] == [6, 13, 20]


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared records is not beside the checkout")
@pytest.mark.parametrize("form", [as_folder, as_gzip, as_transactions, as_collections])
def test_shared_records(form: Callable[[Any, Path], Any], tmp_path: Path) -> None:
    """All real records come back, also when most of them wait on disk."""
    records, noticed = restored(form(SHARED, tmp_path), memory=4 << 20)
    assert [issue for issue in noticed if issue.severity != "information"] == []
    assert records == wanted(SHARED)
