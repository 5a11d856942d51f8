"""How a resource breaks the definitions of our own extensions, and which of them it uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fhirtrial.definitions import Definitions

from .defined_extensions import BASE, CODES, DEFINITIONS, FILES, VALUE_SETS, Json

TYPES = [Definitions.load(FILES), Definitions.load(FILES, "r4")]


def objects(node: Any, path: str) -> Iterator[tuple[str, Json]]:
    """All objects of a resource with their element paths; the parts of an extension are its own matter."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            inner = f"{path}.{key.removeprefix('_')}"
            if key == "extension":
                for found in value:
                    # What stands inside the value of an extension is named from the value's type on.
                    for name, member in found.items():
                        if name.startswith(("value", "_value")):
                            yield from objects(member, name.removeprefix("_").removeprefix("value"))
                    yield from parts_of(found)
            else:
                yield from objects(value, inner)
    elif isinstance(node, list):
        for item in node:
            yield from objects(item, path)


def parts_of(extension: Json) -> Iterator[tuple[str, Json]]:
    """The objects in the values of the parts of an extension, and the extension itself where others stand on it."""
    yield extension["url"], {"extension": [part for part in extension.get("extension", ()) if ":" in part["url"]]}
    for part in extension.get("extension", ()):
        if ":" not in part["url"]:
            for name, member in part.items():
                if name.startswith(("value", "_value")):
                    yield from objects(member, name.removeprefix("_").removeprefix("value"))
            yield from parts_of(part)


def in_types(path: str) -> Iterator[str]:
    """The last element of a path as one of the datatype that holds it, in R5 and in R4: ``Period.end``."""
    kinds, last = path.split(".")[:-1], path.rpartition(".")[2]
    for release in TYPES if kinds else ():
        kind, names = kinds[0], kinds[1:]
        for name in names:
            element = release.element(kind, name) if kind in release.types else None
            kind = element.type if element else ""
        yield f"{kind}.{last}"


def faults(resource: Json, definitions: dict[str, Json] = DEFINITIONS) -> Iterator[str]:
    """How a resource breaks the definitions of our extensions."""
    for path, node in objects(resource, resource["resourceType"]):
        urls = Counter(found["url"] for found in node.get("extension", ()))
        for url, count in urls.items():
            if not url.startswith(BASE):
                continue
            if url not in definitions:
                yield f"{path}: {url} is not defined"
                continue
            definition = definitions[url]
            contexts = [context["expression"] for context in definition["context"]]
            anywhere = contexts == ["Element"] or (contexts == ["DomainResource"] and "." not in path)
            if {path, *in_types(path)}.isdisjoint(contexts) and not anywhere:
                yield f"{path}: {url} may stand on {contexts}"
            declared = {element["id"]: element for element in definition["differential"]["element"]}
            if count > 1 and declared["Extension"]["max"] == "1":
                yield f"{path}: {url} stands {count} times"
            for found in node["extension"]:
                if found["url"] == url:
                    yield from shape(found, declared, "Extension", f"{path}.{url}")


def shape(found: Json, declared: dict[str, Json], at: str, path: str) -> Iterator[str]:
    """How an extension, or a part of one, breaks its definition."""
    if found["url"] != declared[f"{at}.url"]["fixedUri"]:
        yield f"{path} has another url"
    value, parts = declared[f"{at}.value[x]"], found.get("extension", [])
    held = {key.removeprefix("_") for key in found if key.startswith(("value", "_value"))}
    if not held and (value.get("min") or not parts):
        yield f"{path} holds nothing"
    if held and value.get("max") == "0":
        yield f"{path} holds a value"
    elif held:
        (key,) = held
        yield from fitting(found.get(key), key, value, path)
    if parts and declared.get(f"{at}.extension", {}).get("max") == "0":
        yield f"{path} has parts"
        return
    elif held and parts:
        yield f"{path} has a value and parts"
    count = Counter(part["url"].rpartition("/")[2] for part in parts)
    for name, times in count.items():
        if times > 1 and declared.get(f"{at}.extension:{name}", {}).get("max") == "1":
            yield f"{path}.{name} stands {times} times"
    for part in parts:
        slice = declared.get(f"{at}.extension:{part['url'].rpartition('/')[2]}")
        if slice is None:
            yield f"{path} has no part {part['url']}"
        elif "profile" in slice["type"][0]:
            if slice["type"][0]["profile"] != [part["url"]]:
                yield f"{path} has another part {part['url']}"
        else:
            yield from shape(part, declared, slice["id"], f"{path}.{part['url']}")


def fitting(found: Any, key: str, declared: Json, path: str) -> Iterator[str]:
    """How a value breaks what is said of its type, its codes and what it refers to."""
    (kind,) = declared["type"]
    if key != f"value{kind['code'][0].upper()}{kind['code'][1:]}":
        yield f"{path} holds {key}, not a {kind['code']}"
    elif "targetProfile" in kind:
        if f"http://hl7.org/fhir/StructureDefinition/{found['type']}" not in kind["targetProfile"]:
            yield f"{path} refers to a {found['type']}"
    elif "binding" in declared:
        (include,) = VALUE_SETS[declared["binding"]["valueSet"]]["compose"]["include"]
        codings = (
            [{"system": include["system"], "code": found}] if isinstance(found, str) else found.get("coding", [found])
        )
        ours = [coding.get("code") for coding in codings if coding["system"] == include["system"]]
        if not ours:
            yield f"{path} has no code of {include['system']}"
        elif declared["binding"]["strength"] == "required" and ours[0] not in CODES[include["system"]]:
            yield f"{path}: {ours[0]} is no code of {include['system']}"


def used(resource: Json) -> set[str]:
    """The extensions of ours that a resource uses."""
    return {
        found["url"]
        for _, node in objects(resource, resource["resourceType"])
        for found in node.get("extension", ())
        if found["url"].startswith(BASE)
    }
