"""
Checks finished R4 and R4B resources, independently of the code that makes them: used by the tests only.

Elements, cardinalities, formats, required codes and targets are those of ``mappings/fhir/r4.json`` and ``r4b.json``;
HL7's extensions for R5 elements are checked against ``mappings/fhir/cross-version.json``: the type of the value, the
parts, how often they may occur, and where the extension may stand.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .primitives import checks
from .scope import ABSOLUTE, LITERAL, OPEN
from .structure import PRIMITIVES

Json = dict[str, Any]
FOLDER = Path(__file__).parents[2] / "mappings" / "fhir"
OFFICIAL = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"
DATATYPE = "http://hl7.org/fhir/StructureDefinition/_datatype"
EXTENSIONS: dict[str, Json] = json.loads((FOLDER / "cross-version.json").read_bytes())


class Facts:
    """What HL7 says of one release."""

    def __init__(self, release: str) -> None:
        read: Json = json.loads((FOLDER / f"{release.lower()}.json").read_bytes())
        self.types: dict[str, Json] = read["types"]
        self.value_sets: dict[str, Any] = read["valueSets"]
        # R4's pattern for text means white space as Java does: R5's says it better.
        self.primitives = checks(self.types) | {name: PRIMITIVES[name] for name in ("string", "markdown")}
        self.elements = cache(self._elements)

    def _elements(self, type_name: str) -> dict[str, Json]:
        """The lines of a type by element, inherited ones too."""
        own = self.types[type_name]
        return {**(self._elements(own["base"]) if own["base"] else {}), **own["elements"]}

    def forms(self, type_name: str) -> Iterator[tuple[str, str, str, Json]]:
        """Each JSON name of a type: with the element, the FHIR type, the line."""
        for element, line in self.elements(type_name).items():
            if line["max"] == "0":
                continue
            for each in line["type"]:
                name = element.removesuffix("[x]")
                name += each[0].upper() + each[1:] if element.endswith("[x]") else ""
                yield name, element, line.get("profile", {}).get(each, each), line


@cache
def facts(release: str) -> Facts:
    """The facts of a release, read once."""
    return Facts(release)


@dataclass
class _Check:
    """One resource: where references may lead, what was found."""

    facts: Facts
    contained: Mapping[str, str]
    found: list[str] = field(default_factory=list)

    def say(self, path: str, word: str, text: str) -> None:
        self.found.append(f"{path}: {word}: {text}")

    def object(self, node: Any, type_name: str, path: str, place: str) -> None:
        """An object of a type; ``place`` is where it stands by R4's paths, for the contexts of extensions."""
        if not isinstance(node, dict) or not node:
            self.say(path, "type", f"{type_name} must be an object with members")
            return
        known = {name: (element, kind, line) for name, element, kind, line in self.facts.forms(type_name)}
        is_resource = self.facts.types[type_name]["kind"] == "resource"
        choices: Counter[str] = Counter()
        for name, value in node.items():
            if name == "resourceType" and is_resource:
                continue
            plain = name.removeprefix("_")
            if plain not in known or (name != plain and known[plain][1] not in self.facts.primitives):
                self.say(f"{path}.{name}", "unknown-element", f"{type_name} has none")
                continue
            element, kind, line = known[plain]
            if name == plain or plain not in node:
                choices[element] += 1
            bound = line.get("binding", {}).get("strength") == "required"
            if name != plain and plain not in node and bound and line["min"]:
                self.say(f"{path}.{plain}", "binding", "a code is required, an extension cannot replace it")
            self.values(value, name, kind, line, f"{path}.{name}", f"{type_name}.{element}")
        for element, line in self.facts.elements(type_name).items():
            if line["min"] and not choices[element]:
                self.say(f"{path}.{element}", "cardinality", "required, and missing")
            if choices[element] > 1:
                self.say(f"{path}.{element}", "cardinality", "more than one form of a choice")
        if type_name == "Extension":
            self.one_thing(node, path)
        if type_name == "MedicationAdministration.dosage" and not {"dose", "rateRatio", "rateQuantity"} & node.keys():
            self.say(path, "mad-1", "a dose or a rate must be there")
        self.extensions(node.get("extension", ()), type_name, place, path)

    def values(self, value: Any, name: str, kind: str, line: Json, path: str, place: str) -> None:
        """All values of a member."""
        many = line["max"] != "1"
        if many and not (isinstance(value, list) and value):
            self.say(path, "cardinality", "must be a list with entries")
            return
        for number, each in enumerate(value if many else [value]):
            here = f"{path}[{number}]" if many else path
            if name[0] == "_":
                if each is not None:
                    self.object(each, "Element", here, place)
            elif each is None:
                if not many or kind not in self.facts.primitives:
                    self.say(here, "empty", "null")
            elif kind in self.facts.primitives:
                self.primitive(each, kind, line, here)
            elif kind == "Resource":
                self.nested(each, here)
            else:
                self.object(each, kind, here, place)
                if kind == "Reference" and isinstance(each, dict):
                    self.target(each, line, here)

    def nested(self, resource: Any, path: str) -> None:
        """A resource in another."""
        kind = str(resource.get("resourceType"))
        if self.facts.types.get(kind, {}).get("kind") == "resource":
            self.object(resource, kind, f"{path}.{kind}", kind)

    def primitive(self, value: Any, kind: str, line: Json, path: str) -> None:
        """One primitive: its format and its code."""
        if isinstance(value, list | dict) or not self.facts.primitives[kind](value):
            self.say(path, "format", f"{value!r:.80} is no {kind}")
        binding = line.get("binding", {})
        if binding.get("strength") == "required":
            systems = self.facts.value_sets[binding["valueSet"]]
            if systems is None:
                if not OPEN[binding["valueSet"].rpartition("/")[2]].fullmatch(value):
                    self.say(path, "binding", f"{value!r} does not look like one of the codes required")
            elif not any(value in codes for codes in systems.values()):
                self.say(path, "binding", f"{value!r} is none of the codes required")

    def target(self, reference: Json, line: Json, path: str) -> None:
        """The type of what a Reference points at."""
        allowed = line.get("target", {}).get("Reference", ())
        address = str(reference.get("reference", ""))
        kind = self.contained.get(address[1:]) if address.startswith("#") else None
        if kind is None and (match := LITERAL.fullmatch(address)):
            kind = match[1]
        kind = kind or reference.get("type")
        if kind and allowed and "Resource" not in allowed and kind not in allowed:
            self.say(path, "target", f"{kind}, but only {', '.join(allowed)} may be there")

    def one_thing(self, node: Json, path: str) -> None:
        """An extension has a value or parts, and an address."""
        values = {name.removeprefix("_") for name in node if name.removeprefix("_").startswith("value")}
        if len(values) + ("extension" in node) != 1:
            self.say(path, "ext-1", "an extension has one value, or parts")

    def extensions(self, found: Any, type_name: str, place: str, path: str) -> None:
        """HL7's extensions for R5 elements, against their definitions."""
        if type_name == "Extension":
            return
        counts: Counter[str] = Counter()
        for each in found:
            url = str(each.get("url"))
            counts[url] += 1
            if not ABSOLUTE.fullmatch(url):
                self.say(path, "absolute", f"{url} is no absolute address")
            if not url.startswith(OFFICIAL):
                continue
            if url not in EXTENSIONS:
                self.say(path, "unknown-extension", url)
                continue
            definition = EXTENSIONS[url]
            self.holds(each, definition, f"{path}.extension({url[len(OFFICIAL) :]})")
            contexts = definition["context"]
            if not {place, type_name, "Element"} & set(contexts):
                self.say(path, "context", f"{url} may stand on {', '.join(contexts)}, not on {place} or {type_name}")
        for url, count in counts.items():
            if url in EXTENSIONS and count > 1 and EXTENSIONS[url].get("max", "1") == "1":
                self.say(path, "cardinality", f"{count} times {url}")

    def holds(self, extension: Json, definition: Json, path: str) -> None:
        """That an extension has a value of a type that its definition knows, or the parts that it knows."""
        value = next((name.removeprefix("_") for name in extension if name.removeprefix("_").startswith("value")), None)
        if "parts" not in definition:
            allowed = {f"value{kind[0].upper()}{kind[1:]}" for kind in definition["type"]}
            if value not in allowed:
                self.say(path, "extension", f"holds {value}, not one of {', '.join(sorted(allowed))}")
            return
        if value is not None:
            self.say(path, "extension", f"has parts, not {value}")
        counts: Counter[str] = Counter()
        for part in extension.get("extension", ()):
            url = str(part.get("url"))
            counts[url] += 1
            known = definition["parts"].get(url)
            if known is not None:
                self.holds(part, known, f"{path}.{url}")
            elif url != DATATYPE and not ABSOLUTE.fullmatch(url):
                self.say(path, "extension", f"has no part {url}")
        for url, count in counts.items():
            if count > 1 and definition["parts"].get(url, {}).get("max", "*" if ":" in url else "1") == "1":
                self.say(path, "cardinality", f"{count} times the part {url}")


def earlier_problems(resource: Json, release: str = "R4") -> list[str]:
    """Everything wrong with a resource of R4 or R4B, each as ``path: word: text``."""
    kind = str(resource.get("resourceType"))
    contained = {str(each.get("id")): str(each.get("resourceType")) for each in resource.get("contained", ())}
    check = _Check(facts(release), contained)
    check.object(resource, kind, kind, kind)
    return check.found
