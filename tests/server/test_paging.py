"""Page after page, and never elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
import responses

from fhirtrial.errors import UsageError
from fhirtrial.server import errors
from fhirtrial.server.auth import Bearer
from fhirtrial.server.secret import Secret
from tests.server.tools import BASE, client, outcome


def page(*ids: str, following: str | None = None, **more: Any) -> dict[str, Any]:
    """A page of a search, with a link to the next."""
    link = [{"relation": "self", "url": "https://elsewhere.example/"}]
    link += [] if following is None else [{"relation": "next", "url": following}]
    entry = [{"resource": {"resourceType": "Location", "id": id}, "search": {"mode": "match"}} for id in ids]
    return {"resourceType": "Bundle", "type": "searchset", "link": link, "entry": entry, **more}


def ids(found: Any) -> list[str]:
    return [each["id"] for each in found]


def test_pages(server: Any) -> None:
    """All pages are read, one when the one before is used up; links may be absolute, relative, or the base itself."""
    server.get(f"{BASE}/Location", json=page("a", "b", following=f"{BASE}?_getpages=x&_offset=2"))
    server.get(f"{BASE}?_getpages=x&_offset=2", json=page("c", following="/r4/Location?page=3"))
    server.get(f"{BASE}/Location?page=3", json=page("d", following="?page=4"))
    server.get(f"{BASE}/Location?page=4", json=page(following=""))
    with client() as one:
        found = one.search("Location")
        assert next(found)["id"] == "a"
        assert len(server.calls) == 1
        assert ids(found) == ["b", "c", "d"]

    assert len(server.calls) == 4
    assert all(call.request.headers["Cache-Control"] == "no-cache" for call in server.calls)


def test_relative_to_what() -> None:
    """A relative link is read against the page that it stood in, as the base address has no slash at its end."""
    with responses.RequestsMock() as server:
        server.get(f"{BASE}/Location", json=page("a", following="Location?page=2"))
        server.get(f"{BASE}/Location?page=2", json=page("b"))
        with client() as one:
            assert ids(one.search("Location")) == ["a", "b"]


def test_remarks_are_no_results(server: Any) -> None:
    """What a server remarks on a search is not among the results; what it includes is. The pages have all of it."""
    found = page("a")
    found["entry"] += [
        {"resource": outcome("unknown parameter"), "search": {"mode": "outcome"}},
        {"resource": {"resourceType": "Organization", "id": "o"}, "search": {"mode": "include"}},
        {"fullUrl": "x"},
        None,
    ]
    server.get(f"{BASE}/Location", json=found)
    with client() as one:
        assert ids(one.search("Location")) == ["a", "o"]
        assert list(one.search_pages("Location")) == [found]


@pytest.mark.parametrize("entry", [None, [], {}, "x"])
def test_nothing_found(server: Any, entry: Any) -> None:
    """A Bundle without entries is a search without results."""
    server.get(f"{BASE}/Location", json={"resourceType": "Bundle", "entry": entry, "link": None})
    with client() as one:
        assert list(one.search("Location")) == []


def test_long_search_goes_on_by_get(server: Any) -> None:
    """A search that was posted goes on by the links of its answer; its parameters are not sent again."""
    server.post(f"{BASE}/Location/_search", json=page("a", following=f"{BASE}/Location?page=2"))
    server.get(f"{BASE}/Location?page=2", json=page("b"))
    with client() as one:
        assert ids(one.search("Location", {"_id": "x" * 2000})) == ["a", "b"]
    assert server.calls[1].request.body is None


AWAY = [
    "https://evil.example/r4?page=2",
    "http://fhir.example.org/r4?page=2",
    "https://fhir.example.org:8443/r4?page=2",
    "https://fhir.example.org.evil.example/r4?page=2",
    "https://fhir.example.org@evil.example/r4?page=2",
    "//evil.example/r4",
    "https://fhir.example.org/other?page=2",
    "https://fhir.example.org/r4evil?page=2",
    "https://fhir.example.org/r4/%2e%2e/other",
    "/other",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("link", AWAY)
@pytest.mark.parametrize("links", ["same", "http://internal:8080/fhir"])
def test_no_page_is_elsewhere(server: Any, link: str, links: str) -> None:
    """A link that leads away from the server is not followed, with credentials or without."""
    server.get(f"{BASE}/Location", json=page("a", following=link))
    with client(auth=Bearer(Secret.text("hush-token")), links=links) as one:
        found = one.search("Location")
        assert next(found)["id"] == "a"
        with pytest.raises(errors.ForeignLink, match=r"^search Location: the next page is said to be at "):
            next(found)

    assert len(server.calls) == 1


def test_text_of_a_foreign_link(server: Any) -> None:
    """The error says where the link leads, without its query, why not, and what helps."""
    server.get(
        f"{BASE}/Location",
        json=page("a", following="http://internal:8080/r4?name=hush"),
        headers={"X-Request-ID": "r1"},
    )
    with pytest.raises(errors.ForeignLink) as caught, client() as one:
        list(one.search("Location"))

    assert str(caught.value) == (
        "search Location: the next page is said to be at http://internal:8080/r4, which is not below "
        "https://fhir.example.org/r4: its scheme is http, not https; nothing was sent there (if a proxy stands before the "
        'server, links="rewrite" (--links rewrite) takes the path for one of this address, and links=ADDRESS says which '
        "address the server believes to have) (request r1)"
    )


def test_links_behind_a_proxy(server: Any) -> None:
    """With links="rewrite" only the path of a link is used, with an address only what stands behind that."""
    server.get(f"{BASE}/Location", json=page("a", following="http://internal:8080/r4/Location?page=2"))
    server.get(f"{BASE}/Location?page=2", json=page("b"))
    with client(links="rewrite") as one:
        assert ids(one.search("Location")) == ["a", "b"]

    server.get(f"{BASE}/Group", json=page("a", following="http://internal:8080/fhir/Group?page=2"))
    server.get(f"{BASE}/Group?page=2", json=page("b", following=f"{BASE}/Group?page=3"))
    server.get(f"{BASE}/Group?page=3", json=page("c"))
    with client(links="http://internal:8080/fhir/") as one:
        assert ids(one.search("Group")) == ["a", "b", "c"]
    server.get(f"{BASE}/Group", json=page("a", following="http://internal:8080/fhir/Group?page=2"))
    with pytest.raises(errors.ForeignLink, match=r"its path is not below /r4"), client(links="rewrite") as one:
        list(one.search("Group"))
    with pytest.raises(UsageError, match=r"^links is neither same nor rewrite: 'everywhere' is no address of"):
        client(links="everywhere")
    assert all(call.request.url.startswith(BASE) for call in server.calls)


@pytest.mark.parametrize("back_to", ["/Location", "/Location?page=2", "/Location?page=1"])
def test_pages_in_a_circle(server: Any, back_to: str) -> None:
    """A link to a page that was read before ends the search with an error, not never."""
    server.get(f"{BASE}/Location", json=page("a", following=f"{BASE}/Location?page=1"))
    server.get(f"{BASE}/Location?page=1", json=page("b", following=f"{BASE}/Location?page=2"))
    server.get(f"{BASE}/Location?page=2", json=page("c", following=BASE + back_to))
    with pytest.raises(errors.UnexpectedAnswer) as caught, client() as one:
        list(one.search("Location"))

    assert "the link to the next page leads to one that was read before" in str(caught.value)
    assert len(server.calls) == 3


@pytest.mark.parametrize("content", [None, [], {"resourceType": "Location"}, {"entry": []}])
def test_no_bundle(server: Any, content: Any) -> None:
    """A search that is not answered by a Bundle is an error, not an empty result."""
    server.get(f"{BASE}/Location", json=content, headers={"X-Request-ID": "r1"})
    with pytest.raises(errors.UnexpectedAnswer, match=r"^search Location: the answer is no Bundle \(request r1\)$"):
        with client() as one:
            list(one.search("Location"))
