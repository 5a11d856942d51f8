"""What the client's methods give and raise."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

import fhirtrial
from fhirtrial import FhirClient, FhirtrialError, ServerError
from fhirtrial.errors import UsageError
from fhirtrial.server import errors
from fhirtrial.server.courier import Resend
from fhirtrial.server.response import Written
from fhirtrial.server.version import Version
from tests.server.tools import BASE, client, outcome, put, transaction

PLACE = {"resourceType": "Location", "id": "a", "name": "A place"}
MATCH = {"identifier": "https://x.org/sid|1"}


def hapi(code: str) -> dict[str, Any]:
    """What HAPI says of a write that went well."""
    return outcome("Successful", severity="information", details={"coding": [{"code": code}]})


def test_public() -> None:
    """The client and its errors are what the package offers."""
    kinds = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, ServerError)}
    assert kinds <= set(fhirtrial.__all__)
    assert FhirClient is type(client())
    assert issubclass(ServerError, FhirtrialError)
    assert repr(client()) == "FhirClient('https://fhir.example.org/r4')"


def test_read(server: Any) -> None:
    """A resource, or one of its versions; what is gone is told from what never was."""
    server.get(f"{BASE}/Location/a", json=PLACE)
    server.get(f"{BASE}/Location/a/_history/1", json={**PLACE, "name": "old"})
    server.get(f"{BASE}/Location/b", status=404, json=outcome("HAPI-2001: unknown", code="not-found"))
    server.get(f"{BASE}/Location/c", status=410)
    server.get(f"{BASE}/Location/d", json={"resourceType": "Group"}, headers={"X-Request-ID": "r1"})
    with client() as one:
        assert one.read("Location", "a") == PLACE
        assert one.read("Location", "a", version="1")["name"] == "old"
        with pytest.raises(errors.NotFound) as unknown:
            one.read("Location", "b")
        with pytest.raises(errors.NotFound) as gone:
            one.read("Location", "c")
        with pytest.raises(
            errors.UnexpectedAnswer, match=r"^read Location/d: 200 OK, but the answer is Group, no Location;"
        ):
            one.read("Location", "d")

    assert (unknown.value.status, unknown.value.server_code, gone.value.status) == (404, "HAPI-2001", 410)


@pytest.mark.parametrize(
    ("status", "headers", "content", "expected"),
    [
        (
            201,
            {
                "Location": f"{BASE}/Location/a/_history/1",
                "ETag": 'W/"1"',
                "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT",
            },
            None,
            ("Location/a", "1", "Mon, 01 Jan 2024 00:00:00 GMT", "created"),
        ),
        (
            201,
            {"Content-Location": "http://internal/fhir/Location/a/_history/1"},
            None,
            ("Location/a", "1", "", "created"),
        ),
        (200, {"ETag": 'W/"7"'}, hapi("SUCCESSFUL_UPDATE"), ("", "7", "", "updated")),
        (200, {"ETag": "7"}, hapi("SUCCESSFUL_UPDATE_NO_CHANGE"), ("", "7", "", "unchanged")),
        (200, {}, {**PLACE, "meta": {"versionId": "3"}}, ("Location/a", "3", "", None)),
        (200, {"Location": "javascript:alert(1)", "ETag": '"é"'}, None, ("", "", "", None)),
    ],
)
def test_update(server: Any, status: int, headers: dict[str, str], content: Any, expected: tuple[Any, ...]) -> None:
    """What became of an update: where it is, in which version, and whether anything changed, as far as that is told."""
    server.put(f"{BASE}/Location/a", status=status, headers=headers, **({} if content is None else {"json": content}))
    with client() as one:
        found = one.update(PLACE, study="NCT1")

    assert (found.reference, found.version, found.last_modified, found.change) == expected


def test_update_of_a_version(server: Any) -> None:
    """If somebody else was quicker, the version does not fit: 412, or HAPI's 409, and neither is tried again."""
    for status, kind in ((412, errors.PreconditionFailed), (409, errors.Conflict)):
        server.put(f"{BASE}/Location/a", status=status, json=outcome("HAPI-0989: version 2 is not the newest"))
        with pytest.raises(errors.Conflict) as caught, client() as one:
            one.update(PLACE, version="2", study="NCT1")
        assert type(caught.value) is kind
        assert caught.value.study == "NCT1"
        server.reset()


def test_update_whose_answer_is_an_error_of_several_matches(server: Any) -> None:
    """Where several match it is said for which study, and nothing is tried again."""
    server.put(f"{BASE}/Location", status=412, json=outcome("HAPI-2207: 2 matches"), headers={"X-Request-ID": "r1"})
    with pytest.raises(errors.PreconditionFailed) as caught, client() as one:
        one.update(PLACE, match=MATCH, study="NCT1")

    assert str(caught.value) == (
        "update Location by condition: 412 Precondition Failed: error: HAPI-2207: 2 matches (NCT1, request r1)"
    )
    assert len(server.calls) == 1


@pytest.mark.parametrize(("status", "change"), [(201, "created"), (200, "unchanged")])
def test_create(server: Any, status: int, change: str) -> None:
    """A conditional create says whether it created or found one."""
    server.post(f"{BASE}/Location", status=status, headers={"Location": f"{BASE}/Location/7/_history/1"})
    with client() as one:
        found = one.create(PLACE, unless=MATCH)

    assert (found.reference, found.version, found.change) == ("Location/7", "1", change)
    assert server.calls[0].request.headers["If-None-Exist"] == "identifier=https://x.org/sid%7C1"


@pytest.mark.parametrize(
    ("status", "code", "change"),
    [
        (204, "", "deleted"),
        (404, "", "unchanged"),
        (410, "", "unchanged"),
        (200, "SUCCESSFUL_DELETE", "deleted"),
        (200, "SUCCESSFUL_DELETE_ALREADY_DELETED", "unchanged"),
        (200, "SUCCESSFUL_DELETE_NOT_FOUND", "unchanged"),
    ],
)
def test_delete(server: Any, status: int, code: str, change: str) -> None:
    """A delete of what is gone already is no error, and changes nothing; by a condition, 404 is one."""
    server.delete(f"{BASE}/Location/a", status=status, **({"json": hapi(code)} if code else {}))
    server.delete(f"{BASE}/Location", status=404)
    with client() as one:
        assert one.delete("Location", "a").change == change
        with pytest.raises(errors.NotFound):
            one.delete("Location", match=MATCH)


def test_delete_of_what_others_refer_to(server: Any) -> None:
    """What is referred to stays, and the error is not tried again."""
    server.delete(f"{BASE}/Location/a", status=409, json=outcome("HAPI-0515: referred to"))
    with pytest.raises(errors.Conflict), client() as one:
        one.delete("Location", "a")
    assert len(server.calls) == 1


@pytest.mark.parametrize("status", [200, 412, 422])
def test_validate(server: Any, status: int) -> None:
    """What the server thinks of a resource is a result, not an error, with whichever status it comes."""
    server.post(f"{BASE}/Location/$validate", status=status, json=outcome("no name", code="required"))
    with client() as one:
        found = one.validate(PLACE, profile="https://x.org/p")

    assert found.failed
    assert str(found) == "error: no name"
    assert server.calls[0].request.params == {"profile": "https://x.org/p"}


def test_validate_that_is_not_there(server: Any) -> None:
    """A server without the operation is an error, and so is an answer that is no outcome."""
    server.post(f"{BASE}/Location/$validate", status=400, json=outcome("HAPI-0302: does not know how"))
    server.post(f"{BASE}/Group/$validate", json={"resourceType": "Group"})
    with client() as one:
        with pytest.raises(errors.Refused):
            one.validate(PLACE)
        with pytest.raises(errors.UnexpectedAnswer, match=r"^validate Group: the answer is no OperationOutcome"):
            one.validate({"resourceType": "Group"})


def test_history(server: Any) -> None:
    """Versions come newest first, over all pages; a deleted one has no resource, and is known by its request."""
    deleted = {"request": {"method": "DELETE", "url": "Location/a"}, "response": {"status": "204", "etag": 'W/"3"'}}
    updated = {
        "fullUrl": f"{BASE}/Location/a",
        "resource": {**PLACE, "meta": {"versionId": "2", "lastUpdated": "2024-01-02T00:00:00Z"}},
        "request": {"method": "PUT", "url": "Location/a"},
    }
    created = {
        "resource": PLACE,
        "request": {"method": "POST", "url": "Location"},
        "response": {"status": "201", "location": "Location/a/_history/1", "lastModified": "2024-01-01T00:00:00Z"},
    }
    link = [{"relation": "next", "url": f"{BASE}/Location/a/_history?page=2"}]
    server.get(f"{BASE}/Location/a/_history?page=2", json={"resourceType": "Bundle", "entry": [created]})
    server.get(
        f"{BASE}/Location/a/_history", json={"resourceType": "Bundle", "entry": [deleted, updated], "link": link}
    )
    with client() as one:
        found = list(one.history("Location", "a"))

    assert found == [
        Version(reference="Location/a", version="3", method="DELETE"),
        Version(
            reference="Location/a",
            version="2",
            method="PUT",
            last_modified="2024-01-02T00:00:00Z",
            resource=updated["resource"],
        ),
        Version(
            reference="Location/a", version="1", method="POST", last_modified="2024-01-01T00:00:00Z", resource=PLACE
        ),
    ]
    assert [each.deleted for each in found] == [True, False, False]


# Bundles


def answered(*entries: Any, kind: str = "transaction-response") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def test_transaction(server: Any) -> None:
    """A transaction's answer has one result for each entry, in their order."""
    server.post(
        BASE,
        json=answered(
            {"response": {"status": "201 Created", "location": "Location/a/_history/1", "etag": "1"}},
            {
                "response": {
                    "status": "200 OK",
                    "location": "Location/b/_history/1",
                    "etag": "1",
                    "outcome": hapi("SUCCESSFUL_UPDATE_WITH_CONDITIONAL_MATCH_NO_CHANGE"),
                }
            },
            {"response": {"status": "204"}},
        ),
    )
    gone = {"request": {"method": "DELETE", "url": "Location/c"}}
    with client() as one:
        answer = one.transaction(transaction(put("a"), put("b"), gone))

    assert [(each.status, each.reference, each.version, each.change) for each in answer.entries] == [
        (201, "Location/a", "1", "created"),
        (200, "Location/b", "1", "unchanged"),
        (204, "", "", "deleted"),
    ]
    assert isinstance(answer.entries[0], Written)
    assert (answer.errors, answer.again, answer.attempts) == ({}, (), 1)


def test_batch_with_failures(server: Any) -> None:
    """What failed of a batch is said by index and study; what the server had no time for may be sent again alone."""
    server.post(
        BASE,
        json=answered(
            {"response": {"status": "200"}},
            {"response": {"status": "429 Too Many Requests"}},
            {"response": {"status": "422", "outcome": outcome("HAPI-0541: no such reference")}},
            {"response": {}},
            kind="batch-response",
        ),
        headers={"X-Request-ID": "r1"},
    )
    with client() as one:
        answer = one.batch(transaction(*[put()] * 4, kind="batch"), studies=["NCT0", "NCT1", "NCT2", "NCT3"])

    assert answer.again == (1,)
    assert {index: (type(error), str(error)) for index, error in answer.errors.items()} == {
        1: (errors.Throttled, "batch of 4 entries: 429 Too Many Requests (NCT1, entry 1, request r1)"),
        2: (
            errors.Refused,
            f"batch of 4 entries: {answer.errors[2].message} (NCT2, entry 2, request r1)",
        ),
        3: (
            errors.UnexpectedAnswer,
            "batch of 4 entries: the answer to this entry has no status (NCT3, entry 3, request r1)",
        ),
    }
    assert answer.errors[2].message.endswith(": error: HAPI-0541: no such reference")
    assert (answer.errors[2].server_code, answer.errors[2].entry, answer.errors[2].study) == ("HAPI-0541", 2, "NCT2")


def test_entries_that_failed_alone_are_sent_again_alone(server: Any) -> None:
    """Of a transaction done as a batch only the entries that failed for a moment are sent again, and put in place."""
    done = {"response": {"status": "200", "location": "Location/x/_history/7"}}
    busy, broken = {"response": {"status": "429"}}, {"response": {"status": "422"}}
    server.post(BASE, json=answered(done, busy, broken, busy, {"response": {"status": "500"}}))
    server.post(BASE, json=answered(busy, done, done))
    server.post(BASE, json=answered(done))
    noticed: list[Resend] = []
    names = [f"NCT{number}" for number in range(5)]
    with client(noticed=noticed.append) as one:
        answer = one.transaction(transaction(*map(put, "abcde")), studies=names)
        assert one.tally.again == {"429": 2}

    sent = [[each["resource"]["id"] for each in orjson.loads(call.request.body)["entry"]] for call in server.calls]
    assert sent == [list("abcde"), ["b", "d", "e"], ["b"]]
    assert [each.version for each in answer.entries] == ["7", "7", "", "7", "7"]
    assert {place: (error.status, error.entry, error.study) for place, error in answer.errors.items()} == {
        2: (422, 2, "NCT2")
    }
    assert [each.attempt for each in noticed] == [1, 2]
    assert answer.attempts == 3


def test_entries_that_are_not_sent_again_alone(server: Any) -> None:
    """Not those that name each other, and not what could be done twice; what cannot be sent stays as it failed."""
    post = {"resource": PLACE, "request": {"method": "POST", "url": "Location"}}
    for entry, status in ((put() | {"fullUrl": "urn:uuid:1"}, 429), (post, 500), (put("a", ifMatch='W/"1"'), 500)):
        server.post(BASE, json=answered({"response": {"status": str(status)}}))
        with client() as one:
            assert one.transaction(transaction(entry)).errors[0].status == status
    assert len(server.calls) == 3
    server.reset()
    server.post(BASE, json=answered({"response": {"status": "429"}}))
    server.post(BASE, status=400)
    with client() as one:
        assert one.transaction(transaction(put())).errors[0].status == 429
    assert len(server.calls) == 2


OK = {"response": {"status": "200"}}


@pytest.mark.parametrize(
    ("content", "text", "read"),
    [
        (answered(OK, OK, kind="batch-response"), "the answer is a 'batch-response', not a 'transaction-response'", 2),
        (answered(OK), "the answer has 1 entries", 1),
        (answered(OK, OK, OK), "the answer has 3 entries", 3),
        (answered(OK, None, 1), "the answer has 3 entries", 3),
        ({"resourceType": "Bundle", "type": "transaction-response"}, "the answer has 0 entries", 0),
        (outcome("fine", severity="information"), "200 OK, but the answer is no Bundle", None),
        (None, "200 OK, but the answer is no Bundle", None),
    ],
)
def test_answers_that_are_not_those_of_a_transaction(server: Any, content: Any, text: str, read: int | None) -> None:
    """An answer of another type or length is an error that has what could be read: perhaps a part was done."""
    server.post(BASE, json=content, headers={"X-Request-ID": "r1"})
    with pytest.raises(errors.UnexpectedAnswer) as caught, client() as one:
        one.transaction(transaction(put("a"), put("b")))

    assert str(caught.value) == f"transaction of 2 entries: {text} (request r1)"
    assert (None if caught.value.answer is None else len(caught.value.answer.entries)) == read


def test_bundle_of_the_other_kind(server: Any) -> None:
    """A batch is not sent where a transaction is meant: the one is all or nothing, the other is not."""
    with client() as one:
        with pytest.raises(UsageError, match=r"^the bundle is a 'batch', not a 'transaction'$"):
            one.transaction(transaction(put(), kind="batch"))
        with pytest.raises(UsageError, match=r"^the bundle is a 'transaction', not a 'batch'$"):
            one.batch(transaction(put()))
    assert len(server.calls) == 0


@pytest.mark.parametrize("agent", ["night\r\nX: y", "nächtlich"])
def test_user_agent(agent: str) -> None:
    """A user agent that no header could carry is refused."""
    with pytest.raises(UsageError, match=r"^the user agent holds a letter that a header cannot carry$"):
        client(user_agent=agent)
