"""No secret leaves: not to another host, not into a log, an error, a repr, a report, or a state."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, is_dataclass
from typing import Any
from urllib.parse import quote_plus

import pytest
import requests
import responses

from fhirtrial.errors import UsageError
from fhirtrial.server import errors
from fhirtrial.server.auth import Auth, Basic, Bearer, ClientCredentials, SmartBackend
from fhirtrial.server.client import FhirClient
from fhirtrial.server.secret import Secret, blotted
from tests.server.credentials import KEY, PASSWORD, SECRETS, TOKEN
from tests.server.tools import BASE, client, outcome, put, transaction

TOKEN_URL = "https://login.example.org/token"
BODY = "hush-in-the-body"
QUERY = "hush-in-the-query"

WAYS: dict[str, Callable[[], Auth]] = {
    "basic": lambda: Basic("me", Secret.text(PASSWORD)),
    "bearer": lambda: Bearer(Secret.text(TOKEN)),
    "client": lambda: ClientCredentials(token_url=TOKEN_URL, client_id="me", client_secret=Secret.text(PASSWORD)),
    "client-body": lambda: ClientCredentials(
        token_url=TOKEN_URL, client_id="me", client_secret=Secret.text(PASSWORD), secret_in="body"
    ),
    "smart": lambda: SmartBackend(client_id="me", private_key=Secret.text(KEY), key_id="k", token_url=TOKEN_URL),
}


def echo(status: int, location: str = "", kind: str = "application/fhir+json") -> Callable[[Any], Any]:
    """A server that says what it was sent, as those do that want to be helpful."""

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        body = request.body.decode() if isinstance(request.body, bytes) else request.body or ""
        shown = f"you said {request.headers.get('Authorization')} and {body if 'login' in request.url else ''}"
        headers = {"Location": location + quote_plus(shown)} if location else {}
        headers |= {"Content-Type": kind, "X-Request-ID": shown[:200]}
        if "login" in request.url and status == 200:
            return 200, headers, f'{{"access_token": "{TOKEN}", "token_type": "bearer"}}'
        if "login" in request.url:
            return status, headers, requests.models.complexjson.dumps({"error": shown, "error_description": shown})
        if kind == "text/html":
            return status, headers, f"<p>{shown}</p>"
        return status, headers, requests.models.complexjson.dumps(outcome(shown, expression=[shown]))

    return answer


def lost(_: Any) -> Any:
    raise requests.ConnectionError(
        f"https://x/?q={QUERY}", request=requests.Request("GET", headers={"Authorization": TOKEN})
    )


def link_away(_: Any) -> Any:
    content = {
        "resourceType": "Bundle",
        "link": [{"relation": "next", "url": f"https://me:{quote_plus(PASSWORD)}@evil.example/?token={TOKEN}"}],
    }
    return 200, {}, requests.models.complexjson.dumps(content)


def entry_echo(request: Any) -> Any:
    said = outcome(f"you said {request.headers.get('Authorization')}")
    entry = {"response": {"status": "422 No", "outcome": said}}
    content = {"resourceType": "Bundle", "type": "batch-response", "entry": [entry]}
    return 200, {"Content-Type": "application/fhir+json"}, requests.models.complexjson.dumps(content)


# what the FHIR server does, what the token endpoint does
FAILURES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "400": (echo(400), echo(200)),
    "401": (echo(401), echo(200)),
    "403-html": (echo(403, kind="text/html"), echo(200)),
    "404-text": (echo(404, kind="text/plain"), echo(200)),
    "409": (echo(409), echo(200)),
    "500": (echo(500), echo(200)),
    "redirect-away": (echo(307, "https://evil.example/?"), echo(200)),
    "redirect-path": (echo(307, "https://evil.example/"), echo(200)),
    "redirect-303": (echo(303, f"{BASE}/"), echo(200)),
    "lost": (lost, echo(200)),
    "link": (link_away, echo(200)),
    "entry": (entry_echo, echo(200)),
    "no-token": (echo(200), echo(401)),
    "token-fault": (echo(200), echo(503)),
    "token-redirect": (echo(200), echo(307, "https://evil.example/?")),
    "token-lost": (echo(200), lost),
}


def attempts(one: FhirClient) -> Iterator[Callable[[], Any]]:
    """Every method, with something in body and query that is nobody's business."""
    resource = {"resourceType": "Location", "id": "a", "name": BODY}
    entry = {**put(), "resource": resource}
    yield one.capabilities
    yield lambda: one.read("Location", "a")
    yield lambda: list(one.search("Location", {"name": QUERY}))
    yield lambda: list(one.search("Location", {"name": QUERY * 200}))
    yield lambda: list(one.history("Location", "a"))
    yield lambda: one.create(resource, unless={"name": QUERY})
    yield lambda: one.update(resource, match={"name": QUERY})
    yield lambda: one.delete("Location", match={"name": QUERY})
    yield lambda: one.transaction(transaction(entry))
    yield lambda: raise_first(one.batch(transaction(entry, kind="batch")))
    yield lambda: one.validate(resource)


def raise_first(answer: Any) -> None:
    for error in answer.errors.values():
        raise error


def shown(error: BaseException) -> str:
    """Everything that a program could write down of an error: its text, its attributes, where it came from."""
    parts = [str(error), repr(error), "".join(traceback.format_exception(error)), repr(vars(error))]
    facts = getattr(error, "facts", None)
    parts += [repr(facts), str(getattr(facts, "outcome", "")), repr(pickle.dumps(error))]
    parts += [repr(each) + repr(vars(each)) for each in (error.__cause__, error.__context__) if each is not None]
    return "\n".join(parts)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("failure", FAILURES)
def test_no_secret_is_written_down(way: str, failure: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever fails, however the server repeats what it was told: no error, log or notice holds a secret."""
    fhir, login = FAILURES[failure]
    noticed: list[object] = []
    texts: list[str] = []
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock, caplog.at_level(logging.DEBUG):
        for method in ("GET", "POST", "PUT", "DELETE"):
            mock.add_callback(method, _below(BASE), fhir)
        mock.add_callback("POST", TOKEN_URL, login)
        with client(auth=WAYS[way](), noticed=noticed.append) as one:
            for attempt in attempts(one):
                try:
                    attempt()
                except errors.ServerError as error:
                    texts.append(shown(error))
            texts += [repr(one), repr(WAYS[way]()), str(vars(one)), repr(vars(one._sender))]
        hosts = {requests.compat.urlparse(call.request.url).netloc for call in mock.calls}
        authorized = {
            requests.compat.urlparse(call.request.url).netloc
            for call in mock.calls
            if TOKEN in str(call.request.headers.get("Authorization"))
        }
    texts += [repr(each) for each in noticed]
    texts += [record.getMessage() + str(record.__dict__) for record in caplog.records]

    for secret in [*SECRETS, BODY]:
        assert [text for text in texts if secret in text] == []
    assert QUERY not in "\n".join(text for text in texts if "urllib3" not in text)
    assert hosts <= {"fhir.example.org", "login.example.org"}
    assert authorized <= {"fhir.example.org"}
    assert len(texts) > 5


def _below(base: str) -> Any:
    import re

    return re.compile(re.escape(base) + r"(?:[/?].*)?$")


@pytest.mark.parametrize("way", WAYS)
def test_no_secret_in_copies(way: str) -> None:
    """Credentials that are shown, taken apart or copied show nothing; they cannot be pickled."""
    auth = WAYS[way]()
    assert is_dataclass(auth)
    for secret in SECRETS:
        assert secret not in repr(auth)
        assert secret not in str(auth)
    with pytest.raises(TypeError):
        pickle.dumps(auth)
    with pytest.raises(TypeError):
        asdict(auth)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"pickle"):
        copy.deepcopy(auth)


def test_blotted() -> None:
    """Secrets are blotted out as they are and percent-encoded, the longer first; those of three letters are not."""
    assert blotted(r'x \"&\" y x &quot;&amp;&quot; y x "&" y', ['x "&" y']) == "••• ••• •••"
    text = "a+b/c d, a%2Bb/c%20d, a%2Bb%2Fc+d, a+b/c, abc"

    assert blotted(text, ["abc", "a+b/c", "a+b/c d"]) == "•••, •••, •••, •••, abc"
    assert blotted(text, [""]) == text


def test_empty_secret() -> None:
    """A secret that is empty is none."""
    with pytest.raises(UsageError, match=r"^•••: there is no secret in it$"):
        Secret.text("")
    with pytest.raises(UsageError, match=r"^NOT_SET: there is no secret in it$"):
        Secret.in_environment("NOT_SET", {})
