"""Loading into a server or a folder, and what a server has twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from fhirtrial.cli import options
from fhirtrial.cli.app import say
from fhirtrial.cli.exits import REFUSED
from fhirtrial.cli.report import Report, check_file, reporting
from fhirtrial.cli.server import client_of
from fhirtrial.errors import MappingError, UsageError
from fhirtrial.loading.summary import LoadSummary

if TYPE_CHECKING:
    from fhirtrial.loading.decision import Decision
    from fhirtrial.loading.item import Item
    from fhirtrial.loading.target import Target
    from fhirtrial.mapping.difference import Difference
    from fhirtrial.pipelines.participants import Participants

SHOWN = 120
"""How many letters of a value are shown."""


@click.command()
@options.sources
@options.server
@click.option("--folder", metavar="DIR", help="Load into a folder of NDJSON files instead, by the same rules.")
@click.option("--to", type=options.RELEASE, help="The release of FHIR; else the server's, and R5 for a folder.")
@click.option("--state", metavar="FILE", help="Remember there what was written; else everything is looked up.")
@click.option("--dry-run", is_flag=True, help="Write nothing; say how much would be.")
@click.option("--diff", is_flag=True, help="Show what differs from what the server has, element by element.")
@click.option("--verify", is_flag=True, help="Look at everything on the server, whatever the state says.")
@click.option("--force", is_flag=True, help="Overwrite also what somebody has edited on the server.")
@click.option("--prune", is_flag=True, help="Delete what was made for a study, and the record no longer has.")
@click.option("--workers", metavar="N", type=click.IntRange(1), help="Bundles under way at a time; else by the server.")
@click.option("--report", "report_file", metavar="FILE", help="Write the numbers there as JSON.")
@options.participants
@options.input_format
@options.contacts
@options.mappings
@options.issues
@options.jobs
@options.connection
def load(
    *,
    sources: tuple[str, ...],
    participants: Participants,
    server: str | None,
    folder: str | None,
    to: str | None,
    state: str | None,
    dry_run: bool,
    diff: bool,
    verify: bool,
    force: bool,
    prune: bool,
    workers: int | None,
    report_file: str | None,
    input_format: str | None,
    no_contacts: bool,
    mappings: str | None,
    issues: str | None,
    jobs: int,
    **settings: Any,
) -> None:
    """
    Load a registry's records into a FHIR server, or a folder: each resource once, and a repeat changes nothing.

    A SOURCE is what convert takes, or FHIR that is made already (NDJSON, Bundles, a folder of those). Each resource is
    found by its business identifier: one that is there is updated, under whatever id, one that somebody has edited on
    the server is reported and left. What is remembered in the state file as written is neither looked up nor sent; a
    run that was stopped is simply started again. Credentials come from the environment: see FHIRTRIAL_TOKEN,
    FHIRTRIAL_USER and FHIRTRIAL_PASSWORD_FILE, FHIRTRIAL_CLIENT_ID in the documentation; so does a proxy, from
    HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

    \b
    Examples:
      fhirtrial load studies.jsonl --server http://localhost:8080/fhir --state studies.state
      fhirtrial load studies.jsonl --server http://localhost:8080/fhir --dry-run --diff
      fhirtrial load studies.jsonl --server https://hospital.example/fhir --ca-bundle ca.pem --timeout 300
      fhirtrial load studies.jsonl --folder out/
      fhirtrial load sdtm/ --study NCT05143125.json --server http://localhost:8080/fhir
    """
    from fhirtrial.loading.loader import Options
    from fhirtrial.loading.run import load_all

    if (server is None) == (folder is None):
        raise UsageError("say where to: either --server URL or --folder DIR")
    if folder is not None and state is not None:
        raise UsageError("--state is for a server: a folder is its own memory")
    check_file("--report", report_file, "the numbers go to one file")
    more = advice(folder=folder, state=state, dry=dry_run)
    with (
        reporting(issues, stdout_is_taken=diff) as report,
        numbers(report, report_file, more),
        target_of_options(server, folder, to, settings) as target,
    ):
        load_all(
            sources,
            target,
            state=state,
            options=Options(verify=verify, force=force, dry=dry_run, prune=prune, workers=workers),
            mappings=mappings,
            contacts=not no_contacts,
            input_format=input_format,
            jobs=jobs,
            participants=participants,
            noticed=report.notice,
            shown=show_difference if diff else None,
            progress=report.loaded,
            begun=report.begun,
        )


def advice(*, folder: str | None, state: str | None, dry: bool) -> str:
    """How to go on after a stop, and where that is which the load has done."""
    if dry:
        return "it was a dry run: nothing was written"
    if state is not None:
        return f"what was written is remembered in {state}; the same command goes on"
    there = "on the server" if folder is None else f"in {folder}"
    return f"what was written is {there} and found there; the same command goes on"


@contextmanager
def numbers(report: Report, file: str | None, more: str) -> Iterator[None]:
    """
    Writes the numbers of a load as JSON, also of one that is broken off: then with the reason.

    ``more`` is added to what stops it. Wrong use that shows before anything was done writes nothing.
    """
    import orjson

    from fhirtrial.pipelines.output import open_output

    output = open_output(file)
    report.summary = LoadSummary()
    try:
        yield
    except BaseException as error:
        done = report.summary
        assert isinstance(done, LoadSummary)
        outside = isinstance(error, (KeyboardInterrupt, SystemExit))
        report.stays = bool(done.studies or done.subjects or done.entries) or not isinstance(
            error, (MappingError, UsageError)
        )
        done.stopped = "stopped from outside" if outside else str(error) or type(error).__name__
        if outside or done.entries:
            error.add_note(more)
        raise
    else:
        report.stays = True
    finally:
        done = report.summary
        assert isinstance(done, LoadSummary)
        if report.stays:
            output.write("", orjson.dumps(done.as_dict(), option=orjson.OPT_INDENT_2))
            output.finish()
        else:
            output.discard()


@contextmanager
def target_of_options(
    server: str | None, folder: str | None, to: str | None, settings: dict[str, Any]
) -> Iterator[Target]:
    """Where to load into; the connections to a server are closed at the end."""
    if folder is not None:
        from fhirtrial.loading.folder_target import FolderTarget

        yield FolderTarget(folder, release=to or "R5")
        return
    from fhirtrial.loading.server_target import ServerTarget

    with client_of(str(server), release=to, **settings) as client:
        client.check_release()
        yield ServerTarget(client)


def show_difference(item: Item, decision: Decision, differences: Sequence[Difference]) -> None:
    """Prints what differs, as lines with - (the server's) and + (ours)."""
    from fhirtrial.mapping.difference import MISSING

    head = f"{item.study or 'shared'}: {item.reference}: {decision.action}"
    if decision.action == "create":
        click.echo(head)
        return
    click.echo(f"{head}{f' ({decision.why})' if decision.why else ''}")
    for found in differences:
        if found.second is not MISSING:
            click.echo(f"  - {found.path}: {_short(found.second)}")
        if found.first is not MISSING:
            click.echo(f"  + {found.path}: {_short(found.first)}")


def _short(value: Any) -> str:
    import orjson

    text = orjson.dumps(value).decode()
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


@click.command()
@options.server_needed
@options.connection
def duplicates(*, server: str, **settings: Any) -> None:
    """
    List the identifiers that several resources of a server share: studies with such are not loaded.

    One line for each: the identifier and the resources, separated by tabs. Exit code 1 if there are any.

    \b
    Examples:
      fhirtrial duplicates --server http://localhost:8080/fhir
    """
    from fhirtrial.loading.duplicates import shared_identifiers
    from fhirtrial.mapping.mapper import Mapper

    count, mapping = 0, Mapper().mapping
    kinds = [kind for kind in mapping.kinds if mapping.has_identifier(kind)]
    with client_of(server, **settings) as client:
        for identity, names in shared_identifiers(client, kinds):
            count += 1
            click.echo("\t".join([f"{identity.kind}?identifier={identity.system}|{identity.value}", *names]))
    say(f"{count:,} identifier{'' if count == 1 else 's'} of several resources")
    if count:
        raise click.exceptions.Exit(REFUSED)
