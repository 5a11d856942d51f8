"""A mapping, compiled both ways: a record's tree becomes resources, and resources become a tree."""

from __future__ import annotations

from collections.abc import Callable, Container
from datetime import tzinfo
from functools import cached_property
from typing import Any

from fhirtrial.issue import Issue
from fhirtrial.mapping.back.beside import Besides
from fhirtrial.mapping.back.compiler import Back
from fhirtrial.mapping.back.run import BackRun, Find, Tree
from fhirtrial.mapping.forth.compiler import Forth
from fhirtrial.mapping.forth.finishing import Finishing
from fhirtrial.mapping.forth.run import NOTHING, ForthRun
from fhirtrial.mapping.language.mapping import Mapping
from fhirtrial.mapping.language.walk import python_name
from fhirtrial.row_order import in_order


class Engine:
    """
    The generated modules of a mapping.

    ``forth_sources`` (False: careful, True: for sound records) and ``back_source`` are their text, for reading.
    The generated code trusts what it is given: records that a reader has checked, resources of FHIR's shape.
    """

    def __init__(self, mapping: Mapping, zone: tzinfo | None = None) -> None:
        self.mapping = mapping
        self.zone = zone
        self._verbatim_url = mapping.verbatim_url
        # Written at once, though not every run restores: entries that nothing tells apart are found on this way.
        self._back = Back(mapping.files, disputed(mapping))
        self._back.write()
        self.forth_sources: dict[bool, str] = {}
        self._make: dict[tuple[bool, Finishing | None], list[Callable[..., str | None]]] = {}
        self._opened: dict[tuple[bool, Finishing | None], dict[int, Any]] = {}
        self._tree = Tree(self._back.modules)
        self.besides = Besides(mapping)

    @property
    def back_source(self) -> str:
        """The text of what reads resources."""
        return self._back.source.text

    @cached_property
    def _read(self) -> dict[str, Callable[..., None]]:
        """What reads the resource of each file; compiled when it is first needed."""
        made = self._back.compile()
        names = (self.mapping.main, *(each.file for each in self.mapping.beside))
        return {name: made[f"back_{python_name(name)}"] for name in names}

    def prepare(self, *, sound: bool, finishing: Finishing | None = None) -> list[Callable[..., str | None]]:
        """The functions of the main file and of those beside it; compiled here, or when they are first needed."""
        key = sound, finishing
        if key not in self._make:
            mapping = self.mapping
            schema = mapping.schema if sound else None
            forth = Forth(mapping.files, mapping.definitions, mapping.base, sound=schema, finishing=finishing)
            made = forth.compile()
            if finishing is None:
                self.forth_sources[sound] = forth.source.text
            self._opened[key] = forth.opened
            names = (mapping.main, *(each.file for each in mapping.beside))
            self._make[key] = [made[f"make_{python_name(name)}"] for name in names]
        return self._make[key]

    def forth(
        self,
        data: dict[str, Any],
        skip: Container[str] = NOTHING,
        *,
        sound: bool = False,
        finishing: Finishing | None = None,
        places: dict[str, str] | None = None,
    ) -> tuple[dict[str, bytes], list[Issue]]:
        """
        The JSON text of the resources of one record by reference, the main one first, and what was noticed.

        ``sound``: the reader has found nothing odd in the record, so that it need not be looked for. ``finishing``
        makes something else of the resources before they are written. ``places`` is told which item of the record each
        resource beside the main one is made of: its path by its reference.
        """
        run = ForthRun(data, self._verbatim_url, skip, self.zone)
        main, *beside = self.prepare(sound=sound, finishing=finishing)
        noticed: list[Issue] = []
        if finishing is not None:
            run.finish = finishing.begin(run.find, self._opened[sound, finishing], noticed)
        first = main(data, run)
        for each, make in zip(self.mapping.beside, beside, strict=True):
            if each.source is None:
                make(data, run)
                continue
            for number, item in enumerate(value_at(data, each.source.keys) or ()):
                if each.only is None or each.only.rules.code(data, item) == each.only.code:
                    name = make(item, run)
                    if places is not None and name is not None:
                        places[name] = f"{'.'.join(each.source.keys)}[{number}]"
        # What finishes resources looks others up in the run: without this the record would wait for the collector.
        run.finish = None
        out = run.out
        if first is not None:
            out = {first: out.pop(first), **out}
        return out, run.issues + noticed

    def back(
        self, main: dict[str, Any], beside: list[dict[str, Any]], find: Find
    ) -> tuple[dict[str, Any], list[Issue]]:
        """The tree that the main resource, those beside it, and all that they refer to stand for."""
        run = BackRun(find, len(self._tree.places), self._verbatim_url)
        self._read[self.mapping.main](main, None, run)
        items: dict[tuple[str, ...], list[Any]] = {}
        for resource in beside:
            each = self.besides.file(resource)
            if each is None:
                run.unread(resource, resource["resourceType"], f"{self.mapping.registry}/mapping.yaml")
                continue
            item: dict[str, Any] = {}
            self._read[each.file](resource, item, run)
            if each.source is not None:
                items.setdefault(each.source.keys, []).append(item)
        data = self._tree.record(run.modules)
        for keys, rows in items.items():
            *parents, last = keys
            place = data
            for key in parents:
                place = place.setdefault(key, {})
            place[last] = place.get(last, []) + rows
        for each in self.mapping.beside:
            if each.source is not None and each.order and (rows := value_at(data, each.source.keys)):
                rows[:] = in_order(rows, each.order)
        return data, run.issues


def value_at(data: Any, keys: tuple[str, ...]) -> Any:
    """The value at a path of a record, None if nothing is there."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def disputed(mapping: Mapping) -> frozenset[str]:
    """The paths that more than one line sets on the way back."""
    lines: dict[str, set[Any]] = {}
    for place in mapping.places:
        if place.way != "copy":
            lines.setdefault(place.path, set()).add(place.line)
    return frozenset(path for path, here in lines.items() if len(here) > 1)
