"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable

import click

RELEASE = click.Choice(["R4", "R4B", "R5"])


def sources(command: Callable[..., None]) -> Callable[..., None]:
    """The sources: at least one."""
    return click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)(command)


mappings = click.option("--mappings", metavar="DIR", help="Your own mapping files: each replaces the one of its name.")
verify = click.option("--verify", is_flag=True, help="Make everything back, and report every difference.")
issues = click.option(
    "--issues", metavar="FILE", help="Write the issues there as JSON Lines (-: standard output), not to standard error."
)
contacts = click.option("--no-contacts", is_flag=True, help="Leave out names, phones and e-mails of contacts.")
server = click.option("--server", metavar="URL", help="The base of a FHIR server, as https://example.org/fhir.")
server_needed = click.option(
    "--server", metavar="URL", required=True, help="The base of a FHIR server, as https://example.org/fhir."
)
source_release = click.option(
    "--from", "source_release", type=RELEASE, help="The release of what is read; else by what stands in it."
)
input_format = click.option(
    "--input-format", metavar="NAME", help="Read study, page, array, jsonl, text, zip or folder; else by the content."
)
jobs = click.option("--jobs", metavar="N", default=1, type=click.IntRange(1), help="Processes that convert.")
