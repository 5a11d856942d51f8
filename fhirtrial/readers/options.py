"""How tables are to be read, where the files themselves do not say it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

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
    ``decimal_comma`` says that ``1,5`` is a number, ``layout`` gives the tables of a registry.
    """

    encoding: str = ""
    decimal_comma: bool = False
    layout: Callable[[str], Layout] = standard_layout
