"""How tables are to be read, where the files themselves do not say it."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from fhirtrial.errors import UsageError
from fhirtrial.files import MappingFiles
from fhirtrial.layout import Layout


@cache
def standard_layout(registry: str) -> Layout:
    """The layout of a registry's tables in the mapping files that come with fhirtrial."""
    return Layout.load(MappingFiles(), registry)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """
    What is told about tables.

    ``encoding`` is that of CSV and SAS transport files, empty for UTF-8 (a byte order mark is believed besides),
    ``decimal_comma`` says that ``1,5`` is a number in CSV and ``1.5`` none, ``layout`` gives the tables of a registry.

    Raises UsageError if there is no such encoding.
    """

    encoding: str = ""
    decimal_comma: bool = False
    layout: Callable[[str], Layout] = standard_layout

    def __post_init__(self) -> None:
        if self.encoding:
            try:
                codecs.lookup(self.encoding)
            except LookupError as error:
                raise UsageError(f"{self.encoding!r} is no encoding; one is windows-1252") from error
