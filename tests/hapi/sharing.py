"""One HAPI server of a release for all workers of a test run: whoever needs it first starts it."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .server import HapiServer


class SharedServers:
    """
    The servers of a test run, as one worker sees them.

    A worker that uses a server holds a lock together with the others; the worker that started it stops it when it has
    that lock alone, which is when the last has left.

    Args:
        folder: one that all workers of the run know, and no other run.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers: dict[str, HapiServer] = {}
        self._uses: dict[str, IO[str]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def empty(self, release: str) -> Iterator[HapiServer]:
        """A server without a resource in it, for one test at a time."""
        with self.lock(release):
            server = self._server(release)
            server.clear()
            yield server

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """What only one worker does at a time."""
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def close(self) -> None:
        """Leaves all servers, then stops those that this worker started, as soon as no other uses them."""
        for use in self._uses.values():
            fcntl.flock(use, fcntl.LOCK_UN)
        for release, server in self._servers.items():
            if self._file(release).exists() and server.owned:
                fcntl.flock(self._uses[release], fcntl.LOCK_EX)
                self._file(release).unlink()
                server.stop()
        for use in self._uses.values():
            use.close()
        self._uses.clear()
        self._servers.clear()

    def _server(self, release: str) -> HapiServer:
        """The server of a release, started if nobody has. The caller holds the release's lock."""
        if release in self._servers:
            return self._servers[release]
        use = self._uses[release] = (self.folder / f"{release}.use").open("w")
        fcntl.flock(use, fcntl.LOCK_SH)
        server = HapiServer(release, log=self.folder / f"{release}.log")
        if self._file(release).exists():
            server.port = json.loads(self._file(release).read_text("utf-8"))["port"]
        else:
            with self.lock("start"):  # one start takes all of two cores
                server.start()
            self._file(release).write_text(json.dumps({"port": server.port}), "utf-8")
        self._servers[release] = server
        return server

    def _file(self, release: str) -> Path:
        return self.folder / f"{release}.json"
