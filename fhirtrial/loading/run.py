"""A whole load: sources in, a target filled, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from fhirtrial.errors import UsageError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.loading.decision import Decision
from fhirtrial.loading.folder_target import FolderTarget
from fhirtrial.loading.item import Item
from fhirtrial.loading.loader import Group, Loader, Options
from fhirtrial.loading.server_target import ServerTarget
from fhirtrial.loading.source import from_records, from_resources, holds_resources
from fhirtrial.loading.summary import LoadSummary
from fhirtrial.loading.target import Target
from fhirtrial.mapping.difference import Difference
from fhirtrial.pipelines.participants import Participants
from fhirtrial.prefixes import load_prefixes
from fhirtrial.readers.meter import Meter
from fhirtrial.server.client import FhirClient
from fhirtrial.server.settings import Settings
from fhirtrial.version import __version__


def load_all(
    sources: Iterable[str],
    target: Target,
    *,
    state: str | Path | None = None,
    options: Options | None = None,
    mappings: str | None = None,
    contacts: bool = True,
    input_format: str | None = None,
    jobs: int = 1,
    participants: Participants | None = None,
    noticed: Callable[[Issue], object] = lambda _: None,
    shown: Callable[[Item, Decision, Sequence[Difference]], object] | None = None,
    progress: Callable[[LoadSummary], object] = lambda _: None,
    begun: Callable[[LoadSummary], object] = lambda _: None,
) -> LoadSummary:
    """
    Loads a registry's records, or FHIR resources that are made already, into a target: each once, a repeat nothing.

    One record that cannot be read or loaded stops nothing: it is reported, and the rest goes on.

    Args:
        sources: as `convert_all` takes them (paths, ``-``), or FHIR as `read_resources` takes it; not both.
        target: a `ServerTarget` or a `FolderTarget`; it is closed at the end.
        state: the file that remembers what was written; None looks at everything on the target.
        options: how to load; see there what is done if they are not given.
        mappings: a folder of your own mapping files.
        contacts: False leaves out the names, phones and e-mails of contacts.
        input_format: as `read` takes it.
        jobs: how many processes convert.
        participants: as `convert_all` takes it.
        noticed: is called with each issue.
        shown: is called with each resource that differs from what the target holds.
        progress: is called from time to time.
        begun: is called once, before anything is read, with the numbers, which grow: so that those of a load that is
            broken off are at hand.

    Raises:
        UsageError: an argument cannot be meant, or the state belongs to another target.
        ServerError: the target cannot be reached any more: another run goes on where this one stopped.

    """
    given = list(sources)
    options = options or Options()
    if options.workers is not None and options.workers < 1:
        raise UsageError(f"workers is {options.workers}; it must be at least 1")
    made = [holds_resources(source) for source in given]
    if any(made) and not all(made):
        raise UsageError("some sources are FHIR already, some a registry's records: load them one after the other")
    if options.prune and any(made):
        raise UsageError("pruning is for a registry's records: FHIR does not say what a record has no longer")
    if options.prune and state is None and not target.remembers:
        raise UsageError("pruning needs a state (--state FILE): it knows what was made for a study")
    files = MappingFiles(Path(mappings) if mappings is not None else None)
    own = load_prefixes(files)["our"]
    memory = target.open(state, mapping=mapping_version(files), dry=options.dry)
    try:
        meter = Meter(given)

        def metered(summary: LoadSummary) -> None:
            summary.share = meter.share
            count(summary, target)
            progress(summary)

        loader = Loader(target, memory, options, own=own, noticed=noticed, shown=shown, progress=metered)
        begun(loader.summary)
        groups: Iterator[Group]
        if any(made):
            groups = from_resources(given, release=target.release, noticed=loader.refuse)
        else:
            groups = from_records(
                given,
                release=target.release,
                mappings=mappings,
                contacts=contacts,
                input_format=input_format,
                jobs=jobs,
                participants=participants,
                noticed=loader.refuse,
                opened=meter.opened,
            )
        try:
            loader.load(groups)
        finally:  # a run that is stopped keeps what it has
            target.close()
            count(loader.summary, target)
    finally:
        memory.close()
    return loader.summary


def count(summary: LoadSummary, target: Target) -> None:
    """Takes over what a target has counted."""
    tally = target.tally
    summary.statuses, summary.again = tally.statuses, tally.again


def mapping_version(files: MappingFiles) -> str:
    """A name for what makes resources of records: this library's version, and all mapping files."""
    digest = sha256(__version__.encode())
    registries = files.registries()
    folders = ("", *registries, *(f"{name}/rules" for name in registries), "releases")
    listed = chain.from_iterable(files.names(folder) for folder in folders)
    codes = (files.names(folder, ".json") for folder in (*(f"{name}/codes" for name in registries), "releases"))
    for name in (*listed, *chain.from_iterable(codes)):
        digest.update(files.read_bytes(name))
    return digest.hexdigest()[:16]


def load(
    sources: Iterable[str] | str,
    *,
    server: str | FhirClient | None = None,
    folder: str | Path | None = None,
    to: str | None = None,
    **further: Any,
) -> LoadSummary:
    """
    Loads a registry's records, or FHIR resources that are made already, into a FHIR server or a folder.

    Args:
        sources: one source or several: see `load_all`.
        server: the base address of a FHIR server, with credentials and settings (see
            `fhirtrial.server.settings.Settings`) from the environment; or a `FhirClient`, which stays open.
        folder: a folder of NDJSON files instead.
        to: the release of FHIR; the server's if not given, R5 for a folder.
        further: as `load_all` takes them: ``state``, ``options``, ``noticed`` …

    Raises UsageError unless it is exactly one of server and folder, and if the server of a client speaks another
    release than ``to``; WrongVersion if that of an address does; and what `load_all` raises.

    """
    if (server is None) == (folder is None):
        raise UsageError("say where to: either server or folder")
    given = [sources] if isinstance(sources, str) else sources
    if folder is not None:
        return load_all(given, FolderTarget(folder, release=to or "R5"), **further)
    if isinstance(server, FhirClient):
        if to is not None and to != server.dialect.release:
            raise UsageError(f"{server.address.text} speaks {server.dialect.release or 'another release'}, not {to}")
        server.check_release()
        return load_all(given, ServerTarget(server), **further)
    with Settings.read().client(str(server), release=to) as client:
        client.check_release()
        return load_all(given, ServerTarget(client), **further)
