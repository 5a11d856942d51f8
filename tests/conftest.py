"""What tests ask for by name: a real FHIR server."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.hapi.server import PROGRAM, HapiServer
from tests.hapi.sharing import SharedServers
from tests.maven import need
from tests.memory_server import MemoryServer
from tests.server.tools import Server, serving

# A run in the background may ignore Ctrl-C, and the commands that tests start would as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What these assert is shown when it fails, as in a test.
pytest.register_assert_rewrite("tests.changed_mapping", "tests.load_hapi", "tests.releases")

Report = Generator[None, pytest.TestReport, pytest.TestReport]
LOGGED = pytest.StashKey[list[tuple[HapiServer, int]]]()
"""Servers that a test uses, with the length of their logs before it."""


@pytest.fixture(scope="session")
def hapi_servers(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[SharedServers]:
    """The servers of this run, for all of its workers; they start when a test needs one, and stop after the last."""
    need(PROGRAM.lacking())
    own = tmp_path_factory.getbasetemp()
    servers = SharedServers((own if worker_id == "master" else own.parent) / "hapi")
    yield servers
    servers.close()


@pytest.fixture
def hapi(request: pytest.FixtureRequest, hapi_servers: SharedServers) -> Iterator[HapiServer]:
    """
    An empty HAPI server, which no other test uses meanwhile: of R4, or of each release of a test's

    ``@pytest.mark.parametrize("hapi", ["R4", "R5"], indirect=True)``.
    """
    with hapi_servers.empty(getattr(request, "param", "R4")) as server:
        _log(request, server)
        yield server


@pytest.fixture
def own_hapi(request: pytest.FixtureRequest, hapi_servers: SharedServers, tmp_path: Path) -> Iterator[HapiServer]:
    """A HAPI server with a file database, to be killed and started again; starting it takes its time."""
    with hapi_servers.lock("own"):
        server = HapiServer(getattr(request, "param", "R4"), tmp_path / "database", log=tmp_path / "hapi.log")
        with hapi_servers.lock("start"):
            server.start()
        with server:
            _log(request, server)
            yield server


def _log(request: pytest.FixtureRequest, server: HapiServer) -> None:
    request.node.stash.setdefault(LOGGED, []).append((server, len(server.said().encode())))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Report:
    """Adds to the report of a failed test what its servers logged meanwhile."""
    report = yield
    if report.failed:
        for server, before in item.stash.get(LOGGED, []):
            report.sections.append((f"log of HAPI {server.release}", server.said(before)[-20000:]))
    return report


@pytest.fixture
def memory() -> MemoryServer:
    """What a server in memory holds."""
    return MemoryServer()


@pytest.fixture
def server(memory: MemoryServer) -> Iterator[Server]:
    """A server in memory."""
    with serving(memory.handle) as served:
        yield served
