"""What a registry's mapping begins with: the main file, and those beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.mapping.language.ledger import Way
from fhirtrial.mapping.language.members import Members
from fhirtrial.mapping.language.nodes import Line, Lookup, Only, Path
from fhirtrial.mapping.language.scope import Scope
from fhirtrial.mapping.language.words import BESIDE
from fhirtrial.strict_yaml import compose, line_of, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """
    A file whose resources stand beside the main one: one, or one for each item of the list at ``source``.

    ``only`` chooses among the items; ``order`` are the fields by which the items stand in order when they come
    back: a number, and what decides between equal ones.
    """

    file: str
    line: Line
    source: Path | None = None
    order: tuple[str, ...] = ()
    only: Only | None = None

    @property
    def start(self) -> tuple[str, str, Way]:
        """The file, the path of its item, and how it is read."""
        at = "" if self.source is None else ".".join(self.source.keys) + "[]"
        return self.file, at, "two-way" if self.only is None else "when"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The main file, those beside it, and what others call the system of the registry's numbers."""

    main: str
    beside: tuple[Beside, ...]
    older_systems: tuple[str, ...]


def read_head(files: MappingFiles, name: str, root: Scope, lookups: Mapping[str, Lookup]) -> Head:
    """
    The head of a mapping, checked against the fields of the record (``root``).

    Raises MappingError, with file and line, for whatever is wrong.
    """
    node = compose(files.read_bytes(name), name)
    said = plain(node)
    known = {"registry", "main", "beside", "older_systems"}
    if not isinstance(said, dict) or not isinstance(said.get("main"), str) or said.keys() - known:
        raise MappingError(f"must say which file is `main`; it may say {', '.join(sorted(known))}", file=name)
    older = said.get("older_systems", [])
    if not isinstance(older, list) or not all(isinstance(item, str) for item in older):
        raise MappingError("`older_systems` must be a list of texts", file=name)
    assert isinstance(node, yaml.MappingNode)
    listed = next((value for key, value in node.value if key.value == "beside"), None)
    if listed is not None and not isinstance(listed, yaml.SequenceNode):
        raise MappingError("`beside` must be a list of files", file=name, line=line_of(listed))
    reader = _Reader(name, root, lookups)
    beside = () if listed is None else tuple(map(reader.beside, listed.value))
    return Head(main=said["main"], beside=beside, older_systems=tuple(older))


class _Reader(Members):
    """Reads the entries of ``beside``."""

    def __init__(self, file: str, root: Scope, lookups: Mapping[str, Lookup]) -> None:
        super().__init__(file)
        self.root = root
        self.lookups = lookups

    def beside(self, node: yaml.Node) -> Beside:
        """A file's name, or an object that says for each item of which list it is used."""
        if not isinstance(node, yaml.MappingNode):
            return Beside(file=self.text(node), line=self.line(node))
        entries = self.members(node, "an entry of `beside`", BESIDE)
        source = self.source(self.needed(node, entries, "beside", "each"))
        fields = self.root.descend(source.keys)["fields"]
        listed = entries.get("order")
        order = tuple(
            map(self.text, listed.value if isinstance(listed, yaml.SequenceNode) else [listed] if listed else ())
        )
        for name in order:
            if name not in fields:
                raise self.error(entries["order"], f"{name!r} is no field of the items; {nearest(name, fields)}")
        return Beside(
            file=self.text(self.needed(node, entries, "beside", "file")),
            line=self.line(node),
            source=source,
            order=order,
            only=self.only(node, entries, self.lookups),
        )

    def source(self, node: yaml.Node) -> Path:
        """The list over which a file goes."""
        text = self.text(node)
        keys = tuple(text.removeprefix("$.").split("."))
        if not text.startswith("$.") or (problem := self.root.unknown(keys) or self.root.not_a_list(keys)):
            raise self.error(node, problem if text.startswith("$.") else f"{text!r} is no path: paths begin with `$.`")
        return Path(self.line(node), keys, root=False)
