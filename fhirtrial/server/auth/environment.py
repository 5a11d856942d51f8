"""Credentials from the environment, so that no secret stands in a command line, where every user can read it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from fhirtrial.errors import UsageError
from fhirtrial.server.auth.auth import Auth
from fhirtrial.server.auth.basic import Basic
from fhirtrial.server.auth.bearer import Bearer
from fhirtrial.server.auth.client_credentials import ClientCredentials
from fhirtrial.server.auth.nobody import Nobody
from fhirtrial.server.auth.smart_backend import SmartBackend
from fhirtrial.server.secret import Secret

_BEGIN = "FHIRTRIAL_"
_SECRETS = ("TOKEN", "PASSWORD", "CLIENT_SECRET", "PRIVATE_KEY")


def from_environment(environment: Mapping[str, str] | None = None, *, plain_http: bool = False) -> Auth:
    """
    The credentials that the environment names; `Nobody` if none.

    Each secret is in a variable, or in a file whose name is in the variable with ``_FILE`` behind it:

    - ``FHIRTRIAL_TOKEN``: a bearer token;
    - ``FHIRTRIAL_PASSWORD``, with ``FHIRTRIAL_USER``;
    - ``FHIRTRIAL_CLIENT_SECRET``, with ``FHIRTRIAL_CLIENT_ID`` and ``FHIRTRIAL_TOKEN_URL``: client credentials;
    - ``FHIRTRIAL_PRIVATE_KEY``, with ``FHIRTRIAL_CLIENT_ID``: SMART backend services; and ``FHIRTRIAL_KEY_ID``,
      ``FHIRTRIAL_TOKEN_URL`` where they are needed.

    ``FHIRTRIAL_SCOPE`` goes with the last two. Raises UsageError if two of them are there, or what belongs to one is
    not.

    >>> from_environment({"FHIRTRIAL_USER": "loader", "FHIRTRIAL_PASSWORD": "open sesame"})
    Basic(user='loader', password=Secret(FHIRTRIAL_PASSWORD))
    """
    found = os.environ if environment is None else environment
    names = [name for each in _SECRETS for name in (f"{_BEGIN}{each}", f"{_BEGIN}{each}_FILE") if found.get(name)]
    if not names:
        return Nobody()
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)} are both set: one of them says who asks")
    (name,) = names
    secret = Secret.in_file(found[name]) if name.endswith("_FILE") else Secret.in_environment(name, found)
    return _MAKERS[name.removeprefix(_BEGIN).removesuffix("_FILE")](secret, _Rest(found, name), plain_http)


class _Rest:
    """The other variables that go with a secret."""

    def __init__(self, environment: Mapping[str, str], name: str) -> None:
        self._environment = environment
        self._name = name

    def need(self, variable: str) -> str:
        found = self.get(variable)
        if not found:
            raise UsageError(f"{self._name} is set, but {_BEGIN}{variable} is not")
        return found

    def get(self, variable: str) -> str:
        return self._environment.get(f"{_BEGIN}{variable}", "")


def _bearer(secret: Secret, rest: _Rest, plain_http: bool) -> Auth:  # noqa: ARG001, FBT001
    return Bearer(secret)


def _basic(secret: Secret, rest: _Rest, plain_http: bool) -> Auth:  # noqa: ARG001, FBT001
    return Basic(rest.need("USER"), secret)


def _client(secret: Secret, rest: _Rest, plain_http: bool) -> Auth:  # noqa: FBT001
    return ClientCredentials(
        token_url=rest.need("TOKEN_URL"),
        client_id=rest.need("CLIENT_ID"),
        client_secret=secret,
        scope=rest.get("SCOPE"),
        plain_http=plain_http,
    )


def _smart(secret: Secret, rest: _Rest, plain_http: bool) -> Auth:  # noqa: FBT001
    scope = rest.get("SCOPE")
    return SmartBackend(
        client_id=rest.need("CLIENT_ID"),
        private_key=secret,
        key_id=rest.get("KEY_ID"),
        token_url=rest.get("TOKEN_URL"),
        plain_http=plain_http,
        **({"scope": scope} if scope else {}),
    )


_MAKERS: dict[str, Callable[[Secret, _Rest, bool], Auth]] = {
    "TOKEN": _bearer,
    "PASSWORD": _basic,
    "CLIENT_SECRET": _client,
    "PRIVATE_KEY": _smart,
}
