"""What servers do to resources: their own ids and references, foreign entries, pieces that are missing or damaged."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fhirtrial.errors import RestoreError
from fhirtrial.issue import Issue
from fhirtrial.mapping.difference import MISSING, differences
from fhirtrial.record import Record

from .edits import DRUG, MAPPER, RARE, SITES, Json, P, Server
from .golden_update import FOLDER, source
from .properties import exact
from .records import SCHEMA

SERVER = "https://fhir.example.org/r5/"

FOREIGN: list[tuple[str, str, Json]] = [
    ("identifier", "identifier", {"system": "https://hospital.example/ids", "value": "H-1"}),
    ("own-official", "identifier", {"use": "official", "system": "https://hospital.example/ids", "value": "H-2"}),
    ("classifier", "classifier", {"coding": [{"system": "https://hospital.example/tags", "code": "local"}]}),
    ("extension", "extension", {"url": "https://hospital.example/ext", "valueString": "x"}),
    ("label", "label", {"type": {"text": "Nickname"}, "value": "ACE"}),
    ("related", "relatedArtifact", {"type": "documentation", "display": "A local file"}),
    ("party", "associatedParty", {"role": {"text": "monitor"}, "name": "CRO"}),
    (
        "overall",
        "progressStatus",
        {"state": {"coding": [{"system": "http://hl7.org/fhir/research-study-status", "code": "overall-study"}]}},
    ),
    ("progress", "progressStatus", {"state": {"text": "archived"}}),
]


@pytest.mark.parametrize(("element", "entry"), [(e, x) for _, e, x in FOREIGN], ids=[name for name, _, _ in FOREIGN])
@pytest.mark.parametrize("place", [0, None], ids=["first", "last"])
def test_foreign_entry(element: str, entry: Json, place: int | None) -> None:
    """An entry that no line of the mapping made leaves the record alone, and is told once, wherever it stands."""
    server = Server()
    entries = server.study[element]
    entries.insert(len(entries) if place is None else place, entry)
    assert server.changes() == {}
    (issue,) = server.restored(verify=False).issues
    assert issue.code == "foreign-entry"
    assert issue.message.startswith(f"ResearchStudy.{element} holds an entry that no line reads: ")
    assert issue.severity == "information"


def test_damaged_entry() -> None:
    """An entry that shows one mark of ours but not the others is not read as ours, and is told as damaged."""
    server = Server()
    coding = {"system": "https://fhirtrial.org/CodeSystem/study-event", "code": "start"}
    server.study["progressStatus"].append({"state": {"coding": [coding]}, "actual": False})
    assert server.changes() == {}
    assert [issue.code for issue in server.restored(verify=False).issues] == ["damaged-entry"]


@pytest.mark.parametrize(("element", "entry"), [(e, x) for _, e, x in FOREIGN], ids=[name for name, _, _ in FOREIGN])
def test_one_foreign_entry_is_one_finding(element: str, entry: Json) -> None:
    """With verify, one foreign entry at the head of a list is one finding, not one for each entry behind it."""
    server = Server()
    server.study[element].insert(0, entry)
    told = server.told()
    assert len(told) <= 2, told


@pytest.mark.parametrize(
    ("element", "value"),
    [("note", [{"text": "Call the sponsor"}]), ("version", "2"), ("objective", [{"name": "An aim"}])],
)
def test_foreign_element(element: str, value: Any) -> None:
    """An element that the mapping does not use changes nothing, and verify names it."""
    server = Server()
    server.study[element] = value
    assert server.changes() == {}
    assert server.told() == [("not-carried", f"ResearchStudy/{DRUG.id}.{element}")]


def test_what_servers_add() -> None:
    """Meta, narrative and language of a server mean nothing, on any resource."""
    server = Server()
    for found in server.resources:
        found["meta"] = {"versionId": "3", "lastUpdated": "2024-01-01T00:00:00Z"}
        found["text"] = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
        found["language"] = "en"
    assert server.changes() == {}
    assert server.told() == []


# ---------------------------------------------------------------- references


def renamed(resources: list[Json], name: Callable[[str, str], str]) -> Iterator[Json]:
    """The resources with other ids, and all references written as ``name`` says."""
    ids = {f"{found['resourceType']}/{found['id']}": f"srv{place}" for place, found in enumerate(resources)}

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        made = {key: walk(value) for key, value in node.items()}
        if isinstance(old := made.get("reference"), str) and old in ids:
            made["reference"] = name(old.partition("/")[0], ids[old])
        return made

    for found in resources:
        yield {**walk(found), "id": ids[f"{found['resourceType']}/{found['id']}"]}


@pytest.mark.parametrize("record", [DRUG, RARE, SITES], ids=lambda record: record.id)
@pytest.mark.parametrize(
    "name",
    [
        lambda kind, name: f"{kind}/{name}",
        lambda kind, name: f"{SERVER}{kind}/{name}",
        lambda kind, name: f"{kind}/{name}/_history/7",
        lambda kind, name: f"{SERVER}{kind}/{name}/_history/7",
    ],
    ids=["relative", "absolute", "versioned", "absolute-versioned"],
)
def test_ids_of_the_server(record: Record, name: Callable[[str, str], str]) -> None:
    """A server that gives its own ids and writes references its own way changes nothing, and verify is silent."""
    restored = MAPPER.restore(renamed(MAPPER.convert(record).resources, name), verify=True)
    assert exact(restored.data) == exact(SCHEMA.wanted(record.data))
    assert restored.issues == ()


@pytest.mark.parametrize("record", [DRUG, RARE, SITES], ids=lambda record: record.id)
def test_urns_of_a_bundle(record: Record) -> None:
    """A bundle whose entries call each other by urn:uuid, without ids, gives the record."""
    resources = MAPPER.convert(record).resources
    names = {f"{found['resourceType']}/{found['id']}": place for place, found in enumerate(resources)}

    def urn(kind: str, id: str) -> str:
        return f"urn:uuid:00000000-0000-4000-8000-{int(id.removeprefix('srv')):012d}"

    made = list(renamed(resources, urn))
    assert len(names) == len(made)
    entries = [{"fullUrl": urn("", found.pop("id")), "resource": found} for found in made]
    restored = MAPPER.restore({"resourceType": "Bundle", "type": "collection", "entry": entries[::-1]}, verify=True)
    assert exact(restored.data) == exact(SCHEMA.wanted(record.data))
    assert [issue for issue in restored.issues if issue.code == "unresolved"] == []
    assert restored.issues == ()


@pytest.mark.parametrize(
    "kind", ["Location", "Practitioner", "PractitionerRole", "ActivityDefinition", "Group", "PlanDefinition"]
)
def test_a_deleted_resource(kind: str) -> None:
    """What a reference cannot reach is missing, not guessed; the issue names the reference and the field."""
    server = Server(RARE)
    gone = server.of(kind)[0]
    server.resources.remove(gone)
    restored = server.restored(verify=False)
    wanted = SCHEMA.wanted(RARE.data)
    assert all(found.second is MISSING for found in differences(wanted, restored.data))
    issues = [issue for issue in restored.issues if issue.code == "unresolved"]
    assert issues
    name = gone["url"] if kind == "ActivityDefinition" else f"{kind}/{gone['id']}"
    assert all(name in issue.message for issue in issues), [issue.message for issue in issues]
    assert all(issue.mapping for issue in issues)


def test_deleted_organization_without_own_data() -> None:
    """An Organization whose name the study says itself can be missing: of the record nothing is lost."""
    server = Server(SITES)
    for found in server.of("Organization"):
        server.resources.remove(found)
    lost = {path for path, (_, after) in server.changes().items() if after is None}
    assert all("ffiliation" in path or "oldOrganization" in path for path in lost)


def test_reference_of_the_wrong_kind() -> None:
    """A site that refers to something else than a Location is told and not read."""
    server = Server(RARE)
    server.study["site"][0]["reference"] = f"Group/{RARE.id}-eligibility"
    restored = server.restored(verify=False)
    (issue,) = restored.issues
    assert issue.code == "unresolved"
    assert issue.message == f"'Group/{RARE.id}-eligibility' is a Group, not a Location: not read"
    organization = server.of("Organization")[0]
    server.study["site"][0]["reference"] = f"Organization/{organization['id']}"
    (site,) = server.restored(verify=False).data["protocolSection"]["contactsLocationsModule"]["locations"]
    assert site.keys() == {"status", "contacts"}  # an Organization has a name, too: it must not be read


def test_provenance_missing() -> None:
    """Without Provenance the date of the data release is missing, one issue says so, and the rest is there."""
    server = Server(RARE)
    server.resources = [found for found in server.resources if found["resourceType"] != "Provenance"]
    assert set(server.changes()) == {"derivedSection.miscInfoModule.versionHolder"}
    told = server.restored(verify=False).issues
    assert [(issue.code, issue.message) for issue in told] == [
        ("unresolved", "no Provenance points at the study: what it holds is missing")
    ]


def test_provenance_of_another_study() -> None:
    """The Provenance of another study beside it is not read."""
    server = Server(RARE)
    other = MAPPER.convert(DRUG).resources
    server.resources += [found for found in other if found["resourceType"] == "Provenance"]
    assert server.changes() == {}


def test_no_study() -> None:
    """Resources without a study are refused with one sentence."""
    with pytest.raises(RestoreError) as caught:
        MAPPER.restore(Server().of("Location"))
    assert str(caught.value) == (
        "error: there is no ResearchStudy among the resources, where one is wanted "
        "(the study itself must be among the resources) [no-single-study]"
    )


def test_two_studies() -> None:
    """Two studies where one is asked for are refused, and the error says what takes several."""
    with pytest.raises(RestoreError) as caught:
        MAPPER.restore(Server(DRUG).resources + Server(RARE).resources)
    assert str(caught.value) == (
        "error: there is 2 ResearchStudy among the resources, where one is wanted "
        "(restore_all() takes several) [no-single-study]"
    )


def test_study_without_number() -> None:
    """A study whose registry number was removed cannot be named, and is refused."""
    server = Server()
    server.study["identifier"] = [found for found in server.study["identifier"] if found["use"] != "official"]
    with pytest.raises(RestoreError) as caught:
        server.restored()
    assert caught.value.issue.code == "no-id"
    assert caught.value.issue.hint == "an identifier like NCT00000102"


def test_number_under_an_older_system() -> None:
    """The number under a system that others use is read, and an issue says so."""
    server = Server()
    entry = next(found for found in server.study["identifier"] if found["use"] == "official")
    entry.clear()
    entry.update(system="http://clinicaltrials.gov", value=DRUG.id)
    assert server.changes() == {}
    assert [code for code, _ in server.told(verify=False)] == ["older-system"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda study: study.update(identifier={"system": "x"}),
        lambda study: study.update(title=["a"]),
        lambda study: study.update(progressStatus="recruiting"),
        lambda study: study.update(progressStatus=[None]),
        lambda study: study.update(site=[{"reference": ["Location/1"]}]),
        lambda study: study.update(recruitment=[]),
        lambda study: study.update(recruitment={"targetNumber": "many"}),
        lambda study: study.update(period="2020"),
        lambda study: study.update(extension=[{"url": ["x"]}]),
        lambda study: study.update(phase={"coding": [None]}),
        lambda study: study.update(phase={"coding": [{"system": [], "code": {}}]}),
        lambda study: study.update(associatedParty=[{"role": {"coding": [{"code": {}}]}}]),
        lambda study: study.update(title=5),
        lambda study: study.update(description={"a": 1}),
        lambda study: study.update(keyword=["x"]),
        lambda study: study.update(relatedArtifact=[{"document": {"url": 5, "size": "x"}}]),
    ],
)
def test_what_is_not_fhir_shaped(spoil: Callable[[Json], None]) -> None:
    """Resources that are no FHIR are refused with our error, or give a record that the registry's schema takes."""
    server = Server()
    spoil(server.study)
    try:
        restored = server.restored(verify=True)
    except RestoreError as error:
        issue = error.issue
    else:
        _, issues = SCHEMA.check(copy.deepcopy(restored.data))
        assert [found for found in issues if found.severity == "error"] == []
        return
    assert (issue.code, issue.place) == ("not-fhir-shaped", f"ResearchStudy/{DRUG.id}")


def test_edited_beside_verbatim() -> None:
    """Text that FHIR refused comes back; once somebody edits what stands in its place, the edit counts."""
    odd = source(FOLDER / "invented-odd-values")
    server = Server(odd)
    assert server.changes() == {}
    assert "_title" in server.study
    server.study["title"] = "Edited"
    assert server.changes() == {f"{P}identificationModule.briefTitle": ("Tab\tand bell\x07", "Edited")}


def test_issues_say_the_study() -> None:
    """Each issue names the record and the resource it was read from."""
    server = Server()
    server.study["note"] = [{"text": "x"}]
    (issue,) = server.restored().issues
    assert isinstance(issue, Issue)
    assert (issue.record, issue.place) == (DRUG.id, f"ResearchStudy/{DRUG.id}")
