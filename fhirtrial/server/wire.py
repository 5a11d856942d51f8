"""The one place that sends: a request goes out, a whole answer comes back, or it is said what went wrong."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests
from requests import exceptions as failed

from fhirtrial.server.connection import Connection
from fhirtrial.server.response import Response
from fhirtrial.server.retry import Trouble

_PIECE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request with all its headers, ready to be sent to an absolute URL."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


class NoAnswerError(Exception):
    """There was no whole answer; ``trouble`` says how far it came, the text what happened."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble


class AnswerTooLongError(Exception):
    """The answer is longer than it may be."""


class Wire:
    """
    Sends over HTTP. It may be used by several threads at once.

    `requests.Session` is not made for that, so each sending takes a session out of a pool, or a new one if all are in
    use, and puts it back: there are as many as there ever were sendings at the same time. Of a session only its
    adapters are used: cookies, credentials and redirects are none of its business.
    """

    def __init__(
        self, connection: Connection, *, sessions: Callable[[], requests.Session], clock: Callable[[], float]
    ) -> None:
        self._connection = connection
        self._new = sessions
        self._clock = clock
        self._idle: list[requests.Session] = []
        self._lock = threading.Lock()

    def exchange(self, outgoing: Outgoing) -> Response:
        """
        The answer to a request, sent once. Redirects are answers like others.

        Raises NoAnswerError if there is none, or only a piece of one; AnswerTooLongError.
        """
        # Made without the session, which would add its cookies, and credentials from ~/.netrc.
        prepared = requests.Request(
            outgoing.method, outgoing.url, headers=dict(outgoing.headers), data=outgoing.body
        ).prepare()
        problem: NoAnswerError
        try:
            with self._session() as session:
                return self._exchange(session, prepared, outgoing.url)
        except (failed.RequestException, OSError) as error:
            problem = _no_answer(error, _origin(outgoing.url), self._connection)
        # Raised apart from the error above: that holds the request, with its headers and its query.
        raise problem

    def close(self) -> None:
        """Closes the connections that are not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()

    def _exchange(self, session: requests.Session, prepared: requests.PreparedRequest, url: str) -> Response:
        connection, started = self._connection, self._clock()
        response = session.send(
            prepared,
            stream=True,
            allow_redirects=False,
            timeout=(connection.timeouts.connect, connection.timeouts.silence),
            verify=connection.verify,
            cert=connection.cert,
            proxies=connection.proxies(url),
        )
        try:
            body = self._body(response, started)
        finally:
            # Gives the connection back if all was read, and closes it if not.
            response.close()
        session.cookies.clear()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(
            status=response.status_code,
            headers=headers,
            body=body,
            content=_content(response.status_code, headers, body),
            elapsed=max(0.0, self._clock() - started),
            request_id=headers.get("x-request-id", ""),
        )

    def _body(self, response: requests.Response, started: float) -> bytes:
        pieces, size = [], 0
        for piece in response.iter_content(_PIECE):
            size += len(piece)
            if size > self._connection.longest_answer:
                raise AnswerTooLongError(f"the answer is longer than {self._connection.longest_answer:,} bytes")
            if self._clock() - started > self._connection.timeouts.answer:
                raise NoAnswerError("lost", f"the answer was not complete in {self._connection.timeouts.answer:g} s")
            pieces.append(piece)
        return b"".join(pieces)

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        with self._lock:
            session = self._idle.pop() if self._idle else None
        session = session or self._new()
        try:
            yield session
        finally:
            with self._lock:
                self._idle.append(session)


def _content(status: int, headers: Mapping[str, str], body: bytes) -> Any:
    """The body as JSON. Raises NoAnswerError where it should be JSON and is not: then a piece of it is missing."""
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if 200 <= status < 300 and "json" in headers.get("content-type", ""):
            problem = NoAnswerError("lost", "the answer is cut short, or is no JSON")
        else:
            return None
    raise problem


def _no_answer(error: Exception, origin: str, connection: Connection) -> NoAnswerError:
    """
    What an error of requests means, without its text, which holds the query.

    An error that may have come after something was sent counts as if it had.
    """
    causes = list(_causes(error))
    refused = next((each for each in causes if isinstance(each, ssl.SSLCertVerificationError)), None)
    if refused is not None:
        return NoAnswerError("untrusted", f"the certificate of {origin} is not accepted: {refused.verify_message}")
    why = next((each.strerror for each in causes if isinstance(each, OSError) and _says(each)), None)
    tail = f": {why}" if why else ""
    if isinstance(error, failed.ProxyError):
        return NoAnswerError("unreached", f"cannot connect to {origin} through the proxy{tail}")
    if isinstance(error, failed.ConnectTimeout):
        return NoAnswerError("unreached", f"cannot connect to {origin} in {connection.timeouts.connect:g} s")
    names = {type(each).__name__ for each in causes}
    if names & {"NewConnectionError", "NameResolutionError"}:
        return NoAnswerError("unreached", f"cannot connect to {origin}{tail}")
    if isinstance(error, failed.Timeout) or "ReadTimeoutError" in names:
        return NoAnswerError("lost", f"no answer for {connection.timeouts.silence:g} s")
    if isinstance(error, failed.SSLError):
        return NoAnswerError("lost", f"the encrypted connection to {origin} failed{tail}")
    if isinstance(error, failed.ChunkedEncodingError | failed.ContentDecodingError):
        return NoAnswerError("lost", "the answer is cut short or garbled")
    return NoAnswerError("lost", f"the connection to {origin} was lost{tail}")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it was made of, as requests and urllib3 hide them: in arguments, reasons and causes."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop(0)
        if not isinstance(found, BaseException) or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [*found.args, getattr(found, "reason", None), found.__cause__, found.__context__]


def _says(error: OSError) -> bool:
    """Whether an error of the system says in words what happened; those of requests are OSErrors as well."""
    return isinstance(error.strerror, str) and not isinstance(error, failed.RequestException)


def _origin(url: str) -> str:
    return "/".join(url.split("/")[:3]).split("?")[0]
