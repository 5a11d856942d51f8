"""A study for people."""

from __future__ import annotations

import click

from fhirtrial.cli import options
from fhirtrial.cli.report import reporting
from fhirtrial.errors import InputError, UsageError


@click.command()
@click.argument("source", metavar="SOURCE")
@click.option("--all", "all_", is_flag=True, help="Show every record, not only the first.")
@options.input_format
@options.contacts
@options.mappings
def show(*, source: str, all_: bool, input_format: str | None, no_contacts: bool, mappings: str | None) -> None:
    """
    Print a study for people: what it says, and what it becomes.

    \b
    Examples:
      fhirtrial show NCT05143125.json
      fhirtrial show studies.jsonl --all | less -R
    """
    from rich.console import Console

    from fhirtrial.mapping.mapper import Mapper
    from fhirtrial.pipelines.summary import Summary
    from fhirtrial.readers import read
    from fhirtrial.report.show import show_record

    mapper = Mapper(mappings=mappings, contacts=not no_contacts)

    class Pipe(Console):
        def on_broken_pipe(self) -> None:
            # Rich would exit with 1, which means here that a record was refused.
            raise BrokenPipeError

    console = Pipe()
    summary = Summary()
    with reporting(None, stdout_is_taken=True, quiet=True) as report:
        report.summary = summary
        for record in read(source, format=input_format, refused=report.refuse, schema=mapper.mapping.schema):
            if record.registry != mapper.mapping.registry:
                message = "these are participants' data, of which nobody is shown"
                raise UsageError(f"{source}: {message}; fhirtrial subjects prints figures of what they become")
            try:
                conversion = mapper.convert(record)
            except InputError as error:
                report.refuse(error.issue)
                continue
            summary.records += 1
            show_record(conversion, console)
            if not all_:
                break
