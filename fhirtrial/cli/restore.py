"""FHIR to registry records."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fhirtrial.cli import options
from fhirtrial.cli.report import reporting, target_of
from fhirtrial.cli.server import check_places, client_of
from fhirtrial.errors import UsageError

if TYPE_CHECKING:
    from fhirtrial.issue import Issue
    from fhirtrial.readers.fhir import ResourceFound
    from fhirtrial.server.client import FhirClient


@click.command()
@click.argument("sources", metavar="SOURCE...|NCT...", nargs=-1)
@options.server
@click.option(
    "--all",
    "all_",
    is_flag=True,
    help="With --server: all studies that have a number of the registry, or all subjects.",
)
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
    datasets are made again instead: from a server those of the studies with these numbers, in the order of subjects'
    identifiers.

    \b
    Examples:
      fhirtrial restore out/ -o studies.jsonl --verify
      fhirtrial restore out/ --format sdtm -o tables/ --tables json --created 2026-01-31T12:00:00Z
      fhirtrial restore --server https://hospital.example/fhir --ca-bundle ca.pem NCT05143125
      fhirtrial restore --server https://hospital.example/fhir --format sdtm -o tables/ NCT05143125
    """
    from fhirtrial.pipelines.participants import layouts
    from fhirtrial.pipelines.restore import restore_all
    from fhirtrial.pipelines.tables import TableFolder

    if format == "study" and (Path(output).is_dir() or output.endswith("/")):
        raise UsageError(f"{output}: restored records go to one file, not to a folder")
    if format != "study" and (output == "-" or Path(output).is_file()):
        raise UsageError(f"tables go to a folder: say which with -o DIR, not {output!r}")
    check_places("restore", sources, server, all_=all_)
    more = None
    if server is not None:
        read = read_studies if format == "study" else partial(read_subjects, registry=format)
        more = partial(read, client_of(server, **settings), sources, mappings)
    with reporting(issues, stdout_is_taken=output == "-") as report:
        report.summary = restore_all(
            sources if server is None else [],
            target_of(output)
            if format == "study"
            else TableFolder(output, layouts(mappings)(format), form=tables, created=created),
            mappings=mappings,
            registry="ctgov" if format == "study" else format,
            source_release=source_release,
            more=more,
            verify=verify,
            noticed=report.notice,
            progress=report.progress,
        )


def read_studies(
    client: FhirClient, numbers: Sequence[str], mappings: str | None, note: Callable[[Issue], object]
) -> Iterator[ResourceFound]:
    """The resources of studies on a server: of all of them, if no numbers are given."""
    from fhirtrial.files import MappingFiles
    from fhirtrial.loading.fetch import Fetch
    from fhirtrial.loading.fetch_subjects import found_there
    from fhirtrial.prefixes import load_prefixes

    files = MappingFiles(None if mappings is None else Path(mappings))
    fetch = Fetch(client, system=load_prefixes(files)["nct"], noticed=note)
    parts = fetch.studies(numbers) if numbers else fetch.everything()
    with client:
        for resources in parts:
            yield from found_there(resources, fetch.base)


def read_subjects(
    client: FhirClient,
    numbers: Sequence[str],
    mappings: str | None,
    note: Callable[[Issue], object],
    *,
    registry: str,
) -> Iterator[ResourceFound]:
    """The resources of the subjects of studies on a server: of all subjects, if no numbers are given."""
    from fhirtrial.files import MappingFiles
    from fhirtrial.loading.fetch_subjects import STUDY, subjects_there
    from fhirtrial.mapping.language.mapping import load_mapping

    mapping = load_mapping(MappingFiles(None if mappings is None else Path(mappings)), registry)
    beside = dict.fromkeys(mapping.files[each.file].resource for each in mapping.beside)
    return subjects_there(client, numbers, note, beside=beside, others={*mapping.kinds, STUDY})
