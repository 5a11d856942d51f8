"""Who asks: each way, tokens that end, keys, and what comes from the environment."""

from __future__ import annotations

import json
import sys
import threading
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote_plus

import jwt
import pytest
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from fhirtrial.errors import UsageError
from fhirtrial.server import errors
from fhirtrial.server.auth import Auth, Basic, Bearer, ClientCredentials, Nobody, SmartBackend, from_environment
from fhirtrial.server.secret import Secret
from tests.server.tools import BASE, Clock, client

PLACE = {"resourceType": "Location", "id": "a"}
TOKEN_URL = "https://login.example.org/oauth/token/"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP384R1())


def pem(key: Any) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def token(text: str = "token-1", **more: Any) -> dict[str, Any]:
    return {"access_token": text, "token_type": "Bearer", "expires_in": 300, **more}


def credentials(**options: Any) -> ClientCredentials:
    options = {"client_id": "load er", "client_secret": Secret.text("hush+hush/1"), "token_url": TOKEN_URL, **options}
    return ClientCredentials(**options)


def smart(**options: Any) -> SmartBackend:
    key = Secret.text(pem(EC_KEY))
    return SmartBackend(
        **{"client_id": "loader", "private_key": key, "key_id": "k1", "token_url": TOKEN_URL, **options}
    )


@pytest.fixture
def server() -> Any:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def sent(server: Any, url: str) -> list[Any]:
    """The requests that went to a URL."""
    return [call.request for call in server.calls if call.request.url.startswith(url)]


def headers(server: Any) -> list[str | None]:
    """The Authorization of each request to the FHIR server."""
    return [request.headers.get("Authorization") for request in sent(server, BASE)]


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


# SMART backend services


@pytest.mark.parametrize(("key", "algorithm"), [(RSA_KEY, "RS384"), (EC_KEY, "ES384")])
@pytest.mark.parametrize("form", ["pem", "jwk", "set"])
def test_smart(server: Any, key: Any, algorithm: str, form: str) -> None:
    """The assertion is what SMART wants, signed with the key, in whichever form the key is given."""
    maker = jwt.algorithms.RSAAlgorithm if algorithm == "RS384" else jwt.algorithms.ECAlgorithm
    jwk = {**maker.to_jwk(key, as_dict=True), "kid": "k1"}
    other = {**jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY, as_dict=True), "kid": "k2"}
    text = {"pem": pem(key), "jwk": json.dumps(jwk), "set": json.dumps({"keys": [other, jwk]})}[form]
    server.post(TOKEN_URL, json=token())
    server.get(f"{BASE}/Location/a", json=PLACE)
    clock = Clock()
    auth = smart(private_key=Secret.text(text), key_set_url="https://x.org/jwks")
    with client(auth=auth, clock=clock) as one:
        one.read("Location", "a")
    (asked,) = sent(server, TOKEN_URL)
    fields = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    assertion = fields.pop("client_assertion")
    claims = jwt.decode(
        assertion, key.public_key(), algorithms=[algorithm], options={"verify_exp": False, "verify_aud": False}
    )

    assert jwt.get_unverified_header(assertion) == {
        "alg": algorithm,
        "typ": "JWT",
        "kid": "k1",
        "jku": "https://x.org/jwks",
    }
    assert len(claims.pop("jti")) == 32
    assert claims == {"iss": "loader", "sub": "loader", "aud": TOKEN_URL, "exp": clock.now + 240}
    assert fields == {
        "grant_type": "client_credentials",
        "scope": "system/*.read system/*.write",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    assert headers(server) == ["Bearer token-1"]


def test_smart_configuration(server: Any) -> None:
    """Without a token endpoint the server's SMART configuration is asked, once, and without credentials."""
    server.get(f"{BASE}/.well-known/smart-configuration", json={"token_endpoint": TOKEN_URL})
    server.post(TOKEN_URL, json=token(expires_in=0))
    server.get(f"{BASE}/Location/a", json=PLACE)
    with client(auth=smart(token_url="")) as one:
        one.read("Location", "a")
        one.read("Location", "a")

    assert headers(server) == [None, "Bearer token-1", "Bearer token-1"]
    assert len(sent(server, TOKEN_URL)) == 2


@pytest.mark.parametrize(
    ("status", "content", "text"),
    [
        (404, None, f"{BASE}/.well-known/smart-configuration names no token endpoint; give it as token_url"),
        (
            200,
            {"token_endpoint": 1},
            f"{BASE}/.well-known/smart-configuration names no token endpoint; give it as token_url",
        ),
        (
            200,
            {"token_endpoint": "http://login.example.org/"},
            "http://login.example.org/ is not encrypted: credentials are sent only to https",
        ),
        (
            200,
            {"token_endpoint": "https://a@evil.example/"},
            "'https://evil.example/' is no address of a token endpoint: it holds a user before the host; credentials are given apart from the address",
        ),
    ],
)
def test_no_smart_configuration(server: Any, status: int, content: Any, text: str) -> None:
    """A configuration without a token endpoint that could be used is an error that says what to do."""
    server.get(f"{BASE}/.well-known/smart-configuration", json=content, status=status)
    with pytest.raises(errors.AuthError) as caught, client(auth=smart(token_url="")) as one:
        one.read("Location", "a")

    assert str(caught.value) == f"SMART configuration: {text}"
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"private_key": Secret.text("hushhush")}, "the private key cannot be read: it is no PEM of a private key"),
        (
            {"private_key": Secret.text('{"kty": "hushhush", "d": "hushhush"}')},
            "the private key cannot be read: it is no JWK or JWK Set with one private key of that id",
        ),
        ({"private_key": Secret.text("{hushhush")}, "the private key cannot be read: it is no JWK or JWK Set with one"),
        (
            {"private_key": Secret.text('{"keys": []}')},
            "the private key cannot be read: it is no JWK or JWK Set with one",
        ),
        ({"key_id": ""}, "Secret(•••): the key has no id; give the one under which its public half is known"),
        (
            {"private_key": Secret.text(pem(ed25519.Ed25519PrivateKey.generate()))},
            "Secret(•••): SMART wants a private key of RSA of at least 2,048 bits (RS384) or EC on P-384 (ES384)",
        ),
        (
            {"private_key": Secret.text(pem(ec.generate_private_key(ec.SECP256R1())))},
            "Secret(•••): SMART wants a private key of RSA of at least 2,048 bits (RS384) or EC on P-384 (ES384)",
        ),
        (
            {
                "private_key": Secret.text(
                    EC_KEY.private_bytes(
                        serialization.Encoding.PEM,
                        serialization.PrivateFormat.PKCS8,
                        serialization.BestAvailableEncryption(b"hushhush"),
                    ).decode()
                )
            },
            "the private key cannot be read: it is encrypted",
        ),
        ({"client_id": ""}, "the client has no id"),
        (
            {"token_url": "http://login.example.org"},
            "http://login.example.org is not encrypted: credentials are sent only",
        ),
    ],
)
def test_keys_that_cannot_be_used(options: dict[str, Any], text: str) -> None:
    """A key that is none, or not of the kind that SMART wants, is refused when it is given, without showing it."""
    with pytest.raises(UsageError) as caught:
        smart(**options)

    assert str(caught.value).startswith(text)
    assert "hushhush" not in str(caught.value)
    assert "hushhush" not in repr(caught.value.__context__)


def test_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library that signs it is said what to install."""
    monkeypatch.setitem(sys.modules, "jwt", None)
    with pytest.raises(UsageError) as caught:
        smart()

    assert str(caught.value) == "SMART backend services need the extra 'auth': pip install 'fhirtrial[auth]'"


# What comes from the environment


def test_environment(tmp_path: Path) -> None:
    """Each way has its variables; a secret may be in a file."""
    (tmp_path / "secret").write_text("hushhush\n")
    (tmp_path / "key").write_text(pem(RSA_KEY))
    file = str(tmp_path / "secret")
    made: list[tuple[dict[str, str], type[Any]]] = [
        ({}, Nobody),
        ({"FHIRTRIAL_USER": "me", "FHIRTRIAL_SCOPE": "x"}, Nobody),
        ({"FHIRTRIAL_TOKEN": "hushhush"}, Bearer),
        ({"FHIRTRIAL_TOKEN_FILE": file}, Bearer),
        ({"FHIRTRIAL_USER": "me", "FHIRTRIAL_PASSWORD": "hushhush"}, Basic),
        ({"FHIRTRIAL_USER": "me", "FHIRTRIAL_PASSWORD_FILE": file}, Basic),
        (
            {"FHIRTRIAL_CLIENT_ID": "me", "FHIRTRIAL_CLIENT_SECRET_FILE": file, "FHIRTRIAL_TOKEN_URL": TOKEN_URL},
            ClientCredentials,
        ),
        (
            {"FHIRTRIAL_CLIENT_ID": "me", "FHIRTRIAL_PRIVATE_KEY_FILE": str(tmp_path / "key"), "FHIRTRIAL_KEY_ID": "k"},
            SmartBackend,
        ),
    ]
    for environment, kind in made:
        found: Auth = from_environment(environment)
        assert type(found) is kind
        assert "hushhush" not in repr(found)
        assert (
            kind is Nobody or kind is SmartBackend or any("hushhush" in unquote_plus(each) for each in found.secrets())
        )


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        (
            {"FHIRTRIAL_TOKEN": "hushhush", "FHIRTRIAL_PASSWORD_FILE": "x"},
            "FHIRTRIAL_TOKEN and FHIRTRIAL_PASSWORD_FILE are both set: one of them says who asks",
        ),
        ({"FHIRTRIAL_PASSWORD": "hushhush"}, "FHIRTRIAL_PASSWORD is set, but FHIRTRIAL_USER is not"),
        (
            {"FHIRTRIAL_CLIENT_SECRET": "hushhush", "FHIRTRIAL_CLIENT_ID": "a"},
            "FHIRTRIAL_CLIENT_SECRET is set, but FHIRTRIAL_TOKEN_URL is not",
        ),
        ({"FHIRTRIAL_TOKEN_FILE": "/no/such"}, "/no/such: No such file or directory"),
        ({"FHIRTRIAL_TOKEN": " \n"}, "FHIRTRIAL_TOKEN: there is no secret in it"),
        (
            {"FHIRTRIAL_TOKEN": "hush hush"},
            "the token holds a space, a line's end or a letter that a header cannot carry",
        ),
        (
            {"FHIRTRIAL_TOKEN": "hush\nhush"},
            "the token holds a space, a line's end or a letter that a header cannot carry",
        ),
        (
            {"FHIRTRIAL_TOKEN": "hüshhüsh"},
            "the token holds a space, a line's end or a letter that a header cannot carry",
        ),
        (
            {"FHIRTRIAL_USER": "a:b", "FHIRTRIAL_PASSWORD": "hushhush"},
            "the name of a user is not empty and holds no colon",
        ),
    ],
)
def test_environment_that_cannot_be_meant(environment: dict[str, str], text: str) -> None:
    """What is missing, doubled or unusable is said by the name of its variable, never by its value."""
    with pytest.raises(UsageError) as caught:
        from_environment(environment)

    assert str(caught.value) == text


def test_secret_file_that_is_no_text(tmp_path: Path) -> None:
    """A file that is no text is refused without its bytes, also in what the error came from."""
    (tmp_path / "x").write_bytes(b"hushhush\xff")
    with pytest.raises(UsageError) as caught:
        Secret.in_file(tmp_path / "x")

    assert str(caught.value) == f"{tmp_path / 'x'}: not a text in UTF-8"
    assert caught.value.__context__ is None


def test_credentials_need_encryption() -> None:
    """Credentials are not sent in the open, but to this machine itself, or where it is wanted by name."""
    token = Bearer(Secret.text("hushhush"))
    with pytest.raises(UsageError) as caught:
        client("http://fhir.example.org/r4", auth=token)

    assert str(caught.value) == (
        "http://fhir.example.org/r4 is not encrypted: credentials are sent only to https, unless plain_http=True"
    )
    client("http://fhir.example.org/r4")
    client("http://fhir.example.org/r4", auth=token, plain_http=True)
    client("http://localhost:8080/fhir", auth=token)
    with pytest.raises(UsageError, match=r"is not encrypted"):
        credentials(token_url="http://login.example.org/token")
    credentials(token_url="http://login.example.org/token", plain_http=True)
