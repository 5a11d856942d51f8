"""How a server is reached: certificates, proxy, and how long anything may take."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fhirtrial.errors import UsageError
from fhirtrial.server.secret import Secret

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """
    Seconds that a request may take.

    ``connect``: until there is a connection. ``silence``: before each piece of the answer; before the first it is the
    time that a server has for a transaction. ``answer``: from sending to the end of the answer.
    """

    connect: float = 10.0
    silence: float = 120.0
    answer: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """
    How a server is reached.

    Args:
        timeouts: see `Timeouts`.
        ca_bundle: a file or folder of certificates to trust; else that of ``REQUESTS_CA_BUNDLE``, ``SSL_CERT_FILE`` or
            ``CURL_CA_BUNDLE``; else those of requests. Certificates are always checked.
        certificate: the file of the client's own certificate.
        certificate_key: the file of its key, unless that stands in the same file.
        proxy: the URL of a proxy for all requests; a Secret if a password is in it; empty for none. Else by
            ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``.
        gzip: whether large bodies are packed. A server, or a proxy before it, that does not take them is noticed.
        longest_answer: bytes of an answer at most, unpacked.

    Raises UsageError if a file is not there, or a password stands in the proxy's URL without being a Secret.

    """

    timeouts: Timeouts = Timeouts()
    ca_bundle: str | os.PathLike[str] | None = None
    certificate: str | os.PathLike[str] | None = None
    certificate_key: str | os.PathLike[str] | None = None
    proxy: str | Secret | None = None
    gzip: bool = False
    longest_answer: int = 1 << 29
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False, compare=False)

    def __post_init__(self) -> None:
        for file in (self.ca_bundle, self.certificate, self.certificate_key):
            if file is not None and not Path(file).exists():
                raise UsageError(f"{os.fspath(file)}: there is no such file")
        if self.certificate_key is not None and self.certificate is None:
            raise UsageError("a certificate's key is given, but no certificate")
        if isinstance(self.proxy, str) and "@" in self.proxy:
            raise UsageError("there is a password in the proxy's URL: give it as a Secret, or in HTTPS_PROXY")

    @property
    def verify(self) -> str | bool:
        """What requests calls ``verify``."""
        if self.ca_bundle is not None:
            return os.fspath(self.ca_bundle)
        return next((self.environment[name] for name in _CA_VARIABLES if self.environment.get(name)), True)

    @property
    def cert(self) -> str | tuple[str, str] | None:
        """What requests calls ``cert``."""
        if self.certificate is None:
            return None
        file = os.fspath(self.certificate)
        return file if self.certificate_key is None else (file, os.fspath(self.certificate_key))

    def proxies(self, url: str) -> dict[str, str]:
        """What requests calls ``proxies``, for a URL."""
        if self.proxy is None:
            from requests.utils import get_environ_proxies

            return dict(get_environ_proxies(url, no_proxy=None))
        proxy = self.proxy.reveal() if isinstance(self.proxy, Secret) else self.proxy
        return {"http": proxy, "https": proxy} if proxy else {}
