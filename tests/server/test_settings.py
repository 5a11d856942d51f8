"""Settings of a client by option and by environment: one place, and what cannot be meant is said by its name."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

import click
import pytest
from click.testing import CliRunner

from fhirtrial.cli import main
from fhirtrial.errors import UsageError
from fhirtrial.loading.run import load
from fhirtrial.server.connection import Timeouts
from fhirtrial.server.settings import Settings, variable
from tests.server.tools import BASE, Exchange, serving

COMMANDS = ("load", "restore", "duplicates")
NAMES = [each.name for each in fields(Settings)]


def test_what_is_given_counts_before_the_environment() -> None:
    """Each setting comes from its variable; what is given, also if it is no, takes its place."""
    environment = {
        "FHIRTRIAL_TIMEOUT": "2.5",
        "FHIRTRIAL_ATTEMPTS": "3",
        "FHIRTRIAL_CA_BUNDLE": "a.pem",
        "FHIRTRIAL_CLIENT_CERTIFICATE": "b.pem",
        "FHIRTRIAL_CLIENT_KEY": "c.pem",
        "FHIRTRIAL_GZIP": "Yes",
        "FHIRTRIAL_LINKS": "rewrite",
        "FHIRTRIAL_PLAIN_HTTP": "0",
    }
    assert set(environment) == set(map(variable, NAMES))
    read = Settings.read(environment)
    assert read == Settings(
        timeout=2.5,
        attempts=3,
        ca_bundle="a.pem",
        client_certificate="b.pem",
        client_key="c.pem",
        gzip=True,
        links="rewrite",
        plain_http=False,
    )
    given = Settings.read(environment, gzip=False, timeout=9.0, links="same", attempts=None)
    assert (given.gzip, given.timeout, given.links, given.attempts) == (False, 9.0, "same", 3)
    assert Settings.read({}) == Settings()


def test_a_client_is_set_up_so() -> None:
    """What is set is what the client does: timeouts, attempts, packing, links, and credentials without encryption."""
    settings = Settings(timeout=5.0, attempts=2, gzip=True, links="https://inside.example/fhir", plain_http=True)
    token = {"FHIRTRIAL_TOKEN": "hush-token"}
    one = settings.client("http://fhir.example.org/r4", environment=token)
    courier = one._sender._courier
    assert courier.wire._connection.timeouts == Timeouts(connect=5.0, silence=5.0, answer=600.0)
    assert courier.retry.attempts == 2
    assert one._sender._gzip == "untried"
    assert getattr(one._links, "text", "") == "https://inside.example/fhir"
    with pytest.raises(UsageError, match=r"is not encrypted: .*, unless plain_http=True \(--plain-http\)$"):
        Settings().client("http://fhir.example.org/r4", environment=token)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("TIMEOUT", "soon", "a number of seconds above 0"),
        ("TIMEOUT", "-1", "a number of seconds above 0"),
        ("TIMEOUT", "nan", "a number of seconds above 0"),
        ("ATTEMPTS", "0", "a whole number from 1 on"),
        ("ATTEMPTS", "1.5", "a whole number from 1 on"),
        ("GZIP", "maybe", "yes or no"),
        ("PLAIN_HTTP", "2", "yes or no"),
    ],
)
def test_variables_that_cannot_be_meant(name: str, text: str, wanted: str) -> None:
    """The variable is named, and what it must be."""
    with pytest.raises(UsageError) as caught:
        Settings.read({f"FHIRTRIAL_{name}": text})
    assert str(caught.value) == f"FHIRTRIAL_{name} is {text!r}; it must be {wanted}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ca-bundle", "no.pem"], "CA bundle no.pem: there is no such file"),
        (["--client-certificate", "no.pem"], "client certificate no.pem: there is no such file"),
        (["--client-key", "no.key"], "a client certificate's key is given, but no certificate"),
        (
            ["--links", "everywhere"],
            "links is neither same nor rewrite: 'everywhere' is no address of a FHIR server",
        ),
    ],
)
def test_options_that_cannot_be_meant(options: list[str], message: str) -> None:
    """Exit code 2 and one line, before anything is asked of the server."""
    done = CliRunner().invoke(main, ["restore", "--server", BASE, "--all", *options])
    assert done.exit_code == 2
    assert re.fullmatch(rf"error: {re.escape(message)}(: it does not begin with http:// or https://)?\n", done.stderr)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_asks_a_server_has_them(command: str) -> None:
    """Each setting is an option of each such command, and its help names the variable."""
    found = main.get_command(click.Context(main), command)
    assert found is not None
    told = {option.name: getattr(option, "help", "") for option in found.params}
    for name in NAMES:
        assert variable(name) in told[name]


def test_the_library_reads_the_same_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """`load` in Python takes them as the command does."""
    source = tmp_path / "a.jsonl"
    source.write_text("{}")
    monkeypatch.setenv("FHIRTRIAL_TIMEOUT", "soon")
    with pytest.raises(UsageError, match=r"^FHIRTRIAL_TIMEOUT is 'soon'"):
        load(str(source), server=BASE)


def test_links_of_a_server_behind_a_proxy() -> None:
    """A server that believes to be elsewhere is read to its last page with ``--links``, and not without."""

    def answer(exchange: Exchange) -> None:
        bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
        if "page" not in exchange.seen.path:
            bundle["link"] = [{"relation": "next", "url": "http://inside.example/fhir/ResearchStudy?page=2"}]
        exchange.answer(200, bundle)

    with serving(answer) as server:
        command = ["restore", "--server", server.base, "--all"]
        refused = CliRunner().invoke(main, command)
        assert refused.exit_code == 3
        assert re.search(r"is not below .* \(--links rewrite\)", refused.stderr)
        for links in ("rewrite", "http://inside.example/fhir"):
            assert CliRunner().invoke(main, [*command, "--links", links]).exit_code == 0
    assert [seen.path.partition("?")[2] for seen in server.seen].count("page=2") == 2
