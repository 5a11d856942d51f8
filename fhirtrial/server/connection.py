"""How a server is reached: certificates, proxy, and how long anything may take."""

from __future__ import annotations

import os
import ssl
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

    @classmethod
    def of(cls, seconds: float) -> Timeouts:
        """
        The timeouts of one figure: how long the server has for an answer.

        >>> Timeouts.of(5), Timeouts.of(900)
        (Timeouts(connect=5, silence=5, answer=600.0), Timeouts(connect=10.0, silence=900, answer=900))
        """
        usual = cls()
        return cls(connect=min(usual.connect, seconds), silence=seconds, answer=max(usual.answer, seconds))


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

    Raises UsageError if a file is not there or is not what it should be, or a password stands in the proxy's URL
    without being a Secret.

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
        if self.certificate_key is not None and self.certificate is None:
            raise UsageError("a client certificate's key is given, but no certificate")
        self._check_files()
        if isinstance(self.proxy, str) and "@" in self.proxy:
            raise UsageError("there is a password in the proxy's URL: give it as a Secret, or in HTTPS_PROXY")

    def _check_files(self) -> None:
        """Reads the files once, so that what is wrong with one is said of that file, not of a connection."""
        files = {
            "CA bundle": self.ca_bundle,
            "client certificate": self.certificate,
            "key of the client certificate": self.certificate_key,
        }
        for what, file in files.items():
            if file is not None and not Path(file).exists():
                raise UsageError(f"{what} {os.fspath(file)}: there is no such file")
        if self.ca_bundle is not None:
            try:
                if Path(self.ca_bundle).is_file():
                    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(self.ca_bundle)
            except OSError as error:
                why = "no certificate in PEM is in it" if isinstance(error, ssl.SSLError) else error.strerror
                raise UsageError(f"CA bundle {os.fspath(self.ca_bundle)}: {why}") from None
        if self.certificate is not None:
            file = os.fspath(self.certificate)
            try:
                # With a password, so that nobody is asked for one.
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.load_cert_chain(file, self.certificate_key, password="")
            except OSError as error:
                with_key = "" if self.certificate_key is None else f" with the key {os.fspath(self.certificate_key)}"
                why = "not a certificate in PEM with its key, which is not encrypted"
                why = why if isinstance(error, ssl.SSLError) else str(error.strerror)
                raise UsageError(f"client certificate {file}{with_key}: {why}") from None

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
