"""The examples for operators are what their programs can read, and the script does what it says."""

from __future__ import annotations

import configparser
import fcntl
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NIGHTLY = EXAMPLES / "nightly"
SYNC = NIGHTLY / "sync.sh"


def unit(name: str) -> configparser.ConfigParser:
    """A systemd unit, whose keys may stand twice."""
    parsed = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes="#")
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read_string((NIGHTLY / name).read_text("utf-8"))
    return parsed


def compose() -> Any:
    return yaml.safe_load((EXAMPLES / "server" / "docker-compose.yml").read_text("utf-8"))


def test_images_are_pinned_to_a_version() -> None:
    """What worked yesterday is what runs tomorrow; HAPI is of the version that the tests load into."""
    images = {name: service["image"] for name, service in compose()["services"].items()}
    pom = (EXAMPLES.parent / "tests" / "hapi" / "pom.xml").read_text("utf-8")
    tested = re.search(r"<hapi>(.*)</hapi>", pom)
    assert all(re.fullmatch(r"[a-z/]+:v?\d+\.\d+[\w.-]*", image) for image in images.values()), images
    assert tested
    assert images["hapi"].startswith(f"hapiproject/hapi:v{tested[1]}-")


def test_each_service_waits_for_what_it_needs() -> None:
    """The database is asked before HAPI starts, and HAPI before `up --wait` returns; names in it exist."""
    services = compose()["services"]
    assert services["hapi"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert "http://hapi:8080/fhir/metadata" in services["ready"]["healthcheck"]["test"]
    assert {name for service in services.values() for name in service.get("depends_on", {})} <= set(services)
    assert services["database"]["volumes"] == [f"{name}:/var/lib/postgresql/data" for name in compose()["volumes"]]


def test_the_release_is_a_setting() -> None:
    """One variable makes it a server of another release, with a database of its own."""
    assert compose()["services"]["hapi"]["environment"]["hapi.fhir.fhir_version"] == "${FHIR_VERSION:-R4}"
    assert compose()["name"] == "fhirtrial-${FHIR_VERSION:-R4}"


def test_nobody_else_reaches_the_server() -> None:
    """HAPI asks for no password: its port is this machine's only."""
    assert all(port.startswith("127.0.0.1:") for port in compose()["services"]["hapi"]["ports"])
    assert "ports" not in compose()["services"]["database"]


def test_units() -> None:
    """The timer starts the service of its name, which runs the script and tries again when the server was away."""
    timer, service = unit("fhirtrial.timer"), unit("fhirtrial.service")
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert re.fullmatch(r"\*-\*-\* \d\d:\d\d", timer["Timer"]["OnCalendar"])
    assert service["Service"]["Type"] == "oneshot"
    assert service["Service"]["ExecStart"].split()[0].endswith("/sync.sh")
    assert "3" not in service["Service"]["RestartPreventExitStatus"].split()
    assert "Install" not in service


def test_cron_line() -> None:
    """Five fields of time, the user, and the script with what it is to load."""
    lines = (NIGHTLY / "fhirtrial.cron").read_text("utf-8").splitlines()
    (line,) = (line for line in lines if line[:1].isdigit())
    *when, user, script, studies = line.split()
    assert (when, user) == (["30", "2", "*", "*", "*"], "fhirtrial")
    assert script == unit("fhirtrial.service")["Service"]["ExecStart"].split()[0]
    assert studies == unit("fhirtrial.service")["Service"]["ExecStart"].split()[1]


def test_settings_are_those_of_the_script() -> None:
    """Cron and systemd set no variable that the script does not know."""
    known = set(re.findall(r"FHIRTRIAL_[A-Z]+", SYNC.read_text("utf-8")))
    for name in ("fhirtrial.cron", "fhirtrial.service"):
        assert set(re.findall(r"(FHIRTRIAL_[A-Z]+)=", (NIGHTLY / name).read_text("utf-8"))) <= known


def test_the_table_names_every_example() -> None:
    """examples/README.md leaves none out."""
    table = (EXAMPLES / "README.md").read_text("utf-8")
    there = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file()} - {"README.md"}
    assert {name for name in there if "__pycache__" not in name} == set(re.findall(r"`([\w./-]+\.\w+)`", table))


class Night:
    """A night on which the command does as told."""

    def __init__(self, folder: Path, status: int = 0, *, report: bool = True) -> None:
        self.data = folder / "data"
        command = folder / "fhirtrial"
        reporting = 'while [ "$1" != --report ]; do shift; done; echo "{}" > "$2"\n' if report else ""
        command.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{folder}/said"\n{reporting}exit {status}\n')
        command.chmod(0o755)
        self.said = folder / "said"
        self.environment = {
            "PATH": os.environ["PATH"],
            "FHIRTRIAL_COMMAND": str(command),
            "FHIRTRIAL_DATA": str(self.data),
            "FHIRTRIAL_SERVER": "http://localhost/fhir",
        }

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in (self.environment | settings).items() if value}
        command = ["bash", str(SYNC), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_good_night(tmp_path: Path) -> None:
    """The command gets sources, server, release, state, report and options, each as one word; nothing is printed."""
    night = Night(tmp_path)
    done = night.run("a b.zip", "c", FHIRTRIAL_RELEASE="R5", FHIRTRIAL_OPTIONS="--prune --workers 2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    said = night.said.read_text("utf-8").splitlines()
    report = said.pop(said.index("--report") + 1)
    assert Path(report).parent == night.data / "reports"
    assert said == [
        *("load", "a b.zip", "c", "--server", "http://localhost/fhir", "--to", "R5"),
        *("--state", f"{night.data}/state", "--report", "--prune", "--workers", "2"),
    ]


@pytest.mark.parametrize("status", [1, 3, 130])
def test_a_bad_night(tmp_path: Path, status: int) -> None:
    """What the command exits with is what the script exits with, and the report is named, which is there."""
    done = Night(tmp_path, status).run("studies")
    assert done.returncode == status
    named = re.fullmatch(rf"fhirtrial load ended with {status}; its report: (.*\.json)\n", done.stderr)
    assert named
    assert Path(named[1]).exists()


def test_a_night_that_was_set_up_wrongly(tmp_path: Path) -> None:
    """A command that cannot be meant writes no report, and none is named."""
    done = Night(tmp_path, 2, report=False).run("studies")
    assert (done.returncode, done.stderr) == (2, "fhirtrial load ended with 2; there is no report\n")


def test_a_night_on_which_the_server_is_away(tmp_path: Path) -> None:
    """With the command itself: the report that is named is there, and says why."""
    night = Night(tmp_path)
    source = str(EXAMPLES / "studies.jsonl")
    command = str(Path(sys.executable).with_name("fhirtrial"))
    base = "http://127.0.0.1:9/fhir"  # nobody listens there
    done = night.run(
        source, FHIRTRIAL_COMMAND=command, FHIRTRIAL_SERVER=base, FHIRTRIAL_OPTIONS="--attempts 1", NO_PROXY="*"
    )
    *_, last = done.stderr.splitlines()
    assert (done.returncode, last.partition(": ")[0]) == (3, "fhirtrial load ended with 3; its report")
    told = json.loads(Path(last.partition(": ")[2]).read_text("utf-8"))
    assert told["stopped"].startswith("capabilities: cannot connect to http://127.0.0.1:9")


def test_one_run_at_a_time(tmp_path: Path) -> None:
    """A night that is not long enough does not become two runs on one server."""
    night = Night(tmp_path)
    night.data.mkdir()
    with (night.data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = night.run("studies")
    assert (done.returncode, done.stderr) == (75, "the last run has not ended yet: nothing was started\n")
    assert not night.said.exists()


def test_old_reports_go(tmp_path: Path) -> None:
    """A month of reports is kept."""
    night = Night(tmp_path, report=False)
    reports = night.data / "reports"
    reports.mkdir(parents=True)
    for name in ("new.json", "old.json", "other.txt"):
        (reports / name).touch()
    os.utime(reports / "old.json", (0, 0))
    os.utime(reports / "other.txt", (0, 0))
    assert night.run("studies").returncode == 0
    assert {path.name for path in reports.iterdir()} == {"new.json", "other.txt"}


def test_without_a_server_or_studies(tmp_path: Path) -> None:
    """What is missing is said before anything is done."""
    night = Night(tmp_path)
    done = night.run("studies", FHIRTRIAL_SERVER="")
    assert done.returncode != 0
    assert "FHIRTRIAL_SERVER: must be the base URL of a FHIR server" in done.stderr
    assert night.run().returncode == 2
    assert not night.said.exists()
