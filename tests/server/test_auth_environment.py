"""Credentials from the environment, and where they may go."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest

from fhirtrial.errors import UsageError
from fhirtrial.server.auth import Auth, Basic, Bearer, ClientCredentials, Nobody, SmartBackend, from_environment
from fhirtrial.server.secret import Secret
from tests.server.credentials import RSA_KEY, TOKEN_URL, credentials, pem
from tests.server.tools import client


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
        "http://fhir.example.org/r4 is not encrypted: credentials are sent only to https, unless plain_http=True (--plain-http)"
    )
    client("http://fhir.example.org/r4")
    client("http://fhir.example.org/r4", auth=token, plain_http=True)
    client("http://localhost:8080/fhir", auth=token)
    with pytest.raises(UsageError, match=r"is not encrypted"):
        credentials(token_url="http://login.example.org/token")
    credentials(token_url="http://login.example.org/token", plain_http=True)
