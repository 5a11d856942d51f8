"""
Everything fhirtrial raises, in one tree.

    FhirtrialError
    ├── InputError      a source, or one record of it, cannot be used
    ├── MappingError    a mapping file is wrong: found when it is loaded, before any data is seen
    ├── RestoreError    resources that no record can be made from
    ├── UsageError      an argument that cannot be meant
    └── ServerError     around a server; it and what is below it are in `fhirtrial.server.errors`
        ├── Unreachable         no whole answer
        ├── AuthError           401, 403: credentials
        ├── NotFound            404, 410
        ├── Conflict            409
        │   └── PreconditionFailed  412: several match, or not this version
        ├── TooLarge            413, 408: a smaller bundle may go
        ├── Throttled           429
        ├── Refused             any other 4xx
        ├── ServerFault         5xx
        ├── WrongVersion        another release of FHIR than the resources are in
        ├── ForeignLink         a link that leads away from the server
        └── UnexpectedAnswer    not what FHIR says it is

Every error keeps its facts as attributes; its text is made from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fhirtrial.issue import Issue


class FhirtrialError(Exception):
    """The base of all errors of this library."""


class InputError(FhirtrialError):
    """A source or a record that cannot be used; ``issue`` says what, where, and what would be right."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(str(issue))
        self.issue = issue


class MappingError(FhirtrialError):
    """A mapping file that says something it must not; ``file`` and ``line`` (from 1) say where."""

    def __init__(self, message: str, *, file: str, line: int | None = None) -> None:
        super().__init__(f"{file}:{line}: {message}" if line else f"{file}: {message}")
        self.message = message
        self.file = file
        self.line = line

    def __reduce__(self) -> tuple[Callable[..., MappingError], tuple[str, str, int | None]]:
        return _mapping_error, (self.message, self.file, self.line)


def _mapping_error(message: str, file: str, line: int | None) -> MappingError:
    """The error that another process has raised."""
    return MappingError(message, file=file, line=line)


class RestoreError(FhirtrialError):
    """Resources that no record can be made from; ``issue`` says which piece is missing."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(str(issue))
        self.issue = issue


class UsageError(FhirtrialError):
    """An argument that cannot be meant: an unknown format, release or table; the text names the known ones."""
