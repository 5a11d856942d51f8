"""Requests as they are built: method, target, headers, body, and whether they may be sent twice."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fhirtrial.errors import UsageError
from fhirtrial.identity import Identity, identity_of
from fhirtrial.search_value import escaped
from fhirtrial.server import request as build
from fhirtrial.server.entries import upsert_entry
from fhirtrial.server.request import Request, encoded
from tests.server.tools import put, transaction

PLACE = {"resourceType": "Location", "id": "a", "identifier": [{"system": "https://x.org/sid", "value": "1|2"}]}
MATCH = {"identifier": "https://x.org/sid|a&b=c+d,e %ü"}
MATCHED = "identifier=https://x.org/sid%7Ca%26b%3Dc%2Bd,e%20%25%C3%BC"


@pytest.mark.parametrize(
    ("request_", "line", "headers", "repeat", "what"),
    [
        (build.capabilities(), "GET /metadata", {}, "always", "capabilities"),
        (build.read("Location", "a"), "GET /Location/a", {"Cache-Control": "no-cache"}, "always", "read Location/a"),
        (
            build.read("Location", "a", version="2", fresh=False),
            "GET /Location/a/_history/2",
            {},
            "always",
            "read Location/a/_history/2",
        ),
        (
            build.search("Location", MATCH),
            f"GET /Location?{MATCHED}",
            {"Cache-Control": "no-cache"},
            "always",
            "search Location",
        ),
        (build.search("Location", fresh=False), "GET /Location", {}, "always", "search Location"),
        (
            build.history("Location", "a", since="2026-01-01T00:00:00Z", count=50),
            "GET /Location/a/_history?_since=2026-01-01T00:00:00Z&_count=50".replace("00:00:00Z", "00:00:00Z"),
            {"Cache-Control": "no-cache"},
            "always",
            "history of Location/a",
        ),
        (
            build.history("Location"),
            "GET /Location/_history",
            {"Cache-Control": "no-cache"},
            "always",
            "history of Location",
        ),
        (build.create(PLACE), "POST /Location", {"Prefer": "return=minimal"}, "if-not-done", "create Location"),
        (
            build.create(PLACE, unless=MATCH, prefer="representation"),
            "POST /Location",
            {"Prefer": "return=representation", "If-None-Exist": MATCHED},
            "always",
            "create Location",
        ),
        (build.update(PLACE), "PUT /Location/a", {"Prefer": "return=minimal"}, "always", "update Location/a"),
        (
            build.update(PLACE, match=MATCH),
            f"PUT /Location?{MATCHED}",
            {"Prefer": "return=minimal"},
            "always",
            "update Location by condition",
        ),
        (
            build.update(PLACE, version="3"),
            "PUT /Location/a",
            {"Prefer": "return=minimal", "If-Match": 'W/"3"'},
            "if-not-done",
            "update Location/a",
        ),
        (build.delete("Location", "a"), "DELETE /Location/a", {}, "always", "delete Location/a"),
        (
            build.delete("Location", "a", version="2"),
            "DELETE /Location/a",
            {"If-Match": 'W/"2"'},
            "if-not-done",
            "delete Location/a",
        ),
        (
            build.delete("Location", match=MATCH),
            f"DELETE /Location?{MATCHED}",
            {},
            "always",
            "delete Location by condition",
        ),
        (
            build.validate(PLACE, profile="https://x.org/p?a"),
            "POST /Location/$validate?profile=https://x.org/p%3Fa",
            {},
            "always",
            "validate Location",
        ),
        (build.bundle(transaction(put())), "POST ", {"Prefer": "return=minimal"}, "always", "transaction of 1 entry"),
        (
            build.bundle(transaction(put(), put("b"), kind="batch")),
            "POST ",
            {"Prefer": "return=minimal"},
            "always",
            "batch of 2 entries",
        ),
    ],
)
def test_built(request_: Request, line: str, headers: dict[str, str], repeat: str, what: str) -> None:
    """Each interaction has its method, target and headers; it says what it is without any value of a query."""
    assert f"{request_.method} {request_.target}" == line
    expected = {"Accept": "application/fhir+json", **headers}
    if request_.body is not None:
        expected["Content-Type"] = "application/fhir+json"
    assert request_.headers == expected
    assert (request_.repeat, request_.what) == (repeat, what)


def test_bodies() -> None:
    """A body is the resource as it is, with its id, also for a conditional update: under it the server creates."""
    for request in (build.create(PLACE), build.update(PLACE, match=MATCH), build.validate(PLACE)):
        assert request.body is not None
        assert orjson.loads(request.body) == PLACE


def test_ready_json() -> None:
    """A resource that is JSON already goes into a bundle without being parsed."""
    entry = {**put(), "resource": orjson.Fragment(b'{"resourceType":"Location","id":"a"}')}

    assert build.bundle(transaction(entry)).body == build.bundle(transaction(put())).body


def test_long_searches_have_a_body() -> None:
    """A query of more than 1,500 characters is sent as a form, with the same parameters."""
    ids = ",".join(f"id-{number:04}" for number in range(200))
    request = build.search("Location", {"_id": ids, "_count": "200"})

    assert (request.method, request.target) == ("POST", "/Location/_search")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["Cache-Control"] == "no-cache"
    assert request.body == f"_id={ids}&_count=200".encode()
    assert request.repeat == "always"


def test_parameters() -> None:
    """Parameters may repeat, as list or as pairs; an escaped value keeps its backslashes."""
    assert encoded({"a": ["1", "2"], "b": "3"}) == encoded([("a", "1"), ("a", "2"), ("b", "3")]) == "a=1&a=2&b=3"
    assert encoded({"identifier": f"urn:x|{escaped('1|2,3')}"}) == "identifier=urn:x%7C1%5C%7C2%5C,3"


@pytest.mark.parametrize(
    ("request_", "repeat"),
    [
        ({"method": "PUT", "url": "Location?identifier=a"}, "always"),
        ({"method": "PUT", "url": "Location/a", "ifMatch": 'W/"1"'}, "if-not-done"),
        ({"method": "POST", "url": "Location"}, "if-not-done"),
        ({"method": "POST", "url": "Location", "ifNoneExist": "identifier=a"}, "always"),
        ({"method": "POST", "url": "Location/_search"}, "always"),
        ({"method": "POST", "url": "Location/$validate?profile=x"}, "always"),
        ({"method": "POST", "url": "$process"}, "if-not-done"),
        ({"method": "DELETE", "url": "Location/a"}, "always"),
        ({"method": "GET", "url": "Location/a"}, "always"),
        ({"method": "PATCH", "url": "Location/a"}, "if-not-done"),
        ({}, "if-not-done"),
    ],
)
def test_bundles_that_may_be_sent_twice(request_: dict[str, str], repeat: str) -> None:
    """One entry that may not be done twice is enough for the whole bundle."""
    assert build.bundle(transaction(put(), {"request": request_})).repeat == repeat


def test_studies_of_entries() -> None:
    """A bundle is about a study if all its entries are."""
    assert build.bundle(transaction(put(), put()), studies=["NCT1", "NCT1"]).study == "NCT1"
    assert build.bundle(transaction(put(), put()), studies=["NCT1", "NCT2"]).study == ""


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: build.read("Location", ".."), "'..' is no id: 1 to 64 of A-Z, a-z, 0-9, - and ."),
        (lambda: build.read("Location", "a/b"), "'a/b' is no id: 1 to 64 of A-Z, a-z, 0-9, - and ."),
        (lambda: build.read("Location", "a\n"), "'a\\n' is no id: 1 to 64 of A-Z, a-z, 0-9, - and ."),
        (lambda: build.read("Location", "a", version="?x"), "'?x' is no id: 1 to 64 of A-Z, a-z, 0-9, - and ."),
        (lambda: build.read("../admin", "a"), "'../admin' is no type of resource"),
        (lambda: build.create({"id": "a"}), "None is no type of resource"),
        (lambda: build.update({"resourceType": "Location"}), "None is no id: 1 to 64 of A-Z, a-z, 0-9, - and ."),
        (lambda: build.delete("Location"), "a delete needs an id or a condition, not both"),
        (lambda: build.delete("Location", match={"name": []}), "a delete needs an id or a condition, not both"),
        (lambda: build.delete("Location", "a", match=MATCH), "a delete needs an id or a condition, not both"),
        (lambda: build.bundle(PLACE), "a bundle that is sent is a 'transaction' or a 'batch'"),
        (lambda: build.bundle(transaction(put()), studies=["a", "b"]), "there are 1 entries, and 2 names of studies"),
        (lambda: Request(method="GET", target="@evil.example", what=""), "the target of a request begins with / or ?"),
    ],
)
def test_cannot_be_meant(make: Any, text: str) -> None:
    """What would be another request than the one that is meant is refused before anything is sent."""
    with pytest.raises(UsageError) as caught:
        make()

    assert str(caught.value) == text


def test_repr_shows_no_values() -> None:
    """A request that is shown shows neither body, nor query, nor headers."""
    shown = repr(build.update({**PLACE, "name": "hush"}, match=MATCH)) + repr(
        build.search("Location", {"name": "hush"})
    )

    assert "hush" not in shown
    assert "x.org" not in shown


@pytest.mark.parametrize(
    ("options", "request_"),
    [
        ({"form": "conditional-update"}, {"method": "PUT", "url": "Location?identifier=https://x.org/sid%7C1%5C%7C2"}),
        ({"form": "update-by-id"}, {"method": "PUT", "url": "Location/a"}),
        (
            {"form": "update-by-id", "version": "3"},
            {"method": "PUT", "url": "Location/a", "ifMatch": 'W/"3"'},
        ),
        (
            {"form": "search-first"},
            {"method": "POST", "url": "Location", "ifNoneExist": "identifier=https://x.org/sid%7C1%5C%7C2"},
        ),
        (
            {"form": "search-first", "if_none_exist": "full"},
            {"method": "POST", "url": "Location", "ifNoneExist": "Location?identifier=https://x.org/sid%7C1%5C%7C2"},
        ),
        ({"form": "search-first", "conditional_create": False}, {"method": "POST", "url": "Location"}),
    ],
)
def test_upserts(options: dict[str, Any], request_: dict[str, str]) -> None:
    """An upsert has the form that the server understands."""
    entry = upsert_entry(PLACE, identity=identity_of(PLACE), id="a", full_url="urn:uuid:1", **options)

    assert entry["request"] == request_
    assert entry["fullUrl"] == "urn:uuid:1"
    assert entry["resource"] is PLACE


def test_upserts_find_by_the_official_identifier() -> None:
    """The condition is on the identifier that a resource is called by: the official one, wherever it stands."""
    official = {"use": "official", "system": "https://x.org/nct", "value": "7"}
    resource = {**PLACE, "identifier": [*PLACE["identifier"], official]}
    entry = upsert_entry(resource, identity=identity_of(resource), id="a", form="conditional-update")
    assert entry["request"]["url"] == identity_of(resource).condition == "Location?identifier=https://x.org/nct%7C7"


def test_upserts_that_could_not_be_found_again() -> None:
    """What has neither id nor identifier is not written, for the next run would write it once more."""
    with pytest.raises(UsageError, match=r"^a Location to be written has no id$"):
        upsert_entry({}, identity=Identity("Location", "", ""), id="", form="update-by-id")
    with pytest.raises(UsageError, match=r"^Location/a has no business identifier by which it could be found again$"):
        upsert_entry({}, identity=Identity("Location", "", "a"), id="a", form="search-first")
