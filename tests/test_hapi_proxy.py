"""The proxy does to each exchange what its plan says, and tells what it did. HAPI is not needed for this."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice

import orjson
import pytest

from tests.hapi.faults import (
    PASSING,
    Busy,
    Conflict,
    Cut,
    Delay,
    EntriesFail,
    Fault,
    Gateway,
    Lost,
    Reset,
    randomly,
)
from tests.hapi.proxy import Exchange, FaultyProxy


class Echo(ThreadingHTTPServer):
    """A server that answers to a bundle as a FHIR server does, to anything else with what it got, and keeps count."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, bytes]] = []
        self.base_url = f"http://127.0.0.1:{self.server_port}/fhir"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Echo

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, body))
        if body.startswith(b'{"resourceType":"Bundle"'):
            bundle = orjson.loads(body)
            entries = [{"response": {"status": "201 Created", "location": each["id"]}} for each in bundle["entry"]]
            body = orjson.dumps({"resourceType": "Bundle", "type": f"{bundle['type']}-response", "entry": entries})
        self.send_response(404 if self.path.endswith("/absent") else 200)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("X-Host", self.headers["Host"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Echo]:
    with Echo() as echo:
        thread = threading.Thread(target=echo.serve_forever, args=(0.02,))
        thread.start()
        yield echo
        echo.shutdown()
        thread.join()


Answered = tuple[int, dict[str, str], bytes]


def ask(proxy: FaultyProxy, body: bytes = b"hello", path: str = "/x", method: str = "POST") -> Answered:
    """The answer to a request over a new connection: status, headers, body."""
    host, _, base = proxy.base_url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request(method, f"/{base}{path}", body)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def bundle(count: int) -> bytes:
    entries = [{"id": str(place)} for place in range(count)]
    return orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def statuses(body: bytes) -> list[str]:
    return [each["response"]["status"][:3] for each in orjson.loads(body)["entry"]]


def test_without_a_plan_all_is_passed_on(server: Echo) -> None:
    """Path, query, body, status and headers arrive as they were sent; the server's links would lead to the proxy."""
    with FaultyProxy(server.base_url) as proxy:
        status, headers, body = ask(proxy, b"what", "/Organization?identifier=a%7Cb")
        assert (status, body) == (200, b"what")
        assert headers["Content-Type"] == "application/fhir+json"
        assert headers["X-Host"] == proxy.base_url.removeprefix("http://").partition("/")[0]
        assert ask(proxy, path="/absent")[0] == 404
    assert server.seen[0] == ("POST", "/fhir/Organization?identifier=a%7Cb", b"what")
    assert [(each.fault, each.server, each.client) for each in proxy.exchanges] == [("", 200, 200), ("", 404, 404)]


def test_a_connection_is_kept(server: Echo) -> None:
    """Clients that keep connections, as all good ones do, can use one for many exchanges."""
    with FaultyProxy(server.base_url, [None, Busy(429), None]) as proxy:
        host, _, base = proxy.base_url.removeprefix("http://").partition("/")
        connection = http.client.HTTPConnection(host, timeout=10)
        found = []
        for _ in range(3):
            connection.request("POST", f"/{base}/x", b"hello")
            answer = connection.getresponse()
            answer.read()
            found.append(answer.status)
            assert connection.sock is not None
        connection.close()
    assert found == [200, 429, 200]


@pytest.mark.parametrize(
    ("fault", "error", "asked"),
    [
        (Reset(), ConnectionResetError, 0),
        (Reset(reset=False), http.client.RemoteDisconnected, 0),
        (Lost(), ConnectionResetError, 1),
        (Lost(reset=False), http.client.RemoteDisconnected, 1),
        (Cut(), http.client.IncompleteRead, 1),
        (Cut(0), http.client.IncompleteRead, 1),
    ],
    ids=str,
)
def test_no_answer(server: Echo, fault: Fault, error: type[Exception], asked: int) -> None:
    """A reset is a reset, a close a close, a cut body ends too early; the server was asked, or was not."""
    with FaultyProxy(server.base_url, [fault]) as proxy:
        with pytest.raises(error) as raised:
            ask(proxy)
        assert type(raised.value) is error
        assert ask(proxy)[0] == 200
        assert len(server.seen) == asked + 1
        assert proxy.exchanges[0] == Exchange("POST", "/x", type(fault).__name__, 200 if asked else None, None)


def test_half_of_a_body_arrives(server: Echo) -> None:
    """What was cut is the beginning of the server's answer."""
    with FaultyProxy(server.base_url, [Cut(0.4)]) as proxy, pytest.raises(http.client.IncompleteRead) as raised:
        ask(proxy, b"0123456789")
    assert raised.value.partial == b"0123"
    assert raised.value.expected == 6


def test_a_delay_is_passed_on_late(server: Echo) -> None:
    """The exchange itself is not harmed."""
    with FaultyProxy(server.base_url, [Delay(0.2)]) as proxy:
        started = time.monotonic()
        assert ask(proxy)[::2] == (200, b"hello")
        assert time.monotonic() - started >= 0.2


def test_an_end_does_not_wait_for_a_delay(server: Echo) -> None:
    """A test that has seen enough is not held up."""
    delayed = threading.Event()

    def when(_: object) -> bool:
        delayed.set()
        return True

    with ThreadPoolExecutor(1) as pool:
        with FaultyProxy(server.base_url, [Delay(60)], when) as proxy:
            waiting = pool.submit(ask, proxy)
            delayed.wait(10)
            started = time.monotonic()
        assert waiting.result()[0] == 200
    assert time.monotonic() - started < 10


def test_busy(server: Echo) -> None:
    """Retry-After is in seconds, a date, or not there; the server is not asked."""
    plan = [Busy(429, 7), Busy(503, 60, as_date=True), Busy(503)]
    with FaultyProxy(server.base_url, plan) as proxy:
        (first, second, third) = (ask(proxy) for _ in range(3))
    assert (first[0], first[1]["Retry-After"]) == (429, "7")
    assert second[0] == 503
    assert 50 < parsedate_to_datetime(second[1]["Retry-After"]).timestamp() - time.time() < 70
    assert third[0] == 503
    assert "Retry-After" not in third[1]
    assert orjson.loads(first[2])["issue"][0]["code"] == "throttled"
    assert server.seen == []


def test_conflict(server: Echo) -> None:
    """The loser of a race gets what HAPI says then, and nothing was stored."""
    with FaultyProxy(server.base_url, [Conflict()]) as proxy:
        status, _, body = ask(proxy)
    assert status == 409
    assert orjson.loads(body)["issue"][0]["diagnostics"].startswith("HAPI-0550: HAPI-0825: ")
    assert server.seen == []


@pytest.mark.parametrize("after", [False, True])
def test_gateway(server: Echo, after: bool) -> None:
    """A page that is not FHIR, before or after the server did what it was asked to."""
    with FaultyProxy(server.base_url, [Gateway(504, after=after)]) as proxy:
        status, headers, body = ask(proxy)
        assert proxy.exchanges == [Exchange("POST", "/x", "Gateway", 200 if after else None, 504)]
    assert (status, headers["Content-Type"], body[:6]) == (504, "text/html", b"<html>")
    assert len(server.seen) == after


@pytest.mark.parametrize("status", [422, 429, 500])
def test_all_entries_fail(server: Echo, status: int) -> None:
    """A transaction-response with 200, of whose entries none was carried out."""
    with FaultyProxy(server.base_url, [EntriesFail(status)]) as proxy:
        answered, _, body = ask(proxy, bundle(3))
    assert answered == 200
    assert orjson.loads(body)["type"] == "transaction-response"
    assert statuses(body) == [str(status)] * 3
    assert orjson.loads(body)["entry"][0]["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert server.seen == []


def test_some_entries_fail(server: Echo) -> None:
    """The others reach the server, and their answers stand at their places."""
    with FaultyProxy(server.base_url, [EntriesFail(429, [0, 2])]) as proxy:
        _, _, body = ask(proxy, bundle(4))
    assert statuses(body) == ["429", "201", "429", "201"]
    assert [each["response"].get("location") for each in orjson.loads(body)["entry"]] == [None, "1", None, "3"]
    assert [each["id"] for each in orjson.loads(server.seen[0][2])["entry"]] == ["1", "3"]


def test_entries_of_what_is_no_bundle(server: Echo) -> None:
    """A search has no entries that could fail: it is passed on."""
    with FaultyProxy(server.base_url, [EntriesFail(429)]) as proxy:
        assert ask(proxy)[2] == b"hello"


def test_the_plan_is_for_some_requests_only(server: Echo) -> None:
    """What the plan is not for takes nothing from it."""
    only: Callable[[object], bool] = lambda request: request.method == "POST"  # type: ignore[attr-defined] # noqa: E731
    with FaultyProxy(server.base_url, [Busy(429), None, Busy(503)], only) as proxy:
        asked = [ask(proxy, method=method)[0] for method in ("GET", "POST", "GET", "POST", "POST", "POST")]
    assert asked == [200, 429, 200, 200, 503, 200]
    assert proxy.counts == {"": 4, "Busy": 2}


def test_a_server_that_is_gone() -> None:
    """While the server is restarted its clients get a reset, as without the proxy."""
    with Echo() as echo:
        target = echo.base_url
    with FaultyProxy(target) as proxy, pytest.raises(ConnectionResetError):
        ask(proxy)


def test_the_same_seed_makes_the_same_plan() -> None:
    """What was random can be run again; another seed is another plan, and each fault has its turn."""
    first, again, other = (list(islice(randomly(seed), 1000)) for seed in (1, 1, 2))
    assert first == again != other
    assert 200 < sum(fault is not None for fault in first) < 400
    assert {fault for fault in first if fault} == set(PASSING)


def test_many_clients_at_once(server: Echo) -> None:
    """The plan is used up exactly, whichever client is first, and the account is complete."""
    plan = list(islice(randomly(3, [Busy(429), Reset(), Lost()], 0.5), 100))

    def client(_: int) -> int:
        try:
            return ask(proxy)[0]
        except OSError:
            return 0

    with FaultyProxy(server.base_url, plan) as proxy, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(client, range(120)))
        assert len(proxy.exchanges) == 120
        assert proxy.counts == {
            "": 20 + sum(fault is None for fault in plan),
            **{kind.__name__: sum(isinstance(fault, kind) for fault in plan) for kind in (Busy, Reset, Lost)},
        }
        assert sum(status == 429 for status in found) == proxy.counts["Busy"]
        assert sum(status == 0 for status in found) == proxy.counts["Reset"] + proxy.counts["Lost"]
        assert len(server.seen) == 120 - proxy.counts["Busy"] - proxy.counts["Reset"]
