"""What the tests of credentials share: keys, tokens, ways to ask for them, and what was sent."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from urllib.parse import quote_plus

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fhirtrial.server.auth import ClientCredentials, SmartBackend
from fhirtrial.server.secret import Secret
from tests.server.tools import BASE

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


def sent(server: Any, url: str) -> list[Any]:
    """The requests that went to a URL."""
    return [call.request for call in server.calls if call.request.url.startswith(url)]


def headers(server: Any) -> list[str | None]:
    """The Authorization of each request to the FHIR server."""
    return [request.headers.get("Authorization") for request in sent(server, BASE)]


PASSWORD = "hush+pass/word"
TOKEN = "hush-token-1234"
KEY = pem(EC_KEY)
SECRETS = [
    PASSWORD,
    quote_plus(PASSWORD),
    TOKEN,
    b64encode(f"me:{PASSWORD}".encode()).decode(),
    b64encode(f"me:{quote_plus(PASSWORD)}".encode()).decode(),
    *KEY.splitlines()[1:-1],
    "eyJ",  # how each JSON Web Token begins
]
"""What must stand nowhere."""
