"""FHIR to registry records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fhirtrial.cli import options
from fhirtrial.cli.report import reporting, target_of
from fhirtrial.cli.server import client_of
from fhirtrial.errors import UsageError

if TYPE_CHECKING:
    from fhirtrial.issue import Issue
    from fhirtrial.readers.fhir import ResourceFound
    from fhirtrial.server.client import FhirClient


@click.command()
@click.argument("sources", metavar="SOURCE...|NCT...", nargs=-1)
@options.server
@click.option("--all", "all_", is_flag=True, help="With --server: all studies that have a number of the registry.")
@click.option(
    "--format",
    type=click.Choice(["study", "sdtm", "roster"]),
    default="study",
    help="Restore studies, as JSON Lines; or subjects, as the tables of SDTM or of a roster.",
)
@click.option("-o", "--output", metavar="FILE|DIR|-", default="-", help="Where to write: tables go to a DIR.")
@click.option(
    "--tables",
    type=click.Choice(["csv", "json", "ndjson", "dsjc"]),
    default="csv",
    help="Write tables as CSV, or as Dataset-JSON 1.1 in one of its three forms.",
)
@click.option("--created", metavar="TIME", default="", help="The time of making that Dataset-JSON must give.")
@options.source_release
@options.mappings
@options.issues
@options.verify
@options.connection
def restore(
    *,
    sources: tuple[str, ...],
    server: str | None,
    all_: bool,
    format: str,
    output: str,
    tables: str,
    created: str,
    source_release: str | None,
    mappings: str | None,
    issues: str | None,
    verify: bool,
    **settings: Any,
) -> None:
    """
    Make a registry's records of FHIR, of whatever release: one per line, in the order of the studies.

    A SOURCE is a Bundle, NDJSON, a JSON array, a single resource, or a folder of such files; also packed. With --server
    the studies are read from there, by their numbers, with all that they refer to. With --format sdtm the subjects'
    datasets are made again instead.

    \b
    Examples:
      fhirtrial restore out/ -o studies.jsonl --verify
      fhirtrial restore out/ --format sdtm -o tables/ --tables json --created 2026-01-31T12:00:00Z
      fhirtrial restore --server https://hospital.example/fhir --ca-bundle ca.pem NCT05143125
    """
    from fhirtrial.pipelines.participants import layouts
    from fhirtrial.pipelines.restore import restore_all
    from fhirtrial.pipelines.tables import TableFolder

    if format == "study" and (Path(output).is_dir() or output.endswith("/")):
        raise UsageError(f"{output}: restored records go to one file, not to a folder")
    if format != "study" and (output == "-" or Path(output).is_file()):
        raise UsageError(f"tables go to a folder: say which with -o DIR, not {output!r}")
    if format != "study" and server is not None:
        raise UsageError("--server is for studies: load participants' resources into a file first")
    if server is None and (all_ or not sources):
        raise UsageError("say what to restore: SOURCE..., or --server URL with numbers or --all")
    if server is not None and all_ == bool(sources):
        raise UsageError("with --server say which studies: their numbers, or --all")
    with reporting(issues, stdout_is_taken=output == "-") as report:
        report.summary = restore_all(
            sources if server is None else [],
            target_of(output)
            if format == "study"
            else TableFolder(output, layouts(mappings)(format), form=tables, created=created),
            mappings=mappings,
            registry="ctgov" if format == "study" else format,
            source_release=source_release,
            more=None if server is None else partial(read_server, client_of(server, **settings), sources, mappings),
            verify=verify,
            noticed=report.notice,
            progress=report.progress,
        )


def read_server(
    client: FhirClient, numbers: Sequence[str], mappings: str | None, note: Callable[[Issue], object]
) -> Iterator[ResourceFound]:
    """The resources of studies on a server: of all of them, if no numbers are given."""
    import orjson

    from fhirtrial.files import MappingFiles
    from fhirtrial.loading.fetch import Fetch
    from fhirtrial.prefixes import load_prefixes
    from fhirtrial.readers.fhir import ResourceFound
    from fhirtrial.record import Origin

    files = MappingFiles(None if mappings is None else Path(mappings))
    fetch = Fetch(client, system=load_prefixes(files)["nct"], noticed=note)
    parts = fetch.studies(numbers) if numbers else fetch.everything()
    with client:
        for resources in parts:
            for resource in resources:
                size = len(orjson.dumps(resource))
                yield ResourceFound(resource=resource, origin=Origin(file=fetch.base), full_url=None, size=size)
