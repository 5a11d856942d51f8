"""
Invented FHIR resources of any release: hypothesis strategies made from HL7's definitions in ``mappings/fhir``.

Every element of a type can occur, with each of its types and, where a binding is required, each of its codes; values
have the form that their type allows. What stands beside a primitive (``_name``), extensions, contained resources and
all kinds of references occur too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from hypothesis import strategies as st

from fhirtrial.definitions import Definitions, Element
from fhirtrial.files import MappingFiles
from fhirtrial.releases.release import COVERED

Json = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

OFFICIAL = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"
SYSTEMS = (
    "https://codes.example",
    "http://hl7.org/fhir/research-study-phase",
    "http://hl7.org/fhir/research-study-status",
    "http://hl7.org/fhir/research-study-party-role",
    "http://terminology.hl7.org/CodeSystem/research-study-phase",
    "http://terminology.hl7.org/CodeSystem/research-subject-state",
)
CODES = (
    "a", "recruiting", "completed", "overall-study", "phase-2", "lead-sponsor", "sponsor", "primary-investigator",
    "recruitment-contact", "on-study", "withdrawn",
)  # fmt: skip
WORDS = ("A", "B", "two words", '<b> & "c"', "line\nbreak", "Ünï")
NUMBERS = {"unsignedInt": (0, 1, 2**31 - 1), "positiveInt": (1, 7), "integer": (-1, 0, 5), "decimal": (1, 2.5, 0, -0.1)}
PRIMITIVES: dict[str, tuple[Any, ...]] = NUMBERS | {
    "boolean": (True, False),
    "date": ("2020", "2020-02", "2020-02-29"),
    "dateTime": ("2019", "2020-02-29", "2020-02-29T10:00:00Z"),
    "instant": ("2020-02-29T10:00:00Z", "2020-03-01T10:00:00.5+01:00"),
    "time": ("10:00:00",),
    "code": ("c", "d-e"),
    "id": ("x1", "x2"),
    "oid": ("urn:oid:1.2.3",),
    "uuid": ("urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7",),
    "uri": ("https://u.example/1", "urn:x:y"),
    "url": ("https://u.example/2",),
    "canonical": ("https://u.example/Plan|2", "https://u.example/Q"),
    "base64Binary": ("QUJD",),
    "integer64": ("0", "5000000000", "12"),
    "xhtml": ('<div xmlns="http://www.w3.org/1999/xhtml">words</div>',),
}
OPEN = {
    "contentType": "text/plain",
    "targetFormat": "text/plain",
    "sigFormat": "text/plain",
    "currency": "EUR",
    "intervalUnit": "ms",
}
"""Codes of required value sets with too many codes to list."""
ALONE = ("base64Binary", "xhtml")
"""Primitives that nothing stands beside here."""
DEPTH = 3


class Resources:
    """Draws resources of one release."""

    def __init__(self, release: str) -> None:
        self.definitions = Definitions.load(MappingFiles(), release)
        self.held = ""
        """The type of the resource that is contained in the one that is drawn."""

    @cache  # noqa: B019 (one object for each release)
    def names(self, type_name: str) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
        """The elements that a type may have, and those that it must have, each with its forms."""
        elements = self.definitions.elements(type_name)
        passed_by = {"id", "extension", "modifierExtension", "contained", "meta", "implicitRules", "language", "text"}
        must = []
        for each in self.definitions.required(type_name):
            forms = [name for name, found in elements.items() if each.name in (name, found.choice)]
            must.append(tuple(forms))
        may = [name for name in elements if name not in passed_by and not any(name in forms for forms in must)]
        return tuple(may), tuple(must)

    def resource(self, draw: Draw, kind: str, *, inner: bool = False) -> Json:
        """A resource of a type."""
        made: Json = {"resourceType": kind, "id": draw(st.sampled_from(("r1", "r2")))}
        if not inner:
            self.held = draw(st.sampled_from(COVERED)) if draw(st.integers(0, 5)) == 0 else ""
            if self.held:
                made["contained"] = [{**self.resource(draw, self.held, inner=True), "id": "c1"}]
        return made | self.object(draw, kind, 0)

    def object(self, draw: Draw, type_name: str, depth: int) -> Json:
        """An object of a type, its members in any number."""
        may, must = self.names(type_name)
        elements = self.definitions.elements(type_name)
        made: Json = {}
        chosen = [draw(st.sampled_from(forms)) for forms in must]
        if may and depth == 0 and draw(st.integers(0, 5)) == 0:
            chosen += draw(st.permutations(may))  # all at once, of each choice a form by chance
        elif may and depth < DEPTH:
            most = 8 if depth == 0 else 3
            chosen += draw(st.lists(st.sampled_from(may), min_size=0 if chosen else 1, max_size=most, unique=True))
        elif not chosen and may:
            plain = [name for name in may if self.definitions.is_primitive(elements[name].type)] or may[:1]
            chosen.append(draw(st.sampled_from(plain)))
        choices: set[str] = set()
        for name in chosen:
            element = elements[name]
            if element.choice and element.choice in choices:
                continue
            choices.add(element.choice)
            self.member(draw, made, element, depth)
        if "comparator" in elements:
            made.setdefault("value", 1)  # alone, R5's further comparator leaves nothing to R4
        if depth and type_name != "Extension" and draw(st.integers(0, 9)) == 0:
            made["id"] = "e1"
        if draw(st.integers(0, 5)) == 0 and depth < DEPTH and type_name != "Extension":
            made["extension"] = [self.extension(draw, depth) for _ in range(draw(st.integers(1, 2)))]
        return made

    def member(self, draw: Draw, made: Json, element: Element, depth: int) -> None:
        """One element, with what stands beside it."""
        primitive = self.definitions.is_primitive(element.type)
        count = draw(st.integers(1, 2)) if element.many else 1
        values = [self.value(draw, element, depth) for _ in range(count)]
        made[element.name] = values if element.many else values[0]
        if primitive and element.type not in ALONE and draw(st.integers(0, 7)) == 0:
            beside: list[Any] = [
                {"extension": [self.extension(draw, DEPTH)]} if draw(st.booleans()) else None for _ in values
            ]
            if not any(beside):
                beside[0] = {"id": "p1"}
            made[f"_{element.name}"] = beside if element.many else beside[0] or {"id": "p1"}
            if (
                not element.many
                and not element.codes
                and "extension" in made[f"_{element.name}"]
                and draw(st.booleans())
            ):
                del made[element.name]

    def value(self, draw: Draw, element: Element, depth: int) -> Any:
        """One value of an element."""
        if element.codes:
            if element.type == "CodeableConcept":
                return {
                    "coding": [
                        {"system": "https://codes.example", "code": draw(st.sampled_from(sorted(element.codes)))}
                    ]
                }
            return draw(st.sampled_from(sorted(element.codes)))
        if element.type == "code" and element.name in OPEN:
            return OPEN[element.name]
        return self.of_type(draw, element.type, depth, element.targets)

    def of_type(self, draw: Draw, type_name: str, depth: int, targets: tuple[str, ...] = ()) -> Any:
        """A value of a type."""
        if type_name in PRIMITIVES:
            return draw(st.sampled_from(PRIMITIVES[type_name]))
        if self.definitions.is_primitive(type_name):
            return draw(st.sampled_from(WORDS))
        if type_name == "Reference":
            return self.reference(draw, targets)
        if type_name == "Coding":
            return {"system": draw(st.sampled_from(SYSTEMS)), "code": draw(st.sampled_from(CODES))}
        if type_name == "CodeableConcept":
            coding = [self.of_type(draw, "Coding", depth) for _ in range(draw(st.integers(0, 2)))]
            return {"coding": coding} if coding else {"text": draw(st.sampled_from(WORDS))}
        if type_name == "CodeableReference":
            parts = draw(st.sampled_from((("concept",), ("reference",), ("concept", "reference"))))
            made = {"concept": self.of_type(draw, "CodeableConcept", depth), "reference": self.reference(draw, targets)}
            own = {"id": "e1"} if draw(st.integers(0, 9)) == 0 else {}
            return {name: made[name] for name in parts} | own
        if type_name == "Extension":
            return self.extension(draw, depth)
        if type_name == "Narrative":
            return {"status": "additional", "div": PRIMITIVES["xhtml"][0]}
        if self.definitions.is_resource(type_name):
            return self.resource(draw, "Location", inner=True)
        return self.object(draw, type_name, depth + 1)

    def reference(self, draw: Draw, targets: tuple[str, ...]) -> Json:
        """A reference of any kind."""
        kind = draw(st.sampled_from([each for each in targets if each != "Resource"] or ["Patient", "Organization"]))
        forms: list[Json] = [
            {"reference": f"{kind}/r1"},
            {"reference": f"{kind}/r2", "display": "shown"},
            {"reference": f"https://server.example/fhir/{kind}/r1/_history/3"},
            {"type": kind, "identifier": {"value": "1"}},
            {"display": "only shown"},
            {"reference": "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", "type": kind},
        ]
        if self.held and (self.held in targets or "Resource" in targets or not targets):
            forms.append({"reference": "#c1"})
        return draw(st.sampled_from(forms))

    def extension(self, draw: Draw, depth: int) -> Json:
        """An extension of somebody's, with a value or, rarely, with parts."""
        url = draw(st.sampled_from(("https://x.example/one", "https://x.example/two")))
        if depth < DEPTH - 1 and draw(st.integers(0, 4)) == 0:
            return {"url": url, "extension": [{"url": "part", "valueString": "p"}, {"url": "n", "valueInteger": 1}]}
        forms = [each for each in self.definitions.elements("Extension").values() if each.choice]
        if depth >= DEPTH - 1:
            forms = [each for each in forms if self.definitions.is_primitive(each.type)]
        form = draw(st.sampled_from(forms))
        return {"url": url, form.name: self.value(draw, form, DEPTH - 1)}


MAKERS = {release: Resources(release) for release in ("r4", "r5")}


@st.composite
def resources(draw: Draw, release: str = "r5", kinds: tuple[str, ...] = COVERED) -> Json:
    """A resource of a release and of one of the types."""
    return MAKERS[release].resource(draw, draw(st.sampled_from(kinds)))
