"""Figures of participants, arm by arm."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from fhirtrial.cli import options
from fhirtrial.cli.report import reporting
from fhirtrial.cli.server import check_places, client_of


@click.command()
@click.argument("sources", metavar="SOURCE...|NCT...", nargs=-1)
@options.server
@click.option("--all", "all_", is_flag=True, help="With --server: all subjects that are there.")
@click.option(
    "--by",
    type=click.Choice(["assigned", "actual"]),
    default="assigned",
    show_default=True,
    help="Which arm counts: the one that subjects were assigned to, or the one that they were treated in.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON, not as a table.")
@options.source_release
@options.mappings
@options.issues
@options.connection
def subjects(
    *,
    sources: tuple[str, ...],
    server: str | None,
    all_: bool,
    by: Any,
    as_json: bool,
    source_release: str | None,
    mappings: str | None,
    issues: str | None,
    **settings: Any,
) -> None:
    """
    Print figures of participants, arm by arm, from FHIR of whatever release.

    A SOURCE is a Bundle, NDJSON, a JSON array, or a folder of such files; also packed. With --server the subjects of
    studies are read from there, by the numbers of these. Counted are subjects: all, randomised (that milestone),
    started (past eligibility), completed and stopped by reason (off study), exposed (a dose was given, placebo too);
    administrations; and the sum of dose × days of each treatment, each day of an interval counting, whatever the
    frequency. "(+3)" are administrations without a dose or without two full dates.

    \b
    Examples:
      fhirtrial convert sdtm/ --study NCT05143125.json | fhirtrial subjects - --by actual
      fhirtrial subjects --server https://hospital.example/fhir NCT05143125
      fhirtrial subjects out/ --json | jq '.studies[0].arms[] | {arm, completed}'
    """
    import orjson
    from rich.console import Console

    from fhirtrial.pipelines.subjects import GIVEN, STUDY, subject_figures
    from fhirtrial.pipelines.summary import Summary
    from fhirtrial.report.figures import show_figures

    check_places("count", sources, server, all_=all_)
    more = None
    if server is not None:
        from fhirtrial.loading.fetch_subjects import subjects_there

        client = client_of(server, **settings)
        more = partial(subjects_there, client, sources, beside=[GIVEN], others=[STUDY])
    with reporting(issues, stdout_is_taken=True, quiet=True) as report:
        report.summary = Summary()
        figures = subject_figures(
            sources if server is None else (),
            by=by,
            source_release=source_release,
            mappings=mappings,
            more=more,
            noticed=report.refuse,
        )
        if as_json:
            click.echo(orjson.dumps(figures.as_dict(), option=orjson.OPT_INDENT_2))
        else:
            # A table that is read by another program is not cut to a terminal's width.
            console = Console()
            show_figures(figures, console if console.is_terminal else Console(width=200))
