"""What fills an element: constants and paths, checked against its FHIR type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from fhirtrial.definitions import Definitions
from fhirtrial.issue import nearest
from fhirtrial.mapping.language.members import Members
from fhirtrial.mapping.language.nodes import Path
from fhirtrial.mapping.language.scope import Scope
from fhirtrial.prefixes import expand

SCHEMES = frozenset({"http", "https", "urn", "mailto", "ftp"})


@dataclass(frozen=True, slots=True)
class Where:
    """What a node is parsed for: the element it fills (or None for a value that only functions see), and its `$`."""

    type: str
    codes: frozenset[str] | None
    targets: tuple[str, ...]
    scope: Scope
    name: str
    many: bool = False


class ValueChecks(Members):
    """Checks the values of one file."""

    def __init__(self, file: str, *, definitions: Definitions, prefixes: Mapping[str, str], root: Scope) -> None:
        super().__init__(file)
        self.definitions = definitions
        self.prefixes = prefixes
        self.root = root

    def check_value(self, node: yaml.Node, text: str, path: Path, where: Where) -> None:
        """A path that fills an element leads to one value of a kind that the element may hold."""
        field = (self.root if path.root else where.scope).descend(path.keys)
        if where.type == "" or (field["type"] == "any" and not path.keys):
            return  # for a function, or the item that a function made
        if not self.definitions.is_primitive(where.type):
            raise self.error(node, f"{where.name} is a {where.type}, not the text {text}")
        if field["type"] == "any":
            return
        if field.get("list"):
            raise self.error(node, f"{text} is a list: use `each`")
        if field["type"] == "object":
            raise self.error(node, f"{text} is an object: {where.name} is a {where.type}")
        if (field["type"] == "boolean") != (where.type == "boolean"):
            said = "true or false" if field["type"] == "boolean" else "no true or false"
            raise self.error(node, f"{text} is {said}: {where.name} is a {where.type}")

    def constant(self, node: yaml.Node, value: Any, where: Where) -> Any:
        """A plain value as its FHIR type wants it, checked against format and required binding."""
        if where.type == "" or (where.name == "resourceType"):
            return value
        if not self.definitions.is_primitive(where.type):
            raise self.error(node, f"{where.name} is a {where.type}, not the plain value {value!r}")
        if isinstance(value, str):
            value = expand(value, self.prefixes)
            self.check_prefix(node, value, where.type)
            if where.type in {"integer", "unsignedInt", "positiveInt"} and value.lstrip("-").isdigit():
                value = int(value)
        if not self.definitions.fits(where.type, value):
            raise self.error(node, f"{value!r} is no {where.type}, which {where.name} must be")
        if where.codes is not None and value not in where.codes:
            hint = nearest(value, where.codes) or f"one of {', '.join(sorted(where.codes))}"
            raise self.error(node, f"{value!r} is not in the required binding of {where.name}; {hint}")
        return value

    def check_prefix(self, node: yaml.Node, value: str, type_name: str) -> None:
        """An address whose beginning is neither a prefix nor a scheme is a slip."""
        head, colon, _ = value.partition(":")
        if type_name in {"uri", "url", "canonical"} and colon and head not in SCHEMES:
            hint = nearest(head, self.prefixes) or f"known: {', '.join(self.prefixes)}"
            raise self.error(node, f"{value!r} begins with no known prefix; {hint}")
