"""A proxy between a client and a FHIR server that does harm by plan, and keeps account of it."""

from __future__ import annotations

import http.client
import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from .faults import Answer, Dropped, Fault, Request

NOT_PASSED_ON = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class Exchange:
    """
    What became of a request: ``fault`` is the name of what was done to it, empty if nothing was.

    ``server`` is the status with which the server answered, None if it was not asked; ``client`` that which the client
    got, None if it got no answer. Where ``server`` is 200 and ``client`` is not, the server did more than was told.
    """

    method: str
    path: str
    fault: str
    server: int | None
    client: int | None


class FaultyProxy:
    """
    A proxy with a base URL of its own, to be used in a ``with``.

    Args:
        target: the server's base URL.
        plan: what happens to each exchange in turn, None for nothing; after its end all is passed on as it is.
        when: which requests the plan is for; the others are passed on as they are, and take nothing from the plan.

    """

    def __init__(
        self, target: str, plan: Iterable[Fault | None] = (), when: Callable[[Request], bool] = lambda request: True
    ) -> None:
        self._target = urlsplit(target)
        self._plan = iter(plan)
        self._when = when
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []
        self._stopping = threading.Event()
        self._http = _Http(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self.base_url = f"http://127.0.0.1:{self._http.server_port}{self._target.path.rstrip('/')}"

    @property
    def exchanges(self) -> list[Exchange]:
        """All that came to their end so far, in that order."""
        with self._lock:
            return list(self._exchanges)

    @property
    def counts(self) -> Counter[str]:
        """How often each fault happened, by its name; ``""`` stands for those that nothing happened to."""
        return Counter(exchange.fault for exchange in self.exchanges)

    def answer(self, request: Request) -> Answer:
        """What the client gets for a request, or Dropped."""
        with self._lock:  # the plan goes by the order in which requests come, whichever thread has them
            fault = next(self._plan, None) if self._when(request) else None
        asked: list[int] = []

        def forward(asking: Request) -> Answer:
            answer = self._ask(asking)
            asked.append(answer.status)
            return answer

        given: int | None = None
        try:
            answer = fault.answer(request, forward, self._stopping) if fault else forward(request)
            given = answer.status if answer.sent is None else None
            return answer
        finally:
            name = type(fault).__name__ if fault else ""
            with self._lock:
                self._exchanges.append(
                    Exchange(request.method, request.path, name, asked[-1] if asked else None, given)
                )

    def _ask(self, request: Request) -> Answer:
        """The server's answer. Dropped if there is none."""
        assert self._target.hostname
        connection = http.client.HTTPConnection(self._target.hostname, self._target.port or 80, timeout=300)
        try:
            # The client's own Host goes on, so that the server's links lead back here.
            path = f"{self._target.path.rstrip('/')}{request.path}"
            connection.request(request.method, path, request.body or None, dict(request.headers))
            found = connection.getresponse()
            headers = {name: value for name, value in found.getheaders() if name.lower() not in NOT_PASSED_ON}
            return Answer(found.status, headers, found.read())
        except (OSError, http.client.HTTPException) as problem:
            raise Dropped(reset=True) from problem
        finally:
            connection.close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    """The sockets of a proxy."""

    daemon_threads = True

    def __init__(self, proxy: FaultyProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: the client has lost patience, and is gone."""


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    server: _Http

    def _exchange(self) -> None:
        base = self.server.proxy._target.path.rstrip("/")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_PASSED_ON}
        request = Request(self.command, self.path.removeprefix(base), headers, body)
        try:
            self._send(self.server.proxy.answer(request))
        except Dropped as dropped:
            self.close_connection = True
            if dropped.reset:
                self._reset()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _exchange

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body if answer.sent is None else answer.body[: answer.sent])
        if answer.sent is not None:
            self.close_connection = True

    def _reset(self) -> None:
        """Ends the connection by a reset: to close it in the usual way would first say that all is well."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the proxy keeps account itself."""
