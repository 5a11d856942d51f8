"""
The terminology that fhirtrial's resources use, as FHIR R5 resources to be posted to a server.

Code systems: those of ``codesystems.yaml``, and one for each enumeration of a registry, derived from its code tables.
Concept maps: the code tables as they are.

CodeSystem: https://hl7.org/fhir/R5/codesystem.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from fhirtrial.codes import Table, load_tables
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.prefixes import load_prefixes
from fhirtrial.strict_yaml import compose, line_of, scalar

FILE = "codesystems.yaml"
PUBLISHER = "fhirtrial"
"""Who publishes what is ours."""


def code_systems(files: MappingFiles) -> list[dict[str, Any]]:
    """
    All code systems as FHIR R5 CodeSystem resources, sorted by url; the same files give the same resources.

    Raises MappingError if ``codesystems.yaml`` or a code table is wrong, or if two tables call one code differently.

    >>> systems = {system["id"]: system for system in code_systems(MappingFiles())}
    >>> systems["study-event"]["concept"][0]["display"]
    'Study start'
    >>> systems["ctgov-Phase"]["concept"][1]
    {'code': 'EARLY_PHASE1', 'display': 'Early Phase 1'}
    """
    resources = [*_own(files), *_of_tables(files)]
    return sorted(resources, key=lambda resource: str(resource["url"]))


def value_sets(files: MappingFiles) -> list[dict[str, Any]]:
    """
    For each of our code systems the ValueSet of all its codes, sorted by url.

    >>> value_sets(MappingFiles())[0]["compose"]["include"][0]["system"].startswith("https://fhirtrial.org/CodeSystem/")
    True
    """
    return [
        {
            "resourceType": "ValueSet",
            "id": system["id"],
            "url": system["url"].replace("/CodeSystem/", "/ValueSet/"),
            "name": system["name"],
            "title": system.get("title", system["name"]),
            "status": system["status"],
            "description": f"All codes of {system['url']}.",
            "compose": {"include": [{"system": system["url"]}]},
        }
        for system in code_systems(files)
    ]


def concept_maps(files: MappingFiles) -> list[dict[str, Any]]:
    """
    All code tables as FHIR R5 ConceptMap resources, as they stand in the files, sorted by file name.

    Raises MappingError if a table is wrong.
    """
    return [dict(table.resource) for table in _tables(files)]


def _tables(files: MappingFiles) -> list[Table]:
    return [table for name in files.registries() for table in load_tables(files, f"{name}/codes").values()]


def _of_tables(files: MappingFiles) -> list[dict[str, Any]]:
    """A code system for each enumeration that a table starts from."""
    found: dict[str, dict[str, str]] = {}
    for table in _tables(files):
        concepts = found.setdefault(table.own, {})
        for code, label in table.labels.items():
            if concepts.setdefault(code, label) != label:
                message = f"{code} is called {label!r} here and {concepts[code]!r} in another table of {table.own}"
                raise MappingError(message, file=table.file, line=table.lines[code])
    return [
        _resource(url, {}, [{"code": code, "display": label} for code, label in concepts.items()], complete=False)
        for url, concepts in found.items()
    ]


def _own(files: MappingFiles) -> list[dict[str, Any]]:
    """The code systems of ``codesystems.yaml``."""
    base = load_prefixes(files)["our"]
    resources = []
    for name, node in _members(compose(files.read_bytes(FILE), FILE), "the file", None).items():
        members = _members(node, name, ("title", "description", "concept"))
        concepts = []
        for code, concept in _members(members["concept"], f"the concepts of {name}", None).items():
            said = _members(concept, code, ("display", "definition"))
            concepts.append({"code": code, **{member: _text(said[member]) for member in ("display", "definition")}})
        url = f"{base}CodeSystem/{name}"
        texts = {member: _text(members[member]) for member in ("title", "description")}
        resources.append(_resource(url, texts, concepts))
    return resources


def _resource(
    url: str, texts: dict[str, str], concepts: list[dict[str, str]], *, complete: bool = True
) -> dict[str, Any]:
    """
    A CodeSystem; its id is the end of its address, its name the same without separators.

    The codes of a registry's enumeration are never all of them: what it adds tomorrow is written as it is, and is no
    mistake. So a validator warns where it would else refuse the resource.
    """
    identity = url.rsplit("/", 1)[-1]
    return {
        "resourceType": "CodeSystem",
        "id": identity,
        "url": url,
        "name": "".join(word[:1].upper() + word[1:] for word in identity.split("-")),
        **texts,
        "status": "active",
        "experimental": False,
        "caseSensitive": True,
        **({"content": "complete", "count": len(concepts)} if complete else {"content": "fragment"}),
        "concept": concepts,
    }


def _members(node: yaml.Node, what: str, known: tuple[str, ...] | None) -> Mapping[str, yaml.Node]:
    """The members of an object; ``known`` names them all, each has to be there."""
    if not isinstance(node, yaml.MappingNode) or not node.value:
        raise MappingError(f"{what} needs members", file=FILE, line=line_of(node))
    members = {key.value: value for key, value in node.value}
    for key, _ in node.value:
        if known and key.value not in known:
            hint = nearest(key.value, known)
            message = f"{key.value} has no meaning in {what}" + (f" ({hint})" if hint else "")
            raise MappingError(message, file=FILE, line=line_of(key))
    for member in known or ():
        if member not in members:
            raise MappingError(f"{what} needs {member}", file=FILE, line=line_of(node))
    return members


def _text(node: yaml.Node) -> str:
    text = scalar(node) if isinstance(node, yaml.ScalarNode) else None
    if not isinstance(text, str) or not text:
        raise MappingError("text is needed here", file=FILE, line=line_of(node))
    return text
