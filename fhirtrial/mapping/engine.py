"""A mapping, compiled both ways: a record's tree becomes resources, and resources become a tree."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any

from fhirtrial.issue import Issue
from fhirtrial.mapping.back.compiler import Back
from fhirtrial.mapping.back.run import BackRun, Find, record_of
from fhirtrial.mapping.forth.compiler import Forth
from fhirtrial.mapping.forth.finishing import Finishing
from fhirtrial.mapping.forth.run import NOTHING, ForthRun
from fhirtrial.mapping.language.mapping import Mapping
from fhirtrial.mapping.language.walk import python_name


class Engine:
    """
    The generated modules of a mapping.

    ``forth_sources`` (False: careful, True: for plain records) and ``back_source`` are their text, for reading.
    The generated code trusts what it is given: records that a reader has checked, resources of FHIR's shape.
    """

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self._verbatim_url = mapping.verbatim_url
        back = Back(mapping.files, disputed(mapping))
        read = back.compile()
        self.back_source = back.source.text
        self.forth_sources: dict[bool, str] = {}
        self._make: dict[tuple[bool, Finishing | None], list[Callable[..., str | None]]] = {}
        self._opened: dict[tuple[bool, Finishing | None], dict[int, Any]] = {}
        self._tree = back.modules
        self._read_main: Callable[..., None] = read[f"back_{python_name(mapping.main)}"]
        self._read_beside: dict[str, Callable[..., None]] = {
            mapping.files[name].resource: read[f"back_{python_name(name)}"] for name in mapping.beside
        }

    def prepare(self, *, plain: bool, finishing: Finishing | None = None) -> list[Callable[..., str | None]]:
        """The functions of the main file and of those beside it; compiled here, or when they are first needed."""
        key = plain, finishing
        if key not in self._make:
            mapping = self.mapping
            forth = Forth(mapping.files, mapping.definitions, mapping.base, plain=plain, finishing=finishing)
            made = forth.compile()
            if finishing is None:
                self.forth_sources[plain] = forth.source.text
            self._opened[key] = forth.opened
            self._make[key] = [made[f"make_{python_name(name)}"] for name in (mapping.main, *mapping.beside)]
        return self._make[key]

    def forth(
        self,
        data: dict[str, Any],
        skip: Container[str] = NOTHING,
        *,
        plain: bool = False,
        finishing: Finishing | None = None,
    ) -> tuple[dict[str, bytes], list[Issue]]:
        """
        The JSON text of the resources of one record by reference, the main one first, and what was noticed.

        ``plain``: no text of the record has control characters, so that they need not be looked for. ``finishing``
        makes something else of the resources before they are written.
        """
        run = ForthRun(data, self._verbatim_url, skip)
        main, *beside = self.prepare(plain=plain, finishing=finishing)
        noticed: list[Issue] = []
        if finishing is not None:
            run.finish = finishing.begin(run.find, self._opened[plain, finishing], noticed)
        first = main(data, run)
        for make in beside:
            make(data, run)
        out = run.out
        if first is not None:
            out = {first: out.pop(first), **out}
        return out, run.issues + noticed

    def back(
        self, main: dict[str, Any], beside: list[dict[str, Any]], find: Find
    ) -> tuple[dict[str, Any], list[Issue]]:
        """The tree that the main resource, those beside it, and all that they refer to stand for."""
        run = BackRun(find, len(self._tree), self._verbatim_url)
        self._read_main(main, None, run)
        for resource in beside:
            self._read_beside[resource["resourceType"]](resource, None, run)
        return record_of(run.modules, self._tree), run.issues


def disputed(mapping: Mapping) -> frozenset[str]:
    """The paths that more than one line sets on the way back."""
    lines: dict[str, set[Any]] = {}
    for place in mapping.places:
        if place.way != "copy":
            lines.setdefault(place.path, set()).add(place.line)
    return frozenset(path for path, here in lines.items() if len(here) > 1)
