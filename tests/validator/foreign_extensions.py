"""The definitions of the extensions in foreign resources, and in what the release step makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhirtrial.definitions import Definitions
from fhirtrial.files import MappingFiles
from fhirtrial.releases.table import load_table

from .extension_definition import Held, extension_definition
from .foreign import given, made

Json = dict[str, Any]

ELSEWHERE = "https://x.example/"
"""Where the addresses of the hand-made extensions begin: what somebody else defines, and we know nothing of."""


def foreign_extensions(release: str) -> list[Json]:
    """
    The definitions of the extensions in what is judged that no package at hand has.

    Those of somebody else may stand anywhere and hold anything. Those under HL7's addresses for elements of R4, which
    R5 lacks, follow from the element, as HL7 says: https://hl7.org/fhir/R5/versions.html#extensions
    """
    table = load_table(MappingFiles())
    # HL7 names the place of an extension as R5 does.
    rows = [row for found in table.rows.values() for row in found.values()]
    renamed = {f"{row.type}.{row.to}": f"{row.type}.{row.name}" for row in rows}
    judged = [given(release), [each.resource for each in made(release)]]
    found = []
    for url in sorted(set(_addresses(judged))):
        if url.startswith(ELSEWHERE):
            found.append(extension_definition(url, (), release=release, context="Element"))
        elif url.startswith(table.earlier):
            owner, _, name = url.removeprefix(table.earlier).rpartition(".")
            context = renamed.get(owner, owner)
            found.append(extension_definition(url, _held(owner, name), release=release, context=context))
    return found


def _held(owner: str, name: str) -> Held:
    """What holds an element of R4: a value of its types, or the parts of a backbone."""
    r4 = Definitions.load(MappingFiles(), "r4")
    types = [form.type for form in r4.elements(owner).values() if name in (form.name, form.choice.removesuffix("[x]"))]
    if len(types) != 1 or "." not in types[0]:
        return types
    inner = {form.choice.removesuffix("[x]") or form.name for form in r4.elements(types[0]).values()}
    return {part: _held(types[0], part) for part in sorted(inner - {"id", "extension", "modifierExtension"})}


def _addresses(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name in ("extension", "modifierExtension"):
                yield from (extension["url"] for extension in each)
            yield from _addresses(each)
    elif isinstance(value, list):
        for each in value:
            yield from _addresses(each)
