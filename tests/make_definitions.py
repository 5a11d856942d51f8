"""
Makes ``mappings/fhir/<release>.json`` from HL7's own definitions, always the same bytes from the same package.

The definitions are those of the Maven Central artifacts ``ca.uhn.hapi.fhir:hapi-fhir-validation-resources-r5`` (which
holds HL7's packages ``hl7.fhir.r5.core`` 5.0.0 and ``hl7.terminology``), ``…-r4`` and ``…-r4b``:

    mvn dependency:copy -Dartifact=ca.uhn.hapi.fhir:hapi-fhir-validation-resources-r5:8.8.1 -DoutputDirectory=/tmp/jars
    python tests/make_definitions.py /tmp/jars/*.jar

With R5 are made ``tests/conformance/tables.json`` for the checker of the tests (the invariants of the same types, and
the code systems that their value sets draw from, with the displays; HL7 publishes newer and further code systems apart:
those in the folder ``shared`` beside the checkout are taken as well) and ``mappings/fhir/cross-version.json``: HL7's
extensions for R5 elements that R4 lacks, from ``shared/fhir/xver-r5.r4`` (package ``hl7.fhir.uv.xver-r5.r4`` 0.1.1)
and from ``tests/hl7_extensions.yaml``, and those of HL7's extension pack that hold a value and are in ``shared/fhir/extensions`` (5.3.0-ballot-tc1).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from fhirtrial.releases.release import COVERED
from tests.fhir_packages import SD, VERSIONS, Json, Package
from tests.hl7_extensions import rendered

ROOTS = (*COVERED, "Bundle")
"""The resources that fhirtrial makes; their datatypes follow from them."""

CHECKOUT = Path(__file__).resolve().parent.parent
FOLDER = CHECKOUT / "mappings" / "fhir"
TABLES = CHECKOUT / "tests" / "conformance" / "tables.json"
SHARED = CHECKOUT.parent / "shared" / "fhir"

LARGEST = 400
"""Of code systems with more codes than this only those are taken that a value set in use lists one by one."""

FURTHER = ("http://terminology.hl7.org/CodeSystem/data-absent-reason",)
"""Code systems of HL7 that no element is bound to, but an extension in use is."""

CORRECTED = {
    # a brace too many before the last group, as published
    "decimal": r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,9})?",
}
"""Published patterns that no value could match as meant; what they say otherwise is kept."""


def type_name(of: Json) -> str:
    """The FHIR type of an ElementDefinition's type: HL7 hides that of ids and primitive values in an extension."""
    for extension in of.get("extension", ()):
        if extension["url"].endswith("/structuredefinition-fhir-type"):
            return str(extension.get("valueUrl") or extension.get("valueUri"))
    return str(of["code"])


def backbones(structure: Json) -> frozenset[str]:
    """The paths of a StructureDefinition that have elements of their own below them."""
    paths = [element["path"] for element in structure["snapshot"]["element"]]
    return frozenset(path.rpartition(".")[0] for path in paths if "." in path)


def element_types(element: Json, backbone: frozenset[str]) -> dict[str, list[str]]:
    """
    The types of an element, and the resources (or the profile) that each may point at or must follow.

    A backbone has its own path as type, a repeated one (``contentReference``) the path that it repeats.
    """
    if "contentReference" in element:
        return {element["contentReference"].rpartition("#")[2]: []}
    if element["path"] in backbone:
        return {element["path"]: []}
    if element["base"]["path"] == "Element.id":
        return {"string": []}  # HL7's definitions say id in datatypes, string elsewhere; its text says string
    found: dict[str, list[str]] = {}
    for each in element["type"]:
        aims = [aim.removeprefix(SD) for aim in each.get("targetProfile", ()) or each.get("profile", ())]
        if each["code"] == "Resource" and aims:
            found |= {aim: [] for aim in aims}
        else:
            found[type_name(each)] = aims
    return found


def compact(element: Json, backbone: frozenset[str]) -> Json:
    """An ElementDefinition as it stands in the file."""
    types = element_types(element, backbone)
    line: Json = {"min": element["min"], "max": element["max"], "type": list(types)}
    resources = {name: aims for name, aims in types.items() if aims and name != "Quantity"}
    profiles = {name: aims[0] for name, aims in types.items() if aims and name == "Quantity"}
    if resources:
        line["target"] = resources
    if profiles:
        line["profile"] = profiles
    if binding := element.get("binding"):
        line["binding"] = {"strength": binding["strength"]}
        if "valueSet" in binding:
            line["binding"]["valueSet"] = binding["valueSet"].split("|")[0]
    return line


def closure(package: Package) -> list[str]:
    """The names of all types that the resources need, those first, the rest sorted."""
    seen: set[str] = set()
    todo = list(ROOTS)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        structure = package.structure(name)
        if base := structure.get("baseDefinition"):
            todo.append(base.removeprefix(SD))
        for element in structure["snapshot"]["element"]:
            for each in element.get("type", ()):
                if not each["code"].startswith("http://hl7.org/fhirpath/"):
                    todo.append(type_name(each))
                    todo += [profile.removeprefix(SD) for profile in each.get("profile", ())]
    return [*ROOTS, *sorted(seen - set(ROOTS))]


def own_elements(structure: Json) -> Iterator[tuple[str, str, Json]]:
    """Of every element of a StructureDefinition: the type it belongs to, its name, its compact form."""
    backbone = backbones(structure)
    for element in structure["snapshot"]["element"]:
        owner, _, name = element["path"].rpartition(".")
        if owner:
            yield owner if owner in backbone and "." in owner else structure["id"], name, compact(element, backbone)


def types_of(package: Package, names: Iterable[str]) -> dict[str, Json]:
    """All types and backbones; what a type has from its base unchanged is left to the base."""
    found: dict[str, Json] = {}
    for name in names:
        structure = package.structure(name)
        base = structure.get("baseDefinition", "").removeprefix(SD)
        kind = structure["kind"]
        found[name] = {"kind": kind, "base": base, "elements": {}}
        if kind == "primitive-type":
            value = next(each for each in structure["snapshot"]["element"] if each["path"] == f"{name}.value")
            if pattern := published_pattern(value):
                found[name]["pattern"] = CORRECTED.get(name, pattern)
        backbone_base = {
            element["path"]: type_name(element["type"][0])
            for element in structure["snapshot"]["element"]
            if "type" in element
        }
        for owner, element, line in own_elements(structure):
            if owner not in found:
                found[owner] = {"kind": "backbone", "base": backbone_base[owner], "elements": {}}
            if kind != "primitive-type" or element != "value":
                found[owner]["elements"][element] = line
    for each in found.values():
        each["elements"] = {
            element: line
            for element, line in each["elements"].items()
            if line != inherited(found, each["base"], element)
        }
    return found


def inherited(types: Mapping[str, Json], name: str, element: str) -> Json | None:
    """The element as the nearest of the bases has it."""
    while name:
        if line := types[name]["elements"].get(element):
            return dict(line)
        name = types[name]["base"]
    return None


def published_pattern(value: Json) -> str:
    """The regular expression that HL7 publishes for a primitive; empty if there is none."""
    for each in value["type"]:
        for extension in each.get("extension", ()):
            if extension["url"] == f"{SD}regex":
                return str(extension["valueString"])
    return ""


def concepts(of: Iterable[Json]) -> Iterator[Json]:
    """All concepts of a code system, also those below others."""
    for concept in of:
        yield concept
        yield from concepts(concept.get("concept", ()))


def selectable(concept: Json) -> bool:
    """Whether a concept may be used, not only stand above others."""
    return not any(each["code"] == "notSelectable" and each.get("valueBoolean") for each in concept.get("property", ()))


def expand(package: Package, url: str) -> dict[str, list[str]] | None:
    """The codes of a value set by code system; None if it is open (all languages, all MIME types)."""
    compose = package.value_sets[url]["compose"]
    if "exclude" in compose:
        return None
    found: dict[str, list[str]] = {}
    for include in compose["include"]:
        if "filter" in include or "valueSet" in include:
            return None
        system = package.code_systems.get(include["system"], {})
        if "concept" in include:
            codes = [concept["code"] for concept in include["concept"]]
        elif system.get("content") == "complete":
            codes = [concept["code"] for concept in concepts(system["concept"]) if selectable(concept)]
        else:
            return None
        found.setdefault(include["system"], []).extend(codes)
    return found


def required_value_sets(types: Mapping[str, Json]) -> list[str]:
    """The addresses of all value sets that an element must take its code from."""
    lines = (line for each in types.values() for line in each["elements"].values())
    bindings = (line["binding"] for line in lines if "binding" in line)
    return sorted({binding["valueSet"] for binding in bindings if binding["strength"] == "required"})


def definitions(package: Package) -> str:
    """The text of ``mappings/fhir/<release>.json``: one element, one value set a line."""
    types = types_of(package, closure(package))
    value_sets = {url: expand(package, url) for url in required_value_sets(types)}
    text = ["{", f'"fhirVersion": "{VERSIONS[package.release]}",', '"types": {']
    for number, (name, each) in enumerate(types.items(), 1):
        head = {key: value for key, value in each.items() if key != "elements"}
        elements = [f"{quote(element)}: {quote(line)}" for element, line in each["elements"].items()]
        text.append(f'{quote(name)}: {quote(head)[:-1]}, "elements": {{')
        text += with_commas(elements)
        text.append("}}" if number == len(types) else "}},")
    text.append('}, "valueSets": {')
    text += with_commas([f"{quote(url)}: {quote(codes)}" for url, codes in value_sets.items()])
    text.append("}}")
    return "\n".join(text) + "\n"


def invariants(package: Package, names: Iterable[str]) -> Iterator[Json]:
    """All invariants of the types, each once, with the elements that they are declared on."""
    found: dict[str, Json] = {}
    for name in names:
        for element in package.structure(name)["snapshot"]["element"]:
            for each in element.get("constraint", ()):
                declared = each.get("source", SD + name).removeprefix(SD)
                if each["key"] not in ("ele-1", "ext-1") and declared != name and "." not in element["path"]:
                    continue  # inherited
                line = found.setdefault(each["key"], {name: each[name] for name in ("key", "severity", "human")})
                line.setdefault("on", set()).add(element["path"] if "." in element["path"] else name)
    for key in sorted(found):
        everywhere = key in ("ele-1", "ext-1")
        found[key]["on"] = ["Element" if key == "ele-1" else "Extension"] if everywhere else sorted(found[key]["on"])
        yield found[key]


def code_systems(package: Package, types: Mapping[str, Json]) -> dict[str, dict[str, str]]:
    """The codes and displays of all complete code systems that a value set of the types draws from, and of the folder's."""
    lines = (line for each in types.values() for line in each["elements"].values())
    todo = [line["binding"]["valueSet"] for line in lines if "valueSet" in line.get("binding", ())]
    seen: set[str] = set()
    listed: dict[str, set[str]] = {}
    systems = {url: package.code_systems[url] for url in FURTHER}
    while todo:
        url = todo.pop().split("|")[0]
        if url in seen or url not in package.value_sets:
            continue
        seen.add(url)
        for include in package.value_sets[url]["compose"]["include"]:
            todo += include.get("valueSet", ())
            listed.setdefault(include.get("system", ""), set()).update(
                each["code"] for each in include.get("concept", ())
            )
            if "system" in include and include["system"] in package.code_systems:
                systems[include["system"]] = package.code_systems[include["system"]]
    for folder in ("r5", "tho", "extensions"):
        for file in sorted((SHARED / folder).glob("CodeSystem-*.json")):
            system = json.loads(file.read_bytes())
            systems.setdefault(system["url"], system)
    found = {
        url: {each["code"]: each.get("display", "").strip() for each in concepts(system.get("concept", ()))}
        for url, system in sorted(systems.items())
        if system["content"] == "complete" and "hl7.org/" in url
    }
    for url, codes in found.items():
        if len(codes) > LARGEST:
            found[url] = {code: display for code, display in codes.items() if code in listed.get(url, ())}
    return {url: codes for url, codes in found.items() if codes}


def tables(package: Package) -> str:
    """The text of the checker's tables: one invariant, one code system a line."""
    names = closure(package)
    rules = [quote(each) for each in invariants(package, names)]
    systems = code_systems(package, types_of(package, names))
    text = ["{", '"invariants": [', *with_commas(rules), "],", '"codeSystems": {']
    text += with_commas([f"{quote(url)}: {quote(codes)}" for url, codes in systems.items()])
    return "\n".join([*text, "}}"]) + "\n"


def cross_version() -> str:
    """The text of ``mappings/fhir/cross-version.json``: one extension a line, by address, with its value or its parts."""
    found = {}
    for file in (SHARED / "xver-r5.r4").glob("StructureDefinition-ext-R5-*.json"):
        definition = json.loads(file.read_bytes())
        elements = {element["id"]: element for element in definition["differential"]["element"]}
        contexts = [context["expression"] for context in definition["context"]]
        found[definition["url"]] = {**extension_at("Extension", elements), "context": contexts}
    found |= rendered()
    for file in (SHARED / "extensions").glob("StructureDefinition-*.json"):
        definition = json.loads(file.read_bytes())
        elements = {element["id"]: element for element in definition["snapshot"]["element"]}
        held = extension_at("Extension", {**elements, "Extension": {}})
        if "parts" not in held:
            contexts = sorted({context["expression"] for context in definition["context"]})
            found[definition["url"]] = {**held, "type": sorted(set(held["type"])), "context": contexts}
    lines = with_commas([f"{quote(url)}: {quote(line)}" for url, line in sorted(found.items())])
    return "\n".join(["{", *lines, "}"]) + "\n"


def extension_at(identity: str, elements: Mapping[str, Json]) -> Json:
    """What an extension, or a part of one, holds: the types of its value, or its parts; ``max`` where it may repeat."""
    here = elements.get(identity, {})
    line: Json = {"max": here["max"]} if here.get("max", "1") != "1" else {}
    stem = f"{identity}.extension:"
    parts = [name[len(stem) :] for name in elements if name.startswith(stem) and "." not in name[len(stem) :]]
    if parts:
        return line | {"parts": {part: extension_at(stem + part, elements) for part in parts}}
    return line | {"type": [each["code"] for each in elements.get(f"{identity}.value[x]", {}).get("type", ())]}


def quote(value: object) -> str:
    """A value as JSON."""
    return json.dumps(value, ensure_ascii=False)


def with_commas(lines: list[str]) -> list[str]:
    """Lines as the members of a JSON object."""
    return [f"{line}," for line in lines[:-1]] + lines[-1:]


def main() -> None:
    """Writes the files, or says with ``--check`` whether they are as they should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jars", type=Path, nargs="+", help="hapi-fhir-validation-resources-<release>-….jar")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file differs")
    arguments = parser.parse_args()
    for jar in arguments.jars:
        package = Package(jar)
        made = {FOLDER / f"{package.release}.json": definitions(package)}
        if package.release == "r5":
            made |= {TABLES: tables(package), FOLDER / "cross-version.json": cross_version()}
        for file, text in made.items():
            if not arguments.check:
                file.write_text(text, encoding="utf-8")
            elif file.read_text(encoding="utf-8") != text:
                raise SystemExit(f"{file} is not what {jar.name} says")


if __name__ == "__main__":
    main()
