"""
What our own extensions are called and what they are for: ``extensions.yaml`` and ``releases/extensions.yaml``.

The first describes the extensions that mapping files use, and takes the facts from there. The second describes those
that only the step to another release writes; it says where they stand and what they hold as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import yaml

from fhirtrial.definitions import Definitions
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.mapping.language.nodes import Line
from fhirtrial.prefixes import expand
from fhirtrial.publish.uses import Use
from fhirtrial.strict_yaml import compose, line_of, scalar

FILE = "extensions.yaml"
RELEASES_FILE = "releases/extensions.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """
    What is said of an extension: what it is called, what it is for, each part by dotted path.

    ``codes`` is the value set of a value that is a bare code; of a coding it follows from the table.
    """

    file: str
    line: int
    title: str
    text: str
    codes: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    part_lines: Mapping[str, int] = field(default_factory=dict)


def described(files: MappingFiles, prefixes: Mapping[str, str]) -> dict[str, Words]:
    """
    The extensions that mapping files use, in words, by name.

    Raises MappingError, with file and line, for what is no such description.
    """
    found = {}
    for name, (line, node) in members(compose(files.read_bytes(FILE), FILE), "the file", file=FILE).items():
        said = members(node, name, file=FILE, known=("title", "text", "codes", "parts"), needed=("title", "text"))
        parts = members(said["parts"][1], f"the parts of {name}", file=FILE) if "parts" in said else {}
        found[name] = Words(
            file=FILE,
            line=line,
            title=text_of(said["title"][1], file=FILE),
            text=text_of(said["text"][1], file=FILE),
            codes=expand(text_of(said["codes"][1], file=FILE), prefixes) if "codes" in said else "",
            parts={path: text_of(part, file=FILE) for path, (_, part) in parts.items()},
            part_lines={path: number for path, (number, _) in parts.items()},
        )
    return found


def of_releases(files: MappingFiles, definitions: Definitions) -> dict[str, tuple[Words, Use]]:
    """
    The extensions that only the step to another release writes, in words and in facts, by name.

    Raises MappingError, with file and line, for what is no such description, or a type that FHIR does not have.
    """
    file = RELEASES_FILE
    found = {}
    for name, (line, node) in members(compose(files.read_bytes(file), file), "the file", file=file).items():
        known = ("title", "text", "type", "context", "parts")
        said = members(node, name, file=file, known=known, needed=("title", "text", "context"))
        if ("type" in said) == ("parts" in said):
            raise MappingError(f"{name} has either a type or parts", file=file, line=line)
        contexts = frozenset(texts_of(said["context"][1], f"the context of {name}", file=file))
        words = Words(
            file=file, line=line, title=text_of(said["title"][1], file=file), text=text_of(said["text"][1], file=file)
        )
        use = Use(line=Line(file, line), contexts=contexts, many="parts" in said, parts={})
        if "type" in said:
            found[name] = words, replace(use, type=_type(said["type"][1], definitions, file))
            continue
        texts, parts = {}, {}
        for part, (number, inner) in members(said["parts"][1], f"the parts of {name}", file=file).items():
            facts = members(inner, part, file=file, known=("type", "text"), needed=("type", "text"))
            texts[part] = text_of(facts["text"][1], file=file)
            parts[part] = Use(line=Line(file, number), type=_type(facts["type"][1], definitions, file), parts={})
        found[name] = replace(words, parts=texts), replace(use, parts=parts)
    return found


def members(
    node: yaml.Node, what: str, *, file: str, known: tuple[str, ...] = (), needed: tuple[str, ...] = ()
) -> dict[str, tuple[int, yaml.Node]]:
    """The members of an object, each with the line of its name; only those ``known``, and all that are ``needed``."""
    if not isinstance(node, yaml.MappingNode) or not node.value:
        raise MappingError(f"{what} needs members", file=file, line=line_of(node))
    found = {key.value: (line_of(key), value) for key, value in node.value}
    for key, (line, _) in found.items():
        if known and key not in known:
            hint = nearest(key, known) or f"known: {', '.join(known)}"
            raise MappingError(f"{key} has no meaning in {what}; {hint}", file=file, line=line)
    for key in needed:
        if key not in found:
            raise MappingError(f"{what} needs a {key}", file=file, line=line_of(node))
    return found


def text_of(node: yaml.Node, *, file: str) -> str:
    """The text of a scalar. Raises MappingError for anything else, and for blank text."""
    text = scalar(node) if isinstance(node, yaml.ScalarNode) else None
    if not isinstance(text, str) or not text.strip():
        raise MappingError("text is needed here", file=file, line=line_of(node))
    return text


def texts_of(node: yaml.Node, what: str, *, file: str) -> list[str]:
    """The texts of a list. Raises MappingError for anything else."""
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise MappingError(f"{what} is a list", file=file, line=line_of(node))
    return [text_of(item, file=file) for item in node.value]


def _type(node: yaml.Node, definitions: Definitions, file: str) -> str:
    """The type of an extension's value."""
    name = text_of(node, file=file)
    types = definitions.extension_types()
    if name not in types:
        hint = nearest(name, types)
        raise MappingError(f"an extension holds no {name}{f'; {hint}' if hint else ''}", file=file, line=line_of(node))
    return name
