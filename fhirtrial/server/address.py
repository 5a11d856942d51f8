"""Where a server is, and whether a link that it gave still leads to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from fhirtrial.errors import UsageError

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_-])?")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_NO_HOST = re.compile(r"(?i)https?:(?!//[^/?#])|//(?![^/?#])")
_AS_IT_IS = "!#$%&'()*+,-./:;=?@[]_~|"
"""What stays in a link; a space and all that is not ASCII is percent-encoded."""


class Outside(Exception):  # noqa: N818 - it says why, and never leaves this package
    """A link that does not lead below an address; its text says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """
    The base address of a FHIR server (https://hl7.org/fhir/R4/http.html#general), in one spelling.

    Whatever a request goes to is ``text`` and a *target* behind it, which is empty or begins with ``/`` or ``?``: so
    a request cannot leave the scheme, host and port, whatever a link says. That it does not leave the path either is
    checked by `target`.

    >>> base = Address.parse("HTTPS://Example.org:443/fhir/")
    >>> base.text
    'https://example.org/fhir'
    >>> base.target("https://example.org/fhir?page=2")
    '?page=2'
    """

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str, what: str = "a FHIR server") -> Address:
        """The address that a text means. Raises UsageError if it is none, or holds what does not belong there."""
        try:
            parts, host, port = _split(text)
            if parts.query or parts.fragment:
                raise Outside("there is a query or a fragment behind the path")
            path = quote(parts.path.rstrip("/"), safe=_AS_IT_IS)
            _check_path(path)
        except Outside as problem:
            raise UsageError(f"{without_query(text)!r} is no address of {what}: {problem}") from None
        return cls(parts.scheme, host, port, path)

    @property
    def origin(self) -> str:
        """Scheme, host and port; the port only if it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @property
    def text(self) -> str:
        """The address, without a slash at its end."""
        return self.origin + self.path

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read along: https, or this machine itself."""
        if self.scheme == "https" or self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def target(self, link: str, *, seen_from: str = "", any_origin: bool = False) -> str:
        """
        What stands in a link behind this address: the only part of it that is ever used.

        Args:
            link: absolute, or relative to ``seen_from``.
            seen_from: the URL of the answer that the link stood in; this address if not given.
            any_origin: whether scheme, host and port of the link may be others. They are not used even then.

        Raises Outside if scheme, host, port or path are not those of this address, or cannot be told for certain.

        """
        if _FORBIDDEN.search(link):
            raise Outside("it holds a backslash or a control character")
        if _NO_HOST.match(link):
            # Python would read the host of the base into it, a browser one of its own.
            raise Outside("it has no host")
        try:
            parts, host, port = _split(urljoin(seen_from or self.text, link))
        except ValueError:
            raise Outside("it is no URL") from None
        if not any_origin:
            for what, found, right in (
                ("scheme", parts.scheme, self.scheme),
                ("host", host, self.host),
                ("port", port, self.port),
            ):
                if found != right:
                    raise Outside(f"its {what} is {found}, not {right}")
        path = quote(parts.path, safe=_AS_IT_IS)
        _check_path(path)
        if path != self.path and not path.startswith(self.path + "/"):
            raise Outside(f"its path is not below {self.path}")
        return path[len(self.path) :] + (f"?{quote(parts.query, safe=_AS_IT_IS)}" if parts.query else "")


def without_query(url: str) -> str:
    """
    A URL for people: no user, password, query or fragment, where secrets and identifiers stand.

    >>> without_query("https://me:secret@example.org/fhir/Patient?name=x#y")
    'https://example.org/fhir/Patient'
    """
    plain = re.split(r"[?#]", url, maxsplit=1)[0]
    head, slashes, rest = plain.partition("//")
    before, slash, path = rest.partition("/")
    return head + slashes + before.rpartition("@")[2] + slash + path


def _split(url: str) -> tuple[SplitResult, str, int]:
    """The parts of an absolute URL, its host and its port in one spelling each."""
    if _FORBIDDEN.search(url) or url != url.strip():
        raise Outside("it holds a space, a backslash or a control character")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or ""), parts.port
    except ValueError:
        raise Outside("it is no URL") from None
    if parts.scheme not in _PORTS:
        raise Outside("it does not begin with http:// or https://")
    if "@" in parts.netloc:
        raise Outside("it holds a user before the host; credentials are given apart from the address")
    if not host:
        raise Outside("it has no host")
    if not host.isascii():
        # Two libraries may make two hosts of one name: https://www.unicode.org/reports/tr46/
        raise Outside("its host is not ASCII; write it as xn--…")
    if parts.netloc.startswith("["):
        try:
            # With a zone it means something else on each machine.
            host = IPv6Address("" if "%" in host else host).compressed
        except ValueError:
            raise Outside("its host is no IPv6 address") from None
    elif not _HOST.fullmatch(host):
        raise Outside("its host is no name")
    return parts, host, _PORTS[parts.scheme] if port is None else port


def _check_path(path: str) -> None:
    """
    Raises Outside if some server or proxy could read a path as leading upwards.

    Percent-encoding is undone as often as it was done; what follows ``;`` in a segment is dropped by Java's servers
    before they look for dots.
    """
    plain = path
    while (undone := unquote(plain)) != plain:
        plain = undone
    if _FORBIDDEN.search(plain):
        raise Outside("its path holds a backslash or a control character")
    if plain.count("/") != path.count("/"):
        raise Outside("its path holds an encoded slash")
    if any(segment.split(";", 1)[0] in (".", "..") for segment in plain.split("/")):
        raise Outside("its path holds . or ..")
