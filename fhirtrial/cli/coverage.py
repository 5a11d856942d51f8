"""The account of the mapping."""

from __future__ import annotations

from typing import Any

import click

from fhirtrial.cli import options


@click.command()
@click.option("--format", type=click.Choice(["table", "json", "markdown"]), default="table", help="How to print it.")
@options.mappings
def coverage(*, format: Any, mappings: str | None) -> None:
    """
    Print where each field of the registry goes, with file and line, or why it is left out.

    \b
    Examples:
      fhirtrial coverage
      fhirtrial coverage --format markdown > coverage.md
    """
    from fhirtrial.mapping.mapper import Mapper
    from fhirtrial.report.coverage import render_coverage

    click.echo(render_coverage(Mapper(mappings=mappings), format).rstrip("\n"))
