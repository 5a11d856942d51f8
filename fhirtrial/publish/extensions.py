"""
Our own extensions as FHIR StructureDefinitions of a release.

What each is for stands in ``extensions.yaml``; where it may be used, the type of its value and its parts follow from
the mapping files that use it, so that a definition cannot say anything else than what is written. Where it stands in
R4 and R4B follows from the table of the release step.

A definition has a differential and no snapshot: the snapshot says nothing more, is made from it and HL7's definition
of Extension by whatever reads it (HL7's validator and HAPI do), and would fix the release's own texts in ours.

Extensions: https://hl7.org/fhir/R5/defining-extensions.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fhirtrial.code_systems import PUBLISHER, value_sets
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.mapping.language.mapping import Mapping as LoadedMapping
from fhirtrial.publish.descriptions import FILE, Words, described, of_releases
from fhirtrial.publish.r4_places import R4Places
from fhirtrial.publish.target import Target
from fhirtrial.publish.uses import VERBATIM, Use, uses

HL7 = "http://hl7.org/fhir/StructureDefinition/"


def structure_definitions(
    mappings: Sequence[LoadedMapping], files: MappingFiles, *, version: str, target: Target
) -> list[dict[str, Any]]:
    """
    Our own extensions as StructureDefinition resources, sorted by url; the same files give the same resources.

    ``files`` is where ``extensions.yaml`` is, ``version`` what the definitions get, ``target`` the release: R4 and
    R4B have other contexts, and the extensions that the release step adds.
    https://hl7.org/fhir/R5/structuredefinition.html

    Raises MappingError, with file and line, if ``extensions.yaml`` does not describe each extension and each part that
    is used, or describes another, or binds one to a value set of ours that there is none of; or if a release has no
    place for an extension, or no such type.

    >>> from fhirtrial.mapping.language.mapping import load_mappings
    >>> from fhirtrial.publish.target import load_target
    >>> files = MappingFiles()
    >>> r5 = load_target("R5", files)
    >>> definitions = structure_definitions(load_mappings(files), files, version="1.0.0", target=r5)
    >>> made = {one["id"]: one for one in definitions}
    >>> made["time-frame"]["context"]
    [{'type': 'element', 'expression': 'ResearchStudy.outcomeMeasure'}]
    """
    mapping = mappings[0]
    found = _found(mappings, files)
    for name, (_, use) in found.items():
        _check_types(name, use, target)
    if target.places is not None:
        found = {name: (words, _in_r4(use, target.places)) for name, (words, use) in found.items()}
        for name, (words, use) in of_releases(files, mapping.definitions).items():
            if name in found:
                raise MappingError(f"{name} is described in {FILE} as well", file=words.file, line=words.line)
            found[name] = words, use
    known = {value_set["url"] for value_set in value_sets(files)}
    made = []
    for name, (words, use) in sorted(found.items()):
        definition = _definition(name, use, words, mapping, version, target)
        for element in definition["differential"]["element"]:
            bound = element.get("binding", {}).get("valueSet", "")
            if bound.startswith(mapping.base) and bound not in known:
                hint = nearest(bound, known)
                message = f"{name}: there is no value set {bound}{f'; {hint}' if hint else ''}"
                raise MappingError(message, file=words.file, line=words.line)
        made.append(definition)
    return made


def _found(mappings: Sequence[LoadedMapping], files: MappingFiles) -> dict[str, tuple[Words, Use]]:
    """The extensions that mapping files use: what is said of each, and what is made of it."""
    said, used = described(files, mappings[0].prefixes), uses(mappings)
    labels = {name: label for mapping in mappings for name, label in mapping.schema.labels()}
    for name, use in used.items():
        if name not in said:
            message = f"the extension {name} is used, and not described in {FILE}"
            raise MappingError(message, file=use.line.file, line=use.line.number)
    for name, words in said.items():
        if name not in used:
            hint = nearest(name, used)
            message = f"no mapping file uses the extension {name}{f'; {hint}' if hint else ''}"
            raise MappingError(message, file=FILE, line=words.line)
        # A part that is called as a field of a registry is what the registry calls the field.
        parts = dict(used[name].leaves())
        fields = {path: labels[last] for path in parts if (last := path.rsplit(".", 1)[-1]) in labels}
        said[name] = replace(words, parts=fields | dict(words.parts))
        _check_parts(name, said[name], parts)
    return {name: (said[name], use) for name, use in used.items()}


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


def _check_types(name: str, use: Use, target: Target) -> None:
    """Raises MappingError if the value of an extension, or of a part, has a type that the release does not have."""
    types = target.definitions.extension_types()
    for path, part in ((name, use), *use.leaves(name)):
        if part.type and part.type not in types:
            message = f"{path} holds {part.type}, which an extension in {target.name} cannot"
            raise MappingError(message, file=part.line.file, line=part.line.number)


def _in_r4(use: Use, places: R4Places) -> Use:
    """An extension as R4 and R4B have it: on what the elements that it stands on have become there."""
    return replace(use, contexts=frozenset(map(places.context, use.contexts)))


# ---------------------------------------------------------------------------------------------- to the definitions


def _definition(
    name: str, use: Use, words: Words, mapping: LoadedMapping, version: str, target: Target
) -> dict[str, Any]:
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
        "publisher": PUBLISHER,
        "description": words.text,
        "fhirVersion": target.version,
        "kind": "complex-type",
        "abstract": False,
        "context": [_context(place) for place in sorted(use.contexts)],
        "type": "Extension",
        "baseDefinition": f"{HL7}Extension",
        "derivation": "constraint",
        "differential": {"element": [root, *_elements(use, url, "Extension", "Extension", words, mapping)]},
    }


def _context(place: str) -> dict[str, str]:
    """Where an extension may stand: an element, or as a further part of another extension."""
    return {"type": "extension" if "://" in place else "element", "expression": place}


def _elements(
    use: Use, url: str, identity: str, path: str, words: Words, mapping: LoadedMapping, part: str = ""
) -> Iterator[dict[str, Any]]:
    """The elements below an extension or below one of its parts, in FHIR's order."""
    # A primitive value that FHIR cannot hold is carried inside the extension, instead of the value.
    primitive = mapping.definitions.is_primitive(use.type) and url != mapping.verbatim_url
    may_be_refused = primitive and words.file == FILE
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
    yield {"id": f"{identity}.url", "path": f"{path}.url", "fixedUri": url}
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
