"""
Our own extensions as FHIR R5 StructureDefinitions.

What each is for stands in ``extensions.yaml``; where it may be used, the type of its value and its parts follow from
the mapping files that use it, so that a definition cannot say anything else than what is written.

Extensions: https://hl7.org/fhir/R5/defining-extensions.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fhirtrial.code_systems import value_sets
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.mapping.extension_uses import VERBATIM, Use, uses
from fhirtrial.mapping.language.mapping import Mapping as LoadedMapping
from fhirtrial.prefixes import expand
from fhirtrial.strict_yaml import compose, line_of, scalar

FILE = "extensions.yaml"
HL7 = "http://hl7.org/fhir/StructureDefinition/"


def structure_definitions(mapping: LoadedMapping, files: MappingFiles, *, version: str) -> list[dict[str, Any]]:
    """
    Our own extensions as R5 StructureDefinition resources, sorted by url; the same files give the same resources.

    ``files`` is where ``extensions.yaml`` is, ``version`` what the definitions get.
    https://hl7.org/fhir/R5/structuredefinition.html

    Raises MappingError, with file and line, if ``extensions.yaml`` does not describe each extension and each part that
    is used, or describes another, or binds one to a value set of ours that there is none of.

    >>> from fhirtrial.mapping.language.mapping import load_mapping
    >>> definitions = structure_definitions(load_mapping(MappingFiles()), MappingFiles(), version="1.0.0")
    >>> made = {one["id"]: one for one in definitions}
    >>> made["time-frame"]["context"]
    [{'type': 'element', 'expression': 'ResearchStudy.outcomeMeasure'}]
    """
    described = _read(files, mapping.prefixes)
    used = uses(mapping)
    for name, use in used.items():
        if name not in described:
            message = f"the extension {name} is used, and not described in {FILE}"
            raise MappingError(message, file=use.line.file, line=use.line.number)
    for name, words in described.items():
        if name not in used:
            hint = nearest(name, used)
            message = f"no mapping file uses the extension {name}{f'; {hint}' if hint else ''}"
            raise MappingError(message, file=FILE, line=words.line)
        _check_parts(name, words, dict(used[name].leaves()))
    made = [_definition(name, use, described[name], mapping, version) for name, use in used.items()]
    known = {value_set["url"] for value_set in value_sets(files)}
    for definition in made:
        for element in definition["differential"]["element"]:
            bound = element.get("binding", {}).get("valueSet", "")
            if bound.startswith(mapping.base) and bound not in known:
                hint = nearest(bound, known)
                message = f"{definition['id']}: there is no value set {bound}{f'; {hint}' if hint else ''}"
                raise MappingError(message, file=FILE, line=described[definition["id"]].line)
    return made


# ------------------------------------------------------------------------------------------- from extensions.yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """
    What ``extensions.yaml`` says of an extension: what it is called, what it is for, each part by dotted path.

    ``codes`` is the value set of a value that is a bare code; of a coding it follows from the table.
    """

    line: int
    title: str
    text: str
    codes: str
    parts: Mapping[str, str]
    part_lines: Mapping[str, int]


def _read(files: MappingFiles, prefixes: Mapping[str, str]) -> dict[str, Words]:
    """The descriptions by name."""
    found = {}
    for name, (line, node) in _members(compose(files.read_bytes(FILE), FILE), "the file").items():
        members = _members(node, name, known=("title", "text", "codes", "parts"))
        for key in ("title", "text"):
            if key not in members:
                raise MappingError(f"{name} needs a {key}", file=FILE, line=line)
        parts = _members(members["parts"][1], f"the parts of {name}") if "parts" in members else {}
        found[name] = Words(
            line=line,
            title=_text(members["title"][1]),
            text=_text(members["text"][1]),
            codes=expand(_text(members["codes"][1]), prefixes) if "codes" in members else "",
            parts={path: _text(part) for path, (_, part) in parts.items()},
            part_lines={path: number for path, (number, _) in parts.items()},
        )
    return found


def _members(node: yaml.Node, what: str, *, known: tuple[str, ...] = ()) -> dict[str, tuple[int, yaml.Node]]:
    """The members of an object, each with the line of its name."""
    if not isinstance(node, yaml.MappingNode) or not node.value:
        raise MappingError(f"{what} needs members", file=FILE, line=line_of(node))
    for key, _ in node.value:
        if known and key.value not in known:
            hint = nearest(key.value, known) or f"known: {', '.join(known)}"
            raise MappingError(f"{key.value} has no meaning in {what}; {hint}", file=FILE, line=line_of(key))
    return {key.value: (line_of(key), value) for key, value in node.value}


def _text(node: yaml.Node) -> str:
    text = scalar(node) if isinstance(node, yaml.ScalarNode) else None
    if not isinstance(text, str) or not text.strip():
        raise MappingError("text is needed here", file=FILE, line=line_of(node))
    return text


def _check_parts(name: str, words: Words, used: Mapping[str, Use]) -> None:
    for path, use in used.items():
        if path not in words.parts:
            message = f"the part {path} of the extension {name} is used, and not described in {FILE}"
            raise MappingError(message, file=use.line.file, line=use.line.number)
    for path, line in words.part_lines.items():
        if path not in used:
            hint = nearest(path, used)
            message = f"no mapping file uses the part {path} of the extension {name}{f'; {hint}' if hint else ''}"
            raise MappingError(message, file=FILE, line=line)


# ---------------------------------------------------------------------------------------------- to the definitions


def _definition(name: str, use: Use, words: Words, mapping: LoadedMapping, version: str) -> dict[str, Any]:
    url = f"{mapping.base}StructureDefinition/{name}"
    root = {
        "id": "Extension",
        "path": "Extension",
        "short": words.title,
        "definition": words.text,
        "min": 0,
        "max": "*" if use.many else "1",
    }
    return {
        "resourceType": "StructureDefinition",
        "id": name,
        "url": url,
        "version": version,
        "name": "".join(word[:1].upper() + word[1:] for word in name.split("-")),
        "title": words.title,
        "status": "active",
        "experimental": False,
        "description": words.text,
        "fhirVersion": mapping.definitions.version,
        "kind": "complex-type",
        "abstract": False,
        "context": [{"type": "element", "expression": path} for path in sorted(use.contexts)],
        "type": "Extension",
        "baseDefinition": f"{HL7}Extension",
        "derivation": "constraint",
        "differential": {"element": [root, *_elements(use, url, "Extension", "Extension", words, mapping)]},
    }


def _elements(
    use: Use, url: str, identity: str, path: str, words: Words, mapping: LoadedMapping, part: str = ""
) -> Iterator[dict[str, Any]]:
    """The elements below an extension or below one of its parts, in FHIR's order."""
    # A primitive value that FHIR cannot hold is carried inside the extension, instead of the value.
    may_be_refused = mapping.definitions.is_primitive(use.type) and url != mapping.verbatim_url
    if may_be_refused:
        yield {
            "id": f"{identity}.extension:{VERBATIM}",
            "path": f"{path}.extension",
            "sliceName": VERBATIM,
            "short": "The value, where its type cannot hold it",
            "min": 0,
            "max": "1",
            "type": [{"code": "Extension", "profile": [mapping.verbatim_url]}],
        }
    elif not use.parts:
        yield {"id": f"{identity}.extension", "path": f"{path}.extension", "max": "0"}
    for name, inner in use.parts.items():
        here = f"{part}.{name}" if part else name
        slice_id, slice_path = f"{identity}.extension:{name}", f"{path}.extension"
        yield {
            "id": slice_id,
            "path": slice_path,
            "sliceName": name,
            "short": words.parts[here],
            "definition": words.parts[here],
            "min": 0,
            "max": "*" if inner.many else "1",
            "type": [{"code": "Extension"}],
        }
        yield from _elements(inner, name, slice_id, slice_path, words, mapping, here)
    yield {"id": f"{identity}.url", "path": f"{path}.url", "type": [{"code": "uri"}], "fixedUri": url}
    value: dict[str, Any] = {"id": f"{identity}.value[x]", "path": f"{path}.value[x]"}
    if use.parts:
        yield value | {"max": "0"}
        return
    kind: dict[str, Any] = {"code": use.type}
    if use.targets:
        kind["targetProfile"] = [HL7 + target for target in sorted(use.targets)]
    value |= {"min": 0 if may_be_refused else 1, "type": [kind]}
    ours = sorted(system for system in use.systems if system.startswith(f"{mapping.base}CodeSystem/"))
    value_set = words.codes if not part else ""
    if not value_set and len(ours) == 1:
        value_set = ours[0].replace("/CodeSystem/", "/ValueSet/")
    if value_set:
        # A code that the registry adds tomorrow travels all the same, so most are not required.
        value["binding"] = {"strength": "required" if use.codes else "extensible", "valueSet": value_set}
    yield value
