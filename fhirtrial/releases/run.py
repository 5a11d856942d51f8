"""One step of one resource: how references are followed, what is contained, and what was noticed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from fhirtrial.issue import Issue, Severity
from fhirtrial.resources import Resource

Token = tuple[Any, Any]
"""The system and the code of a coding."""

Answer = TypeVar("Answer")

Known: TypeAlias = dict[int | tuple[int, ...], tuple[Any, Answer]]
"""Answers about concepts or lists of codings that are JSON text, by their ``id()``, each with what it is about."""

Find = Callable[[str], Resource | None]
"""Of a reference or a canonical: the resource, in R5 whichever way the step goes; or None."""


def nothing_at_hand(_: str) -> None:
    """Finds nothing."""


class Run:
    """
    What a step knows beside the resource itself, and the issues that it finds.

    ``opened`` gives what stands in a value that is JSON text already (`orjson.Fragment`), by its ``id()``.
    """

    __slots__ = ("contained", "find", "issues", "name", "opened")

    def __init__(
        self,
        find: Find = nothing_at_hand,
        name: str = "",
        opened: Mapping[int, Any] = MappingProxyType({}),
    ) -> None:
        self.find = find
        self.name = name
        self.opened = opened
        self.issues: list[Issue] = []
        self.contained: dict[str, Resource] = {}

    def say(self, severity: Severity, code: str, message: str, path: str, line: str = "") -> None:
        """
        Notes a finding; ``line`` is the table's.

        ``path`` begins with the type of the resource, or of a datatype or contained resource that is in it.
        """
        kind, dot, rest = path.partition(".")
        inside = kind != self.name.partition("/")[0]
        place = path if not self.name else f"{self.name}: {path}" if inside else f"{self.name}{dot}{rest}"
        issue = Issue(severity=severity, code=code, message=message, path=place, mapping=line)
        self.issues.append(issue)

    def codings(self, concept: Any) -> Sequence[dict[str, Any]]:
        """The codings of a CodeableConcept, also of one that is JSON text already; none if there is none."""
        if concept.__class__ is not dict:
            concept = self.opened.get(id(concept))
            if concept is None:
                return ()
        found: list[Any] = concept.get("coding") or []
        if found.__class__ is not list:
            found = self.opened.get(id(found)) or []
        for each in found:
            if each.__class__ is not dict:
                break
        else:
            return found
        codings: list[dict[str, Any]] = []
        for each in found:
            inner = each if each.__class__ is dict else self.opened.get(id(each), ())
            codings += [inner] if isinstance(inner, dict) else inner
        return codings

    def tokens(self, concept: Any) -> Sequence[Token]:
        """System and code of each coding of a CodeableConcept."""
        return [(each.get("system"), each.get("code")) for each in self.codings(concept)]

    def told(self, known: Known[Answer], concept: Any, ask: Callable[[Sequence[Token]], Answer]) -> Answer:
        """
        What ``ask`` says of the tokens of a concept.

        ``known`` remembers it where the concept or its codings are JSON text: the same text stands in many resources.
        """
        texts = concept
        found = known.get(id(texts))
        if found is None and concept.__class__ is dict:
            texts = concept.get("coding", ())
            found = known.get(_ids(texts))
        if found is not None:
            return found[1]
        answer = ask(self.tokens(concept))
        listed = texts if texts.__class__ is list else [texts]
        if all(each.__class__ is not dict and id(each) in self.opened for each in listed):
            known[_ids(texts)] = texts, answer  # kept with it, so that nothing else gets its id()
        return answer

    def resolve(self, reference: Any) -> Resource | None:
        """The resource that a Reference points at, if it is at hand."""
        address = reference.get("reference") if isinstance(reference, dict) else None
        if not isinstance(address, str):
            return None
        return self.contained.get(address[1:]) if address.startswith("#") else self.find(address)

    def type_of(self, reference: dict[str, Any]) -> str | None:
        """The type of resource that a Reference says it points at; None if it does not say."""
        address = reference.get("reference")
        stated: str | None = reference.get("type")
        if not isinstance(address, str):
            return stated
        if address.startswith("#"):
            found = self.contained.get(address[1:], {}).get("resourceType")
            return found if isinstance(found, str) else stated
        kind, _, rest = address.partition("/")
        if rest and "/" not in rest and kind[:1].isupper():
            return kind
        parts = address.partition("/_history/")[0].split("/")
        if len(parts) > 1 and parts[-2][:1].isupper():
            return parts[-2]
        return stated


def _ids(texts: Any) -> int | tuple[int, ...]:
    """What tells JSON text, or a list of it, apart from others that are there."""
    return tuple(map(id, texts)) if texts.__class__ is list else id(texts)
