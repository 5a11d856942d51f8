"""What happens to a request on its way: statuses, retries, redirects, packing, and the errors' exact texts."""

from __future__ import annotations

import gzip
import logging
import pickle
from typing import Any

import orjson
import pytest
import requests

from fhirtrial.errors import FhirtrialError
from fhirtrial.server import errors
from fhirtrial.server.connection import Connection
from fhirtrial.server.courier import Resend
from fhirtrial.server.retry import Retry
from tests.server.tools import BASE, Clock, client, outcome, put, transaction

PLACE = {"resourceType": "Location", "id": "a", "name": "A place"}
DONE = {"resourceType": "Bundle", "type": "transaction-response", "entry": [{"response": {"status": "200 OK"}}]}
ID = {"X-Request-ID": "req-1"}


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [
        (400, errors.Refused, "400 Bad Request"),
        (401, errors.AuthError, "401 Unauthorized"),
        (403, errors.AuthError, "403 Forbidden"),
        (404, errors.NotFound, "404 Not Found"),
        (405, errors.Refused, "405 Method Not Allowed"),
        (407, errors.AuthError, "407 Proxy Authentication Required"),
        (408, errors.TooLarge, "408 Request Timeout"),
        (409, errors.Conflict, "409 Conflict"),
        (410, errors.NotFound, "410 Gone"),
        (412, errors.PreconditionFailed, "412 Precondition Failed"),
        (413, errors.TooLarge, "413 "),
        (422, errors.Refused, "422 Unprocessable "),
        (429, errors.Throttled, "429 Too Many Requests"),
        (499, errors.Refused, "499"),
        (500, errors.ServerFault, "500 Internal Server Error"),
        (503, errors.ServerFault, "503 Service Unavailable"),
        (599, errors.ServerFault, "599"),
    ],
)
def test_each_status_has_its_error(server: Any, status: int, kind: type[errors.ServerError], text: str) -> None:
    """A status becomes its class of error, with its name and what the server said."""
    server.get(f"{BASE}/Location/a", json=outcome("HAPI-0001: No."), status=status, headers=ID)
    with pytest.raises(errors.ServerError) as caught, client(retry=Retry(attempts=1)) as one:
        one.read("Location", "a")

    error = caught.value
    assert type(error) is kind
    assert str(error).startswith(f"read Location/a: {text}")
    assert str(error).endswith(": error: HAPI-0001: No. (request req-1)")
    assert (error.status, error.server_code, error.request_id) == (status, "HAPI-0001", "req-1")
    assert error.facts.server == BASE


def test_every_error_is_in_the_tree() -> None:
    """Whoever catches the library's base class catches all of them, and each comes back whole from another process."""
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    facts = errors.Facts(what="read Location/a", status=500, entry=3, study="NCT1")

    assert len(kinds) == 14
    for kind in kinds:
        assert issubclass(kind, FhirtrialError)
        if kind is not FhirtrialError:
            again = pickle.loads(pickle.dumps(kind("No.", facts)))
            assert (type(again), str(again), again.facts) == (kind, str(kind("No.", facts)), facts)


def test_text_with_everything(server: Any) -> None:
    """The text of an error names the study, the entry, the request and how often it was tried."""
    conflict = outcome("HAPI-0550: lock", expression=["Bundle.entry[1]"])
    server.post(BASE, json=conflict, status=409, headers=ID)
    clock = Clock()
    with pytest.raises(errors.Conflict) as caught, client(clock=clock) as one:
        one.transaction(transaction(put(), put("b")), studies=["NCT1", "NCT2"])

    assert str(caught.value) == (
        "transaction of 2 entries: 409 Conflict: error: HAPI-0550: lock at Bundle.entry[1] "
        "(NCT2, entry 1, request req-1, 5 attempts)"
    )
    assert (caught.value.entry, caught.value.study) == (1, "NCT2")
    assert clock.slept == [0.25, 0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("content_type", "body", "text"),
    [
        (
            "text/html",
            "<html><head><title>x</title></head><h1>502 Bad\nGateway</h1><p>nginx</p>",
            "502 Bad Gateway nginx",
        ),
        ("text/plain", "upstream is down\x1b[31m", "upstream is down\N{REPLACEMENT CHARACTER}[31m"),
        ("application/json", '{"error": "quota"}', '{"error": "quota"}'),
        ("application/fhir+json", '{"resourceType": "OperationOutcome"', '{"resourceType": "OperationOutcome"'),
        ("text/plain", "x" * 300, "x" * 200 + " …"),
    ],
)
def test_answers_that_are_not_fhir(server: Any, content_type: str, body: str, text: str) -> None:
    """What a proxy says is shown in one line, without markup and without what a terminal would obey."""
    server.get(f"{BASE}/metadata", body=body, status=502, content_type=content_type, headers=ID)
    with pytest.raises(errors.ServerFault) as caught, client(retry=Retry(attempts=1)) as one:
        one.capabilities()

    assert str(caught.value) == f"capabilities: 502 Bad Gateway: {text} (request req-1)"


def test_nothing_said(server: Any) -> None:
    """An error without a body says its status alone."""
    server.get(f"{BASE}/metadata", status=404, headers=ID)
    with pytest.raises(errors.NotFound, match=r"^capabilities: 404 Not Found \(request req-1\)$"), client() as one:
        one.capabilities()


def test_same_bytes_until_it_works(server: Any) -> None:
    """A transaction that lost a race is sent again, the same bytes, after the waits that were decided."""
    for status in (409, 503, 429):
        content = outcome("HAPI-0825: lock") if status == 409 else None
        server.post(BASE, json=content, status=status, headers={"Retry-After": "20"} if status == 429 else {})
    server.post(BASE, json=DONE)
    clock, resent = Clock(), list[Resend]()
    with client(clock=clock, noticed=resent.append) as one:
        answer = one.transaction(transaction(put()))

    assert (answer.attempts, answer.throttled) == (4, 1)
    assert clock.slept == [0.25, 0.5, 20.0]
    assert [(each.what, each.attempt, each.status, each.wait) for each in resent] == [
        ("transaction of 1 entry", 1, 409, 0.25),
        ("transaction of 1 entry", 2, 503, 0.5),
        ("transaction of 1 entry", 3, 429, 20.0),
    ]
    assert len({call.request.body for call in server.calls}) == 1
    assert len({call.request.headers["X-Request-ID"] for call in server.calls}) == 4


@pytest.mark.parametrize(("status", "calls"), [(503, 1), (502, 1), (504, 1), (500, 1), (429, 6)])
def test_create_is_not_sent_blindly(server: Any, status: int, calls: int) -> None:
    """A create without condition is sent again only where the server has certainly not done it."""
    server.post(f"{BASE}/Location", status=status)
    with pytest.raises(errors.ServerError), client() as one:
        one.create(PLACE)

    assert len(server.calls) == calls


@pytest.mark.parametrize(
    ("error", "calls", "perhaps_done"),
    [(requests.ConnectionError("reset"), 1, True), (requests.ConnectTimeout(), 6, False)],
)
def test_create_that_got_lost(server: Any, error: Exception, calls: int, perhaps_done: bool) -> None:
    """Where the answer to a create got lost it is said that it may have been done; without a connection it is tried on."""
    server.post(f"{BASE}/Location", body=error)
    with pytest.raises(errors.Unreachable) as caught, client() as one:
        one.create(PLACE)

    assert len(server.calls) == calls
    assert caught.value.perhaps_done is perhaps_done
    assert caught.value.status is None


def test_retry_of_one_call(server: Any) -> None:
    """A call can say how often it is tried."""
    server.post(BASE, status=503)
    with pytest.raises(errors.ServerFault), client() as one:
        one.transaction(transaction(put()), retry=Retry(attempts=2))

    assert len(server.calls) == 2


def test_told_to_come_back_later(server: Any) -> None:
    """A wait that is too long is not waited: the error says how long it would have been."""
    server.post(BASE, status=429, headers={"Retry-After": "3600"})
    clock = Clock()
    with pytest.raises(errors.Throttled) as caught, client(clock=clock) as one:
        one.transaction(transaction(put()))

    assert caught.value.facts.retry_after == 3600
    assert clock.slept == []


def test_bundle_that_takes_too_long_can_be_made_smaller(server: Any) -> None:
    """408 and 413 of a bundle are not tried again: a smaller one may go."""
    server.post(BASE, status=408)
    with pytest.raises(errors.TooLarge), client() as one:
        one.transaction(transaction(put(), put("b")))

    assert len(server.calls) == 1


# Redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_reading_follows_redirects_below_the_base(server: Any, status: int) -> None:
    """A read follows a redirect that stays below the base address."""
    server.get(f"{BASE}/Location/a", status=status, headers={"Location": "/r4/Location/b"})
    server.get(f"{BASE}/Location/b", json=PLACE)
    with client() as one:
        assert one.read("Location", "a") == PLACE


@pytest.mark.parametrize("status", [307, 308])
def test_writing_follows_redirects_that_keep_the_body(server: Any, status: int) -> None:
    """A write follows where method and body are kept."""
    server.put(f"{BASE}/Location/a", status=status, headers={"Location": f"{BASE}/x/Location/a"})
    server.put(f"{BASE}/x/Location/a", status=200)
    with client() as one:
        one.update(PLACE)

    assert [orjson.loads(call.request.body) for call in server.calls] == [PLACE, PLACE]


@pytest.mark.parametrize("status", [301, 302, 303])
def test_writing_does_not_lose_its_body(server: Any, status: int) -> None:
    """A write does not follow where it would become a read."""
    server.put(f"{BASE}/Location/a", status=status, headers={"Location": f"{BASE}/x?secret=1", **ID})
    with pytest.raises(errors.Refused) as caught, client() as one:
        one.update(PLACE)

    assert "the redirect to https://fhir.example.org/r4/x is not followed, for it would lose the body" in str(
        caught.value
    )
    assert "secret" not in str(caught.value)
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("https://evil.example/r4/Location/a?token=1", "its host is evil.example, not fhir.example.org"),
        ("http://fhir.example.org/r4/Location/a", "its scheme is http, not https"),
        ("https://fhir.example.org:444/r4/Location/a", "its port is 444, not 443"),
        ("https://fhir.example.org/login", "its path is not below /r4"),
        ("//evil.example/r4", "its host is evil.example, not fhir.example.org"),
        ("https://fhir.example.org@evil.example/r4", "it holds a user before the host; credentials are given apart"),
        ("/r4/../admin", "its path is not below /r4"),
        ("/r4/%2e%2e/admin", "its path holds . or .."),
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_no_redirect_leads_away(server: Any, location: str, why: str, method: str) -> None:
    """A redirect to another scheme, host, port or path is not followed, and it is said what it was."""
    server.add(method, f"{BASE}/Location/a", status=307, headers={"Location": location})
    with pytest.raises(errors.ForeignLink) as caught, client() as one:
        one.read("Location", "a") if method == "GET" else one.update(PLACE)

    assert "307 Temporary Redirect: the redirect to " in str(caught.value)
    assert f" is not followed: {why}" in str(caught.value)
    assert "if it is right, give it as the base address" in str(caught.value)
    assert "token" not in str(caught.value)
    assert len(server.calls) == 1


def test_redirects_without_end(server: Any) -> None:
    """A server that redirects in a circle is asked six times at most; one that redirects to the same place, once."""
    server.get(f"{BASE}/Location/a", status=302, headers={"Location": f"{BASE}/Location/b"})
    server.get(f"{BASE}/Location/b", status=302, headers={"Location": f"{BASE}/Location/a"})
    with pytest.raises(errors.Refused, match=r"302 Found: the redirects go on without end"), client() as one:
        one.read("Location", "a")
    assert len(server.calls) == 6

    server.get(f"{BASE}/Location/c", status=302, headers={"Location": f"{BASE}/Location/c"})
    with pytest.raises(errors.Refused, match=r"302 Found: the redirects go on without end"), client() as one:
        one.read("Location", "c")
    assert len(server.calls) == 7


def test_redirect_to_nowhere(server: Any) -> None:
    """A redirect that does not say where is an error like others."""
    server.get(f"{BASE}/Location/a", status=302)
    with pytest.raises(errors.Refused, match=r"^read Location/a: 302 Found"), client() as one:
        one.read("Location", "a")


# Packing

LARGE = transaction(*[put(f"a-{number}") for number in range(40)])
LARGE_DONE = {**DONE, "entry": DONE["entry"] * 40}


def packed(call: Any) -> bool:
    return bool(call.request.headers.get("Content-Encoding") == "gzip")


def test_bodies_are_packed_if_wanted(server: Any) -> None:
    """With gzip a large body is packed, a small one is not; without, none is."""
    server.post(BASE, json=LARGE_DONE)
    server.put(f"{BASE}/Location/a", status=200)
    with client(connection=Connection(gzip=True)) as one:
        one.transaction(LARGE)
        one.update(PLACE)
    with client() as one:
        one.transaction(LARGE)

    assert [packed(call) for call in server.calls] == [True, False, False]
    assert gzip.decompress(server.calls[0].request.body) == server.calls[2].request.body


@pytest.mark.parametrize("status", [400, 415])
def test_a_server_that_takes_nothing_packed(server: Any, status: int) -> None:
    """Where what is packed is refused and the same unpacked is taken, nothing is packed any more."""
    server.post(BASE, status=status)
    server.post(BASE, json=LARGE_DONE)
    server.post(BASE, json=LARGE_DONE)
    with client(connection=Connection(gzip=True)) as one:
        answer = one.transaction(LARGE)
        one.transaction(LARGE)

    assert [packed(call) for call in server.calls] == [True, False, False]
    assert answer.attempts == 2


def test_a_bundle_that_is_wrong_is_not_the_packing(server: Any) -> None:
    """Where the unpacked body is refused as well, packing is not to blame; once it has worked, it is not doubted."""
    server.post(BASE, status=400)
    server.post(BASE, json=outcome("bad"), status=400)
    server.post(BASE, json=LARGE_DONE)
    server.post(BASE, json=outcome("bad"), status=400)
    with client(connection=Connection(gzip=True)) as one:
        with pytest.raises(errors.Refused):
            one.transaction(LARGE)
        one.transaction(LARGE)
        with pytest.raises(errors.Refused):
            one.transaction(LARGE)

    assert [packed(call) for call in server.calls] == [True, False, True, True]


# What is sent, and what is written down


def test_headers(server: Any) -> None:
    """Each request says who we are and what it wants; nothing is sent that was not meant."""
    server.get(f"{BASE}/metadata", json={"resourceType": "CapabilityStatement"}, headers={"Set-Cookie": "a=b"})
    with client(user_agent="night-load/2") as one:
        one.capabilities()
        one.capabilities()
    headers = dict(server.calls[1].request.headers)

    assert headers.pop("User-Agent").startswith("night-load/2 fhirtrial/")
    assert len(headers.pop("X-Request-ID")) == 32
    assert headers == {"Accept": "application/fhir+json", "Accept-Encoding": "gzip"}


def test_log_has_no_values(server: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A line of the log says what was wanted, and has method, status and request; no address, no body."""
    server.get(f"{BASE}/Location", json={"resourceType": "Bundle"}, headers=ID)
    with caplog.at_level(logging.DEBUG), client() as one:
        list(one.search("Location", {"name": "hush"}))
    ours = [record.getMessage() for record in caplog.records if record.name == "fhirtrial.server"]

    assert len(ours) == 1
    assert ours[0].startswith("search Location (GET): 200 in 0.000 s (attempt 1, request ")
    assert "hush" not in ours[0]
