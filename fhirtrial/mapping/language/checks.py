"""What is checked over all files of a mapping together: links between them, and where each field is read back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from fhirtrial.errors import MappingError
from fhirtrial.issue import nearest
from fhirtrial.mapping.language.ledger import Place
from fhirtrial.mapping.language.nodes import (
    Canonical,
    Each,
    Line,
    Node,
    Object,
    Otherwise,
    Reference,
    ResourceFile,
    When,
    children,
)
from fhirtrial.mapping.language.walk import paths_of
from fhirtrial.schema import Schema


def check_links(files: dict[str, ResourceFile]) -> None:
    """References and canonicals lead to what their element may point at, and hand on what the other file takes."""
    for file in files.values():
        for path in paths_of(file.body, deep=True):
            if file.identity.shared and path.root:
                raise _error("a shared file may use nothing but the facts of its identity: `$$` is none", path.line)
        for link in _links(file.body):
            target = files[link.file]
            _check_target(link, target)
            if isinstance(link, Reference) and link.made:
                if target.scope != ():
                    raise _error(f"{link.file} makes several resources: `made` cannot say which", link.line)
                continue
            if isinstance(link, Canonical) and not target.canonical:
                raise _error(f"{link.file} has no URL of its own: its head lacks `canonical: true`", link.line)
            if isinstance(link, Reference) and link.binds is not None:
                _check_facts(link, target)
            elif isinstance(link, Reference) and target.identity.shared and not _at_hand(target, link.field):
                raise _error(f"{link.file} is a shared file: hand it its facts by `with`", link.line)


def _check_target(link: Reference | Canonical, target: ResourceFile) -> None:
    if link.targets and target.resource not in link.targets and "Resource" not in link.targets:
        wanted = " or ".join(link.targets)
        raise _error(f"{link.file} makes a {target.resource}; here FHIR wants a {wanted}", link.line)


def _check_facts(link: Reference, target: ResourceFile) -> None:
    if not target.identity.shared:
        raise _error(f"`with` hands facts to a shared file; {link.file} is none", link.line)
    known = [".".join(path.keys) for path in target.identity.of]
    for name in link.binds or ():
        if name not in known:
            hint = nearest(name, known) or f"it takes {', '.join(known)}"
            raise _error(f"{link.file} takes no {name!r}; {hint}", link.line)


def _at_hand(target: ResourceFile, field: Mapping[str, Any]) -> bool:
    """Whether the item at which a shared file is used has all its facts."""
    known = field.get("fields", {})
    return field["type"] == "any" or all(path.keys[0] in known for path in target.identity.of)


def _links(node: Node) -> list[Reference | Canonical]:
    found: list[Reference | Canonical] = [node] if isinstance(node, Canonical) else []
    if isinstance(node, Object) and node.reference is not None:
        found.append(node.reference)
    for child in children(node):
        found += _links(child)
    return found


def check_places(found: tuple[Place, ...], schema: Schema, files: dict[str, ResourceFile]) -> None:
    """Each field that is not left out has one two-way place, or several under different ``when``s."""
    by_path: dict[str, list[Place]] = defaultdict(list)
    for place in found:
        if place.way != "copy":
            by_path[place.path].append(place)
    for path, here in by_path.items():
        plain_places = [place for place in here if place.way == "two-way"]
        if len({(place.element, place.line) for place in plain_places}) > 1 or (
            plain_places and len(plain_places) < len(here)
        ):
            first, second = here[0], here[-1]
            raise MappingError(
                f"{path} is read back here and in line {first.line.number} ({first.line}): one of them must be `also`",
                file=second.line.file,
                line=second.line.number,
            )
    named: dict[str, set[Any]] = defaultdict(set)
    others: set[str] = set()
    lines: dict[str, Line] = {}
    for file in files.values():
        for node, at in _with_places(file.body, ".".join(file.scope or ())):
            path = ".".join(filter(None, [at, *node.path.keys]))
            lines.setdefault(path, node.line)
            if isinstance(node, When):
                named[path].add(node.value)
            else:
                others.add(path)
    leaves = {leaf.path.replace("[]", ""): leaf for leaf in schema.leaves()}
    for path, values in named.items():
        leaf = leaves.get(path)
        if leaf is None or path in others or {True, False} <= values or values == {None}:
            continue
        if any(place.way == "two-way" and place.path.replace("[]", "") == path for place in found):
            continue
        raise MappingError(
            f"{path} is read under `when` only: a value that none of them names would be lost; add an `otherwise`",
            file=lines[path].file,
            line=lines[path].number,
        )
    for leaf in schema.leaves():
        whole = leaf.path.removesuffix("[]")
        if leaf.left_out and (read := by_path.get(leaf.path) or by_path.get(whole)):
            raise _error(
                f"{leaf.path} is left out by left-out.yaml ({leaf.left_out}), and read back here", read[0].line
            )
        if not leaf.left_out and not any(path.removesuffix("[]") == whole for path in by_path):
            raise MappingError(
                f"no line reads {leaf.path} back: map it, or say in left-out.yaml why not",
                file=f"{schema.registry}/left-out.yaml",
            )


def _with_places(node: Node, at: str) -> list[tuple[When | Otherwise, str]]:
    found: list[tuple[When | Otherwise, str]] = []
    if isinstance(node, When | Otherwise):
        found.append((node, at))
    if isinstance(node, Each):
        keys = getattr(node.source, "keys", ())
        at = ".".join(filter(None, [at, *keys]))
    for child in children(node):
        found += _with_places(child, at)
    return found


def _error(message: str, line: Line) -> MappingError:
    return MappingError(message, file=line.file, line=line.number)
