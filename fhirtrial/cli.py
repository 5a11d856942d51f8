"""
The command line: the only place that prints and exits.

What does the work is imported when a command runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO

import click

from fhirtrial import __version__
from fhirtrial.errors import FhirtrialError, InputError, MappingError, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from fhirtrial.issue import Issue
    from fhirtrial.pipelines.output import Output
    from fhirtrial.pipelines.summary import Summary

REFUSED = 1
USAGE = 2
BROKEN_PIPE = 128 + 13
"""What a shell shows for a program that wrote to a pipe which nobody reads any more."""


class _Commands(click.Group):
    """The commands; what they raise becomes one line on standard error and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except (MappingError, UsageError) as error:
            _say(f"error: {error}")
            ctx.exit(USAGE)
        except InputError as error:
            _say(str(error))
            ctx.exit(REFUSED)
        except BrokenPipeError:
            # So that the interpreter does not fail when it flushes at its end.
            # https://docs.python.org/3/library/signal.html#note-on-sigpipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(BROKEN_PIPE)
        except (FhirtrialError, OSError) as error:
            _say(f"error: {error}")
            ctx.exit(REFUSED)
        else:
            return result


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="fhirtrial %(version)s")
def main() -> None:
    """
    Carries clinical trials from registries to FHIR and back, without loss.

    A SOURCE is a file, a folder, or - for standard input. Exit codes: 0 all good, 1 some records were refused, 2 the
    command or a mapping file is wrong.
    """
    signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, frame: object) -> None:  # noqa: ARG001
    """Ends the run in order, so that nothing half is left."""
    raise SystemExit(128 + number)


def _sources(command: Callable[..., None]) -> Callable[..., None]:
    return click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)(command)


_mappings = click.option("--mappings", metavar="DIR", help="Your own mapping files: each replaces the one of its name.")
_verify = click.option("--verify", is_flag=True, help="Make everything back, and report every difference.")
_issues = click.option(
    "--issues", metavar="FILE", help="Write the issues there as JSON Lines (-: standard output), not to standard error."
)
_contacts = click.option("--no-contacts", is_flag=True, help="Leave out names, phones and e-mails of contacts.")
_release_name = click.Choice(["R4", "R4B", "R5"])
_from = click.option(
    "--from", "source_release", type=_release_name, help="The release of what is read; else by what stands in it."
)
_input_format = click.option(
    "--input-format", metavar="NAME", help="Read study, page, array, jsonl, text, zip or folder; else by the content."
)
_jobs = click.option("--jobs", metavar="N", default=1, type=click.IntRange(1), help="Processes that convert.")


@main.command()
@_sources
@click.option("--to", type=_release_name, default="R5", show_default=True, help="The release of FHIR.")
@click.option(
    "--format",
    type=click.Choice(["ndjson", "bundle", "collection"]),
    default="ndjson",
    help="Each resource once, or a transaction or collection Bundle for each record; one to a line.",
)
@click.option("-o", "--output", metavar="FILE|DIR|-", default="-", help="Where to write; a DIR exists or ends with /.")
@_input_format
@_contacts
@_mappings
@_issues
@_jobs
@_verify
def convert(
    *,
    sources: tuple[str, ...],
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
    Make FHIR of a registry's records.

    A DIR gets one NDJSON file for each resource type; a FILE that ends with .gz is packed. Files get their names when
    all is done.

    \b
    Examples:
      fhirtrial convert studies.jsonl.gz -o out/ --issues issues.jsonl --jobs 4
      fhirtrial convert NCT05143125.json --to R4 --format bundle > transaction.json
      curl 'https://clinicaltrials.gov/api/v2/studies?query.cond=asthma' | fhirtrial convert -
    """
    from fhirtrial.pipelines.convert import convert_all

    with _report(issues, stdout_is_taken=output == "-") as report:
        report.summary = convert_all(
            sources,
            _target(output),
            to=to,
            format=format,
            input_format=input_format,
            mappings=mappings,
            contacts=not no_contacts,
            verify=verify,
            jobs=jobs,
            noticed=report.notice,
            progress=report.progress,
        )


@main.command()
@_sources
@click.option("-o", "--output", metavar="FILE|-", default="-", help="Where to write.")
@_from
@_mappings
@_issues
@_verify
def restore(
    *,
    sources: tuple[str, ...],
    output: str,
    source_release: str | None,
    mappings: str | None,
    issues: str | None,
    verify: bool,
) -> None:
    """
    Make a registry's records of FHIR, of whatever release: one per line, in the order of the studies.

    A SOURCE is a Bundle, NDJSON, a JSON array, a single resource, or a folder of such files; also packed.

    \b
    Examples:
      fhirtrial restore out/ -o studies.jsonl --verify
      fhirtrial convert studies.jsonl | fhirtrial restore - > again.jsonl
      curl 'http://localhost:8080/fhir/ResearchStudy?_include=*' | fhirtrial restore -
    """
    from fhirtrial.mapping.mapper import Mapper
    from fhirtrial.pipelines.restore import restore_all

    if Path(output).is_dir() or output.endswith("/"):
        raise UsageError(f"{output}: restored records go to one file, not to a folder")
    with _report(issues, stdout_is_taken=output == "-") as report:
        report.summary = restore_all(
            sources,
            _target(output),
            mapper=Mapper(mappings=mappings),
            source_release=source_release,
            verify=verify,
            noticed=report.notice,
            progress=report.progress,
        )


@main.command()
@_sources
@click.option("--to", type=_release_name, required=True, help="The release that is wanted.")
@_from
@click.option("--check", is_flag=True, help="Go back at once; keep what has no place of its own in an extension.")
@click.option("-o", "--output", metavar="FILE|DIR|-", default="-", help="Where to write; a DIR exists or ends with /.")
@_mappings
@_issues
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

    with _report(issues, stdout_is_taken=output == "-") as report:
        report.summary = release_all(
            sources,
            _target(output),
            to=to,
            source_release=source_release,
            check=check,
            mappings=mappings,
            noticed=report.notice,
            progress=report.progress,
        )


@main.command()
@click.option("--format", type=click.Choice(["table", "json", "markdown"]), default="table", help="How to print it.")
@_mappings
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


@main.command()
@click.argument("source", metavar="SOURCE")
@click.option("--all", "all_", is_flag=True, help="Show every record, not only the first.")
@_input_format
@_contacts
@_mappings
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
    from fhirtrial.readers import read
    from fhirtrial.report.show import show_record

    mapper = Mapper(mappings=mappings, contacts=not no_contacts)

    class Pipe(Console):
        def on_broken_pipe(self) -> None:
            # Rich would exit with 1, which means here that a record was refused.
            raise BrokenPipeError

    console = Pipe()
    with _report(None, stdout_is_taken=True, quiet=True) as report:
        for record in read(source, format=input_format, refused=report.refuse, schema=mapper.mapping.schema):
            try:
                conversion = mapper.convert(record)
            except InputError as error:
                report.refuse(error.issue)
                continue
            report.summary.records += 1
            show_record(conversion, console)
            if not all_:
                break


@main.command()
@_sources
@_input_format
@_mappings
@_issues
@_jobs
@_verify
def check(
    *,
    sources: tuple[str, ...],
    input_format: str | None,
    mappings: str | None,
    issues: str | None,
    jobs: int,
    verify: bool,
) -> None:
    """
    Read and convert records, and report what there is to say; nothing is written.

    \b
    Examples:
      fhirtrial check studies.jsonl
      fhirtrial check ctg-studies.json.zip --issues - --jobs 4 | grep unknown-value
    """
    from fhirtrial.pipelines.convert import convert_all

    with _report(issues, stdout_is_taken=False) as report:
        report.summary = convert_all(
            sources,
            None,
            input_format=input_format,
            mappings=mappings,
            verify=verify,
            jobs=jobs,
            noticed=report.notice,
            progress=report.progress,
        )


def _target(output: str) -> str | BinaryIO:
    return sys.stdout.buffer if output == "-" else output


def _say(text: str) -> None:
    click.echo(text, err=True)


class _Report:
    """What goes to standard error, or into the file of issues, while a run goes on and at its end."""

    def __init__(self, issues: Output | None, live: Progress | None, *, on_terminal: bool) -> None:
        from fhirtrial.pipelines.summary import Summary

        self.summary = Summary()
        self._issues = issues
        self._live = live
        self._on_terminal = on_terminal
        self._passed_by: Counter[str] = Counter()

    def notice(self, issue: Issue) -> None:
        """Writes an issue. On a terminal those that only inform are counted, and the counts shown at the end."""
        if self._issues is not None:
            import orjson

            self._issues.write("", orjson.dumps(issue.as_dict()))
        elif self._on_terminal and issue.severity == "information":
            self._passed_by[issue.code] += 1
        elif self._live is not None:
            self._live.console.print(str(issue), markup=False, highlight=False, soft_wrap=True)
        else:
            _say(str(issue))

    def refuse(self, issue: Issue) -> None:
        """Writes an issue and counts it."""
        self.summary.refused += issue.severity == "error"
        self.summary.note(issue)
        self.notice(issue)

    def progress(self, summary: Summary) -> None:
        """Shows how far the run is."""
        if self._live is not None:
            task = self._live.task_ids[0]
            resources = f"{summary.resources.total():,} resources"
            self._live.update(task, completed=summary.records, refused=summary.refused, resources=resources)
            self._live.refresh()

    def finish(self) -> None:
        """Says what was only counted, and the numbers of the run."""
        for code, count in sorted(self._passed_by.items()):
            _say(f"information: {count:,} times [{code}]; --issues FILE has each")
        _say(str(self.summary))


@contextmanager
def _report(issues: str | None, *, stdout_is_taken: bool, quiet: bool = False) -> Iterator[_Report]:
    """The report of a run; at its end the summary is said and, if anything was refused, the command exits with 1."""
    from fhirtrial.pipelines.output import open_output

    if issues == "-" and stdout_is_taken:
        raise UsageError("--issues -: standard output is taken by the result; use -o FILE, or --issues FILE")
    if issues is not None and (Path(issues).is_dir() or issues.endswith("/")):
        raise UsageError(f"--issues {issues}: this is a folder; the issues go to one file")
    output = None if issues is None else open_output(_target(issues))
    on_terminal = sys.stderr.isatty()
    live = _progress(sys.stderr) if on_terminal and not quiet else None
    report = _Report(output, live, on_terminal=on_terminal)
    try:
        if live is not None:
            live.start()
        yield report
        if output is not None:
            output.finish()
    except BaseException:
        if output is not None:
            output.discard()
        raise
    finally:
        if live is not None:
            live.stop()
    if not quiet:
        report.finish()
    if report.summary.refused:
        raise click.exceptions.Exit(REFUSED)


def _progress(file: IO[str]) -> Progress:
    """How far a run is, on a terminal. It starts no thread, so that processes can be started by fork."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:,} records, {task.fields[refused]:,} refused, {task.fields[resources]}"),
        TimeElapsedColumn(),
    )
    live = Progress(*columns, console=Console(file=file), auto_refresh=False, transient=True)
    live.add_task("", total=None, refused=0, resources="0 resources")
    return live
