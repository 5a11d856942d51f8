"""Codes, references and addresses: what the definitions say beyond the structure of a value."""

from __future__ import annotations

from collections.abc import Callable

from .rules import Json
from .scope import ABSENT, ABSOLUTE, CODE_SYSTEMS, HL7, LITERAL, PART, RESOURCE_NAMES, Scope, Slot


def canonical(value: str, slot: Slot, path: str, scope: Scope) -> None:
    """An address of a definition: absolute, and of the right type where it shows one."""
    address = value.partition("|")[0]
    if value[0] == "#":
        target = scope.contained.get(value[1:], {}).get("resourceType")
        if target is None:
            scope.found.append(f"{path}: dangling: nothing contained is {value}")
    elif not ABSOLUTE.fullmatch(value):
        scope.found.append(f"{path}: absolute: {value} is no absolute address")
        return
    else:
        match = LITERAL.fullmatch(address)
        target = match[1] if match and match[1] in RESOURCE_NAMES else None
    if target and slot.targets and target not in slot.targets and "Resource" not in slot.targets:
        scope.found.append(f"{path}: target: {target}, but only {', '.join(slot.targets)} may be there")


def coding(value: Json, slot: Slot, path: str, scope: Scope) -> None:
    """A code of a system of HL7: it must exist, and be displayed as HL7 displays it."""
    system, code, display = value.get("system"), value.get("code"), value.get("display")
    if isinstance(system, str):
        if not ABSOLUTE.fullmatch(system) or system.startswith(f"{HL7[0]}ValueSet/"):
            scope.found.append(f"{path}.system: absolute: {system} is no address of a code system")
        elif system in CODE_SYSTEMS:
            if isinstance(code, str) and code not in CODE_SYSTEMS[system]:
                scope.found.append(f"{path}.code: code: {system} has no {code!r}")
            elif isinstance(code, str) and display is not None and display != CODE_SYSTEMS[system][code]:
                scope.found.append(f"{path}.display: display: must be {CODE_SYSTEMS[system][code]!r}, is {display!r}")
        elif system.startswith(HL7):
            scope.found.append(f"{path}.system: code: {system} is no code system of HL7's that is known here")
    if slot.codes is not None and not bound(value, slot.codes):
        scope.found.append(f"{path}: binding: none of the codes required")


def bound(value: Json, codes: dict[str, frozenset[str]]) -> bool:
    """Whether a Coding is one of a value set's."""
    return value.get("code") in codes.get(str(value.get("system")), ())


def concept(value: Json, slot: Slot, path: str, scope: Scope) -> None:
    """A CodeableConcept under a required binding: one of its codings must be of the value set."""
    codings = value.get("coding", ())
    if (slot.codes is None and slot.shape is None) or not isinstance(codings, list | tuple):
        return
    codings = [each for each in codings if isinstance(each, dict)]
    if slot.codes is None and slot.shape is not None:
        fit = any(slot.shape.fullmatch(str(each.get("code", ""))) for each in codings)
    else:
        fit = any(bound(each, slot.codes) for each in codings)
    if not fit:
        scope.found.append(f"{path}: binding: no coding is one of the codes required")


def reference(value: Json, slot: Slot, path: str, scope: Scope) -> None:
    """A Reference: that it is one, that it leads somewhere, and to the right type."""
    literal, said = value.get("reference"), value.get("type")
    if isinstance(literal, str) and literal:
        leads_somewhere(literal, path, scope)
        if literal[0] == "#":
            scope.local.add(literal[1:])
    target = target_type(literal, scope)
    if said is not None and said not in RESOURCE_NAMES:
        scope.found.append(f"{path}.type: target: {said!r} is no resource")
    elif said is not None and target is not None and said != target:
        scope.found.append(f"{path}.type: target: says {said}, points at {target}")
    else:
        aim(value, slot, path, scope)


def aim(value: Json, slot: Slot, path: str, scope: Scope) -> None:
    """That a reference points at a resource of a type that the element allows."""
    target = target_type(value.get("reference"), scope) or value.get("type")
    if target and slot.targets and "Resource" not in slot.targets and target not in slot.targets:
        scope.found.append(f"{path}: target: {target}, but only {', '.join(slot.targets)} may be there")


def target_type(literal: object, scope: Scope) -> str | None:
    """The type of resource that a literal reference points at, as far as it shows."""
    resource = scope.resolve(literal)
    if resource:
        return str(resource.get("resourceType"))
    if not isinstance(literal, str) or literal.startswith(("#", "urn:")):
        return None
    search = literal.partition("?")[0] if "?" in literal else ""
    match = LITERAL.fullmatch(literal)
    target = search or (match[1] if match else "")
    return target if target in RESOURCE_NAMES else None


def leads_somewhere(literal: str, path: str, scope: Scope) -> None:
    """That a literal reference has the form of one, and that something is there."""
    if literal[0] == "#":
        return  # ref-1 says so
    if literal.startswith("urn:"):
        if literal not in (scope.urns if scope.refs is None else scope.refs) and (scope.urns or scope.refs is not None):
            scope.found.append(f"{path}: dangling: nothing is {literal}")
    elif target_type(literal, scope) is None:
        scope.found.append(f"{path}: target: {literal!r} is no reference")
    elif "?" in literal:
        if not scope.conditional:
            scope.found.append(f"{path}: target: a search stands for a reference in a transaction only")
    elif ABSOLUTE.match(literal) or scope.refs is None:
        return
    elif literal.partition("/_history/")[0] not in scope.refs:
        scope.found.append(f"{path}: dangling: nothing is {literal}")


def codeable_reference(value: Json, slot: Slot, path: str, scope: Scope) -> None:
    """A CodeableReference: the targets and codes of the element are those of its two parts."""
    if isinstance(value.get("reference"), dict):
        aim(value["reference"], slot, f"{path}.reference", scope)
    if slot.codes is not None and isinstance(value.get("concept"), dict):
        concept(value["concept"], slot, f"{path}.concept", scope)


def identifier(value: Json, slot: Slot, path: str, scope: Scope) -> None:
    """The system of an Identifier is an absolute address."""
    system = value.get("system")
    if isinstance(system, str) and not ABSOLUTE.fullmatch(system):
        scope.found.append(f"{path}.system: absolute: {system} is no absolute address")


def extension(value: Json, slot: Slot, path: str, scope: Scope) -> None:
    """The address of an extension is absolute, that of a part of one is a plain name; HL7's reasons are codes of HL7."""
    url = value.get("url")
    if isinstance(url, str) and not ABSOLUTE.fullmatch(url) and not PART.search(path):
        scope.found.append(f"{path}.url: absolute: {url} is no absolute address")
    if url == ABSENT:
        known = CODE_SYSTEMS["http://terminology.hl7.org/CodeSystem/data-absent-reason"]
        if value.get("valueCode") not in known:
            scope.found.append(f"{path}: code: {value.get('valueCode')!r} is no reason for absent data")


FURTHER: dict[str, Callable[[Json, Slot, str, Scope], None]] = {
    "Coding": coding,
    "CodeableConcept": concept,
    "CodeableReference": codeable_reference,
    "Reference": reference,
    "Identifier": identifier,
    "Extension": extension,
}
