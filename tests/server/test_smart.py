"""SMART backend services: what is signed and with which key, and where the token comes from."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from fhirtrial.errors import UsageError
from fhirtrial.server import errors
from fhirtrial.server.secret import Secret
from tests.server.credentials import EC_KEY, PLACE, RSA_KEY, TOKEN_URL, headers, pem, sent, smart, token
from tests.server.tools import BASE, Clock, client


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
