"""
Where the elements of R5 are in R4 and R4B: at which element, or in which of HL7's extensions.

It follows from the table of the release step, ``releases/r4.yaml``, of which these rows are understood: ``to``,
``up``, ``in``, ``is``, ``cr``, ``x`` (with parts, ``at``), ``ext``, and what leaves an element where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.strict_yaml import compose, plain

FILE = "releases/r4.yaml"

Rows = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    """
    How far a walk has come: the R5 path, the R4 element, and the FHIRPath that leads to it from the resource.

    ``extension`` is the address of HL7's extension if R4 has no element, ``rows`` what the table says of the elements
    below, ``parts`` the types of the parts of the extension.
    """

    r5: str
    element: str
    expression: str
    extension: str = ""
    rows: Rows = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)


class R4Places:
    """
    Where elements of R5 are in R4 and R4B, by the table of the release step.

    >>> places = R4Places.load(MappingFiles())
    >>> places.context("ResearchStudy.comparisonGroup"), places.expression("ResearchStudy.recruitment.eligibility")
    ('ResearchStudy.arm', 'ResearchStudy.enrollment')
    >>> places.context("ResearchStudy.outcomeMeasure")
    'http://hl7.org/fhir/5.0/StructureDefinition/extension-ResearchStudy.outcomeMeasure'
    >>> places.expression("ResearchStudy.outcomeMeasure.name").partition("outcomeMeasure').")[2]
    "extension.where(url='name').value.ofType(string)"
    """

    def __init__(self, *, extension: str, types: Rows, systems: Rows) -> None:
        self._extension = extension
        self._types = types
        self._systems = systems

    @classmethod
    def load(cls, files: MappingFiles) -> R4Places:
        """The places by the table in the mapping files. Raises MappingError if that is missing or something else."""
        node = compose(files.read_bytes(FILE), FILE)
        table = plain(node) if isinstance(node, yaml.MappingNode) else None
        if not isinstance(table, dict) or not {"extension", "types", "systems"} <= table.keys():
            raise MappingError("a table of releases has extension, systems and types", file=FILE)
        return cls(extension=table["extension"], types=table["types"], systems=table["systems"])

    def context(self, path: str) -> str:
        """
        What an extension that stands on an element of R5 stands on in R4: the element, or the address of the extension.

        An address is the context of a further part: what stands on an element goes along into HL7's extension for it,
        beside the parts that HL7 gives it. Raises MappingError if there is no such place.
        """
        at = self._walk(path)
        if at.extension and not at.parts and self._is_part(path):
            raise MappingError(f"{path} is part of an extension in R4: nothing of ours can stand on it", file=FILE)
        return at.extension or at.element

    def expression(self, path: str) -> str:
        """
        The FHIRPath that finds in R4 what an element of R5 holds.

        What follows the last element stays as it is: an extension with its ``where``, for example. Raises MappingError
        if the element has no place, or if the expression goes on below an extension.
        """
        names, functions = split(path)
        at = self._walk(names)
        if functions and at.extension:
            message = f"{path} looks into an element that is an extension in R4: it needs an expression of its own"
            raise MappingError(message, file=FILE)
        return f"{at.expression}.{functions}" if functions else at.expression

    def code_system(self, system: str, code: str) -> str:
        """The address that R4 knows the code system of R5 under, for this code: some lists were divided."""
        row = self._systems.get(system)
        return str(row["to"]) if row and code in row.get("only", (code,)) else system

    def _is_part(self, path: str) -> bool:
        parent = path.rpartition(".")[0]
        return "." in parent and bool(self._walk(parent).parts)

    def _walk(self, path: str) -> _At:
        kind, *names = path.split(".")
        at = _At(r5=kind, element=kind, expression=kind, rows=self._types.get(kind, {}))
        for name in names:
            at = self._step(at, name)
        return at

    def _step(self, at: _At, name: str) -> _At:
        if at.extension:
            if name not in at.parts:
                raise MappingError(f"{at.r5}.{name} has no place in R4 that a path leads to", file=FILE)
            return replace(at, expression=f"{at.expression}{_part(name, at.parts[name])}", parts={})
        row: Rows = at.rows.get(name) or at.rows.get(f"{name}[x]") or {}
        path = f"{at.r5}.{name}"
        if "up" in row:
            return replace(at, r5=path, rows=row["up"])
        if row.get("gap") or "call" in row or row.get("cr") == "split":
            raise MappingError(f"{path} has no place in R4 that a path leads to", file=FILE)
        if "x" in row or "ext" in row:
            return self._extended(at, row, path)
        native = row.get("to", name)
        rows, r5 = row.get("in", {}), path
        if "is" in row:
            # A datatype's own extensions are named from the datatype on.
            rows, r5 = self._types.get(row["is"], {}), row["is"]
        return _At(r5=r5, element=f"{at.element}.{native}", expression=f"{at.expression}.{native}", rows=rows)

    def _extended(self, at: _At, row: Rows, path: str) -> _At:
        url = row.get("ext") or f"{self._extension}{path}"
        kind = row.get("x") or row["type"]
        parts = {name: part for name, part in kind.items() if isinstance(part, str)} if isinstance(kind, dict) else {}
        beside = f".{row['at']}" if "at" in row else ""
        value = "" if isinstance(kind, dict) else _value(kind)
        expression = f"{at.expression}{beside}.extension.where(url='{url}'){value}"
        return _At(r5=path, element=at.element, expression=expression, extension=url, parts=parts)


def split(expression: str) -> tuple[str, str]:
    """
    The elements that an expression begins with, and the rest, from the first extension or function on.

    >>> split("ResearchStudy.site.extension.where(url='x').value.ofType(Coding)")
    ('ResearchStudy.site', "extension.where(url='x').value.ofType(Coding)")
    >>> split("ResearchStudy.label.value")
    ('ResearchStudy.label.value', '')
    """
    steps = expression.split(".")
    for place, step in enumerate(steps):
        if step == "extension" or "(" in step:
            return ".".join(steps[:place]), ".".join(steps[place:])
    return expression, ""


def _part(name: str, kind: str) -> str:
    return f".extension.where(url='{name}'){_value(kind)}"


def _value(kind: str) -> str:
    """The value of an extension; of one that may have several types, whatever it is."""
    return ".value" if kind.startswith("[") else f".value.ofType({kind.rstrip('*')})"
