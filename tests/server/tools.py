"""What the tests of the server side share: a clock that stands still, a client, and a small HTTP server."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from fhirtrial.server.client import FhirClient

BASE = "https://fhir.example.org/r4"


@dataclass
class Clock:
    """A clock that moves only when somebody sleeps, and remembers for how long."""

    now: float = 1_700_000_000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def client(base: str = BASE, *, clock: Clock | None = None, **options: Any) -> FhirClient:
    """A client that does not wait, and whose random number is 0: it waits half of what it may."""
    clock = clock or Clock()
    return FhirClient(base, clock=clock, sleep=clock.sleep, chance=lambda: 0.0, **options)


def outcome(text: str, *, code: str = "processing", severity: str = "error", **more: Any) -> dict[str, Any]:
    """An OperationOutcome with one issue."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": severity, "code": code, "diagnostics": text, **more}],
    }


def transaction(*entries: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    """A bundle to be sent."""
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def put(id: str = "a", **request: Any) -> dict[str, Any]:
    """An entry that updates a Location by its id."""
    return {
        "resource": {"resourceType": "Location", "id": id},
        "request": {"method": "PUT", "url": f"Location/{id}", **request},
    }


@dataclass
class Seen:
    """A request as a server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Exchange:
    """What a handler has in its hands: the request, and ways to answer rightly or wrongly."""

    def __init__(self, handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        self.handler = handler
        self.seen = seen

    def answer(self, status: int = 200, content: Any = None, **headers: str) -> None:
        """A whole answer."""
        body = b"" if content is None else content if isinstance(content, bytes) else orjson.dumps(content)
        self.raw(status, {"Content-Type": "application/fhir+json", "Content-Length": str(len(body)), **headers}, body)

    def raw(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Whatever is given."""
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.write(body)
        self.handler.wfile.flush()

    def hang_up(self) -> None:
        """No more."""
        self.handler.close_connection = True


@dataclass
class Server:
    """A server on this machine; ``seen`` are the requests it got."""

    url: str
    seen: list[Seen]

    @property
    def base(self) -> str:
        return self.url + "/fhir"


@contextmanager
def serving(handle: Callable[[Exchange], None], tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server whose answers a function gives; with ``tls`` one for https."""
    seen: list[Seen] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet for headers and body: two would wait for each other

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found = Seen(self.command, self.path, headers, body)
            seen.append(found)
            handle(Exchange(self, found))

        do_GET = do_POST = do_PUT = do_DELETE = do_CONNECT = handle_any

        def log_message(self, *_: Any) -> None:
            pass

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    # A connection that a test has cut off cannot be shut down once more.
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Server(f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}", seen)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
