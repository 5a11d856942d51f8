"""A HAPI server as Python sees it: started, stopped, killed, and started again on the same data."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.maven import Program, classpath, java_version

HERE = Path(__file__).parent
PROGRAM = Program("HAPI server", [HERE / name for name in ("pom.xml", "HapiServer.java")])
RELEASES = ("R4", "R4B", "R5")

# Measured: R5 reads much larger definitions when it starts, and spends minutes on collecting garbage with less.
HEAP = {"R4": "1g", "R4B": "1g", "R5": "1536m"}
START_SECONDS = 300
STOP_SECONDS = 60


class HapiServer:
    """
    A HAPI server in a process of its own, to be used in a ``with``; it ends with this process, however that ends.

    Args:
        release: ``R4``, ``R4B`` or ``R5``.
        database: the path of a file without its suffix, which is kept; in memory if it is None.
        port: 0 takes a free one, which is kept through `restart`.
        settings: of ``HapiServer.java``, where a test wants another than those of HAPI's starter.
        log: where the server's warnings and errors go; if it is None, a file that is removed at a clean stop.
        long_lived: compiles fully: slower to start, twice as fast after some ten thousand resources.

    Raises RuntimeError if it does not start, with the end of its log.

    """

    def __init__(
        self,
        release: str = "R4",
        database: Path | None = None,
        *,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
        log: Path | None = None,
        long_lived: bool = False,
    ) -> None:
        self.release = release
        self.database = database
        self.port = port
        self.settings = dict(settings or {})
        self.long_lived = long_lived
        self.log = log or Path(tempfile.gettempdir()) / f"hapi-{os.getpid()}-{id(self):x}.log"
        self._keep_log = log is not None
        self._process: subprocess.Popen[bytes] | None = None
        self._archive: Path | None = None
        self._new_archive: Path | None = None
        self.start_seconds = 0.0

    @property
    def owned(self) -> bool:
        """Whether it runs, and was started by this object."""
        return self._process is not None

    @property
    def base_url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://127.0.0.1:{self.port}/fhir"

    def start(self) -> Self:
        """Starts it, and returns when it answers."""
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="hapi-") as folder:
            url_file = Path(folder) / "url"
            command = self._command(url_file)
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            try:
                self._await(url_file, started + START_SECONDS)
            except BaseException:
                self.kill()
                raise
        self.start_seconds = time.monotonic() - started
        return self

    def stop(self) -> None:
        """Ends it cleanly: requests under way are answered, a file database is closed."""
        if not self._process:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return
        self._process = None
        if self._new_archive and self._archive and self._new_archive.exists():
            self._new_archive.replace(self._archive)
        if not self._keep_log:
            self.log.unlink(missing_ok=True)

    def kill(self) -> None:
        """Ends it at once, as a power cut does."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._new_archive:
            self._new_archive.unlink(missing_ok=True)

    def restart(self) -> Self:
        """Starts it again at the same port, on the same data if they are in a file."""
        self.stop()
        return self.start()

    def clear(self) -> None:
        """Takes all out of it, also what it remembers of searches and of what was deleted."""
        ask(f"{self.base_url.removesuffix('/fhir')}/empty", b"")

    def said(self, since: int = 0) -> str:
        """What it has logged from a position in bytes on."""
        return self.log.read_bytes()[since:].decode("utf-8", "replace") if self.log.exists() else ""

    def _command(self, url_file: Path) -> list[str]:
        folder = PROGRAM.built()
        settings = {
            "fhir": self.release,
            "port": str(self.port),
            "url-file": str(url_file),
            "parent": str(os.getpid()),
            "logback.configurationFile": str(HERE / "logback.xml"),
            **({"database": str(self.database)} if self.database else {}),
            **self.settings,
        }
        return [
            "java",
            f"-Xmx{HEAP[self.release]}",
            "-XX:+UseSerialGC",
            *([] if self.long_lived else ["-XX:TieredStopAtLevel=1"]),
            "-Xlog:disable",
            "-Xlog:all=error:stderr",
            *self._class_archive(folder),
            *(f"-D{name}={value}" for name, value in settings.items()),
            "-cp",
            classpath(folder),
            "HapiServer",
        ]

    def _class_archive(self, folder: Path) -> list[str]:
        """The option that halves the time of a start: classes as the first clean stop left them, by the same Java."""
        java = hashlib.sha256(java_version().encode()).hexdigest()[:8]
        self._archive = folder / f"{self.release}-{java}.jsa"
        if self._archive.exists():
            self._new_archive = None
            return [f"-XX:SharedArchiveFile={self._archive}"]
        # Written beside and renamed when it is whole: another server may start meanwhile.
        self._new_archive = self._archive.with_suffix(f".{os.getpid()}")
        return [f"-XX:ArchiveClassesAtExit={self._new_archive}"]

    def _await(self, url_file: Path, until: float) -> None:
        """Returns when the server describes itself, which it does only when it can do all the rest."""
        assert self._process
        while time.monotonic() < until:
            if self._process.poll() is not None:
                status = self._process.returncode
                raise RuntimeError(f"HAPI ended with status {status} when it was started; {self._last_words()}")
            if url_file.exists():
                self.port = int(url_file.read_text("utf-8").rpartition(":")[2].partition("/")[0])
                with contextlib.suppress(urllib.error.URLError, OSError):
                    ask(f"{self.base_url}/metadata")
                    return
            time.sleep(0.1)
        raise RuntimeError(f"HAPI did not answer within {START_SECONDS} seconds; {self._last_words()}")

    def _last_words(self) -> str:
        return f"the end of its log, {self.log}:\n{self.said()[-3000:]}"

    def __enter__(self) -> Self:
        return self if self._process else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def ask(url: str, body: bytes | None = None) -> bytes:
    """What something on this machine answers, whatever proxy the environment names."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, body, {"Content-Type": "application/fhir+json"})
    try:
        with opener.open(request, timeout=120) as answer:
            found: bytes = answer.read()
            return found
    except urllib.error.HTTPError as error:
        error.add_note(error.read().decode("utf-8", "replace")[:2000])
        raise
