"""What a run says: issues while it goes on, progress on a terminal, the numbers at its end."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

import click

from fhirtrial.cli.app import say
from fhirtrial.cli.exits import REFUSED
from fhirtrial.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from fhirtrial.issue import Issue
    from fhirtrial.loading.summary import LoadSummary
    from fhirtrial.pipelines.output import Output
    from fhirtrial.pipelines.summary import Summary


def target_of(output: str) -> str | BinaryIO:
    """Where an option says that something is written: ``-`` is standard output."""
    return sys.stdout.buffer if output == "-" else output


def check_file(option: str, file: str | None, why: str) -> None:
    """Raises UsageError if an option names a folder where a file is wanted."""
    if file is not None and (Path(file).is_dir() or file.endswith("/")):
        raise UsageError(f"{option} {file}: this is a folder; {why}")


class Report:
    """
    What goes to standard error, or into the file of issues, while a run goes on and at its end.

    ``stays`` says whether what the run has done so far stays even where it is broken off, and its issues with it.
    """

    def __init__(self, issues: Output | None, live: Progress | None, *, on_terminal: bool) -> None:
        from fhirtrial.pipelines.summary import Summary

        self.summary: Summary | LoadSummary = Summary()
        self.stays = False
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
            say(str(issue))

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
            records = f"{summary.records:,} records"
            self._live.update(task, records=records, refused=summary.refused, resources=resources)
            self._live.refresh()

    def begun(self, summary: LoadSummary) -> None:
        """Takes the numbers of a load, which are told also where it is broken off."""
        self.summary = summary

    def loaded(self, summary: LoadSummary) -> None:
        """Shows how far a load is."""
        if self._live is not None:
            task = self._live.tasks[0]
            resources = far(summary, task.elapsed or 0.0)
            self._live.update(task.id, records=summary.records, refused=summary.refused, resources=resources)
            self._live.refresh()

    def finish(self) -> None:
        """Says what was only counted, and the numbers of the run."""
        for code, count in sorted(self._passed_by.items()):
            say(f"information: {count:,} times [{code}]; --issues FILE has each")
        say(str(self.summary))


def far(summary: LoadSummary, seconds: float) -> str:
    """How far a load is after some seconds: resources, how many a second, what was sent again, what is left."""
    every = summary.total("created", "updated", "unchanged", "edited", "failed")
    parts = [f"{summary.written:,} written", f"{summary.total('unchanged'):,} unchanged"]
    if seconds > 0:
        parts.append(f"{every / seconds:,.0f} resources/s")
    if summary.again:
        parts.append(f"{summary.again.total():,} sent again")
    if summary.share:
        left = round(seconds * (1 - summary.share) / summary.share)
        parts.append(f"about {left // 60}:{left % 60:02} left")
    return ", ".join(parts)


@contextmanager
def reporting(issues: str | None, *, stdout_is_taken: bool, quiet: bool = False) -> Iterator[Report]:
    """
    The report of a run; at its end the summary is said and, if anything was refused, the command exits with 1.

    Of a run that is broken off the issues are discarded, as what it has written; but not if that stays: see
    `Report.stays`.
    """
    from fhirtrial.pipelines.output import open_output

    if issues == "-" and stdout_is_taken:
        raise UsageError("--issues -: standard output is taken by the result; use -o FILE, or --issues FILE")
    check_file("--issues", issues, "the issues go to one file")
    output = None if issues is None else open_output(target_of(issues))
    on_terminal = sys.stderr.isatty()
    live = _progress(sys.stderr) if on_terminal and not quiet else None
    report = Report(output, live, on_terminal=on_terminal)
    try:
        if live is not None:
            live.start()
        yield report
        report.stays = True
    finally:
        if output is not None:
            (output.finish if report.stays else output.discard)()
        if live is not None:
            live.stop()
        if report.stays and not quiet:
            report.finish()
    if report.summary.refused:
        raise click.exceptions.Exit(REFUSED)


def _progress(file: IO[str]) -> Progress:
    """How far a run is, on a terminal. It starts no thread, so that processes can be started by fork."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.fields[records]}, {task.fields[refused]:,} refused, {task.fields[resources]}"),
        TimeElapsedColumn(),
    )
    live = Progress(*columns, console=Console(file=file), auto_refresh=False, transient=True)
    live.add_task("", total=None, records="0 records", refused=0, resources="0 resources")
    return live
