"""No link leads away from the server, however it is spelt."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from fhirtrial.errors import UsageError
from fhirtrial.server.address import Address, Outside, without_query

BASE = "https://fhir.example.org/r4"


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("https://fhir.example.org/r4/", BASE),
        ("HTTPS://FHIR.Example.ORG:443/r4", BASE),
        ("http://localhost:8080/fhir", "http://localhost:8080/fhir"),
        ("http://localhost:80", "http://localhost"),
        ("http://[0:0:0:0:0:0:0:1]:8080/fhir", "http://[::1]:8080/fhir"),
        ("https://xn--bcher-kva.example/a b", "https://xn--bcher-kva.example/a%20b"),
        ("https://host_1/fhir", "https://host_1/fhir"),
    ],
)
def test_one_spelling(text: str, spelt: str) -> None:
    """A base address has one spelling: lower case, no usual port, no slash at its end."""
    assert Address.parse(text).text == spelt


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("fhir.example.org/r4", "it does not begin with http:// or https://"),
        ("ftp://fhir.example.org", "it does not begin with http:// or https://"),
        ("https://me:secret@fhir.example.org/r4", "it holds a user before the host"),
        ("https://", "it has no host"),
        ("https://fhir.example.org/r4?a=b", "there is a query or a fragment behind the path"),
        ("https://fhir.example.org/r4#x", "there is a query or a fragment behind the path"),
        ("https://fhir.example.org:99999/", "it is no URL"),
        ("https://bücher.example/", "its host is not ASCII; write it as xn--…"),
        ("https://fhir.example.org./r4", "its host is no name"),
        ("https://fhir.example.org/a/../b", "its path holds . or .."),
        ("https://[fe80::1%25eth0]/", "its host is no"),
        (" https://fhir.example.org", "it holds a space"),
        ("https://fhir.example.org/\r\nX: y", "it holds a space, a backslash or a control character"),
    ],
)
def test_no_base(text: str, why: str) -> None:
    """What cannot be a base address is refused when the client is made, and a password in it is not repeated."""
    with pytest.raises(UsageError) as caught:
        Address.parse(text)

    assert f"is no address of a FHIR server: {why}" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("link", "target"),
    [
        (BASE, ""),
        (BASE + "?_getpages=1&x=a%7Cb", "?_getpages=1&x=a%7Cb"),
        (BASE + "/Location?page=2#here", "/Location?page=2"),
        ("HTTPS://FHIR.EXAMPLE.ORG:443/r4/Location", "/Location"),
        ("https://fhir.example.org:/r4/x", "/x"),
        ("?page=2", "?page=2"),
        ("/r4/Location?page=2", "/Location?page=2"),
        ("//fhir.example.org/r4/x", "/x"),
        (BASE + "/Location?name=a b|ü", "/Location?name=a%20b|%C3%BC"),
        (BASE + "/Location?redirect=https://evil.example/", "/Location?redirect=https://evil.example/"),
    ],
)
def test_inside(link: str, target: str) -> None:
    """A link below the base address is taken, in whichever spelling; only what stands behind the base is used."""
    assert Address.parse(BASE).target(link) == target


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("http://fhir.example.org/r4", "its scheme is http, not https"),
        ("https://fhir.example.org.evil.example/r4", "its host is fhir.example.org.evil.example, not fhir.example.org"),
        ("https://evil.example/r4", "its host is evil.example, not fhir.example.org"),
        ("//evil.example/r4", "its host is evil.example, not fhir.example.org"),
        ("https:///r4", "it has no host"),
        ("https://fhir.example.org@evil.example/r4", "it holds a user before the host"),
        ("https://fhir.example.org:443@evil.example/r4", "it holds a user before the host"),
        ("https://@fhir.example.org/r4", "it holds a user before the host"),
        ("https://evil.example/?next=https://fhir.example.org/r4", "its host is evil.example"),
        ("https://evil.example\\@fhir.example.org/r4", "it holds a backslash"),
        ("https://evil.example#@fhir.example.org/r4", "its host is evil.example"),
        ("https://fhir.example.org:8443/r4", "its port is 8443, not 443"),
        ("https://fhir.example.org./r4", "its host is no name"),
        ("https://ｆhir.example.org/r4", "its host is not ASCII"),
        ("https://fhir.example。org/r4", "its host is not ASCII"),
        ("https://[::1]/r4", "its host is ::1, not fhir.example.org"),
        ("https://fhir%2Eexample.org/r4", "its host is no name"),
        ("javascript:alert(1)", "it does not begin with http:// or https://"),
        ("file:///etc/passwd", "it does not begin with http:// or https://"),
        ("https://fhir.example.org/r4evil", "its path is not below /r4"),
        ("https://fhir.example.org/r4;x/y", "its path is not below /r4"),
        ("https://fhir.example.org/", "its path is not below /r4"),
        ("https://fhir.example.org/R4/Location", "its path is not below /r4"),
        ("https://fhir.example.org/r4/%2e%2e/admin", "its path holds . or .."),
        ("https://fhir.example.org/r4/%252e%252e/admin", "its path holds . or .."),
        ("https://fhir.example.org/r4/..;/admin", "its path holds . or .."),
        ("https://fhir.example.org/r4/..%2fadmin", "its path holds an encoded slash"),
        ("https://fhir.example.org/r4/..%5cadmin", "its path holds a backslash"),
        ("https://fhir.example.org/r4/%00", "its path holds a backslash or a control character"),
        ("/admin", "its path is not below /r4"),
        ("../admin", "its path is not below /r4"),
        ("https://fhir.example.org/r4\n/x", "it holds a backslash or a control character"),
    ],
)
def test_outside(link: str, why: str) -> None:
    """A link that leads elsewhere, or could be read so by somebody, is refused, and it is said why."""
    with pytest.raises(Outside, match=rf"^{re.escape(why)}"):
        Address.parse(BASE).target(link)


def test_any_origin_uses_none() -> None:
    """Where the origin of links may be another, it is not used, and the path is checked all the same."""
    base = Address.parse(BASE)

    assert base.target("http://internal:8080/r4/Location?page=2", any_origin=True) == "/Location?page=2"
    with pytest.raises(Outside, match=r"its path is not below /r4"):
        base.target("http://internal:8080/admin", any_origin=True)


_PIECES = st.sampled_from(
    [
        *("https:", "http:", "file:", "//", "/", "\\", "@", ":", "443", "80", "?", "#", "&", "=", "|", ";"),
        *("..", ".", "%2e", "%2F", "%25", "%5c", "%09", "%", "[", "]", "::1", "127.0.0.1", " ", "\t", "\n", "\x00"),
        *("fhir.example.org", "FHIR.example.org", "evil.example", "xn--", "user", "。", "ｒ", "ß"),
        *("r4", "R4", "Location", "_id", BASE, BASE + "/"),
    ]
)


@given(
    st.lists(_PIECES, max_size=9).map("".join) | st.text(max_size=40) | st.text(max_size=30).map((BASE + "/").__add__),
    st.booleans(),
)
def test_nothing_outside_is_ever_sent_to(link: str, any_origin: bool) -> None:
    """Whatever a link says: it is refused, or what the HTTP library makes of it lies below the base address."""
    base = Address.parse(BASE)
    try:
        target = base.target(link, seen_from=BASE + "/Location", any_origin=any_origin)
    except Outside:
        return
    sent = requests.Request("GET", base.text + target).prepare().url
    assert sent is not None
    found = parse_url(sent)

    assert (found.scheme, found.auth, found.host, found.port) == ("https", None, "fhir.example.org", None)
    path = found.path or ""
    assert path == "/r4" or path.startswith("/r4/")
    while (undone := unquote(path)) != path:
        path = undone
    assert ".." not in [segment.split(";")[0] for segment in re.split(r"[/\\]", path)]


@given(st.text(max_size=30), st.text(max_size=30))
def test_shown_addresses_hold_no_secret(user: str, query: str) -> None:
    """What is shown of a URL ends before its query, and has no user in it."""
    shown = without_query(f"https://{user.replace('/', '')}@h/p?{query}")

    assert "?" not in shown
    assert "@" not in shown


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("https://a.example", True),
        ("http://localhost:1", True),
        ("http://127.3.2.1/fhir", True),
        ("http://[::1]/fhir", True),
        ("http://localhost.evil.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://10.0.0.1", False),
    ],
)
def test_private(text: str, private: bool) -> None:
    """Nobody reads along over https, and on this machine itself."""
    assert Address.parse(text).is_private is private
