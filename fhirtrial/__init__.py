"""
Carries clinical-trial registry records to FHIR and back, without loss.

    >>> import fhirtrial
    >>> study = {"protocolSection": {"identificationModule": {"nctId": "NCT00000102", "briefTitle": "A title"}}}
    >>> record = next(fhirtrial.read(study))
    >>> conversion = fhirtrial.convert(record)
    >>> conversion.resources[0]["title"]
    'A title'
    >>> fhirtrial.restore(conversion.resources) == record
    True

`read` gives Records, `convert` makes FHIR of one, `restore` and `restore_all` make records of FHIR; the last three use
a Mapper with the mapping files that come with the library. Make your own Mapper to use other files, or to leave the
contacts out: it makes R5, and `released` makes R4 or R4B of that. `to_release` and `Release` turn anybody's resources
from one release into another. `definitions_for` gives what others need to read the FHIR side; `FhirClient` talks to a
FHIR server. Whole runs, from files to files, are in `fhirtrial.pipelines`, and from files to servers in
`fhirtrial.loading`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any

from fhirtrial.version import __version__

if TYPE_CHECKING:
    from fhirtrial.conversion import Conversion
    from fhirtrial.errors import FhirtrialError, InputError, MappingError, RestoreError, UsageError
    from fhirtrial.figures import SubjectFigures
    from fhirtrial.issue import Issue
    from fhirtrial.loading.run import load
    from fhirtrial.mapping.mapper import Mapper
    from fhirtrial.pipelines.subjects import subject_figures
    from fhirtrial.pseudonyms import Pseudonyms
    from fhirtrial.publish.publication import definitions_for
    from fhirtrial.readers import read
    from fhirtrial.record import Origin, Record
    from fhirtrial.release_names import ReleaseName
    from fhirtrial.releases.conversion import released
    from fhirtrial.releases.prepared import Prepared
    from fhirtrial.releases.release import Release
    from fhirtrial.releases.view import to_release
    from fhirtrial.resources import Resource, Resources
    from fhirtrial.server.client import FhirClient
    from fhirtrial.server.errors import (
        AuthError,
        Conflict,
        ForeignLink,
        NotFound,
        PreconditionFailed,
        Refused,
        ServerError,
        ServerFault,
        Throttled,
        TooLarge,
        UnexpectedAnswer,
        Unreachable,
        WrongVersion,
    )

__all__ = [
    "AuthError",
    "Conflict",
    "Conversion",
    "FhirClient",
    "FhirtrialError",
    "ForeignLink",
    "InputError",
    "Issue",
    "Mapper",
    "MappingError",
    "NotFound",
    "Origin",
    "PreconditionFailed",
    "Pseudonyms",
    "Record",
    "Refused",
    "Release",
    "RestoreError",
    "ServerError",
    "ServerFault",
    "SubjectFigures",
    "Throttled",
    "TooLarge",
    "UnexpectedAnswer",
    "Unreachable",
    "UsageError",
    "WrongVersion",
    "__version__",
    "convert",
    "definitions_for",
    "differences",
    "load",
    "read",
    "released",
    "restore",
    "restore_all",
    "subject_figures",
    "to_release",
]

_PLACES = {
    "AuthError": "server.errors",
    "Conflict": "server.errors",
    "Conversion": "conversion",
    "FhirClient": "server.client",
    "FhirtrialError": "errors",
    "ForeignLink": "server.errors",
    "InputError": "errors",
    "Issue": "issue",
    "Mapper": "mapping.mapper",
    "MappingError": "errors",
    "NotFound": "server.errors",
    "Origin": "record",
    "PreconditionFailed": "server.errors",
    "Pseudonyms": "pseudonyms",
    "Record": "record",
    "Refused": "server.errors",
    "Release": "releases.release",
    "RestoreError": "errors",
    "ServerError": "server.errors",
    "ServerFault": "server.errors",
    "SubjectFigures": "figures",
    "Throttled": "server.errors",
    "TooLarge": "server.errors",
    "UnexpectedAnswer": "server.errors",
    "Unreachable": "server.errors",
    "UsageError": "errors",
    "WrongVersion": "server.errors",
    "definitions_for": "publish.publication",
    "load": "loading.run",
    "read": "readers",
    "released": "releases.conversion",
    "subject_figures": "pipelines.subjects",
    "to_release": "releases.view",
}


def __getattr__(name: str) -> Any:
    """What is asked for, imported when it is first asked for: importing fhirtrial alone costs next to nothing."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


@cache
def _default(registry: str = "ctgov") -> Mapper:
    from fhirtrial.mapping.mapper import Mapper

    return Mapper(registry=registry)


def convert(
    record: Record,
    *,
    study: Record | None = None,
    to: ReleaseName = "R5",
    verify: bool = False,
    explode: bool = False,
) -> Conversion:
    """
    The FHIR resources of a record in a release, by the mapping that comes with the library: see `Mapper.convert`.

    Which mapping that is follows from the record's registry. ``study`` is the registry's record of the study that a
    subject is in: its arms and interventions are tied to that. ``explode`` makes single doses of intervals.

    Raises InputError if the record cannot be mapped because `read` has not checked it.
    """
    from fhirtrial.releases.conversion import released

    mapper, release = _default(record.registry), _release(to)
    finishing = None if verify or explode else _finishing(to, record.registry)
    made = mapper.convert(record, study=study, verify=verify, finishing=finishing, explode=explode)
    return released(made, release, verify=verify)


def differences(record: Record, *, study: Record) -> tuple[Issue, ...]:
    """
    Where a study's own tables (TS and TA of SDTM) and the registry's record of it say different things: a warning each.

    What cannot be compared is an information. Args: ``record`` is the study of its tables, from `read`; ``study`` the
    registry's record. Raises UsageError if ``record`` is not such a study, or ``study`` not a record of that registry.
    """
    from fhirtrial.files import MappingFiles
    from fhirtrial.mapping.facts import load_facts
    from fhirtrial.mapping.registered import differences as found

    return found(record, study, load_facts(MappingFiles(), record.registry))


@cache
def _finishing(name: str, registry: str) -> Prepared | None:
    return _release(name).finishing(_default(registry).vocabulary)


@cache
def _release(name: str) -> Release:
    from fhirtrial.releases.release import Release

    return Release(name)


def restore(
    resources: Iterable[Resource] | Resource | Resources,
    *,
    source_release: ReleaseName | None = None,
    verify: bool = False,
    registry: str = "ctgov",
) -> Record:
    """
    The record that resources stand for: one study and all that it refers to, in any order. See `Mapper.restore`.

    ``source_release`` says which release they are in; it is found by what stands in them if not given. ``registry`` is
    whose record is wanted: ``sdtm`` or ``roster`` make one subject of them.

    Raises RestoreError if there is no study, more than one, or something that is not FHIR-shaped.
    """
    index, issues = _as_r5(resources, source_release, _main(registry))
    record = _default(registry).restore(index, verify=verify)
    return replace(record, issues=(*(replace(issue, record=record.id) for issue in issues), *record.issues))


def restore_all(
    resources: Iterable[Resource] | Resource | Resources,
    *,
    source_release: ReleaseName | None = None,
    verify: bool = False,
    registry: str = "ctgov",
) -> Iterator[Record]:
    """
    The records of all studies, or subjects, among the resources, in their order; see `restore`.

    What is noticed while R5 is made of the resources stands in the issues of the record whose study it names, else of
    the first. Raises RestoreError as `restore` does.
    """
    index, issues = _as_r5(resources, source_release, _main(registry))
    studies = index.of_type.get(_main(registry), ())
    mine: dict[int, list[Issue]] = {}
    for issue in issues:
        named = (place for place, study in enumerate(studies) if study.get("id") and str(study["id"]) in issue.path)
        mine.setdefault(next(named, 0), []).append(issue)
    for place, record in enumerate(_default(registry).restore_all(index, verify=verify)):
        found = (replace(issue, record=record.id) for issue in mine.get(place, ()))
        yield replace(record, issues=(*found, *record.issues))


def _main(registry: str) -> str:
    """The type of resource that a registry's record is restored from."""
    mapping = _default(registry).mapping
    return mapping.files[mapping.main].resource


def _as_r5(
    resources: Iterable[Resource] | Resource | Resources, source_release: ReleaseName | None, main: str
) -> tuple[Resources, list[Issue]]:
    from fhirtrial.errors import InputError, RestoreError
    from fhirtrial.mapping.mapper import as_index
    from fhirtrial.releases.detect import release_of_all
    from fhirtrial.releases.view import as_r5

    index = as_index(resources)
    studies = index.of_type.get(main, ())
    found = source_release or release_of_all(studies) or release_of_all(chain.from_iterable(index.of_type.values()))
    try:
        return as_r5(index, _release(found or "R5"))
    except InputError as error:
        raise RestoreError(error.issue) from error
