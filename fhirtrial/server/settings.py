"""How people set a client up: by options, and by the environment where an option is not given."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from fhirtrial.errors import UsageError
from fhirtrial.server.auth.environment import from_environment
from fhirtrial.server.client import FhirClient
from fhirtrial.server.connection import Connection, Timeouts
from fhirtrial.server.retry import Retry

_YES, _NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    What may be set of a client, but for credentials and proxies, which are the environment's alone.

    Each is also a variable of the environment, ``FHIRTRIAL_TIMEOUT`` and so on. None: neither is given.

    Args:
        timeout: seconds that the server has for each answer; see `Timeouts`.
        attempts: how often a request is sent at most, the first time included.
        ca_bundle: a file or folder of certificates to trust.
        client_certificate: the file of the client's own certificate, in PEM.
        client_key: the file of its key, unless that stands in the same file.
        gzip: whether large bodies are packed.
        links: where links to further pages may lead; see `FhirClient`.
        plain_http: whether credentials may be sent without encryption to another machine.

    """

    timeout: float | None = None
    attempts: int | None = None
    ca_bundle: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    gzip: bool | None = None
    links: str | None = None
    plain_http: bool | None = None

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None, **given: Any) -> Self:
        """
        What is given, and of the rest what the environment says.

        Raises UsageError if a variable cannot be meant.

        >>> Settings.read({"FHIRTRIAL_TIMEOUT": "30", "FHIRTRIAL_GZIP": "yes"}, timeout=5.0).timeout
        5.0
        """
        found = os.environ if environment is None else environment
        read = {name: _value(name, found.get(variable(name), "")) for name in _READERS if given.get(name) is None}
        return cls(**{**given, **read})

    def client(
        self, server: str, *, release: str | None = None, environment: Mapping[str, str] | None = None
    ) -> FhirClient:
        """
        A client for the server at an address, with the credentials of the environment (see `from_environment`).

        Raises UsageError if a setting or a credential cannot be meant.
        """
        connection = Connection(
            timeouts=Timeouts() if self.timeout is None else Timeouts.of(self.timeout),
            ca_bundle=self.ca_bundle,
            certificate=self.client_certificate,
            certificate_key=self.client_key,
            gzip=bool(self.gzip),
        )
        return FhirClient(
            server,
            auth=from_environment(environment, plain_http=bool(self.plain_http)),
            release=release,
            retry=None if self.attempts is None else Retry(attempts=self.attempts),
            connection=connection,
            links=self.links or "same",
            plain_http=bool(self.plain_http),
        )


def variable(name: str) -> str:
    """
    The variable of the environment that a setting may be given in.

    >>> variable("ca_bundle")
    'FHIRTRIAL_CA_BUNDLE'
    """
    return f"FHIRTRIAL_{name.upper()}"


def _value(name: str, text: str) -> Any:
    """What a variable says; None if it is not set. Raises UsageError if it cannot be meant."""
    if not text:
        return None
    reader, wanted = _READERS[name]
    try:
        return reader(text)
    except ValueError:
        raise UsageError(f"{variable(name)} is {text!r}; it must be {wanted}") from None


def _positive(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise ValueError
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError
    return count


def _whether(text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise ValueError
    return text.lower() in _YES


_BY_TYPE: dict[str, tuple[Callable[[str], Any], str]] = {
    "float | None": (_positive, "a number of seconds above 0"),
    "int | None": (_count, "a whole number from 1 on"),
    "bool | None": (_whether, "yes or no"),
    "str | None": (str, "a text"),
}
_READERS = {each.name: _BY_TYPE[str(each.type)] for each in fields(Settings)}
"""How the text of each variable is read, and what it must be."""
