"""Registry records to FHIR: written, or only checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fhirtrial.cli import options
from fhirtrial.cli.report import reporting, target_of

if TYPE_CHECKING:
    from fhirtrial.pipelines.participants import Participants


@click.command()
@options.sources
@click.option("--to", type=options.RELEASE, default="R5", show_default=True, help="The release of FHIR.")
@click.option(
    "--format",
    type=click.Choice(["ndjson", "bundle", "collection"]),
    default="ndjson",
    help="Each resource once, or a transaction or collection Bundle for each record; one to a line.",
)
@click.option("-o", "--output", metavar="FILE|DIR|-", default="-", help="Where to write; a DIR exists or ends with /.")
@options.participants
@options.input_format
@options.contacts
@options.mappings
@options.issues
@options.jobs
@options.verify
def convert(
    *,
    sources: tuple[str, ...],
    participants: Participants,
    to: str,
    format: Any,
    output: str,
    input_format: str | None,
    no_contacts: bool,
    mappings: str | None,
    issues: str | None,
    jobs: int,
    verify: bool,
) -> None:
    """
    Make FHIR of a registry's records, or of participants' data.

    A SOURCE may be a folder of SDTM datasets (XPT, CSV, Dataset-JSON) or a roster (subjects.csv, doses.csv): their
    subjects are tied to the arms and interventions of the study whose record --study names. Ids in the output are
    derived from study and subject number; --pseudonymise makes pseudonyms of these first. Other dates stay as they are,
    so that alone is no de-identification by HIPAA's safe harbor.

    A DIR gets one NDJSON file for each resource type; a FILE that ends with .gz is packed. Files get their names when
    all is done.

    \b
    Examples:
      fhirtrial convert studies.jsonl.gz -o out/ --issues issues.jsonl --jobs 4
      fhirtrial convert NCT05143125.json --to R4 --format bundle > transaction.json
      fhirtrial convert --study NCT05143125.json sdtm/ -o out/ --pseudonymise site.key
      curl 'https://clinicaltrials.gov/api/v2/studies?query.cond=asthma' | fhirtrial convert -
    """
    from fhirtrial.pipelines.convert import convert_all

    with reporting(issues, stdout_is_taken=output == "-") as report:
        report.summary = convert_all(
            sources,
            target_of(output),
            to=to,
            format=format,
            input_format=input_format,
            mappings=mappings,
            contacts=not no_contacts,
            verify=verify,
            jobs=jobs,
            participants=participants,
            noticed=report.notice,
            progress=report.progress,
        )


@click.command()
@options.sources
@options.participants
@options.input_format
@options.mappings
@options.issues
@options.jobs
@options.verify
def check(
    *,
    sources: tuple[str, ...],
    participants: Participants,
    input_format: str | None,
    mappings: str | None,
    issues: str | None,
    jobs: int,
    verify: bool,
) -> None:
    """
    Read and convert records, and report what there is to say; nothing is written.

    Keys that stand twice are looked for everywhere, also in parts that the mapping leaves out (results).

    \b
    Examples:
      fhirtrial check studies.jsonl
      fhirtrial check sdtm/ --study NCT05143125.json
      fhirtrial check ctg-studies.json.zip --issues - --jobs 4 | grep unknown-value
    """
    from fhirtrial.pipelines.convert import convert_all

    with reporting(issues, stdout_is_taken=False) as report:
        report.summary = convert_all(
            sources,
            None,
            input_format=input_format,
            mappings=mappings,
            verify=verify,
            jobs=jobs,
            participants=participants,
            noticed=report.notice,
            progress=report.progress,
        )
