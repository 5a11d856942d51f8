"""Pages of a search or a history, one after the other, and never elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Literal

from fhirtrial.resources import Resource
from fhirtrial.server.address import Address, Outside, without_query
from fhirtrial.server.errors import Facts, ForeignLink, UnexpectedAnswer
from fhirtrial.server.request import Request, page
from fhirtrial.server.response import Response

Links = Literal["same", "rewrite"] | Address
"""
Where links to further pages may lead.

``same``: below the server's own address.
``rewrite``: what scheme, host and port they name is passed over, for a server behind a proxy that does not know its own
address; the path must be below that of the server's address.
An address: that which the server believes to have. What stands in a link behind it is used behind the right one.
"""


def pages(
    send: Callable[[Request], Response], first: Request, address: Address, links: Links = "same"
) -> Iterator[Resource]:
    """
    The Bundles of a search or history, each read when it is asked for. https://hl7.org/fhir/R4/http.html#paging

    Raises ForeignLink if a link leads elsewhere, UnexpectedAnswer if an answer is no Bundle or the links make a circle.
    """
    request, seen = first, {first.target} if first.method == "GET" else set()
    while True:
        response = send(request)
        bundle = response.resource
        facts = request.facts(address.text, response)
        if bundle is None or bundle["resourceType"] != "Bundle":
            raise UnexpectedAnswer("the answer is no Bundle", facts)
        yield bundle
        link = next_link(bundle)
        if not link:
            return
        target = next_target(link, here=address.text + request.target, address=address, links=links, facts=facts)
        if target in seen:
            raise UnexpectedAnswer("the link to the next page leads to one that was read before", facts)
        seen.add(target)
        request = replace(page(target, first.what), study=first.study)


def next_link(bundle: Resource) -> str:
    """The link to the next page; empty if there is none."""
    found = bundle.get("link")
    for link in found if isinstance(found, list) else []:
        if isinstance(link, dict) and link.get("relation") == "next" and isinstance(link.get("url"), str):
            return str(link["url"])
    return ""


def next_target(link: str, *, here: str, address: Address, links: Links, facts: Facts) -> str:
    """The target of a link that stood in the answer of ``here``. Raises ForeignLink if it leads elsewhere."""
    try:
        if isinstance(links, Address):
            try:
                return links.target(link, seen_from=here)
            except Outside:
                # Some of its links may be right.
                return address.target(link, seen_from=here)
        return address.target(link, seen_from=here, any_origin=links == "rewrite")
    except Outside as problem:
        shown = "".join(letter if letter.isprintable() else "?" for letter in without_query(link))
        advice = (
            'if a proxy stands before the server, links="rewrite" takes the path for one of this address, and '
            "links=ADDRESS says which address the server believes to have"
        )
        raise ForeignLink(
            f"the next page is said to be at {shown}, which is not below {address.text}: {problem}; nothing was sent "
            f"there ({advice})",
            facts,
        ) from None


def entries(bundle: Resource) -> Iterator[dict[str, Any]]:
    """The entries of a bundle that are objects."""
    found = bundle.get("entry")
    yield from (each for each in found or () if isinstance(each, dict)) if isinstance(found, list) else ()
