"""The run from a registry's records to FHIR: read, map, write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import BinaryIO

from fhirtrial.dates import zone_of
from fhirtrial.errors import UsageError
from fhirtrial.issue import Issue
from fhirtrial.pipelines.converter import (
    FORMATS,
    STUDIES,
    Chunk,
    Converted,
    Converter,
    Format,
    Options,
    Results,
    chunks,
)
from fhirtrial.pipelines.jobs import Jobs
from fhirtrial.pipelines.output import Output, Target, open_output
from fhirtrial.pipelines.participants import Participants, the_study
from fhirtrial.pipelines.repeats import Repeats
from fhirtrial.pipelines.summary import Noticed, Summary
from fhirtrial.readers import Seen, Source, find, read
from fhirtrial.readers.source import Found, Limits, Piece
from fhirtrial.store import KeySet


def convert_all(
    sources: Iterable[Source],
    target: Target,
    *,
    to: str = "R5",
    format: Format = "ndjson",
    input_format: str | None = None,
    mappings: str | None = None,
    contacts: bool = True,
    verify: bool = False,
    jobs: int = 1,
    participants: Participants | None = None,
    noticed: Noticed = lambda _: None,
    progress: Callable[[Summary], object] = lambda _: None,
) -> Summary:
    """
    The records of sources as FHIR, written to a target; what was written and what was not.

    One that cannot be read or converted, or that verification finds changed, is refused, and the rest goes on. What
    is written does not depend on ``jobs``. Files get their names when all is done: a run that stops leaves none.

    Args:
        sources: as `read` takes them, one after the other.
        target: an open binary file, the path of a file (``.gz``: packed) or of a folder (one NDJSON file per type);
            None converts and writes nothing, and looks into what the mapping leaves out as well.
        to: the release of FHIR: ``R5``, ``R4`` or ``R4B``.
        format: ``ndjson``: each resource once in the whole run, shared ones where they come first; ``bundle`` and
            ``collection``: one Bundle with everything for each record, one to a line.
        input_format: as `read` takes it.
        mappings: a folder of your own mapping files.
        contacts: False leaves out the names, phones and e-mails of contacts.
        verify: restores each record from what was made, and compares.
        jobs: how many processes convert.
        participants: what is told about participants' data, which a source may be: the study that they are tied to, and
            what is not handed on. The study's record is converted first.
        noticed: is called with each issue, in the order of the records.
        progress: is called from time to time.

    Raises:
        MappingError: a mapping file is wrong.
        UsageError: an argument cannot be meant, or nothing can be written to the target.

    """
    if format not in FORMATS:
        raise UsageError(f"{format!r} is no format of output; known: {', '.join(FORMATS)}")
    if jobs < 1:
        raise UsageError(f"jobs is {jobs}; it must be at least 1")
    told = participants or Participants()
    options = Options(
        mappings=mappings, contacts=contacts, verify=verify, format=format, release=to, whole=target is None
    )
    work, found = begun(sources, told, options, input_format)
    kinds = {"Bundle"}
    output = open_output(target, kinds=kinds)
    try:
        writer = _Writer(work, output, noticed, kinds)
        found = prepared(work, found)
        with Jobs(work, jobs) as pool:
            for chunk, results in pool.run(chunks(found, lambda: writer.number)):
                writer.write(chunk, results)
                progress(writer.summary)
            writer.shared.close()
        writer.say(writer.repeats.rest())
        output.finish()
    except BaseException:
        output.discard()
        raise
    return writer.summary


def begun(
    sources: Iterable[Source],
    told: Participants,
    options: Options,
    input_format: str | None,
    opened: Callable[[BinaryIO], object] = lambda _: None,
) -> tuple[Converter, Iterator[Found]]:
    """
    What converts, and all that is found in the sources, after the record of the study.

    Raises as `convert_all` and `the_study` do.
    """
    if told.zone:
        zone_of(told.zone)  # an unknown one is told before anything is read
    options = replace(options, privacy=told.privacy, asked=told.asked, zone=told.zone, explode=told.explode)
    work = Converter(options)
    first: list[Found] = []
    if told.study is not None:
        piece, study = the_study(told.study, work.schema)
        work = Converter(replace(options, study=study))
        first = [piece] if told.study_too else []
    # An unknown format is told before anything is opened.
    read((), format=input_format, schema=work.schema)
    tables = told.tables(options.mappings)
    found = (item for source in sources for item in find(source, input_format, Limits(), opened=opened, tables=tables))
    return work, chain(first, found)


def prepared(work: Converter, found: Iterator[Found]) -> Iterator[Found]:
    """What was found, once the converter is ready for what comes first: before processes are made."""
    first = list(islice(found, 2))
    work.prepare(first)
    return chain(first, found)


class _Writer:
    """
    Writes results in their order, each shared resource once, and refuses records that were read before.

    A process does not make shared resources that it has made before. If one of them came with a record that is
    refused here, nobody else may have written it: then all begin anew (``number`` counts it), and what was converted
    meanwhile is converted again, here.
    """

    def __init__(self, work: Converter, output: Output, noticed: Noticed, kinds: set[str]) -> None:
        self.work = work
        self.output = output
        self.noticed = noticed
        self.kinds = kinds
        self.number = 0
        self.summary = Summary()
        self.shared = KeySet()
        self.seen = Seen(work.schema)
        self.repeats = Repeats()

    def write(self, chunk: Chunk, results: Results) -> None:
        """Writes what became of a chunk."""
        number = chunk.number
        for place, found in enumerate(chunk.found):
            result = results[place]
            if number != self.number:
                result = self.work(Chunk(self.number, [found]))[0]
            self.write_one(result, found)

    def write_one(self, result: Converted, found: Found) -> None:
        """Writes what became of one piece."""
        issues = result.issues
        if result.id and isinstance(found, Piece):
            again = self.seen.repeated(result.key, found.origin)
            self.kinds |= self.work.way(found.registry or STUDIES).kinds
            if again is not None:
                issues = (again,)
        self.say(self.repeats.left(issues))
        if any(issue.severity == "error" for issue in issues):
            self.summary.refused += 1
            if any(reference and reference not in self.shared for _, reference, _ in result.lines):
                self.number += 1
            return
        if not result.id:
            return
        self.summary.records += 1
        self.write_lines(result)

    def say(self, issues: Iterable[Issue]) -> None:
        """Counts issues, and hands them on."""
        for issue in issues:
            self.summary.note(issue)
            self.noticed(issue)

    def write_lines(self, result: Converted) -> None:
        """Writes the lines of a record, but for the shared resources that are written already, in as few pieces."""
        view = memoryview(result.text)
        counts, by_kind, is_new = self.summary.resources, self.output.by_kind, self.shared.add
        start = end = 0
        before = ""
        for kind, reference, size in result.lines:
            passed_over = reference and not is_new(reference)
            if start < end and (passed_over or (by_kind and kind != before)):
                self.output.write_lines(before, view[start:end])
                start = end
            end += size
            before = kind
            if passed_over:
                start = end
            elif result.counts is None:
                counts[kind] += 1
        if start < end:
            self.output.write_lines(before, view[start:end])
        if result.counts is not None:
            counts.update(result.counts)
