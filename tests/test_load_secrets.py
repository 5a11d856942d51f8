"""What a load leaves behind holds no secret: state, report, issues, both outputs; also where a server repeats them."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner, Result

from fhirtrial.cli import main
from tests.load_target import GOLDEN
from tests.memory_server import MemoryServer
from tests.server.credentials import KEY, PASSWORD, SECRETS, TOKEN
from tests.server.tools import Exchange, Server, outcome

WAYS = {
    "basic": {"FHIRTRIAL_USER": "me", "FHIRTRIAL_PASSWORD": PASSWORD},
    "bearer": {"FHIRTRIAL_TOKEN": TOKEN},
    "client": {"FHIRTRIAL_CLIENT_ID": "me", "FHIRTRIAL_CLIENT_SECRET": PASSWORD},
    "smart": {"FHIRTRIAL_CLIENT_ID": "me", "FHIRTRIAL_PRIVATE_KEY": KEY, "FHIRTRIAL_KEY_ID": "k"},
}


def repeated(exchange: Exchange) -> str:
    """What a server that wants to be helpful says of a request."""
    return f"you said {exchange.seen.headers.get('authorization')} and {exchange.seen.body.decode()[:2000]}"


def is_transaction(exchange: Exchange) -> bool:
    return (exchange.seen.method, exchange.seen.path) == ("POST", "/fhir")


def refusing(status: int, when: Callable[[Exchange], bool]) -> Callable[[Exchange], bool]:
    """A server that refuses some requests, and repeats what it was sent."""

    def first(exchange: Exchange) -> bool:
        if exchange.seen.path == "/token":
            exchange.answer(200, {"access_token": TOKEN, "token_type": "bearer"})
            return True
        if not when(exchange):
            return False
        header = str(exchange.seen.headers.get("authorization"))
        exchange.answer(status, outcome(repeated(exchange), expression=[repeated(exchange)]), X_Request_ID=header)
        return True

    return first


def no_token(exchange: Exchange) -> bool:
    """An authorization server that gives no token, and repeats what it was asked with."""
    if exchange.seen.path != "/token":
        return False
    exchange.answer(400, {"error": "invalid_client", "error_description": repeated(exchange)})
    return True


NIGHTS: dict[str, tuple[Callable[[Exchange], bool], int]] = {
    "good": (refusing(500, lambda _: False), 0),
    "refused": (refusing(422, is_transaction), 1),
    "unauthorized": (refusing(401, is_transaction), 3),
    "forbidden": (refusing(403, lambda exchange: exchange.seen.path.startswith("/fhir/metadata")), 3),
    "down": (refusing(503, is_transaction), 3),
    "no-token": (no_token, 3),
}
"""What the server does, and the exit code of a load."""
BEFORE = ("forbidden", "no-token")
"""Nights on which nothing begins."""


def left_behind(folder: Path, done: Result) -> dict[str, bytes]:
    """All that a load has written, by where: files, what is in the database, and the two outputs."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    if "state" in found:
        with contextlib.closing(sqlite3.connect(folder / "state")) as database:
            found["database"] = "\n".join(database.iterdump()).encode()
    return {**found, "stdout": done.stdout_bytes, "stderr": done.stderr_bytes}


@pytest.mark.parametrize(
    ("way", "night"),
    [(way, night) for way in WAYS for night in NIGHTS if night != "no-token" or way in ("client", "smart")],
)
def test_a_load_leaves_no_secret_behind(
    way: str, night: str, memory: MemoryServer, server: Server, tmp_path: Path
) -> None:
    """However a load ends, and whatever the server says of it, no file and no output of it holds a secret."""
    source, folder = tmp_path / "studies.jsonl", tmp_path / "left"
    folder.mkdir()
    source.write_bytes(b"\n".join(map(orjson.dumps, GOLDEN[:2])))
    memory.first, status = NIGHTS[night]
    command = ["load", str(source), "--server", server.base, "--attempts", "1"]
    for option in ("state", "report", "issues"):
        command += [f"--{option}", str(folder / option)]
    environment = {**WAYS[way], "FHIRTRIAL_TOKEN_URL": f"{server.url}/token"}
    done = CliRunner().invoke(main, command, env=environment)

    assert done.exit_code == status, done.output
    sent = {seen.headers.get("authorization") or "" for seen in server.seen} | {
        seen.body.decode() for seen in server.seen
    }
    assert any(secret in text for secret in SECRETS for text in sent), "no secret was sent at all"
    left = left_behind(folder, done)
    assert {"report", "issues"} | (set() if night in BEFORE else {"state"}) <= left.keys()
    for where, content in left.items():
        assert [secret for secret in SECRETS if secret.encode() in content] == [], where
    if status:
        told = left["issues"] if status == 1 else left["report"]
        assert b"you said" in told
