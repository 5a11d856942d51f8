"""The table of a release, read: what is not the same there as in R5, each row with its line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import yaml

from fhirtrial.definitions import Definitions
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.prefixes import expand, load_prefixes
from fhirtrial.strict_yaml import compose, line_of, plain

OFFICIAL = "hl7"
"""As the value of ``extension``: the address that HL7 gives the element."""

WORDS: Mapping[str, type | tuple[type, ...]] = MappingProxyType(
    {
        "to": str,
        "one": bool,
        "inside": str,
        "extension": str,
        "nearest": (str, dict),
        "back": dict,
        "beside": bool,
        "dissolve": bool,
        "first": bool,
        "split": list,
        "call": str,
        "codes": bool,
        "nowhere": str,
        "read": list,
        "plain": str,
        "members": dict,
        "apart": str,
        "unless": str,
    }
)
"""The words of a row, each with the type of its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    What becomes of one R5 element.

    ``line`` is where it stands (``releases/r4.yaml:12``), ``type`` the FHIR type that has the element, ``name`` the
    element's, of a choice the general one (``asNeeded[x]``). ``extension`` is an address, whole.
    """

    line: str
    type: str
    name: str
    to: str = ""
    one: bool = False
    inside: str = ""
    extension: str = ""
    nearest: Mapping[str, str] | None = None
    back: Mapping[str, str] | None = None
    beside: bool = False
    dissolve: bool = False
    first: bool = False
    split: tuple[str, ...] = ()
    call: str = ""
    codes: bool = False
    nowhere: str = ""
    read: tuple[str, ...] = ()
    plain: str = ""
    members: Mapping[str, str] | None = None
    apart: str = ""
    unless: str = ""

    @property
    def native(self) -> str:
        """The element's name in the other release."""
        return self.to or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyRow:
    """An element of the other release that is made of several of R5's for plain readers; ``options`` are its rule's."""

    line: str
    type: str
    element: str
    rule: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """
    All rows of a release by type, the addresses of code systems that differ, and the base addresses.

    ``official`` is HL7's for elements of R5, ``earlier`` that for elements of the other release; ``base`` is ours.
    ``required`` are elements, each with its line. ``swapped``: the addresses have been exchanged before.
    """

    file: str
    official: str
    earlier: str
    base: str
    systems: Mapping[str, tuple[str, frozenset[str] | None]]
    rows: Mapping[str, Mapping[str, Row]]
    copies: Mapping[str, tuple[CopyRow, ...]] = field(default_factory=dict)
    required: Mapping[str, str] = field(default_factory=dict)
    swapped: bool = False

    @property
    def to_swap(self) -> Mapping[str, tuple[str, frozenset[str] | None]]:
        """The addresses that are to be exchanged."""
        return {} if self.swapped else self.systems

    def own(self, name: str) -> str:
        """The address of an extension of our own."""
        return f"{self.base}StructureDefinition/{name}"


def wrong(row: Row | CopyRow, message: str) -> MappingError:
    """A MappingError at the place of a row: its file, and its line."""
    return wrong_at(row.line, message)


def wrong_at(place: str, message: str) -> MappingError:
    """A MappingError at a place that is written as ``file:line``."""
    file, _, line = place.rpartition(":")
    return MappingError(message, file=file, line=int(line))


def load_table(files: MappingFiles, name: str = "r4") -> Table:
    """The table of a release. Raises MappingError, with file and line, for what is none."""
    return _Reader(files, name).table()


class _Reader:
    """Takes one file apart."""

    def __init__(self, files: MappingFiles, name: str) -> None:
        self.files = files
        self.name = name
        self.file = f"releases/{name}.yaml"
        self.prefixes = load_prefixes(files)
        self.official = ""
        self.nearest: dict[str, Any] = {}

    def table(self) -> Table:
        """The whole table."""
        root = self.members(compose(self.files.read_bytes(self.file), self.file), "the table")
        self.known(root, ("official", "earlier", "systems", "nearest", "types", "required", "copies"), "the table")
        for needed in ("official", "earlier", "types"):
            if needed not in root:
                raise MappingError(f"the table needs `{needed}`", file=self.file, line=1)
        self.official = self.address(root, "official", "r5")
        named = root.get("nearest")
        self.nearest = (
            {key: plain(node) for key, (_, node) in self.members(named[1], "nearest").items()} if named else {}
        )
        types = self.members(root["types"][1], "types")
        copies = self.members(root["copies"][1], "copies") if "copies" in root else {}
        return Table(
            file=self.file,
            official=self.official,
            earlier=self.address(root, "earlier", self.name),
            base=self.prefixes["our"],
            systems=self.systems(root["systems"][1]) if "systems" in root else {},
            rows={name: self.rows(name, node) for name, (_, node) in types.items()},
            copies={name: self.copies(name, node) for name, (_, node) in copies.items()},
            required=self.required(root["required"][1]) if "required" in root else {},
        )

    def required(self, node: yaml.Node) -> dict[str, str]:
        if not isinstance(node, yaml.SequenceNode):
            raise MappingError("`required` is a list of elements", file=self.file, line=line_of(node))
        return {str(plain(item)): f"{self.file}:{line_of(item)}" for item in node.value}

    def systems(self, node: yaml.Node) -> dict[str, tuple[str, frozenset[str] | None]]:
        found = {}
        for address, (line, inner) in self.members(node, "systems").items():
            said = self.members(inner, address)
            self.known(said, ("to", "only"), address)
            if "to" not in said:
                raise MappingError(f"{address} needs `to`", file=self.file, line=line)
            only = plain(said["only"][1]) if "only" in said else None
            if only is not None and not (isinstance(only, list) and only):
                message = f"{address}: `only` is a list of codes, not {only!r}"
                raise MappingError(message, file=self.file, line=said["only"][0])
            to = expand(str(plain(said["to"][1])), self.prefixes)
            found[expand(address, self.prefixes)] = (to, None if only is None else frozenset(map(str, only)))
        return found

    def address(self, root: Mapping[str, tuple[int, yaml.Node]], word: str, release: str) -> str:
        """HL7's address for elements of a release, as the table has it."""
        line, node = root[word]
        version = Definitions.load(self.files, release).version
        wanted = f"http://hl7.org/fhir/{version.rpartition('.')[0]}/StructureDefinition/extension-"
        if plain(node) != wanted:
            message = f"`{word}` is {wanted}, HL7's address for elements of FHIR {version}, not {plain(node)!r}"
            raise MappingError(message, file=self.file, line=line)
        return wanted

    def rows(self, type_name: str, node: yaml.Node) -> dict[str, Row]:
        found = {}
        for name, (line, inner) in self.members(node, type_name).items():
            said = self.members(inner, f"{type_name}.{name}")
            self.known(said, tuple(WORDS), f"{type_name}.{name}")
            words = {word: self.word(f"{type_name}.{name}", word, *said[word]) for word in said}
            if words.get("extension") == OFFICIAL:
                words["extension"] = f"{self.official}{type_name}.{name.removesuffix('[x]')}"
            elif "extension" in words:
                words["extension"] = expand(words["extension"], self.prefixes)
            found[name] = Row(line=f"{self.file}:{line}", type=type_name, name=name, **words)
        return found

    def word(self, where: str, word: str, line: int, node: yaml.Node) -> Any:
        value = plain(node)
        if not isinstance(value, WORDS[word]):
            raise MappingError(f"{where}: `{word}` cannot be {value!r}", file=self.file, line=line)
        if word == "nearest":
            if isinstance(value, str) and value not in self.nearest:
                hint = nearest(value, self.nearest) or f"there are {', '.join(self.nearest)}"
                raise MappingError(
                    f"{where}: no list of nearest codes is called {value!r}; {hint}", file=self.file, line=line
                )
            return self.nearest[value] if isinstance(value, str) else value
        return tuple(value) if isinstance(value, list) else value

    def copies(self, type_name: str, node: yaml.Node) -> tuple[CopyRow, ...]:
        found = []
        for element, (line, inner) in self.members(node, f"the copies of {type_name}").items():
            said = {key: plain(value) for key, (_, value) in self.members(inner, f"{type_name}.{element}").items()}
            rule = said.pop("rule", None)
            if not isinstance(rule, str):
                raise MappingError(f"{type_name}.{element} needs a `rule`", file=self.file, line=line)
            options = {key: self.expanded(value) for key, value in said.items()}
            where = f"{self.file}:{line}"
            found.append(CopyRow(line=where, type=type_name, element=element, rule=rule, options=options))
        return tuple(found)

    def expanded(self, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(self.expanded(each) for each in value)
        return expand(value, self.prefixes) if isinstance(value, str) else value

    def members(self, node: yaml.Node, what: str) -> dict[str, tuple[int, yaml.Node]]:
        """The members of an object, each with the line of its name."""
        if not isinstance(node, yaml.MappingNode):
            raise MappingError(f"{what} must be an object", file=self.file, line=line_of(node))
        return {key.value: (line_of(key), value) for key, value in node.value}

    def known(self, members: Mapping[str, tuple[int, yaml.Node]], words: tuple[str, ...], what: str) -> None:
        for word, (line, _) in members.items():
            if word not in words:
                hint = nearest(word, words) or f"known: {', '.join(words)}"
                raise MappingError(f"`{word}` means nothing in {what}; {hint}", file=self.file, line=line)
