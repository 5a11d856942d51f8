"""Who asks: each way, and tokens that end."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from fhirtrial.server import errors
from fhirtrial.server.auth import Basic, Bearer, Nobody
from fhirtrial.server.secret import Secret
from tests.server.credentials import PLACE, TOKEN_URL, credentials, headers, sent, smart, token
from tests.server.tools import BASE, Clock, client


def test_nobody(server: Any) -> None:
    """Without credentials there is no header, and 401 is an error at once."""
    server.get(f"{BASE}/Location/a", status=401)
    with pytest.raises(errors.AuthError), client(auth=Nobody()) as one:
        one.read("Location", "a")

    assert headers(server) == [None]


def test_basic(server: Any) -> None:
    """User and password go in Base64, also with other letters than ASCII; 401 is not tried again with the same."""
    server.get(f"{BASE}/Location/a", status=401)
    with pytest.raises(errors.AuthError), client(auth=Basic("lädér", Secret.text("pässwort"))) as one:
        one.read("Location", "a")

    assert headers(server) == ["Basic " + b64encode("lädér:pässwort".encode()).decode()]


def test_token_in_a_file_that_others_renew(server: Any, tmp_path: Path) -> None:
    """A token is read from its file each time; after 401 it is tried once more only if the file has another."""
    file = tmp_path / "token"
    file.write_text("first-token\n")

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        file.write_text("second-token\n")
        return (
            (200 if request.headers["Authorization"] == "Bearer second-token" else 401),
            {},
            '{"resourceType":"Location"}',
        )

    server.add_callback("GET", f"{BASE}/Location/a", answer)
    with client(auth=Bearer(Secret.in_file(file))) as one:
        one.read("Location", "a")
    assert headers(server) == ["Bearer first-token", "Bearer second-token"]

    server.get(f"{BASE}/Location/b", status=401)
    with pytest.raises(errors.AuthError), client(auth=Bearer(Secret.in_file(file))) as one:
        one.read("Location", "b")
    assert len(headers(server)) == 3


def test_client_credentials(server: Any) -> None:
    """One token serves all requests; id and secret go form-encoded in the header, or in the body."""
    server.post(TOKEN_URL, json=token())
    server.get(f"{BASE}/Location/a", json=PLACE)
    with client(auth=credentials(scope="system/*.write", audience="api")) as one:
        one.read("Location", "a")
        one.read("Location", "a")
    with client(auth=credentials(secret_in="body")) as one:
        one.read("Location", "a")
    asked = sent(server, TOKEN_URL)

    assert headers(server) == ["Bearer token-1"] * 3
    assert len(asked) == 2
    assert asked[0].headers["Authorization"] == "Basic " + b64encode(b"load+er:hush%2Bhush%2F1").decode()
    assert parse_qs(asked[0].body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["system/*.write"],
        "audience": ["api"],
    }
    assert "Authorization" not in asked[1].headers
    assert parse_qs(asked[1].body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["load er"],
        "client_secret": ["hush+hush/1"],
    }


@pytest.mark.parametrize(
    ("lasts", "seconds", "asked"),
    [(300, 239, 1), (300, 241, 2), (40, 29, 1), (40, 31, 2), ("300", 241, 2), (None, 10**6, 1), ("soon", 10**6, 1)],
)
def test_tokens_are_renewed_before_they_end(server: Any, lasts: Any, seconds: float, asked: int) -> None:
    """A token is asked for again a minute before its end, or a quarter of its life; without an end, never."""
    server.post(TOKEN_URL, json=token(expires_in=lasts))
    server.get(f"{BASE}/Location/a", json=PLACE)
    clock = Clock()
    with client(auth=credentials(), clock=clock) as one:
        one.read("Location", "a")
        clock.now += seconds
        one.read("Location", "a")

    assert len(sent(server, TOKEN_URL)) == asked


def test_token_ends_while_waiting(server: Any) -> None:
    """A request that waits for its next try long enough takes a new token then."""
    server.post(TOKEN_URL, json=token(expires_in=40))
    server.post(TOKEN_URL, json=token("token-2"))
    server.get(f"{BASE}/Location/a", status=503, headers={"Retry-After": "50"})
    server.get(f"{BASE}/Location/a", json=PLACE)
    with client(auth=credentials()) as one:
        one.read("Location", "a")

    assert headers(server) == ["Bearer token-1", "Bearer token-2"]


def test_rejected_token_is_renewed_once(server: Any) -> None:
    """After 401 a new token is tried, once; a write that was rejected so is sent again, for nothing was done."""
    server.post(TOKEN_URL, json=token())
    server.post(TOKEN_URL, json=token("token-2"))
    server.post(f"{BASE}/Location", status=401)
    server.post(f"{BASE}/Location", status=201)
    server.get(f"{BASE}/Location/a", status=401)
    with client(auth=credentials()) as one:
        assert one.create(PLACE).status == 201
        assert headers(server) == ["Bearer token-1", "Bearer token-2"]
        with pytest.raises(errors.AuthError, match=r"^read Location/a: 401 Unauthorized"):
            one.read("Location", "a")
    assert headers(server)[2:] == ["Bearer token-2", "Bearer token-2"]
    assert len(sent(server, TOKEN_URL)) == 3


def test_threads_ask_for_one_token(server: Any) -> None:
    """Many threads that need a token at the same time ask for one."""
    together = threading.Barrier(8)

    def slowly(_: Any) -> tuple[int, dict[str, str], str]:
        time.sleep(0.05)  # whoever else would ask has asked by then
        return 200, {}, json.dumps(token())

    server.add_callback("POST", TOKEN_URL, slowly)
    server.get(f"{BASE}/Location/a", json=PLACE)
    with client(auth=credentials()) as one, ThreadPoolExecutor(8) as pool:

        def read(_: int) -> None:
            together.wait(30)
            one.read("Location", "a")

        list(pool.map(read, range(8)))

    assert len(sent(server, TOKEN_URL)) == 1


@pytest.mark.parametrize(
    ("status", "content", "text"),
    [
        (
            401,
            {"error": "invalid_client", "error_description": "no client\x1b 'load er'"},
            "401 Unauthorized: invalid_client: no client  'load er' (request ",
        ),
        (400, {"error": "invalid_scope"}, "400 Bad Request: invalid_scope (request "),
        (400, None, "400 Bad Request (request "),
        (302, None, "302 Found (request "),
        (200, {"token_type": "bearer"}, "the answer holds no bearer token (request "),
        (200, {"access_token": "a", "token_type": "mac"}, "the answer holds no bearer token (request "),
        (200, ["a"], "the answer holds no bearer token (request "),
        (
            200,
            {"access_token": "a\r\nX: y", "token_type": "bearer"},
            "the token holds a space, a line's end or a letter",
        ),
    ],
)
def test_no_token(server: Any, status: int, content: Any, text: str) -> None:
    """Where no token is given it is said by whom, and why; nothing is sent to the FHIR server, and no redirect followed."""
    server.post(
        TOKEN_URL, json=content, status=status, headers={"Location": "https://evil.example/", "X-Request-ID": "1"}
    )
    with pytest.raises(errors.AuthError) as caught, client(auth=credentials()) as one:
        one.read("Location", "a")

    assert str(caught.value).startswith(f"token from {TOKEN_URL}: {text.removesuffix(' (request ')}")
    assert len(server.calls) == 1


def test_token_endpoint_that_is_down_for_a_moment(server: Any) -> None:
    """Asking for a token is tried again like other requests, each time with another assertion."""
    server.post(TOKEN_URL, status=503)
    server.post(TOKEN_URL, json=token())
    server.get(f"{BASE}/Location/a", json=PLACE)
    with client(auth=smart()) as one:
        one.read("Location", "a")
    assertions = [parse_qs(request.body.decode())["client_assertion"][0] for request in sent(server, TOKEN_URL)]

    assert len(set(assertions)) == 2
