"""FHIR of one release to FHIR of another."""

from __future__ import annotations

import click

from fhirtrial.cli import options
from fhirtrial.cli.report import reporting, target_of


@click.command()
@options.sources
@click.option("--to", type=options.RELEASE, required=True, help="The release that is wanted.")
@options.source_release
@click.option("--check", is_flag=True, help="Go back at once; keep what has no place of its own in an extension.")
@click.option("-o", "--output", metavar="FILE|DIR|-", default="-", help="Where to write; a DIR exists or ends with /.")
@options.mappings
@options.issues
def release(
    *,
    sources: tuple[str, ...],
    to: str,
    source_release: str | None,
    check: bool,
    output: str,
    mappings: str | None,
    issues: str | None,
) -> None:
    """
    Turn FHIR resources into another release: anybody's studies, subjects, groups, plans, medications and parties.

    A SOURCE is a Bundle, NDJSON, a JSON array, a single resource, or a folder of such files; also packed. What R4 has
    no element for goes into HL7's cross-version extensions, and comes back from there.

    \b
    Examples:
      fhirtrial release studies.ndjson --to R4 -o r4/
      fhirtrial release r4/ --to R5 --check > r5.ndjson
      curl 'http://localhost:8080/fhir/ResearchStudy/1' | fhirtrial release - --to R4
    """
    from fhirtrial.pipelines.release import release_all

    with reporting(issues, stdout_is_taken=output == "-") as report:
        report.summary = release_all(
            sources,
            target_of(output),
            to=to,
            source_release=source_release,
            check=check,
            mappings=mappings,
            noticed=report.notice,
            progress=report.progress,
        )
