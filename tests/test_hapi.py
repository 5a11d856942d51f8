"""The HAPI server that other tests rely on: of the release that was asked for, empty, and restarted with what it had."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import orjson
import pytest

from tests import maven
from tests.hapi import sharing
from tests.hapi.__main__ import main
from tests.hapi.proxy import FaultyProxy
from tests.hapi.server import PROGRAM, RELEASES, HapiServer, ask

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = {"R4": "4.0.1", "R4B": "4.3.0", "R5": "5.0.0"}


def store(base_url: str, *names: str) -> list[str]:
    """Stores organizations by what they are called, in one transaction; where they are."""
    entries = [
        {
            "resource": {
                "resourceType": "Organization",
                "id": name,
                "identifier": [{"system": "urn:x:y", "value": name}],
            },
            "request": {"method": "PUT", "url": f"Organization?identifier=urn:x:y%7C{name}"},
        }
        for name in names
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = orjson.loads(ask(base_url, orjson.dumps(bundle)))
    return [entry["response"]["location"] for entry in answer["entry"]]


def count(base_url: str) -> int:
    """How many organizations there are."""
    found: int = orjson.loads(ask(f"{base_url}/Organization?_summary=count"))["total"]
    return found


class Pretended:
    """A server that only says what is done with it."""

    def __init__(self, *_: object, **__: object) -> None:
        self.port = 0
        self.done: list[str] = []
        self.owned = False

    def start(self) -> None:
        self.done.append("start")
        self.port = 4711
        self.owned = True

    def clear(self) -> None:
        self.done.append("clear")

    def stop(self) -> None:
        self.done.append("stop")

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/fhir"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        print("stop")


@pytest.mark.parametrize("hapi", RELEASES, indirect=True)
def test_each_release(hapi: HapiServer) -> None:
    """A server is of its release, stores transactions under the ids in them, and answers through the proxy too."""
    described = orjson.loads(ask(f"{hapi.base_url}/metadata"))
    assert described["fhirVersion"] == VERSIONS[hapi.release]
    assert described["software"]["version"] == "8.8.0"
    with FaultyProxy(hapi.base_url) as proxy:
        assert store(proxy.base_url, "a", "b") == ["Organization/a/_history/1", "Organization/b/_history/1"]
        links = orjson.loads(ask(f"{proxy.base_url}/Organization?_count=1"))["link"]
        assert all(link["url"].startswith(proxy.base_url) for link in links)
    assert count(hapi.base_url) == 2


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_an_empty_server(hapi: HapiServer, turn: int) -> None:
    """What one test stored, another does not meet: the id is free again, and counts begin at none."""
    assert count(hapi.base_url) == 0
    assert store(hapi.base_url, "a") == ["Organization/a/_history/1"]
    hapi.clear()
    assert count(hapi.base_url) == 0
    assert store(hapi.base_url, "a") == ["Organization/a/_history/1"]


def test_killed_and_restarted_with_what_it_had(own_hapi: HapiServer) -> None:
    """After a kill the server is where it was, with what was stored some time before."""
    before = own_hapi.base_url
    store(own_hapi.base_url, "a")
    time.sleep(1)  # H2 writes half a second later
    own_hapi.kill()
    with pytest.raises(urllib.error.URLError, match="refused"):
        ask(before)
    own_hapi.start()
    assert own_hapi.base_url == before
    assert count(before) == 1


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    """The end of the log is in the error."""
    maven.need(PROGRAM.lacking())
    server = HapiServer(settings={"fhir": "R3"}, log=tmp_path / "log")
    with pytest.raises(RuntimeError, match="fhir must be R4, R4B or R5, not R3"):
        server.start()
    assert not server.owned
    assert "not R3" in server.said()


def test_a_server_ends_with_who_started_it() -> None:
    """A test run that is killed leaves no server behind."""
    maven.need(PROGRAM.lacking())
    code = (
        "import os, signal\n"
        "from tests.hapi.server import HapiServer\n"
        "server = HapiServer('R4')\n"
        "server._await = lambda *_: None\n"
        "server.start()\n"
        "print(server._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    process = Path("/proc") / done.stdout.strip()
    for _ in range(600):
        if not process.exists() or "(zombie)" in (process / "status").read_text():
            return
        time.sleep(0.1)
    pytest.fail("the server still runs")


def test_the_last_worker_lets_the_server_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first starts it, the second uses the same, and the first stops it only when the second has left."""
    monkeypatch.setattr(sharing, "HapiServer", Pretended)
    first, second = (sharing.SharedServers(tmp_path) for _ in range(2))
    with first.empty("R4") as started:
        pass
    with second.empty("R4") as used:
        assert used is not started
        assert used.port == 4711
    with ThreadPoolExecutor(1) as pool:
        closing = pool.submit(first.close)
        with pytest.raises(TimeoutError):
            closing.result(0.3)
        assert vars(started)["done"] == ["start", "clear"]
        with second.empty("R4"):
            pass
        second.close()
        closing.result(10)
    assert vars(started)["done"] == ["start", "clear", "stop"]
    assert vars(used)["done"] == ["clear", "clear"]


def test_one_test_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a test has the server no other gets it."""
    monkeypatch.setattr(sharing, "HapiServer", Pretended)
    first, second = (sharing.SharedServers(tmp_path) for _ in range(2))

    def use() -> None:
        with second.empty("R4"):
            pass

    with ThreadPoolExecutor(1) as pool:
        with first.empty("R4"):
            using = pool.submit(use)
            with pytest.raises(TimeoutError):
                using.result(0.3)
        using.result(10)
    second.close()
    first.close()


def test_a_person_is_told_that_a_port_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """Instead of half a page of Java."""
    maven.need(PROGRAM.lacking())
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    assert capsys.readouterr().err == f"Port {port} is taken; port 0 takes a free one.\n"


def test_a_person_starts_and_stops_one() -> None:
    """What `make hapi` runs says where the server is, and Ctrl-C ends it cleanly, also where the shell ignored it."""
    code = (
        "import signal, sys\n"
        "from tests.hapi import __main__ as program\n"
        "from tests.test_hapi import Pretended\n"
        "program.HapiServer = Pretended\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "sys.exit(program.main(['--port', '0']))\n"
    )
    command = [sys.executable, "-c", code]
    maven.need(PROGRAM.lacking())
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("HAPI R4 is being started")
        assert process.stdout.readline() == "http://127.0.0.1:4711/fhir\n"
        assert process.stdout.readline() == "Ctrl-C stops it.\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "stop\nStopped.\n"
        assert process.wait() == 0


def test_without_java_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Java or Maven skips these tests and says why; where they are required, they fail."""
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "mvn" else name)
    assert PROGRAM.lacking() == "the HAPI server needs Java 17 and Maven: there is no mvn"
    monkeypatch.delenv(maven.REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="there is no mvn"):
        maven.need(PROGRAM.lacking())
    monkeypatch.setenv(maven.REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match="there is no mvn"):
        maven.need(PROGRAM.lacking())


def test_old_java_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Java that cannot run the server is named."""
    monkeypatch.setattr(shutil, "which", lambda name: name)
    monkeypatch.setattr(maven, "java_version", lambda: 'openjdk version "11.0.2" 2019-01-15\n')
    assert PROGRAM.lacking() == 'the HAPI server needs Java 17: this is openjdk version "11.0.2" 2019-01-15'


def test_ci_requires_the_server() -> None:
    """Continuous integration does not pass because nothing was tested."""
    assert re.search(rf"^export {maven.REQUIRED}=1$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
