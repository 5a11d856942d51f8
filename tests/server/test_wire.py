"""What only a real connection shows: answers cut short, resets, slowness, redirects across ports, cookies, threads."""

from __future__ import annotations

import gzip
import os
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from fhirtrial.server import errors
from fhirtrial.server.connection import Connection, Timeouts
from fhirtrial.server.retry import Retry
from fhirtrial.server.secret import Secret
from tests.server.tools import Clock, Exchange, client, put, serving, transaction

PLACE = {"resourceType": "Location", "id": "a"}
ONCE = Retry(attempts=1)
JSON = "application/fhir+json"


def test_answer_cut_short() -> None:
    """An answer that ends before its length is no answer; a read is sent again, and then is whole."""

    def handle(exchange: Exchange) -> None:
        if len(server.seen) < 3:
            exchange.raw(200, {"Content-Type": JSON, "Content-Length": "1000"}, b'{"resourceType"')
            exchange.hang_up()
        else:
            exchange.answer(200, PLACE)

    with serving(handle) as server, client(server.base) as one:
        assert one.read("Location", "a") == PLACE
        assert len(server.seen) == 3


def test_create_cut_short() -> None:
    """A create whose answer was cut short is not sent again: it may have been done."""

    def handle(exchange: Exchange) -> None:
        exchange.raw(201, {"Content-Type": JSON, "Content-Length": "1000"}, b"{")
        exchange.hang_up()

    with serving(handle) as server, client(server.base) as one:
        with pytest.raises(
            errors.Unreachable, match=r"^create Location: the answer is cut short or garbled \("
        ) as caught:
            one.create(PLACE)
        assert len(server.seen) == 1
    assert caught.value.perhaps_done


def test_chunks_cut_short() -> None:
    """An answer in chunks whose last is missing is no answer."""

    def handle(exchange: Exchange) -> None:
        exchange.raw(200, {"Content-Type": JSON, "Transfer-Encoding": "chunked"}, b"ff\r\n{")
        exchange.hang_up()

    with serving(handle) as server, client(server.base, retry=ONCE) as one:
        with pytest.raises(errors.Unreachable, match=r"the answer is cut short or garbled"):
            one.read("Location", "a")


def test_json_cut_short() -> None:
    """An answer that ends in the middle of its JSON is no answer, whatever its length says."""

    def handle(exchange: Exchange) -> None:
        exchange.answer(200, b'{"resourceType": "Loc')

    with serving(handle) as server, client(server.base, retry=ONCE) as one:
        with pytest.raises(errors.Unreachable, match=r"the answer is cut short, or is no JSON"):
            one.read("Location", "a")


def chunks(body: bytes, size: int) -> bytes:
    parts = [body[place : place + size] for place in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_packed_answer_in_chunks() -> None:
    """An answer that is packed and comes in chunks of few bytes is unpacked and whole."""
    large = {**PLACE, "description": "long " * 20_000}

    def handle(exchange: Exchange) -> None:
        body = gzip.compress(orjson.dumps(large))
        headers = {"Content-Type": JSON, "Transfer-Encoding": "chunked", "Content-Encoding": "gzip"}
        exchange.raw(200, headers, chunks(body, 7))

    with serving(handle) as server, client(server.base) as one:
        assert one.read("Location", "a") == large
        assert server.seen[0].headers["accept-encoding"] == "gzip"


def test_packed_answer_that_is_garbled() -> None:
    """An answer that says it is packed and is not is no answer."""

    def handle(exchange: Exchange) -> None:
        exchange.answer(200, b"nonsense", **{"Content-Encoding": "gzip"})

    with serving(handle) as server, client(server.base, retry=ONCE) as one:
        with pytest.raises(errors.Unreachable, match=r"the answer is cut short or garbled"):
            one.read("Location", "a")


def test_answer_too_long() -> None:
    """An answer that unpacks to more than it may is given up, not held in memory, and not asked for again."""

    def handle(exchange: Exchange) -> None:
        exchange.answer(200, gzip.compress(b" " * 50_000_000), **{"Content-Encoding": "gzip"})

    with serving(handle) as server, client(server.base, connection=Connection(longest_answer=1_000_000)) as one:
        with pytest.raises(
            errors.UnexpectedAnswer, match=r"^read Location/a: the answer is longer than 1,000,000 bytes"
        ):
            one.read("Location", "a")
        assert len(server.seen) == 1


def test_reset() -> None:
    """A connection that is reset is lost; what may be done twice is sent again."""

    def handle(exchange: Exchange) -> None:
        if len(server.seen) < 2:
            connection: socket.socket = exchange.handler.connection
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(connection.detach())
            exchange.hang_up()
        else:
            exchange.answer(
                200,
                {"resourceType": "Bundle", "type": "transaction-response", "entry": [{"response": {"status": "200"}}]},
            )

    with serving(handle) as server, client(server.base) as one:
        assert one.transaction(transaction(put())).attempts == 2


def test_slow_answer() -> None:
    """A server that says nothing for too long is given up, and it is said for how long."""
    done = threading.Event()

    def handle(exchange: Exchange) -> None:
        done.wait(10)
        exchange.hang_up()

    connection = Connection(timeouts=Timeouts(silence=0.05))
    with serving(handle) as server, client(server.base, retry=ONCE, connection=connection) as one:
        with pytest.raises(errors.Unreachable, match=r"^read Location/a: no answer for 0.05 s \(") as caught:
            one.read("Location", "a")
        done.set()
    assert caught.value.perhaps_done


def test_answer_that_drips() -> None:
    """An answer that comes, but too slowly as a whole, is given up."""
    clock = Clock()

    def handle(exchange: Exchange) -> None:
        exchange.raw(200, {"Content-Type": JSON, "Content-Length": "200000"}, b" " * 70_000)
        clock.now += 601
        exchange.handler.wfile.write(b" " * 130_000)

    with serving(handle) as server, client(server.base, retry=ONCE, clock=clock) as one:
        with pytest.raises(errors.Unreachable, match=r"the answer was not complete in 600 s"):
            one.read("Location", "a")


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_nobody_there() -> None:
    """Without a server it is said where nobody is, and nothing may have been done."""
    port, clock = closed_port(), Clock()
    with client(f"http://127.0.0.1:{port}/fhir", clock=clock) as one, pytest.raises(errors.Unreachable) as caught:
        one.create(PLACE)

    text = f"create Location: cannot connect to http://127.0.0.1:{port}: Connection refused (request "
    assert str(caught.value).startswith(text)
    assert str(caught.value).endswith(", 6 attempts)")
    assert not caught.value.perhaps_done
    assert len(clock.slept) == 5


def test_no_encryption_where_it_is_expected() -> None:
    """A server without encryption under an https address is an error of the connection, without any URL in it."""

    def handle(exchange: Exchange) -> None:
        exchange.answer(200, PLACE)

    with serving(handle) as server, client(server.base.replace("http:", "https:"), retry=ONCE) as one:
        with pytest.raises(
            errors.Unreachable, match=r"^read Location/a: the encrypted connection to https://127"
        ) as caught:
            one.read("Location", "a")
    assert "/fhir" not in str(caught.value)


def test_errors_hold_nothing_of_the_http_library() -> None:
    """An error is not chained to one that holds the request, with its headers and query."""
    with (
        client(f"http://127.0.0.1:{closed_port()}/fhir", retry=ONCE) as one,
        pytest.raises(errors.Unreachable) as caught,
    ):
        list(one.search("Location", {"name": "hush"}))

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert "hush" not in str(caught.value)


def test_redirect_to_another_port() -> None:
    """A real redirect to another port is not followed: the other server is not asked at all."""

    def elsewhere(exchange: Exchange) -> None:
        exchange.answer(200, PLACE)

    with serving(elsewhere) as other:

        def handle(exchange: Exchange) -> None:
            exchange.answer(307, None, Location=f"{other.base}/Location/a")

        with serving(handle) as server, client(server.base) as one:
            with pytest.raises(errors.ForeignLink, match=r"its port is \d+, not \d+"):
                one.read("Location", "a")
            with pytest.raises(errors.ForeignLink):
                one.update(PLACE)
        assert other.seen == []


def test_no_cookie_is_ever_sent() -> None:
    """A server may set cookies as it likes: none comes back, also not within a redirect."""

    def handle(exchange: Exchange) -> None:
        if exchange.seen.path.endswith("/a"):
            exchange.answer(302, None, Location="/fhir/Location/b", Set_Cookie="session=1; Path=/")
        else:
            exchange.answer(200, {**PLACE, "id": "b"}, Set_Cookie="session=2; Path=/")

    with serving(handle) as server, client(server.base) as one:
        one.read("Location", "a")
        one.read("Location", "b")
        assert len(server.seen) == 3
        assert not any("cookie" in seen.headers for seen in server.seen)


def test_no_credentials_from_netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that lie in the user's ~/.netrc are not sent."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login me password hush\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    def handle(exchange: Exchange) -> None:
        exchange.answer(200, PLACE)

    with serving(handle) as server, client(server.base) as one:
        one.read("Location", "a")
        assert "authorization" not in server.seen[0].headers


def test_threads_share_a_client() -> None:
    """Threads at the same time have a session each, and one after the other the same: connections are kept."""
    together = threading.Barrier(4)
    made: list[requests.Session] = []
    connections: set[Any] = set()

    def sessions() -> requests.Session:
        made.append(requests.Session())
        return made[-1]

    def handle(exchange: Exchange) -> None:
        connections.add(exchange.handler.client_address)
        if exchange.seen.path.endswith("/together"):
            together.wait(30)
        exchange.answer(200, {**PLACE, "id": exchange.seen.path.rsplit("/", 1)[1]})

    with serving(handle) as server, client(server.base, sessions=sessions) as one:
        for number in range(5):
            assert one.read("Location", str(number))["id"] == str(number)
        assert (len(made), len(connections)) == (1, 1)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: one.read("Location", "together"), range(4)))
        assert (len(made), len(connections)) == (4, 4)
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda number: one.read("Location", f"n{number}")["id"], range(200))
            assert list(found) == [f"n{number}" for number in range(200)]
        assert len(made) == 4


def test_after_close() -> None:
    """A client that was closed opens connections anew."""

    def handle(exchange: Exchange) -> None:
        exchange.answer(200, PLACE)

    with serving(handle) as server:
        one = client(server.base)
        one.read("Location", "a")
        one.close()
        assert one.read("Location", "a") == PLACE
        one.close()


def test_proxy() -> None:
    """All goes through the proxy that is given; its password goes to it alone and stands in no error."""

    def handle(exchange: Exchange) -> None:
        exchange.answer(200, PLACE)

    with serving(handle) as proxy:
        secret = Secret.text(proxy.url.replace("http://", "http://me:hushhush@"))
        connection = Connection(proxy=secret)
        with client("http://fhir.example.org/r4", connection=connection) as one:
            assert one.read("Location", "a") == PLACE
        assert proxy.seen[0].path == "http://fhir.example.org/r4/Location/a"
        assert proxy.seen[0].headers["proxy-authorization"].startswith("Basic ")
    with client("https://fhir.example.org/r4", connection=connection, retry=ONCE) as one:
        with pytest.raises(errors.Unreachable) as caught:
            one.read("Location", "a")

    assert str(caught.value).startswith(
        "read Location/a: cannot connect to https://fhir.example.org through the proxy: Connection refused"
    )
    assert "hushhush" not in repr(connection)


def test_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy of the environment is used, but not for hosts in NO_PROXY, and not if none is wanted."""

    def handle(exchange: Exchange) -> None:
        exchange.answer(200, PLACE)

    monkeypatch.delenv("no_proxy", raising=False)
    with serving(handle) as proxy, serving(handle) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        with client("http://fhir.example.org/r4") as one:
            one.read("Location", "a")
        assert len(proxy.seen) == 1
        with client(server.base, connection=Connection(proxy="")) as one:
            one.read("Location", "a")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with client(server.base) as one:
            one.read("Location", "a")
        assert (len(proxy.seen), len(server.seen)) == (1, 2)
