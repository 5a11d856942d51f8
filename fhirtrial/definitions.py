"""
What FHIR R5 says of our resources and their datatypes: every element with its type, cardinality, codes and targets.

The facts are in ``mappings/fhir/r5.json``, made from HL7's StructureDefinitions (https://hl7.org/fhir/R5).
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from fhirtrial.errors import MappingError, UsageError
from fhirtrial.files import MappingFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """
    One element as JSON writes it: of a choice (``value[x]``) one of its forms (``valueString``).

    ``path`` is HL7's (``Group.characteristic.value[x]``), ``name`` the member's in JSON, ``choice`` the name before a
    type was chosen (``value[x]``, else empty). ``type`` is a FHIR type; that of a backbone is its own path
    (``ResearchStudy.comparisonGroup``), and that of a quantity that allows no comparator is ``SimpleQuantity``.
    ``codes`` are those of a required binding, None where any code will do or where they cannot be listed (languages);
    ``coded`` says whether a binding is required at all. ``targets`` are the types of resource that
    a Reference, CodeableReference or canonical may point at; none means any.
    """

    path: str
    name: str
    type: str
    min: int
    many: bool
    codes: frozenset[str] | None = None
    coded: bool = False
    targets: tuple[str, ...] = ()
    choice: str = ""


class Definitions:
    """
    The definitions of one FHIR release, by type and element name.

    >>> r5 = Definitions.load(MappingFiles())
    >>> element = r5.element("Group.characteristic", "valueRange")
    >>> element.type, element.choice, element.many
    ('Range', 'value[x]', False)
    >>> [element.name for element in r5.required("Group.characteristic")]
    ['code', 'value[x]', 'exclude']
    >>> sorted(r5.element("Group", "membership").codes)
    ['definitional', 'enumerated']
    """

    __slots__ = ("_elements", "_file", "_required", "_types", "_value_sets", "version")

    def __init__(self, data: Any, *, file: str) -> None:
        """Takes what the file says. Raises MappingError if that is not the definitions of a release."""
        self._file = file
        try:
            self.version: str = data["fhirVersion"]
            self._types: dict[str, dict[str, Any]] = data["types"]
            self._value_sets: dict[str, dict[str, list[str]] | None] = data["valueSets"]
        except (KeyError, TypeError) as error:
            raise MappingError("must be an object with fhirVersion, types and valueSets", file=file) from error
        self._elements: dict[str, Mapping[str, Element]] = {}
        self._required: dict[str, tuple[Element, ...]] = {}

    @classmethod
    def load(cls, files: MappingFiles, release: str = "r5") -> Definitions:
        """The definitions of a release, read once for each set of folders. Raises MappingError if there are none."""
        key = (*map(str, files.folders), release)
        if key not in _LOADED:
            name = f"fhir/{release}.json"
            _LOADED[key] = cls(files.read_json(name), file=name)
        return _LOADED[key]

    @property
    def types(self) -> AbstractSet[str]:
        """The names of all types, backbones by their paths."""
        return self._types.keys()

    def base(self, type_name: str) -> str:
        """The type that a type is derived from; empty if it is derived from none."""
        return str(self._types[type_name]["base"]) if type_name in self._types else ""

    def is_primitive(self, type_name: str) -> bool:
        """Whether values of this type are JSON strings, numbers or booleans."""
        return self._kind(type_name) == "primitive-type"

    def is_resource(self, type_name: str) -> bool:
        """Whether this is a resource, not a datatype nor a backbone; ``Resource`` itself is one."""
        return self._kind(type_name) == "resource"

    def element(self, type_name: str, name: str) -> Element | None:
        """
        The element of that JSON name in a type, a backbone (by its path) or a resource; None if there is none.

        >>> Definitions.load(MappingFiles()).element("Extension", "valueCodeableConcept").type
        'CodeableConcept'
        """
        return self.elements(type_name).get(name) if type_name in self._types else None

    def elements(self, type_name: str) -> Mapping[str, Element]:
        """All elements of a type by JSON name, the inherited ones first. Raises UsageError if there is no such type."""
        if type_name not in self._elements:
            self._build(type_name)
        return self._elements[type_name]

    def extension_types(self) -> frozenset[str]:
        """
        The types that the value of an extension may have.

        >>> types = Definitions.load(MappingFiles()).extension_types()
        >>> "CodeableReference" in types, "Narrative" in types
        (True, False)
        """
        return frozenset(element.type for element in self.elements("Extension").values() if element.choice)

    def required(self, type_name: str) -> tuple[Element, ...]:
        """
        The elements that must be there; a choice stands once, under its general name, with all its types in one text.

        Raises UsageError if there is no such type.

        >>> Definitions.load(MappingFiles()).required("Provenance.entity")[0].name
        'role'
        """
        if type_name not in self._required:
            self._build(type_name)
        return self._required[type_name]

    def fits(self, primitive_type: str, value: object) -> bool:
        """
        Whether a value, as JSON gives it, is legal for a FHIR primitive: https://hl7.org/fhir/R5/datatypes.html

        A day must be possible, a time of day needs its zone, a text must show something. ``integer64`` is text in
        JSON. Raises UsageError if there is no such primitive.

        >>> fits = Definitions.load(MappingFiles()).fits
        >>> fits("date", "2024-02-30"), fits("date", "2024-02"), fits("positiveInt", True), fits("code", "a  b")
        (False, True, False, False)
        """
        try:
            check = _FITS[primitive_type]
        except KeyError:
            raise UsageError(f"{primitive_type!r} is no FHIR primitive; they are {', '.join(_FITS)}") from None
        return check(value)

    def _kind(self, type_name: str) -> str:
        return str(self._types[type_name]["kind"]) if type_name in self._types else ""

    def _build(self, type_name: str) -> None:
        if type_name not in self._types:
            raise UsageError(f"FHIR {self.version} has no type {type_name!r} that a mapping may use")
        elements: dict[str, Element] = {}
        required: list[Element] = []
        try:
            for name, line in self._lines(type_name).items():
                path = f"{type_name}.{name}"
                if line["max"] == "0":
                    continue
                forms = [self._form(path, name, each, line) for each in line["type"]]
                elements |= {form.name: form for form in forms}
                if line["min"] and name.endswith("[x]"):
                    types = "|".join(form.type for form in forms)
                    required.append(Element(path=path, name=name, type=types, min=1, many=False, choice=name))
                elif line["min"]:
                    required += forms
        except (KeyError, TypeError) as error:
            raise MappingError(f"the definition of {type_name} is not complete: {error}", file=self._file) from error
        self._elements[type_name] = MappingProxyType(elements)
        self._required[type_name] = tuple(required)

    def _lines(self, type_name: str) -> dict[str, dict[str, Any]]:
        own = self._types[type_name]
        elements: dict[str, dict[str, Any]] = own["elements"]
        return self._lines(own["base"]) | elements if own["base"] else elements

    def _form(self, path: str, name: str, type_name: str, line: dict[str, Any]) -> Element:
        choice = name if name.endswith("[x]") else ""
        binding = line.get("binding", {})
        coded = binding.get("strength") == "required"
        systems = self._value_sets[binding["valueSet"]] if coded else None
        return Element(
            path=path,
            name=name[:-3] + type_name[0].upper() + type_name[1:] if choice else name,
            type=line.get("profile", {}).get(type_name, type_name),
            min=line["min"],
            many=line["max"] != "1",
            codes=None if systems is None else frozenset(code for codes in systems.values() for code in codes),
            coded=coded,
            targets=tuple(line.get("target", {}).get(type_name, ())),
            choice=choice,
        )


_LOADED: dict[tuple[str, ...], Definitions] = {}

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that FHIR (controls) or its JSON and XML forms (halves of pairs, two non-characters) cannot carry."""

_TIME = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,9})?"
_ZONE = r"(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))"
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_CLOCK = re.compile(_TIME, re.ASCII)
_MOMENT = re.compile(_TIME + _ZONE, re.ASCII)
_SIGN = r"[^\s\x00-\x1f\ud800-\udfff\ufffe\uffff]"
_CODE = re.compile(f"{_SIGN}+( {_SIGN}+)*")
_ADDRESS = re.compile(f"{_SIGN}+")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_OID = re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+")
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_INTEGER = re.compile(r"0|[-+]?[1-9][0-9]*")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,9})?")
_LONGEST = 1024 * 1024


def _text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST and bool(value.strip()) and not _FORBIDDEN.search(value)


def _matches(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    def fits(value: object) -> bool:
        return isinstance(value, str) and bool(value) and bool(pattern.fullmatch(value))

    return fits


def _whole(low: int, high: int) -> Callable[[object], bool]:
    def fits(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return fits


def _long(value: object) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= 20
        and bool(_INTEGER.fullmatch(value))
        and -(2**63) <= int(value) < 2**63
    )


def _decimal(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    if isinstance(value, int) and abs(value) >= 10**18:
        return False
    return bool(_DECIMAL.fullmatch(str(value)))


def _boolean(value: object) -> bool:
    return isinstance(value, bool)


def _date(value: object) -> bool:
    if not isinstance(value, str) or not (found := _DATE.fullmatch(value)):
        return False
    year, month, day = (None if part is None else int(part) for part in found.groups())
    if not year or (month is not None and not 1 <= month <= 12):
        return False
    return day is None or 1 <= day <= monthrange(year, month or 1)[1]


def _date_time(value: object) -> bool:
    return _instant(value) if isinstance(value, str) and "T" in value else _date(value)


def _instant(value: object) -> bool:
    if not isinstance(value, str):
        return False
    day, _, moment = value.partition("T")
    return len(day) == 10 and _date(day) and bool(_MOMENT.fullmatch(moment))


_FITS: dict[str, Callable[[object], bool]] = {
    "string": _text,
    "markdown": _text,
    "uri": _matches(_ADDRESS),
    "url": _matches(_ADDRESS),
    "canonical": _matches(_ADDRESS),
    "oid": _matches(_OID),
    "uuid": _matches(_UUID),
    "code": _matches(_CODE),
    "id": _matches(_ID),
    "date": _date,
    "dateTime": _date_time,
    "instant": _instant,
    "time": _matches(_CLOCK),
    "integer": _whole(-(2**31), 2**31 - 1),
    "unsignedInt": _whole(0, 2**31 - 1),
    "positiveInt": _whole(1, 2**31 - 1),
    "integer64": _long,
    "decimal": _decimal,
    "boolean": _boolean,
    "base64Binary": _matches(_BASE64),
    "xhtml": _text,
}
