"""The command `load` where it is stopped: what it has done is told, remembered, and gone on with."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from fhirtrial.cli import main
from tests.load_target import GOLDEN, edited, number_of
from tests.memory_server import MemoryServer
from tests.server.tools import Exchange, Server, outcome, serving

Json = dict[str, Any]


class Night:
    """A folder with studies, and a command that loads them as a nightly script does."""

    def __init__(self, folder: Path, base: str) -> None:
        self.folder = folder
        self.source = folder / "studies.jsonl"
        self.state, self.report, self.issues = folder / "state", folder / "report.json", folder / "issues"
        self.source.write_bytes(b"\n".join(map(orjson.dumps, GOLDEN)))
        self.command = ["load", str(self.source), "--server", base, "--report", str(self.report)]
        self.command += ["--issues", str(self.issues), "--attempts", "1", "--workers", "1"]

    @property
    def remembering(self) -> list[str]:
        """The command with a state."""
        return [*self.command, "--state", str(self.state)]

    def told(self) -> Json:
        """The report."""
        found: Json = orjson.loads(self.report.read_bytes())
        return found


@pytest.fixture
def night(tmp_path: Path, server: Server) -> Night:
    return Night(tmp_path, server.base)


def run(command: list[str], **environment: str) -> Result:
    return CliRunner().invoke(main, command, env=environment)


def broken_after(memory: MemoryServer, transactions: int, status: int = 503) -> Callable[[Exchange], bool]:
    """A server that takes some transactions, and is broken from then on."""

    def first(exchange: Exchange) -> bool:
        broken = len(memory.transactions) >= transactions
        if broken:
            exchange.answer(status, outcome("down"))
        return broken

    return first


def test_the_report_of_a_good_night(night: Night, memory: MemoryServer) -> None:
    """The summary and the report have the statuses of the answers, and the slowest bundle with its studies."""
    done = run(night.remembering)
    told = night.told()

    assert (done.exit_code, told["stopped"]) == (0, None)
    assert (told["bundles"], told["entries"]) == (len(memory.transactions), sum(memory.transactions))
    assert set(told["statuses"]) == {"200"}
    assert told["statuses"]["200"] > told["bundles"]
    assert f"; answers: {told['statuses']['200']} of 200; slowest bundle: " in done.stderr
    named = {number for slow in told["slowestBundles"] for number in slow["studies"]}
    assert named <= set(map(number_of, GOLDEN))
    assert named
    assert "stopped" not in done.stderr


@pytest.mark.parametrize("remembers", [True, False])
def test_a_server_that_goes_down(night: Night, memory: MemoryServer, remembers: bool) -> None:
    """Exit code 3; report, issues and numbers are there, with the reason; how to go on is said, and is true."""
    night.source.write_bytes(b"no study\n" + night.source.read_bytes())
    memory.first = broken_after(memory, 2)
    command = night.remembering if remembers else night.command
    done = run(command)
    told = night.told()

    assert done.exit_code == 3
    assert re.fullmatch(r"transaction of \d+ entries: 503 Service Unavailable: error: down \(.*\)", told["stopped"])
    assert (told["bundles"], len(memory.transactions)) == (2, 2)
    issues = [orjson.loads(line)["code"] for line in night.issues.read_bytes().splitlines()]
    assert (issues[0], Counter(issues)) == ("not-json", told["issues"])
    summary, error, further = done.stderr.splitlines()
    assert summary.startswith("0 studies, 1 refused; nothing; stopped after ")
    assert (
        f" resources in 2 bundles; answers: {told['statuses']['200']} of 200, {told['statuses']['503']} of 503; "
        in summary
    )
    assert error == f"error: {told['stopped']}"
    there = f"remembered in {night.state}" if remembers else "on the server and found there"
    assert further == f"what was written is {there}; the same command goes on"

    memory.first = lambda _: False
    assert run(command).exit_code == 1  # the line that is no study
    assert set(memory.written.values()) == {1}
    assert night.told()["resources"]["failed"] == 0


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """Exit code 3, and a report with the reason; nothing is said of going on with what was never begun."""
    with serving(lambda exchange: exchange.answer()) as server:
        night = Night(tmp_path, server.base)
    done = run(night.remembering)
    told = night.told()
    assert done.exit_code == 3
    assert re.fullmatch(rf"capabilities: cannot connect to {server.url}: Connection refused \(.*\)", told["stopped"])
    assert told["bundles"] == told["entries"] == 0
    assert done.stderr.splitlines() == [
        "0 studies, 0 refused; nothing; stopped after 0 resources in 0 bundles",
        f"error: {told['stopped']}",
    ]
    assert night.issues.read_bytes() == b""


def test_other_commands_do_not_speak_of_what_was_written(tmp_path: Path) -> None:
    """Where nothing is written, nothing is said of it: of a server that is down, there is the error alone."""
    with serving(lambda exchange: exchange.answer()) as server:
        pass
    ways = [["restore", "--all"], ["duplicates"]]
    for way in ways:
        done = run([*way, "--server", server.base, "--attempts", "1"])
        assert done.exit_code == 3
        assert re.fullmatch(r"error: search [A-Za-z]+: cannot connect to .*: Connection refused \(.*\)\n", done.stderr)


def test_wrong_use_leaves_everything_as_it_was(night: Night) -> None:
    """A command that cannot be meant has loaded nothing: yesterday's report and issues stay."""
    night.report.write_text("yesterday's")
    night.issues.write_text("yesterday's")
    night.state.write_text("no state")
    done = run(night.remembering)
    assert done.exit_code == 2
    assert done.stderr == f"error: {night.state}: this is no state of earlier loads: file is not a database\n"
    assert night.report.read_text() == night.issues.read_text() == "yesterday's"
    assert {path.name for path in night.folder.iterdir()} == {"studies.jsonl", "state", "report.json", "issues"}
    done = run([*night.command[:4], "--report", str(night.folder)])
    assert (done.exit_code, done.stderr) == (
        2,
        f"error: --report {night.folder}: this is a folder; the numbers go to one file\n",
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_load_that_is_stopped_from_outside(
    night: Night, memory: MemoryServer, number: signal.Signals, status: int
) -> None:
    """Ctrl-C, and the end of a service: report, issues and numbers are there, and the same command goes on."""
    loader: list[subprocess.Popen[str]] = []

    def stop_at_second(exchange: Exchange) -> bool:
        if exchange.seen.path == "/fhir" and len(memory.transactions) == 1:
            loader[0].send_signal(number)
        return False

    memory.first = stop_at_second
    command = [sys.executable, "-m", "fhirtrial", *night.remembering]
    loader.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    _, said = loader[0].communicate(timeout=60)
    told = night.told()

    assert loader[0].returncode == status
    assert told["stopped"] == "stopped from outside"
    assert told["entries"] == sum(memory.transactions) > 0
    assert night.issues.exists()
    lines = said.splitlines()
    assert f"; stopped after {told['entries']:,} resources in {told['bundles']} bundles; " in lines[0]
    assert lines[1:] == [f"stopped: what was written is remembered in {night.state}; the same command goes on"]

    assert run(night.remembering).exit_code == 0
    assert night.told()["stopped"] is None
    assert set(memory.written.values()) == {1}


def test_other_commands_that_are_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ctrl-C has its exit code with every command; what is taken back is not told."""

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fhirtrial.pipelines.convert.convert_all", stopped)
    done = run(["check", "-", "--issues", str(tmp_path / "issues")])
    assert (done.exit_code, done.stderr) == (130, "stopped\n")
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_that_is_stopped(night: Night, memory: MemoryServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was written, and nothing else is said."""

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fhirtrial.loading.run.load_all", stopped)
    done = run([*night.command, "--dry-run"])
    assert done.exit_code == 130
    assert done.stderr.splitlines()[-1] == "stopped: it was a dry run: nothing was written"


def test_duplicates_are_listed(night: Night, memory: MemoryServer) -> None:
    """What a server has twice under one identifier is listed with both; exit code 1. Of any type that is loaded."""
    run(night.command)
    assert run(["duplicates", "--server", night.command[3]]).exit_code == 0
    for name in ("Location/", "Group/"):
        found = next(each for key, each in memory.held.items() if key.startswith(name))
        memory.held[f"{name}twice"] = {**found, "id": "twice"}
    done = run(["duplicates", "--server", night.command[3]])
    assert done.exit_code == 1
    kinds = [re.fullmatch(r"(\w+)\?identifier=\S+\t\1/\S+\t\1/twice", line) for line in done.stdout.splitlines()]
    assert [found and found[1] for found in kinds] == ["Group", "Location"]
    assert done.stderr == "2 identifiers of several resources\n"


def test_what_a_restored_study_refers_to_and_is_not_there(night: Night, memory: MemoryServer) -> None:
    """A reference or a canonical that the server lacks, and one to another server, are told, each once."""
    run(night.command)
    planned = next(each for each in memory.held.values() if each["resourceType"] == "ActivityDefinition")
    del memory.held[f"ActivityDefinition/{planned['id']}"]
    number = planned["id"].partition("-")[0]
    study = memory.held[f"ResearchStudy/{number}"]
    away = [{"reference": name} for name in ("https://other.example/fhir/Location/1", "Location/gone")]
    memory.held[f"ResearchStudy/{number}"] = {**study, "site": [*study.get("site", ()), *away]}
    again = {"url": "https://other.example/seen-later", "valueReference": away[1]}
    memory.held[f"PlanDefinition/{number}-protocol"]["extension"] = [again]
    done = run(["restore", "--server", night.command[3], number, "--issues", str(night.issues)])
    told = [orjson.loads(line) for line in night.issues.read_bytes().splitlines()]
    assert done.exit_code == 0
    assert sorted((each["path"], each["message"]) for each in told if each["message"].startswith("it is ref")) == [
        ("Location/gone", "it is referred to, and not on the server"),
        (planned["url"], "it is referred to, and not on the server"),
        ("https://other.example/fhir/Location/1", "it is referred to, and on another server"),
    ]


def test_a_registry_of_our_own_is_asked_for(night: Night, memory: MemoryServer) -> None:
    """With mapping files of one's own, `restore --server` asks for the identifiers that those write."""
    prefixes = (Path(__file__).resolve().parents[1] / "mappings" / "prefixes.yaml").read_text("utf-8")
    own = night.folder / "mappings"
    own.mkdir()
    text = prefixes.replace("https://clinicaltrials.gov/nctid", "https://own.example/nctid")
    assert text != prefixes
    (own / "prefixes.yaml").write_text(text, "utf-8")
    run([*night.command, "--mappings", str(own)])
    number = number_of(GOLDEN[0])
    for more, status in ((["--mappings", str(own)], 0), ([], 1)):
        done = run(["restore", "--server", night.command[3], number, *more])
        assert done.exit_code == status, done.stderr


def test_one_changed_record_by_the_command(night: Night, memory: MemoryServer) -> None:
    """A second night with one changed record sends what changed, and the report says so."""
    run(night.remembering)
    before = len(memory.transactions)
    night.source.write_bytes(b"\n".join(map(orjson.dumps, [edited(GOLDEN[0]), *GOLDEN[1:]])))
    run(night.remembering)
    assert night.told()["resources"]["updated"] == sum(memory.transactions[before:]) == 2


@pytest.mark.parametrize("done", [True, False])
def test_an_update_whose_answer_a_gateway_lost(night: Night, memory: MemoryServer, done: bool) -> None:
    """An update that may not be sent twice is looked at, whether the server has done it or not, and the load goes on."""
    run(night.remembering)
    night.source.write_bytes(b"\n".join(map(orjson.dumps, [edited(GOLDEN[0]), *GOLDEN[1:]])))
    lost: list[str] = []

    def gateway(exchange: Exchange) -> bool:
        if exchange.seen.path != "/fhir" or len(lost) == 2:
            return False
        lost.append(exchange.seen.path)
        if done:
            memory._transaction(orjson.loads(exchange.seen.body))
        exchange.answer(504, b"<h1>Gateway Timeout</h1>")
        return True

    memory.first = gateway
    assert run(night.remembering).exit_code == 0
    assert len(lost) == 2  # the bundle, and the first of its entries alone
    number = number_of(GOLDEN[0])
    assert {name for name, count in memory.written.items() if count == 2} == {
        f"ResearchStudy/{number}",
        f"PlanDefinition/{number}-protocol",
    }
    assert set(memory.written.values()) == {1, 2}
