"""The StructureDefinition of an extension that no package at hand defines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.fhir_packages import SD, VERSIONS

Json = dict[str, Any]
Held = Sequence[str] | Mapping[str, Any]
"""What an extension holds: a value of one of these types (none: anything), or parts by name."""


DATATYPE = f"{SD}_datatype"
"""The part that names the type of an extension's value: the one whose address is not its name."""


def extension_definition(
    url: str, held: Held, *, release: str, context: str | Sequence[str], modifier: bool = False
) -> Json:
    """
    The definition, for a release; ``context`` is the element, or all those, that the extension stands on.

    >>> extension_definition("urn:x:y", ["string"], release="R4", context="Element")["differential"]["element"][-1]
    {'id': 'Extension.value[x]', 'path': 'Extension.value[x]', 'min': 1, 'type': [{'code': 'string'}]}
    """
    root: Json = {"id": "Extension", "path": "Extension", "min": 0, "max": "*"}
    if modifier:
        root |= {"isModifier": True, "isModifierReason": "as published"}
    contexts = [context] if isinstance(context, str) else context
    name = "".join(letter if letter.isalnum() else "-" for letter in url.rpartition("StructureDefinition/")[2])
    return {
        "resourceType": "StructureDefinition",
        "id": name.strip("-")[-64:],
        "url": url,
        "name": "StandIn",
        "status": "draft",
        "fhirVersion": VERSIONS[release.lower()],
        "kind": "complex-type",
        "abstract": False,
        "context": [{"type": "element", "expression": each} for each in contexts],
        "type": "Extension",
        "baseDefinition": f"{SD}Extension",
        "derivation": "constraint",
        "differential": {"element": [root, *_elements(url, held, "Extension", "Extension")]},
    }


def _elements(url: str, held: Held, identity: str, path: str) -> Iterator[Json]:
    inner = f"{path}.extension"
    if isinstance(held, Mapping):
        for name, part in held.items():
            slice_id = f"{identity}.extension:{name}"
            yield {"id": slice_id, "path": inner, "sliceName": name, "min": 0, "max": "*"}
            yield from _elements(DATATYPE if name == "_datatype" else name, part, slice_id, inner)
    elif held:
        yield {"id": f"{identity}.extension", "path": inner, "max": "0"}
    yield {"id": f"{identity}.url", "path": f"{path}.url", "fixedUri": url}
    value = {"id": f"{identity}.value[x]", "path": f"{path}.value[x]"}
    if isinstance(held, Mapping):
        yield {**value, "max": "0"}
    elif held:
        yield {**value, "min": 1, "type": [{"code": each} for each in held]}
