"""What can stand in the resources that a mapping makes at all: names of members, and addresses of code systems."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fhirtrial.definitions import Definitions
from fhirtrial.mapping.language.mapping import Mapping as LoadedMapping
from fhirtrial.mapping.language.nodes import Coded, Constant, Copy, Each, Lookup, Node, Object, Through, children


def vocabularies(mapping: LoadedMapping) -> Mapping[str, frozenset[str]]:
    """
    The words of each type of resource: what is not among them is in none of its resources, whatever the record.

    An address with ``|`` after it says that codes of that system come from the record as they are.

    >>> from fhirtrial.files import MappingFiles
    >>> from fhirtrial.mapping.language.mapping import load_mapping
    >>> words = vocabularies(load_mapping(MappingFiles()))["Location"]
    >>> "address" in words, "telecom" in words
    (True, False)
    """
    found: dict[str, frozenset[str]] = {}
    for file in mapping.files.values():
        words = frozenset(_words(file.body, mapping.definitions))
        found[file.resource] = found.get(file.resource, frozenset()) | words
    return found


def _words(node: Node, definitions: Definitions) -> Iterator[str]:
    if isinstance(node, Constant) and isinstance(node.value, str):
        yield node.value  # an address of a code system, among others
    if isinstance(node, Coded):
        yield from _of_table(node.table)
    if isinstance(node, Copy | Through):
        for table in node.tables:
            yield from _of_table(table)
        known = node.function.members if node.function is not None else ()
        yield from known or _of_type(node.type, definitions, set())
    if isinstance(node, Each):
        yield from _words(node.source, definitions)
    if isinstance(node, Object):
        yield from node.entries
        system, code = node.entries.get("system"), node.entries.get("code")
        if isinstance(system, Constant) and code is not None and not isinstance(code, Constant):
            yield f"{system.value}|"
    for child in children(node):
        yield from _words(child, definitions)


def _of_table(table: Lookup) -> Iterator[str]:
    yield from getattr(table, "systems", ())
    yield from ("system", "code", "display")


def _of_type(name: str, definitions: Definitions, seen: set[str]) -> Iterator[str]:
    """All members of a type: what a function makes of it is not known."""
    if name in seen or name not in definitions.types or name in ("Extension", "Resource"):
        return
    seen.add(name)
    for element in definitions.elements(name).values():
        yield element.name
        yield from _of_type(element.type, definitions, seen)
