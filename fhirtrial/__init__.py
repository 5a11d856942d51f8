"""
Carries clinical-trial registry records to FHIR R5 and back, without loss.

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
contacts out. Whole runs, from files to files, are in `fhirtrial.pipelines`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fhirtrial.conversion import Conversion
    from fhirtrial.errors import FhirtrialError, InputError, MappingError, RestoreError, UsageError
    from fhirtrial.issue import Issue
    from fhirtrial.mapping.mapper import Mapper
    from fhirtrial.readers import read
    from fhirtrial.record import Origin, Record
    from fhirtrial.resources import Resource, Resources

__version__ = "0.1.0"

__all__ = [
    "Conversion",
    "FhirtrialError",
    "InputError",
    "Issue",
    "Mapper",
    "MappingError",
    "Origin",
    "Record",
    "RestoreError",
    "UsageError",
    "__version__",
    "convert",
    "read",
    "restore",
    "restore_all",
]

_PLACES = {
    "Conversion": "conversion",
    "FhirtrialError": "errors",
    "InputError": "errors",
    "Issue": "issue",
    "Mapper": "mapping.mapper",
    "MappingError": "errors",
    "Origin": "record",
    "Record": "record",
    "RestoreError": "errors",
    "UsageError": "errors",
    "read": "readers",
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
def _default() -> Mapper:
    from fhirtrial.mapping.mapper import Mapper

    return Mapper()


def convert(record: Record, *, verify: bool = False) -> Conversion:
    """
    The FHIR R5 resources of a record, by the mapping that comes with the library: see `Mapper.convert`.

    Raises InputError if the record cannot be mapped because `read` has not checked it.
    """
    return _default().convert(record, verify=verify)


def restore(resources: Iterable[Resource] | Resource | Resources, *, verify: bool = False) -> Record:
    """
    The record that resources stand for: one study and all that it refers to, in any order. See `Mapper.restore`.

    Raises RestoreError if there is no study, more than one, or something that is not FHIR-shaped.
    """
    return _default().restore(resources, verify=verify)


def restore_all(resources: Iterable[Resource] | Resource | Resources, *, verify: bool = False) -> Iterator[Record]:
    """The records of all studies among the resources, in their order. Raises RestoreError as `restore` does."""
    return _default().restore_all(resources, verify=verify)
