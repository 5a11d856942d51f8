"""The parts of a mapping file after loading: what each line says, with its FHIR type and its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from fhirtrial.codes import Table
from fhirtrial.functions import Function
from fhirtrial.identifier_systems import IdentifierSystems
from fhirtrial.rules import Rules

Lookup: TypeAlias = Table | IdentifierSystems | Rules
"""What `by` names: a code table, the systems of identifiers, or rules."""


@dataclass(frozen=True, slots=True)
class Line:
    """A place in a mapping file; as text ``ctgov/study.yaml:47``."""

    file: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A plain value: written forth, tells entries apart on the way back."""

    line: Line
    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class OwnId:
    """The id of the resource that is being made, as the value of its first identifier; never read back."""

    line: Line


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """
    ``$.a.b``: the value there, both ways; ``$$.a.b``: from the record's root, forth only.

    ``keys`` count from the current item (of the file, or of the enclosing ``each``), ``at`` already included.
    ``type`` is the FHIR type of the element that it fills.
    """

    line: Line
    keys: tuple[str, ...]
    root: bool
    type: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Copy:
    """``also``: a copy, or what a function makes of one or several values; never read back."""

    line: Line
    sources: tuple[Path, ...]
    function: Function | None
    tables: tuple[Lookup, ...]
    type: str


@dataclass(frozen=True, slots=True, eq=False)
class Through:
    """``from`` + ``call``: through a function that has an inverse; paths from the root are not set on the way back."""

    line: Line
    sources: tuple[Path, ...]
    function: Function
    tables: tuple[Lookup, ...]
    type: str

    @property
    def own(self) -> tuple[Path, ...]:
        """The sources that the inverse sets."""
        return tuple(path for path in self.sources if not path.root)


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """
    ``coded`` + ``by``: the FHIR coding, if the table has a row, then the registry's own.

    ``single``: where one Coding is wanted and not a list, the registry's own alone.
    """

    line: Line
    path: Path
    table: Table
    single: bool


@dataclass(frozen=True, slots=True, eq=False)
class Only:
    """``only`` + ``by``: of the items of a list those for which the rules give this code."""

    code: str
    rules: Rules


@dataclass(frozen=True, slots=True, eq=False)
class Each:
    """``each`` + ``make`` [+ ``only`` + ``by``]: one entry for each item (that the rules choose), in order."""

    line: Line
    source: Path | Copy | Through
    make: Node
    only: Only | None = None

    @property
    def one_way(self) -> bool:
        """Whether the list is a copy that is never read back."""
        return isinstance(self.source, Copy)


@dataclass(frozen=True, slots=True, eq=False)
class When:
    """``when`` + ``make``: made if the value is that constant (``None``: absent); there, it sets the constant."""

    line: Line
    path: Path
    value: Any
    make: Node


@dataclass(frozen=True, slots=True, eq=False)
class Otherwise:
    """``otherwise`` + ``make``: made if there is a value that no ``when`` of the same path names."""

    line: Line
    path: Path
    known: tuple[Any, ...]
    make: Node


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """
    ``ref`` [+ ``with``]: the resource of another file, and the facts handed to it.

    ``made`` instead of ``ref``: the resource is there already, and is not read again.
    """

    line: Line
    file: str
    binds: dict[str, Path | Copy] | None
    at: tuple[str, ...]
    targets: tuple[str, ...]
    field: Mapping[str, Any]
    made: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Canonical:
    """``canonical``: the resource of another file, by its URL."""

    line: Line
    file: str
    at: tuple[str, ...]
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Object:
    """An object that looks like the target; with ``at`` it is left out where nothing is there."""

    line: Line
    type: str
    entries: dict[str, Node]
    at: Path | None
    reference: Reference | None


@dataclass(frozen=True, slots=True, eq=False)
class Many:
    """A list of entries."""

    line: Line
    type: str
    items: tuple[Node, ...]


Node: TypeAlias = Constant | OwnId | Path | Copy | Through | Coded | Each | When | Otherwise | Canonical | Object | Many


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """
    What a resource's id and identifier follow from.

    ``readable``: the facts stand in the id as they are; ``hashed``: nothing of them does.
    """

    kind: str
    of: tuple[Path, ...]
    shared: bool
    readable: bool
    hashed: bool
    bare: bool

    @property
    def identifies(self) -> bool:
        """Whether a business identifier is made of it: not where the record's own number is the identifier."""
        return not self.bare and not (self.readable and self.kind == "study")


@dataclass(frozen=True, slots=True, eq=False)
class ResourceFile:
    """One mapping file: the resource it makes, its identity, and its body."""

    name: str
    line: Line
    resource: str
    identity: Identity
    canonical: bool
    body: Object
    scope: tuple[str, ...] | None
    """The schema path of its ``$`` (``()``: the record itself); None for a shared file, which sees its facts only."""


def with_own_id(further: Many, system: str) -> Many:
    """The identifier that follows from a resource's identity, and after it those that its file writes."""
    line = further.line
    own = Object(line, "Identifier", {"system": Constant(line, system), "value": OwnId(line)}, None, None)
    return Many(line, "Identifier", (own, *further.items))


def is_constant(node: Node) -> bool:
    """Whether nothing below depends on a record."""
    if isinstance(node, Constant):
        return True
    if isinstance(node, Many):
        return all(map(is_constant, node.items))
    if isinstance(node, Object):
        return node.reference is None and all(map(is_constant, node.entries.values()))
    return False


def constant_value(node: Node) -> Any:
    """The JSON value of a constant node."""
    if isinstance(node, Constant):
        return node.value
    if isinstance(node, Many):
        return [constant_value(item) for item in node.items]
    if isinstance(node, Object):
        return {key: constant_value(value) for key, value in node.entries.items()}
    raise TypeError(f"not constant: {node!r}")


def children(node: Node) -> Iterator[Node]:
    """The nodes directly below one."""
    if isinstance(node, Many):
        yield from node.items
    elif isinstance(node, Object):
        yield from node.entries.values()
    elif isinstance(node, Each | When | Otherwise):
        yield node.make


def is_two_way(node: Node) -> bool:
    """Whether anything below is read back."""
    if isinstance(node, Constant | Copy | OwnId):
        return False
    if isinstance(node, Path):
        return not node.root
    if isinstance(node, Each):
        return not node.one_way and (isinstance(node.source, Through) or is_two_way(node.make))
    if isinstance(node, Object):
        reference = node.reference
        if reference and (reference.binds is None or any(map(is_two_way, reference.binds.values()))):
            return True
        return any(map(is_two_way, node.entries.values()))
    if isinstance(node, Many):
        return any(map(is_two_way, node.items))
    return True
