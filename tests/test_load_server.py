"""Loading into a server that is not there: what it wants less of, what it deletes, and what is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
import requests
import responses

from fhirtrial.errors import UsageError
from fhirtrial.loading.item import item_of
from fhirtrial.loading.pace import Pace
from fhirtrial.loading.plan import Limits
from fhirtrial.loading.run import load, load_all
from fhirtrial.loading.server_target import ServerTarget
from fhirtrial.loading.state import State
from fhirtrial.loading.summary import LoadSummary
from fhirtrial.loading.target import Write
from fhirtrial.loading.writer import Writer
from fhirtrial.server.errors import Throttled
from fhirtrial.server.retry import Retry
from tests.load_target import MemoryTarget
from tests.server.tools import BASE, Clock, client
from tests.test_load import STUDIES, Load

Json = dict[str, Any]


class Server:
    """Answers as one that has no referential integrity, and takes so many entries at once before it wants fewer."""

    def __init__(self, mock: responses.RequestsMock, *, most: int = 100, wait: str = "", lists: bool = True) -> None:
        self.most = most
        self.wait = wait
        self.refusals = 1 << 20
        self.held: dict[str, Json] = {}
        self.sent: list[int] = []
        self.lists = lists
        mock.add_callback("GET", f"{BASE}/metadata", self.metadata)
        mock.add_callback("POST", BASE, self.transaction)
        for kind in ("Organization", "Location", "ResearchStudy", "Provenance"):
            mock.add_callback("GET", f"{BASE}/{kind}", self.search)
            for id in ("a", "b"):
                mock.add_callback("GET", f"{BASE}/{kind}/{id}", self.read)
                mock.add_callback("DELETE", f"{BASE}/{kind}/{id}", self.delete)

    def metadata(self, _: requests.PreparedRequest) -> Any:
        reference = [{"name": "organization", "type": "reference"}, {"name": "name", "type": "string"}]
        resource: list[Json] = [
            {"type": "Location", "updateCreate": True, "searchParam": reference},
            {"type": "Organization", **({"searchRevInclude": ["Location:organization"]} if self.lists else {})},
        ]
        statement = {"fhirVersion": "5.0.0", "rest": [{"mode": "server", "resource": resource}]}
        return 200, {}, orjson.dumps({"resourceType": "CapabilityStatement", **statement})

    def transaction(self, request: requests.PreparedRequest) -> Any:
        entries = orjson.loads(request.body or b"")["entry"]
        self.sent.append(len(entries))
        if len(entries) > self.most and self.refusals:
            self.refusals -= 1
            return 429, {"Retry-After": self.wait} if self.wait else {}, b""
        done = [{"response": {"status": "201", "location": f"{each['request']['url']}/_history/1"}} for each in entries]
        return 200, {}, orjson.dumps({"resourceType": "Bundle", "type": "transaction-response", "entry": done})

    def search(self, request: requests.PreparedRequest) -> Any:
        url = urlsplit(request.url or "")
        kind, asked = url.path.rpartition("/")[2], parse_qsl(url.query)
        found = [each for each in self.held.values() if each["resourceType"] == kind]
        if (organization := dict(asked).get("organization")) is not None:
            found = self.managed_by(organization)
        if (id := dict(asked).get("_id")) is not None:
            found = [each for each in found if each["id"] == id]
            if ("_revinclude", "Location:organization") in asked:
                found += self.managed_by(f"{kind}/{id}")
        entry = [{"resource": each} for each in found]
        return 200, {}, orjson.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entry})

    def managed_by(self, organization: str) -> list[Json]:
        managed = (each for each in self.held.values() if each["resourceType"] == "Location")
        return [each for each in managed if each.get("managingOrganization", {}).get("reference") == organization]

    def read(self, request: requests.PreparedRequest) -> Any:
        return 200, {}, orjson.dumps(self.held[urlsplit(request.url or "").path.removeprefix("/r4/")])

    def delete(self, request: requests.PreparedRequest) -> Any:
        del self.held[urlsplit(request.url or "").path.removeprefix("/r4/")]
        return 204, {}, b""

    def put(self, resource: Json) -> None:
        self.held[f"{resource['resourceType']}/{resource['id']}"] = {"meta": {"versionId": "1"}, **resource}


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


class Writing:
    """A writer of bundles to such a server, whose clock moves when somebody sleeps."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.target = ServerTarget(client(clock=self.clock, **options))
        self.pace = Pace(Limits(entries=100, size=1 << 20), entries=100)
        state = State(None, server=BASE, release="R5", mapping="1")
        self.writer = Writer(self.target, state, self.pace, LoadSummary(), clock=self.clock, sleep=self.clock.sleep)

    def write(self, count: int) -> int:
        """How many of so many were written."""
        texts = [orjson.dumps({"resourceType": "Location", "id": str(number)}) for number in range(count)]
        writes = [Write(item=(item := item_of(text)), way="create", text=text, id=item.id) for text in texts]
        return sum(each.result is not None for each in self.writer.bundle(writes))


def test_fewer_are_sent_at_once_where_the_server_wants_that(mock: responses.RequestsMock) -> None:
    """A bundle that is refused with 429 as often as it may be sent goes in halves, after the time that was asked for."""
    server, writing = Server(mock, most=3, wait="7"), Writing(retry=Retry(attempts=2))
    assert writing.write(10) == 10
    assert server.sent == [10, 10, 5, 5, 3, 2, 5, 5, 3, 2]
    assert [round(seconds) for seconds in writing.clock.slept] == [7] * 6
    assert writing.pace.limits.entries == 3  # two were taken quickly: one more is tried


def test_a_bundle_that_was_taken_late_makes_the_next_smaller(mock: responses.RequestsMock) -> None:
    """Where the server wanted fewer and then took the bundle, the next are half as large."""
    server, writing = Server(mock, most=3), Writing()
    server.refusals = 1
    assert writing.write(40) == 40
    assert (server.sent, writing.pace.limits.entries) == ([40, 40], 20)


@pytest.mark.parametrize(("count", "wait"), [(10, "3600"), (1, "")])
def test_a_server_that_wants_nothing_now_ends_the_run(mock: responses.RequestsMock, count: int, wait: str) -> None:
    """Where it is to be waited longer than a run waits, or a single entry is too much, nothing is blamed on a record."""
    server, writing = Server(mock, most=0, wait=wait), Writing(retry=Retry(attempts=2))
    with pytest.raises(Throttled):
        writing.write(count)
    assert set(server.sent) == {count}


STUDY = {"resourceType": "ResearchStudy", "id": "b", "status": "active"}


@pytest.mark.parametrize("lists", [True, False])
@pytest.mark.parametrize(
    ("other", "kept"),
    [
        ({"resourceType": "Location", "id": "b", "managingOrganization": {"reference": "Organization/a"}}, True),
        ({**STUDY, "associatedParty": [{"party": {"reference": "Organization/a"}}]}, True),
        ({**STUDY, "extension": [{"url": "x", "valueReference": {"reference": "Organization/a"}}]}, True),
        ({**STUDY, "associatedParty": [{"party": {"reference": "Organization/b"}}]}, False),
    ],
)
def test_what_something_refers_to_is_not_deleted(
    mock: responses.RequestsMock, other: Json, lists: bool, kept: bool
) -> None:
    """A server that would delete it all the same is asked first: by the searches that it has, and by reading studies."""
    server = Server(mock, lists=lists)
    server.put({"resourceType": "Organization", "id": "a"})
    server.put(other)
    target = ServerTarget(client())
    assert target.delete("Organization", "a", "1") != kept
    assert ("Organization/a" in server.held) == kept
    target.close()


def test_a_client_that_the_caller_made(mock: responses.RequestsMock, tmp_path: Path, monkeypatch: Any) -> None:
    """It stays open; a release that its server does not speak is refused before anything is read."""
    Server(mock)
    given, closed = client(), []
    monkeypatch.setattr(given, "close", lambda: closed.append(1))
    with pytest.raises(UsageError) as caught:
        load("nothing.jsonl", server=given, to="R4")
    assert str(caught.value) == f"{BASE} speaks R5, not R4"
    source = tmp_path / "none.jsonl"
    source.write_bytes(b'{"resourceType":"Location","id":"a"}')
    assert load(str(source), server=given, to="R5").total("created", "failed") == 1
    assert not closed


# ---------------------------------------------------------------- what is given as FHIR, and what is remembered


def given(tmp_path: Path, *resources: Json) -> str:
    file = tmp_path / "given.ndjson"
    file.write_bytes(b"\n".join(map(orjson.dumps, resources)))
    return str(file)


def test_circles_of_references_stay_together(tmp_path: Path) -> None:
    """What refers to each other is written in one bundle, though those before have filled it, and others follow."""
    pairs = [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"), ("e", "d"), ("f", "e")]
    resources = [
        {"resourceType": "Organization", "id": id, "partOf": {"reference": f"Organization/{other}"}}
        for id, other in pairs
    ]
    target = MemoryTarget(limits=Limits(entries=3, size=1 << 20))
    summary = load_all([given(tmp_path, *resources)], target)
    assert (summary.total("created"), summary.refused) == (6, 0)
    short = [[name.removeprefix("Organization/") for name in bundle] for bundle in target.bundles]
    assert short == [["a", "b"], ["c", "d"], ["e"], ["f"]]


def test_a_circle_with_a_fault_fails_as_a_whole(tmp_path: Path) -> None:
    """Of a bundle that is refused the entries in a circle fail together, and the rest is written."""
    references = {"a": "b", "b": "a", "c": "nowhere", "d": "c"}
    resources = [
        {"resourceType": "Organization", "id": id, "partOf": {"reference": f"Organization/{other}"}}
        for id, other in references.items()
    ]
    resources[1]["endpoint"] = [{"reference": "Endpoint/none"}]
    resources.append({"resourceType": "Organization", "id": "e"})
    issues: list[Any] = []
    target = MemoryTarget()
    load_all([given(tmp_path, *resources)], target, noticed=issues.append)
    assert set(target.now()) == {"Organization/e"}
    assert sorted(issue.path for issue in issues if issue.code == "not-loaded") == [
        "Organization/a",
        "Organization/b",
        "Organization/c",
        "Organization/d",
    ]


def bundle(*entries: tuple[str, Json]) -> Json:
    listed = [{"fullUrl": url, "resource": resource, "request": {"method": "POST"}} for url, resource in entries]
    return {"resourceType": "Bundle", "type": "transaction", "entry": listed}


def test_the_references_of_a_bundle_become_literal(tmp_path: Path) -> None:
    """What entries call each other becomes what they are called on the server; an entry without id gets one for good."""
    clinic = {"resourceType": "Organization", "identifier": [{"system": "urn:x", "value": "1"}], "name": "Clinic"}

    def place(reference: str) -> Json:
        return {"resourceType": "Location", "id": "l", "managingOrganization": {"reference": reference}}

    uuids = "urn:uuid:1f9a8a52-0001-4000-8000-000000000001", "urn:uuid:1f9a8a52-0002-4000-8000-000000000002"
    held = []
    for uuid in uuids:
        target = MemoryTarget()
        source = given(tmp_path, bundle((f"{uuid}", clinic), ("https://x/fhir/Location/l", place(uuid))))
        assert load_all([source], target).refused == 0
        held.append(target.now())
    assert held[0] == held[1]
    (organization,) = (name for name in held[0] if name.startswith("Organization/"))
    assert held[0]["Location/l"]["managingOrganization"] == {"reference": organization}


def test_what_a_bundle_does_not_hold_is_said(tmp_path: Path) -> None:
    """A reference to no entry, and what could not be found again, are refused, each with its place."""
    lost = {"resourceType": "Location", "id": "l", "managingOrganization": {"reference": "urn:uuid:7"}}
    nameless = {"resourceType": "Organization", "name": "Clinic"}
    issues: list[Any] = []
    source = given(tmp_path, bundle(("urn:uuid:1", lost), ("urn:uuid:2", nameless)))
    target = MemoryTarget()
    summary = load_all([source], target, noticed=issues.append)
    assert (summary.refused, target.now()) == (2, {})
    assert [(issue.code, issue.message) for issue in issues] == [
        ("unresolved", "Location/l refers to urn:uuid:7, which is no entry of its Bundle; it is not loaded"),
        ("no-identifier", "a Organization without id and identifier could not be found again; it is not loaded"),
    ]


def test_a_dry_run_makes_no_state(tmp_path: Path) -> None:
    """A dry run makes no state, and changes none that is there; it reads it all the same."""
    loading = Load(tmp_path)
    loading.run(STUDIES, dry=True)
    assert not loading.state.exists()
    loading.run(STUDIES)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir() if file != loading.source}
    loading.target.history.clear()
    assert loading.run(STUDIES, dry=True).total("unchanged")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir() if file != loading.source} == before


def test_a_database_of_something_else_is_no_state(tmp_path: Path) -> None:
    """A database with other tables of these names is refused, and closed: it can be deleted at once."""
    file = tmp_path / "state"
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE about (name TEXT)")
    database.close()
    with pytest.raises(UsageError, match=f"^{file}: this is no state of earlier loads: "):
        State(file, server="x", release="R5", mapping="1")
    assert [each.name for each in tmp_path.iterdir()] == ["state"]
