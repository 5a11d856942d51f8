"""Sends requests to one server: with credentials, and to nowhere else."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Literal

from fhirtrial.server.address import Address, Outside, without_query
from fhirtrial.server.auth.auth import Auth
from fhirtrial.server.courier import Courier
from fhirtrial.server.errors import Facts, ForeignLink, Refused, error_class
from fhirtrial.server.outcome import Outcome
from fhirtrial.server.request import Request
from fhirtrial.server.response import Response
from fhirtrial.server.retry import Retry
from fhirtrial.server.secret import blotted
from fhirtrial.server.status import reason
from fhirtrial.server.wire import Outgoing

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD = frozenset({307, 308})
_MOST_REDIRECTS = 5
_SMALLEST_PACKED = 2048
"""Shorter bodies fit into one or two packets as they are."""

_LEVEL = 1
"""The quickest: on the lines where packing pays, the higher levels cost more time than they save."""

_EXCERPT = 200
_LONGEST_SHOWN = 1000


class Sender:
    """
    Sends requests to the server at ``address``. It may be used by several threads at once.

    ``gzip`` packs bodies, until the server or a proxy before it shows that it does not take them.
    """

    def __init__(self, address: Address, *, auth: Auth, courier: Courier, user_agent: str, gzip: bool = False) -> None:
        self.address = address
        self._auth = auth
        self._courier = courier
        self._user_agent = user_agent
        # Written by any thread, each time with a fact that stays true: no lock is needed.
        self._gzip: Literal["off", "untried", "works"] = "untried" if gzip else "off"

    def send(self, request: Request, *, retry: Retry | None = None, accept: Iterable[int] = ()) -> Response:
        """
        The answer to a request: its status is 2xx, or one of ``accept``.

        Raises a ServerError of the class that the status means (see `fhirtrial.server.errors.error_class`), ForeignLink
        for a redirect that leads away, Unreachable without an answer, AuthError where no token is to be had.
        """
        facts = request.facts(self.address.text)
        target, body = request.target, request.body
        renewed, redirects, sent, throttled = False, 0, 0, 0
        packed = self._gzip != "off" and body is not None and len(body) >= _SMALLEST_PACKED
        while True:
            used: list[str | None] = [None]

            def outgoing(used: list[str | None] = used, target: str = target, *, packed: bool = packed) -> Outgoing:
                used[0] = self._auth.header(self._courier, self.address)
                return self._outgoing(request, target, used[0], packed=packed)

            response = self._courier.deliver(
                outgoing, facts, repeat=request.repeat, divisible=request.entries > 1, retry=retry
            )
            sent, throttled = sent + response.attempts, throttled + response.throttled
            id = _printable(self.blot(response.request_id))[:_EXCERPT]
            response = replace(response, attempts=sent, throttled=throttled, request_id=id)
            if response.status == 401 and not renewed and used[0] and self._auth.renewed(used[0]):
                renewed = True
            elif packed and response.status in (400, 415) and self._gzip != "works":
                # Refused before anything was done; whether for the packing, the next answer tells.
                packed = False
            elif response.status in _REDIRECTS and "location" in response.headers:
                redirects += 1
                target = self._redirected(request, response, target, redirects)
            else:
                break
        if body is not None and len(body) >= _SMALLEST_PACKED:
            self._learn(packed=packed, status=response.status)
        if 200 <= response.status < 300 or response.status in accept:
            return response
        self._raise(request, response)
        raise AssertionError("unreachable")

    def blot(self, text: str) -> str:
        """A text of the server, without the secrets that it was sent."""
        return blotted(text, self._auth.secrets())

    def _outgoing(self, request: Request, target: str, header: str | None, *, packed: bool) -> Outgoing:
        headers = {**request.headers, "User-Agent": self._user_agent, "Accept-Encoding": "gzip"}
        body = request.body
        if header is not None:
            headers["Authorization"] = header
        if packed and body is not None:
            # Without a time in it: the same bytes each time.
            body = gzip.compress(body, _LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        return Outgoing(method=request.method, url=self.address.text + target, headers=headers, body=body)

    def _learn(self, *, packed: bool, status: int) -> None:
        if self._gzip != "untried":
            return
        if packed and 200 <= status < 300:
            self._gzip = "works"
        elif not packed and 200 <= status < 300:
            # What was refused packed is taken unpacked.
            self._gzip = "off"

    def _redirected(self, request: Request, response: Response, target: str, count: int) -> str:
        """The target that a redirect leads to. https://www.rfc-editor.org/rfc/rfc9110#name-redirection-3xx"""
        location = response.headers["location"]
        here = self.address.text + target
        # First blotted out, then cut: what is cut in two would not be found.
        shown = _printable(without_query(self.blot(location)))[:_LONGEST_SHOWN]
        facts = self._facts(request, response)
        if request.method != "GET" and response.status not in _SAME_METHOD:
            raise Refused(
                f"{reason(response.status)}: the redirect to {shown} is not followed, for it would lose the body", facts
            )
        try:
            found = self.address.target(location, seen_from=here)
        except Outside as problem:
            raise ForeignLink(
                f"{reason(response.status)}: the redirect to {shown} is not followed: {problem}; "
                "if it is right, give it as the base address",
                facts,
            ) from None
        if count > _MOST_REDIRECTS or found == target:
            raise Refused(f"{reason(response.status)}: the redirects go on without end", facts)
        return found

    def _facts(self, request: Request, response: Response, outcome: Outcome | None = None) -> Facts:
        entry = outcome.entry if outcome and request.entries else None
        return replace(
            request.facts(self.address.text, response),
            outcome=outcome or Outcome(),
            entry=entry,
            study=request.study_of(entry),
            retry_after=self._courier.told_wait(response),
        )

    def _raise(self, request: Request, response: Response) -> None:
        outcome = response.outcome
        outcome = outcome and outcome.changed(self.blot)
        said = str(outcome) if outcome and outcome.issues else _excerpt(response, self.blot)
        facts = self._facts(request, response, outcome)
        message = reason(response.status) + (f": {said}" if said else "")
        raise error_class(response.status)(message, facts)


def _excerpt(response: Response, blot: Callable[[str], str] = str) -> str:
    """
    The beginning of an answer that is not FHIR, in one line: a proxy's page, or another API's error.

    ``blot`` makes secrets unreadable; it is given the whole, for it would not know one that was cut.

    >>> _excerpt(Response(status=502, headers={"content-type": "text/html"}, body=b"<h1>Bad <b>Gateway</b></h1>"))
    'Bad Gateway'
    """
    text = blot(response.body.decode("utf-8", "replace"))[: 20 * _EXCERPT]
    if "html" in response.headers.get("content-type", ""):
        text = re.sub(r"(?is)<(script|style|head)\b.*?(</\1>|$)|<[^>]*>", " ", text)
    text = _printable(re.sub(r"\s+", " ", text).strip())
    return text if len(text) <= _EXCERPT else text[:_EXCERPT].rstrip() + " …"


def _printable(text: str) -> str:
    """A text without characters that a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
