"""
Our own extensions as FHIR StructureDefinitions, derived from the mapping files that use them.

https://hl7.org/fhir/R5/defining-extensions.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.mapping.mapping import Mapping
from fhirtrial.mapping.nodes import Coded, Constant, Each, Many, Node, Object, Otherwise, When
from fhirtrial.strict_yaml import compose, plain

FILE = "extensions.yaml"


@dataclass(slots=True)
class Use:
    """How an extension, or a part of one, is used: its value's type, its parts, where, and whether more than once."""

    type: str = ""
    system: str = ""
    many: bool = False
    parts: dict[str, Use] = field(default_factory=dict)
    contexts: set[str] = field(default_factory=set)

    def join(self, other: Use, name: str) -> None:
        """Takes in another use of the same extension. Raises MappingError if their values are of different types."""
        if self.type and other.type and self.type != other.type:
            raise MappingError(f"{name} has a {self.type} here and a {other.type} there", file=FILE)
        self.type = self.type or other.type
        self.system = self.system or other.system
        self.many = self.many or other.many
        self.contexts |= other.contexts
        for part, use in other.parts.items():
            self.parts.setdefault(part, Use()).join(use, f"{name}.{part}")


def uses(mapping: Mapping) -> dict[str, Use]:
    """Each of our own extensions, by name, as the mapping files use it; ``verbatim`` may stand on any element."""
    stem = mapping.base + "StructureDefinition/"
    found: dict[str, Use] = {}
    for file in mapping.files.values():
        for url, use, count in _below(file.body, file.resource, many=False):
            if url.startswith(stem):
                name = url.removeprefix(stem)
                # Several lines with one url stand on one element at the same time.
                use.many = use.many or count
                found.setdefault(name, Use()).join(use, name)
    found["verbatim"] = Use(type="base64Binary", contexts={"Element"})
    return dict(sorted(found.items()))


def _below(node: Node, path: str, *, many: bool) -> Iterator[tuple[str, Use, bool]]:
    """The extensions in a node, with whether several lines of one list write the same one."""
    if isinstance(node, Each):
        yield from _below(node.make, path, many=True)
    elif isinstance(node, When | Otherwise):
        yield from _below(node.make, path, many=many)
    elif isinstance(node, Many):
        urls = [_url(item) for item in node.items]
        for item, url in zip(node.items, urls, strict=True):
            for found, use, twice in _below(item, path, many=False):
                yield found, use, twice or (found == url and urls.count(url) > 1)
    elif isinstance(node, Object):
        address = node.entries.get("url")
        if node.type == "Extension" and isinstance(address, Constant):
            use = _use(node, many=many)
            use.contexts = {path.removesuffix(".extension")}
            yield str(address.value), use, False
            return
        for key, child in node.entries.items():
            yield from _below(child, f"{path}.{key}", many=False)


def _url(node: Node) -> str:
    while isinstance(node, Each | When | Otherwise):
        node = node.make
    url = node.entries.get("url") if isinstance(node, Object) else None
    return str(url.value) if isinstance(url, Constant) else ""


def _use(node: Object, *, many: bool) -> Use:
    use = Use(many=many)
    for key, child in node.entries.items():
        if key.startswith("value"):
            use.type = key.removeprefix("value")
            use.system = _system(child)
        elif key == "extension" and isinstance(child, Many):
            for url, part, _ in _below(child, "", many=False):
                use.parts.setdefault(url, Use()).join(part, url)
    return use


def _system(node: Node) -> str:
    """The registry's code system that a value is coded with, if it is."""
    if isinstance(node, Coded):
        return node.table.own
    if isinstance(node, Object):
        return next(filter(None, map(_system, node.entries.values())), "")
    if isinstance(node, Many):
        return next(filter(None, map(_system, node.items)), "")
    return ""


def structure_definitions(mapping: Mapping, files: MappingFiles, *, version: str) -> list[dict[str, Any]]:
    """
    Our own extensions as R5 StructureDefinition resources, sorted by name.

    Raises MappingError if ``extensions.yaml`` does not describe each extension and part that is used, and only those.
    """
    described: Any = plain(compose(files.read_bytes(FILE), FILE))
    used = uses(mapping)
    for name in sorted(used.keys() ^ described.keys()):
        raise MappingError(f"{name} is {'used, not described' if name in used else 'described, not used'}", file=FILE)
    made = []
    for name, use in used.items():
        words = described[name]
        parts = {path for path, _ in _part_paths(use)}
        for path in sorted(parts ^ words.get("parts", {}).keys()):
            raise MappingError(f"{name}: the part {path} is used or described, not both", file=FILE)
        made.append(_definition(name, use, words, mapping.base, version))
    return made


def _part_paths(use: Use, path: str = "") -> Iterator[tuple[str, Use]]:
    for name, part in use.parts.items():
        here = f"{path}.{name}" if path else name
        yield here, part
        yield from _part_paths(part, here)


def _definition(name: str, use: Use, words: dict[str, Any], base: str, version: str) -> dict[str, Any]:
    url = f"{base}StructureDefinition/{name}"
    root = {
        "id": "Extension",
        "path": "Extension",
        "short": words["title"],
        "definition": words["text"],
        "min": 0,
        "max": "*" if use.many else "1",
    }
    return {
        "resourceType": "StructureDefinition",
        "id": name,
        "url": url,
        "version": version,
        "name": "".join(word.capitalize() for word in name.split("-")),
        "title": words["title"],
        "status": "active",
        "description": words["text"],
        "fhirVersion": "5.0.0",
        "kind": "complex-type",
        "abstract": False,
        "context": [{"type": "element", "expression": path} for path in sorted(use.contexts)],
        "type": "Extension",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
        "derivation": "constraint",
        "differential": {"element": [root, *_elements(use, url, "Extension", "Extension", words.get("parts", {}), base)]},
    }


def _elements(
    use: Use, url: str, identifier: str, path: str, words: dict[str, str], base: str, part: str = ""
) -> Iterator[dict[str, Any]]:
    """The elements of an extension or of one of its parts. A value that FHIR cannot hold may stand inside instead."""
    for name, inner in use.parts.items():
        here = f"{part}.{name}" if part else name
        inner_id, inner_path = f"{identifier}.extension:{name}", f"{path}.extension"
        yield {
            "id": inner_id,
            "path": inner_path,
            "sliceName": name,
            "short": words[here],
            "min": 0,
            "max": "*" if inner.many else "1",
        }
        yield from _elements(inner, name, inner_id, inner_path, words, base, here)
    yield {"id": f"{identifier}.url", "path": f"{path}.url", "fixedUri": url}
    value: dict[str, Any] = {"id": f"{identifier}.value[x]", "path": f"{path}.value[x]"}
    if use.parts:
        yield {**value, "max": "0"}
        return
    code = _PRIMITIVES.get(use.type.lower(), use.type)
    value["type"] = [{"code": code}]
    if use.system:
        value["binding"] = {"strength": "extensible", "valueSet": use.system.replace("/CodeSystem/", "/ValueSet/")}
    yield value


# valueString is the primitive string, valueCoding the datatype Coding.
_PRIMITIVES = {
    name.lower(): name
    for name in (
        "base64Binary boolean canonical code date dateTime decimal id instant integer integer64 markdown oid positiveInt "
        "string time unsignedInt uri url uuid"
    ).split()
}
