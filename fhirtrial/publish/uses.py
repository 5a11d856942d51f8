"""What the mapping files make of our own extensions: where they stand, the type of their value, their parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fhirtrial.definitions import Definitions
from fhirtrial.errors import MappingError
from fhirtrial.mapping.language.mapping import Mapping as LoadedMapping
from fhirtrial.mapping.language.nodes import Coded, Constant, Each, Line, Many, Node, Object, Otherwise, When

VERBATIM = "verbatim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """
    What the mapping files make of an extension, or of a part of one.

    ``line`` is where it was first met, ``type`` the FHIR type of its value (empty: it has ``parts``), ``many`` whether
    it may stand several times beside itself, ``contexts`` the elements that it stands on, ``systems`` our code systems
    that the value's codes are from, ``targets`` the types of resource that a Reference points at, ``codes`` the whole
    choice of values where the mapping files write nothing but constants.
    """

    line: Line
    type: str = ""
    many: bool = False
    contexts: frozenset[str] = frozenset()
    systems: frozenset[str] = frozenset()
    targets: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    parts: Mapping[str, Use]

    def leaves(self, path: str = "") -> Iterator[tuple[str, Use]]:
        """All parts below it, by dotted path, each before its own parts."""
        for name, part in self.parts.items():
            here = f"{path}.{name}" if path else name
            yield here, part
            yield from part.leaves(here)


def uses(mappings: Sequence[LoadedMapping]) -> dict[str, Use]:
    """
    How the mapping files use each of our own extensions, by name, sorted; ``verbatim`` may stand on any element.

    Raises MappingError, with both lines, if two lines give one extension values of different types.
    """
    stem = f"{mappings[0].base}StructureDefinition/"
    head = Line(f"{mappings[0].registry}/mapping.yaml", 1)
    anywhere = frozenset({"Element"})
    found = {VERBATIM: Use(line=head, type="base64Binary", contexts=anywhere, parts={})}
    definitions = mappings[0].definitions
    for file in (file for mapping in mappings for file in mapping.files.values()):
        for at, node, many in _extensions(file.body, file.resource, definitions):
            url = _url(node)
            if url.startswith(stem):
                name = url.removeprefix(stem)
                use = replace(_use(node, definitions, many=many), contexts=frozenset({at}))
                found[name] = _joined(found[name], use, name) if name in found else use
    return dict(sorted(found.items()))


def _extensions(node: Node, at: str, definitions: Definitions) -> Iterator[tuple[str, Object, bool]]:
    """All extensions in a node: the element that each stands on, the extension, whether there may be several."""
    for element, child, many in _outermost(node, at, definitions):
        yield element.removesuffix(".extension"), child, many
        for key, inner in child.entries.items():
            member = definitions.element("Extension", key)
            if member is not None:
                # Inside the value of an extension, elements are named from the value's type on.
                yield from _extensions(inner, member.type if member.choice else element, definitions)


def _outermost(
    node: Node, at: str, definitions: Definitions, *, many: bool = False
) -> Iterator[tuple[str, Object, bool]]:
    """The extensions in a node that are not part of another."""
    if isinstance(node, Each):
        yield from _outermost(node.make, at, definitions, many=True)
    elif isinstance(node, When | Otherwise):
        yield from _outermost(node.make, at, definitions, many=many)
    elif isinstance(node, Many):
        urls = Counter(map(_url, node.items))
        for item in node.items:
            # Several lines of one list can write the same extension.
            yield from _outermost(item, at, definitions, many=bool(_url(item)) and urls[_url(item)] > 1)
    elif isinstance(node, Object) and node.type == "Extension":
        yield at, node, many
    elif isinstance(node, Object):
        for key, child in node.entries.items():
            element = definitions.element(node.type, key)
            if element is not None:
                yield from _outermost(child, f"{at}.{element.choice or key}", definitions)


def _url(node: Node) -> str:
    """The constant url of an extension, however it is wrapped; empty for anything else."""
    while isinstance(node, Each | When | Otherwise):
        node = node.make
    url = node.entries.get("url") if isinstance(node, Object) and node.type == "Extension" else None
    return str(url.value) if isinstance(url, Constant) else ""


def _use(node: Object, definitions: Definitions, *, many: bool) -> Use:
    """What one line makes of an extension."""
    use = Use(line=node.line, many=many, parts={})
    parts: dict[str, Use] = {}
    for key, child in node.entries.items():
        element = definitions.element("Extension", key)
        if element is not None and element.choice:
            codes = frozenset({str(child.value)} if isinstance(child, Constant) else ())
            systems, targets = frozenset(_systems(child)), frozenset(_targets(child))
            use = replace(use, type=element.type, systems=systems, targets=targets, codes=codes)
        elif key == "extension":
            for _, part, several in _outermost(child, "", definitions):
                if name := _url(part):
                    made = _use(part, definitions, many=several)
                    parts[name] = _joined(parts[name], made, name) if name in parts else made
    return replace(use, parts=parts)


def _joined(one: Use, other: Use, name: str) -> Use:
    """Two uses of one extension as one."""
    if one.type != other.type:
        message = f"{name} has {one.type or 'parts'} here and {other.type or 'parts'} in {other.line}"
        raise MappingError(message, file=one.line.file, line=one.line.number)
    parts = dict(one.parts)
    for part, use in other.parts.items():
        parts[part] = _joined(parts[part], use, f"{name}.{part}") if part in parts else use
    return Use(
        line=one.line,
        type=one.type,
        many=one.many or other.many,
        contexts=one.contexts | other.contexts,
        systems=one.systems | other.systems,
        targets=one.targets | other.targets if one.targets and other.targets else frozenset(),
        codes=one.codes | other.codes if one.codes and other.codes else frozenset(),
        parts=parts,
    )


def _systems(node: Node) -> Iterator[str]:
    """The code systems of our own that the codings in a value are from."""
    if isinstance(node, Coded):
        yield node.table.own
    elif isinstance(node, Each | When | Otherwise):
        yield from _systems(node.make)
    elif isinstance(node, Many):
        for item in node.items:
            yield from _systems(item)
    elif isinstance(node, Object):
        system = node.entries.get("system")
        if node.type == "Coding" and isinstance(system, Constant):
            yield str(system.value)
        for child in node.entries.values():
            yield from _systems(child)


def _targets(node: Node) -> Iterator[str]:
    """The type of resource that a Reference says it points at."""
    if isinstance(node, Object) and node.type == "Reference" and isinstance(kind := node.entries.get("type"), Constant):
        yield str(kind.value)
