"""
Where the elements of R5 are in R4 and R4B: at which element, or in which extension.

It follows from the table of the release step, ``releases/r4.yaml``, and from the definitions of R5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fhirtrial.definitions import Definitions, Element
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.releases.table import Row, Table, load_table

_FORMS = {"concept": "CodeableConcept", "reference": "Reference"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    """
    How far a walk has come: the type there in R5, the element in R4, and the FHIRPath that leads to it there.

    ``extension`` is the address of the extension that R4 has instead of an element, ``has_parts`` whether that
    consists of parts, ``is_part`` whether the walk has come to one of them. ``codeable``: at a CodeableReference, the
    path to its concept and to its reference there; itself it is nowhere.
    """

    type: str
    element: str
    expression: str
    extension: str = ""
    has_parts: bool = False
    is_part: bool = False
    codeable: Mapping[str, str] = field(default_factory=dict)


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

    def __init__(self, table: Table, r5: Definitions, r4: Definitions) -> None:
        self._table = table
        self._r5 = r5
        self._r4 = r4

    @classmethod
    def load(cls, files: MappingFiles) -> R4Places:
        """The places by the table in the mapping files. Raises MappingError if that is missing or something else."""
        return cls(load_table(files), Definitions.load(files), Definitions.load(files, "r4"))

    def context(self, path: str) -> str:
        """
        What an extension that stands on an element of R5 stands on in R4: the element, or the address of the extension.

        An address is the context of a further part: what stands on an element goes along into the extension for it,
        beside the parts that this has itself. Raises MappingError if there is no such place.
        """
        at = self._walk(path)
        if at.is_part:
            raise MappingError(f"{path} is part of an extension in R4: nothing can stand on it", file=self._table.file)
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
            message = f"{path} looks into what is an extension in R4: it needs an expression of its own"
            raise MappingError(message, file=self._table.file)
        return f"{at.expression}.{functions}" if functions else at.expression

    def code_system(self, system: str, code: str) -> str:
        """The address that R4 knows a code system of R5 under, for this code: some lists were divided."""
        address, only = self._table.systems.get(system, (system, None))
        return address if only is None or code in only else system

    def _walk(self, path: str) -> _At:
        kind, *names = path.split(".")
        at = _At(type=kind, element=kind, expression=kind)
        for name in names:
            at = self._step(at, name, path)
        if at.codeable:
            message = f"{path} has no one place in R4, which has no CodeableReference: say concept or reference"
            raise MappingError(message, file=self._table.file)
        return at

    def _step(self, at: _At, name: str, path: str) -> _At:
        element = self._r5.element(at.type, name)
        if element is None:
            raise MappingError(f"{path}: R5 has no {name} there", file=self._table.file)
        if at.codeable:
            if name not in at.codeable:
                raise MappingError(f"{path} has no one place in R4", file=self._table.file)
            return replace(at, type=element.type, expression=at.codeable[name], codeable={})
        if at.extension and at.has_parts and not at.is_part:
            expression = f"{at.expression}.extension.where(url='{name}').value.ofType({element.type})"
            return replace(at, type=element.type, expression=expression, is_part=True)
        row = self._table.rows.get(at.type, {}).get(element.choice or name)
        if at.extension or (row is not None and _is_divided(row, element)):
            raise MappingError(f"{path} has no one place in R4", file=self._table.file)
        if row is not None and row.dissolve:
            return replace(at, type=element.type)
        if row is not None and row.extension:
            return self._extended(at, row, element)
        native = row.native if row is not None else name
        found = _At(type=element.type, element=f"{at.element}.{native}", expression=f"{at.expression}.{native}")
        return replace(found, codeable=self._parts(at, found, element, native)) if _is_codeable(element) else found

    def _parts(self, at: _At, found: _At, element: Element, native: str) -> dict[str, str]:
        """Where a CodeableReference has its concept and its reference: one is the element, or both are forms of it."""
        target = self._r4.element(at.element, native)
        if target is None:
            return {part: f"{found.expression}.ofType({form})" for part, form in _FORMS.items()}
        extension = f"{found.expression}.extension.where(url='{self._table.official}{element.path}')"
        return {
            part: found.expression
            if form == target.type
            else f"{extension}.extension.where(url='{part}').value.ofType({form})"
            for part, form in _FORMS.items()
        }

    def _extended(self, at: _At, row: Row, element: Element) -> _At:
        """An element that is an extension: on what has it, or on an element of the same name."""
        beside = f".{row.name}" if row.beside else ""
        expression = f"{at.expression}{beside}.extension.where(url='{row.extension}')"
        has_parts = self._r4.element("Extension", f"value{element.type[:1].upper()}{element.type[1:]}") is None
        return _At(
            type=element.type,
            element=at.element,
            expression=expression if has_parts else f"{expression}.value.ofType({element.type})",
            extension=row.extension,
            has_parts=has_parts,
        )


def _is_divided(row: Row, element: Element) -> bool:
    """Whether what R5 has in one element may be in several places."""
    return bool(row.call or row.nowhere or row.split or row.first or row.members is not None or element.choice)


def _is_codeable(element: Element) -> bool:
    return element.type == "CodeableReference"


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
