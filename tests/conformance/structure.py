"""Walks a resource along the R5 definitions: elements, cardinalities, formats, codes, targets; then the invariants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from .primitives import checks
from .resource_rules import RULES
from .rules import Json, Rule
from .scope import DEFINITIONS, INVARIANTS, OPEN, RESOURCE_NAMES, TYPES, Refs, Scope, Slot
from .values import FURTHER, canonical

PRIMITIVES = checks(TYPES)


@dataclass(frozen=True, slots=True)
class Shape:
    """A type: its slots by JSON name, what it requires (element → JSON names), its invariants."""

    slots: dict[str, Slot]
    required: dict[str, tuple[str, ...]]
    choices: tuple[tuple[str, ...], ...]
    rules: tuple[tuple[str, Rule], ...]


def problems(
    resource: Json, bundle_refs: Refs | None = None, *, model: bool = True, warnings: bool = False
) -> list[str]:
    """
    Everything wrong with a resource, each as ``path: word: text``; the word is that of an invariant, or of a check here.

    ``bundle_refs`` are the references that lead somewhere (None: not asked). ``model`` also parses with
    ``fhir.resources``, which takes most of the time. ``warnings`` also reports HL7's invariants of that severity.
    """
    found = check_resource(resource, bundle_refs, {}, warnings=warnings)
    return [*found, *model_errors(resource)] if model else found


def check_resource(
    resource: Any, refs: Refs | None, urns: Mapping[str, Json], *, warnings: bool, conditional: bool = False
) -> list[str]:
    """A resource, and if it is a Bundle all those in it; ``conditional`` inside a transaction."""
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(kind, str) or TYPES.get(kind, {}).get("kind") != "resource":
        return [f"{kind}: unknown-type: not one of the resources that are made"]
    if kind == "Bundle":
        refs, urns = bundle_targets(resource, refs)
    scope = Scope(resource, refs, urns, warnings=warnings, conditional=conditional)
    contained = resource.get("contained", ())
    if isinstance(contained, list):
        scope.contained = {str(each.get("id")): each for each in contained if isinstance(each, dict)}
    walk(resource, kind, kind, scope)
    return scope.found


def bundle_targets(bundle: Json, refs: Refs | None) -> tuple[Refs | None, dict[str, Json]]:
    """What a Bundle's references may point at besides: its entries, by address and by type and id."""
    inside: dict[str, Json] = {}
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            inside[str(entry.get("fullUrl"))] = resource
            inside[f"{resource.get('resourceType')}/{resource.get('id')}"] = resource
    if refs is None:
        return None, inside
    outside = refs if isinstance(refs, Mapping) else {ref: {} for ref in refs}
    return {**outside, **inside}, inside


@cache
def shape(type_name: str) -> Shape:
    """A type's own and inherited elements and rules."""
    chain = [type_name]
    while base := TYPES[chain[-1]]["base"]:
        chain.append(base)
    elements: Json = {}
    for name in reversed(chain):
        elements |= TYPES[name]["elements"]
    slots: dict[str, Slot] = {}
    required: dict[str, tuple[str, ...]] = {}
    choices: list[tuple[str, ...]] = []
    for element, line in elements.items():
        owner = next(name for name in chain if element in TYPES[name]["elements"])
        rules = tuple(RULES.get(f"{owner}.{element}", ())) if f"{owner}.{element}" not in TYPES else ()
        forms = {json_name(element, each): make_slot(element, each, line, rules) for each in line["type"]}
        if line["max"] != "0":
            slots |= forms
            choices += [tuple(forms)] if element.endswith("[x]") else []
        if line["min"]:
            required[element] = tuple(forms)
    own = tuple((key, rule) for name in chain for key, rule in RULES.get(name, ()))
    return Shape(slots, required, tuple(choices), own)


def json_name(element: str, type_name: str) -> str:
    """What JSON calls an element of that type."""
    return element[:-3] + type_name[:1].upper() + type_name[1:] if element.endswith("[x]") else element


def make_slot(element: str, type_name: str, line: Json, rules: tuple[tuple[str, Rule], ...]) -> Slot:
    """One form of an element."""
    binding = line.get("binding", {})
    codes, pattern = None, None
    if binding.get("strength") == "required":
        systems = DEFINITIONS["valueSets"][binding["valueSet"]]
        codes = systems and {system: frozenset(each) for system, each in systems.items()}
        pattern = OPEN[binding["valueSet"].rpartition("/")[2]] if systems is None else None
    kind = line.get("profile", {}).get(type_name, type_name)
    targets = tuple(line.get("target", {}).get(type_name, ()))
    return Slot(element, kind, line["min"], line["max"] != "1", codes, pattern, targets, rules)


def walk(node: Any, type_name: str, path: str, scope: Scope) -> bool:
    """An object of a complex type, a backbone or a resource; whether it is sound enough to look at its meaning."""
    if not isinstance(node, dict):
        scope.found.append(f"{path}: type: {type_name} must be an object")
        return False
    if not node:
        scope.found.append(f"{path}: empty: an object without members")
        return False
    form = shape(type_name)
    before = len(scope.found)
    for key, value in node.items():
        if key == "resourceType" and TYPES[type_name]["kind"] == "resource":
            continue
        slot = form.slots.get(key.removeprefix("_"))
        if slot is None or (key[0] == "_" and slot.type not in PRIMITIVES):
            scope.found.append(f"{path}.{key}: unknown-element: {type_name} has none")
        elif slot.type in PRIMITIVES:
            if key[0] != "_" or key[1:] not in node:
                name = key.removeprefix("_")
                primitives(node.get(name), node.get(f"_{name}"), slot, f"{path}.{name}", scope)
        elif slot.many:
            if not isinstance(value, list) or not value:
                scope.found.append(f"{path}.{key}: cardinality: must be a list with entries")
            else:
                for number, each in enumerate(value):
                    child(each, slot, f"{path}.{key}[{number}]", scope)
        else:
            child(value, slot, f"{path}.{key}", scope)
    for element, names in form.required.items():
        if not any(name in node or f"_{name}" in node for name in names):
            scope.found.append(f"{path}.{element}: cardinality: required, and missing")
    for names in form.choices:
        if len({name for name in names if name in node or f"_{name}" in node}) > 1:
            scope.found.append(f"{path}: cardinality: more than one form of a choice")
    if node.keys() <= {"id", "resourceType"} and TYPES[type_name]["kind"] != "resource":
        report("ele-1", path, scope)
    sound = len(scope.found) == before
    if sound:
        for key, rule in form.rules:
            if not rule(node, scope):
                report(key, path, scope)
    return sound


def report(key: str, path: str, scope: Scope) -> None:
    """A broken invariant in HL7's words."""
    severity = INVARIANTS[key]["severity"]
    if severity == "error" or scope.warnings:
        scope.found.append(f"{path}: {key}: {INVARIANTS[key]['human']}")


def child(value: Any, slot: Slot, path: str, scope: Scope) -> None:
    """One value of an element that is no primitive."""
    if value is None:
        scope.found.append(f"{path}: empty: null")
    elif isinstance(value, list):
        scope.found.append(f"{path}: cardinality: at most one")
    elif slot.type == "Resource":
        nested(value, path, scope)
    else:
        if walk(value, slot.type, path, scope):
            for key, rule in slot.rules:
                if not rule(value, scope):
                    report(key, path, scope)
            if further := FURTHER.get(slot.type):
                further(value, slot, path, scope)


def nested(resource: Any, path: str, scope: Scope) -> None:
    """A resource in another: contained, or an entry of a Bundle."""
    kind = str(resource.get("resourceType")) if isinstance(resource, dict) else ""
    if kind not in TYPES or TYPES[kind]["kind"] != "resource":
        if kind not in RESOURCE_NAMES or scope.root["resourceType"] != "Bundle":
            scope.found.append(f"{path}: unknown-type: {kind} is not one of the resources that are made")
    elif scope.root["resourceType"] == "Bundle":
        asked = scope.root.get("type") in ("transaction", "batch")
        found = check_resource(resource, scope.refs, scope.urns, warnings=scope.warnings, conditional=asked)
        scope.found += [f"{path}.{text}" for text in found]
    else:
        was, scope.inside = scope.inside, True
        walk(resource, kind, f"{path}.{kind}", scope)
        scope.inside = was


def primitives(values: Any, extras: Any, slot: Slot, path: str, scope: Scope) -> None:
    """The values of a primitive element, with the ids and extensions that stand beside them."""
    if not slot.many:
        primitive(values, extras, slot, path, scope)
        return
    lists = [each for each in (values, extras) if each is not None]
    if not all(isinstance(each, list) and each for each in lists) or not lists:
        scope.found.append(f"{path}: cardinality: must be a list with entries")
    elif len({len(each) for each in lists}) > 1:
        scope.found.append(f"{path}: cardinality: the lists of values and of extensions differ in length")
    else:
        for number in range(len(lists[0])):
            value, extra = (each[number] if each is not None else None for each in (values, extras))
            primitive(value, extra, slot, f"{path}[{number}]", scope)


def primitive(value: Any, extra: Any, slot: Slot, path: str, scope: Scope) -> None:
    """One primitive: its format, its code, its target."""
    if extra is not None:
        walk(extra, "Element", f"{path}(extension)", scope)
    if value is None:
        if not isinstance(extra, dict) or "extension" not in extra:
            scope.found.append(f"{path}: empty: null, and no extension says why")
        elif slot.codes is not None or slot.shape is not None:
            scope.found.append(f"{path}: binding: a code is required, an extension cannot replace it")
    elif isinstance(value, list | dict):
        scope.found.append(f"{path}: type: {slot.type} must be a single value")
    elif value == "":
        scope.found.append(f"{path}: empty: empty text")
    elif not PRIMITIVES[slot.type](value):
        scope.found.append(f"{path}: format: {value!r:.80} is no {slot.type}")
    elif slot.codes is not None and not any(value in codes for codes in slot.codes.values()):
        scope.found.append(f"{path}: binding: {value!r} is none of the codes required")
    elif slot.shape is not None and not slot.shape.fullmatch(value):
        scope.found.append(f"{path}: binding: {value!r} does not look like one of the codes required")
    elif slot.type in ("uri", "url", "canonical"):
        if value[0] == "#":
            scope.local.add(value[1:])
        if slot.type == "canonical":
            canonical(value, slot, path, scope)


def model_errors(resource: Json) -> Iterator[str]:
    """What the R5 models of ``fhir.resources`` say."""
    from fhir.resources import get_fhir_model_class
    from pydantic import ValidationError

    try:
        get_fhir_model_class(str(resource.get("resourceType"))).model_validate(resource)
    except ValidationError as error:
        for each in error.errors():
            yield f"{'.'.join(map(str, each['loc']))}: model: {each['msg']}"
    except LookupError as error:
        yield f"{resource.get('resourceType')}: model: {error}"
