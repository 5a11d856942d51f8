"""Access tokens of OAuth2 that are asked for, kept, and asked for again in time: https://www.rfc-editor.org/rfc/rfc6749"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from fhirtrial.errors import UsageError
from fhirtrial.server.address import Address, without_query
from fhirtrial.server.courier import Courier
from fhirtrial.server.errors import AuthError, Facts
from fhirtrial.server.request import FORM
from fhirtrial.server.response import Response
from fhirtrial.server.secret import blotted, one_line
from fhirtrial.server.status import reason
from fhirtrial.server.wire import Outgoing

_LONGEST = 400
"""How many characters an error shows of what the endpoint says."""

_EARLY = 60.0
"""Seconds before its end at which a token is not used any more, but never more than a quarter of its life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """What is sent to the token endpoint."""

    url: str
    fields: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class TokenKeeper:
    """
    One access token for all threads. Whoever needs it first asks for it, and the others wait.

    ``secrets`` gives what must not stand in an error's text.
    """

    def __init__(self, secrets: Callable[[], Iterable[str]]) -> None:
        self._secrets = secrets
        self._lock = threading.Lock()
        self._token = ""
        self._until: float | None = None

    def header(self, courier: Courier, make: Callable[[], TokenRequest], what: str) -> str:
        """
        The token in use as header; a new one if there is none, or its end is near.

        ``make`` makes the request: it is called for each sending, for an assertion may be used once only. Raises
        AuthError if no token is given, Unreachable if there is no answer.
        """
        with self._lock:
            if not self._token or (self._until is not None and courier.clock() >= self._until):
                self._token = ""
                self._token, self._until = self._ask(courier, make, what)
            return f"Bearer {self._token}"

    def renewed(self, rejected: str) -> bool:
        """Gives up the token that was rejected, unless there is a new one already: worth another try in any case."""
        with self._lock:
            if rejected == f"Bearer {self._token}":
                self._token = ""
        return True

    def secrets(self) -> Iterable[str]:
        """The token in use, and what it was asked for with."""
        token = self._token
        return (*((token,) if token else ()), *self._secrets())

    def _ask(self, courier: Courier, make: Callable[[], TokenRequest], what: str) -> tuple[str, float | None]:
        asked_at = courier.clock()

        def outgoing() -> Outgoing:
            made = make()
            return Outgoing(
                method="POST",
                url=made.url,
                headers={"Accept": "application/json", "Content-Type": FORM, **made.headers},
                body=urlencode(made.fields).encode("ascii"),
            )

        response = courier.deliver(outgoing, Facts(what=what), repeat="always")
        told = response.content if isinstance(response.content, dict) else {}
        if response.status != 200:
            raise AuthError(self._refused(response, told), _facts(what, response))
        token, kind, lasts = told.get("access_token"), told.get("token_type"), told.get("expires_in")
        if not isinstance(token, str) or not token or str(kind).lower() != "bearer":
            raise AuthError("the answer holds no bearer token", _facts(what, response))
        try:
            one_line(token, "the token")
        except UsageError as problem:
            raise AuthError(str(problem), _facts(what, response)) from None
        # Some send the seconds as text. A token without an end is used until it is rejected.
        seconds = float(str(lasts)) if isinstance(lasts, int | float) or str(lasts).isdecimal() else None
        return token, None if seconds is None else asked_at + seconds - min(_EARLY, seconds / 4)

    def _refused(self, response: Response, told: Mapping[str, object]) -> str:
        """What the endpoint says: https://www.rfc-editor.org/rfc/rfc6749#section-5.2"""
        said = [str(told[name]) for name in ("error", "error_description") if isinstance(told.get(name), str)]
        text = blotted(": ".join(said), self.secrets())[:_LONGEST]
        plain = "".join(letter if letter.isprintable() else " " for letter in text)
        return reason(response.status) + (f": {plain}" if plain else "")


def checked_endpoint(url: str, *, plain_http: bool = False) -> str:
    """The URL of a token endpoint. Raises UsageError if it is none, or if others could read what is sent there."""
    address = Address.parse(url, "a token endpoint")
    if not address.is_private and not plain_http:
        raise UsageError(f"{without_query(url)} is not encrypted: credentials are sent only to https")
    return url


def _facts(what: str, response: Response) -> Facts:
    return Facts(what=what, status=response.status, attempts=response.attempts)
