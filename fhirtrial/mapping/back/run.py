"""What the generated code of the way back works with: a study's resources and the record in the making."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhirtrial.codes import Table
from fhirtrial.issue import Issue
from fhirtrial.mapping.forth.run import show
from fhirtrial.mapping.verbatim import said_beside, said_inside

Find = Callable[[str], dict[str, Any] | None]
"""Of a reference or a canonical: the resource, or None."""


class BackRun:
    """
    One study on its way back.

    ``modules`` are the objects of the record (``protocolSection.statusModule`` …), all there from the beginning;
    what stays empty is dropped at the end.
    """

    __slots__ = ("find", "issues", "modules", "verbatim_url")

    def __init__(self, find: Find, modules: int, verbatim_url: str) -> None:
        self.find = find
        self.issues: list[Issue] = []
        self.modules: list[dict[str, Any]] = [{} for _ in range(modules)]
        self.verbatim_url = verbatim_url

    def say(self, severity: Any, code: str, message: str, path: str = "", mapping: str = "", hint: str = "") -> None:
        """Notes a finding."""
        issue = Issue(severity=severity, code=code, message=message, path=path, mapping=mapping, hint=hint)
        self.issues.append(issue)

    def beside(self, target: dict[str, Any], key: str) -> Any:
        """The value that stands beside an element, unless the element was edited since; None if none does."""
        return said_beside(target, key, self.verbatim_url)

    def inside(self, extension: dict[str, Any]) -> Any:
        """The value that an extension carries instead of its own; None if it does not."""
        return said_inside(extension, self.verbatim_url)

    def follow(self, reference: dict[str, Any], wanted: str, path: str, mapping: str) -> dict[str, Any] | None:
        """The resource that a Reference points at; what is missing or of another kind is an issue."""
        target = reference.get("reference")
        if target is None:
            if reference.keys() - {"extension", "id"}:
                message = f"a reference without a literal address: {show(reference)}"
                self.say("warning", "unresolved", message, path, mapping)
            return None
        return self._found(target, wanted, path, mapping)

    def at_url(self, url: str, wanted: str, path: str, mapping: str) -> dict[str, Any] | None:
        """The resource that a canonical names."""
        return self._found(url, wanted, path, mapping)

    def _found(self, target: Any, wanted: str, path: str, mapping: str) -> dict[str, Any] | None:
        found = self.find(target) if isinstance(target, str) else None
        if found is None:
            message = f"{target} is not among the resources: what it holds is missing"
            self.say("warning", "unresolved", message, path, mapping)
        elif found.get("resourceType") != wanted:
            kind = found.get("resourceType")
            self.say("warning", "unresolved", f"{show(target)} is a {kind}, not a {wanted}: not read", path, mapping)
            return None
        return found

    def code(self, table: Table, codings: Any, path: str, mapping: str) -> str | None:
        """
        The registry's code that codings stand for.

        The registry's own coding counts, unless the FHIR code disagrees with it and leads to exactly one row: then
        somebody has edited the FHIR code (nobody else knows ours), it wins, and an issue names both.
        """
        mine: str | None = None
        theirs: tuple[str, str] | None = None
        own, systems = table.own, table.systems
        for coding in codings:
            system = coding.get("system")
            if system == own:
                mine = self.beside(coding, "code") if "_code" in coding else coding.get("code")
            elif system in systems and theirs is None:
                theirs = (system, coding.get("code"))
        if mine is not None and mine.__class__ is not str:
            self.misshapen(mine, "code", path, mapping)
            return None
        if theirs is None or table.outside.get(mine) == theirs:  # type: ignore[arg-type]
            return mine
        other = table.unique.get(theirs)
        if mine is None:
            if other is None:
                message = f"{theirs[1]!r} leads to no single row of {table.file}"
                self.say("warning", "unknown-value", message, path, mapping)
            return other
        if other is None:
            message = f"the FHIR code {theirs[1]!r} leads to no single row of {table.file}: the own {mine!r} stays"
            self.say("warning", "disagreement", message, path, mapping)
            return mine
        message = f"the FHIR code {theirs[1]!r} ({other}) was edited and wins over the registry's own {mine!r}"
        self.say("warning", "disagreement", message, path, mapping)
        return other

    def once(self, target: dict[str, Any], key: str, value: Any, path: str, mapping: str) -> None:
        """Sets what several lines may set; where they disagree the later line wins, and an issue names both."""
        if key in target and target[key] != value:
            message = f"{show(value)} here wins over {show(target[key])} said before"
            self.say("warning", "disagreement", message, path, mapping)
        target[key] = value

    def unread(self, entry: Any, element: str, mapping: str) -> None:
        """An entry that is none of ours: not carried."""
        text = show(entry, 240)
        ours = self.verbatim_url.partition("StructureDefinition/")[0] in repr(entry)
        if ours:
            message = f"{element} holds an entry with marks of ours that fits no line any more: {text}"
            self.say("warning", "damaged-entry", message, "", mapping)
        else:
            message = f"{element} holds an entry that no line reads: {text}"
            self.say("information", "foreign-entry", message, "", mapping)

    def misshapen(self, value: Any, fhir_type: str, path: str, mapping: str) -> None:
        """A value of another JSON type than FHIR says: not read."""
        self.say("warning", "misshapen", f"{show(value)} is no FHIR {fhir_type}: not read", path, mapping)

    def unreadable(self, value: Any, path: str, mapping: str) -> None:
        """A value that the inverse of a function cannot read."""
        self.say("warning", "unreadable", f"{show(value)} cannot be read back", path, mapping)


class Tree:
    """Where the modules of a record belong: each one's parent and key, parents first; the first is the record."""

    def __init__(self, places: list[tuple[int, str]]) -> None:
        self.places = places
        self._down = [(place, parent, key) for place, (parent, key) in enumerate(places)][1:]
        self._up = self._down[::-1]

    def record(self, modules: list[dict[str, Any]]) -> dict[str, Any]:
        """The record: the modules that hold something, where they belong."""
        filled: list[Any] = modules[:]
        for place, parent, _ in self._up:
            if filled[place] and not filled[parent]:
                filled[parent] = True
        for place, parent, key in self._down:
            if filled[place]:
                modules[parent][key] = modules[place]
        return modules[0]
