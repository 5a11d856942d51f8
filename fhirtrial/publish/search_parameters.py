"""
The searches that FHIR does not define itself, from ``search-parameters.yaml``, as SearchParameters of a release.

SearchParameter: https://hl7.org/fhir/R5/searchparameter.html, https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from fhirtrial.definitions import Definitions
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.prefixes import expand, load_prefixes
from fhirtrial.publish.descriptions import members, text_of, texts_of
from fhirtrial.publish.heading import headed
from fhirtrial.publish.r4_places import R4Places, split
from fhirtrial.publish.target import Target
from fhirtrial.strict_yaml import compose

FILE = "search-parameters.yaml"
TYPES = ("composite", "date", "number", "quantity", "reference", "string", "token", "uri")
_QUOTED = re.compile(r"'([^']*)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """
    One search: ``code`` is how it is asked for, ``expression`` the FHIRPath in R5, ``r4`` in R4 where it is written.

    ``only`` is R4 or R5, or empty; ``components`` are the addresses of the parameters of a composite, each with the
    FHIRPath that leads from the expression to its value.
    """

    line: int
    code: str
    base: str
    type: str
    text: str
    expression: str
    r4: str = ""
    only: str = ""
    targets: tuple[str, ...] = ()
    components: Mapping[str, str]


def search_parameters(target: Target, files: MappingFiles, *, version: str) -> list[dict[str, Any]]:
    """
    Our own SearchParameters of a release, sorted by url; the same files give the same resources.

    Raises MappingError, with file and line, for what is no such parameter: an unknown type or element, a part that is
    no parameter, an expression that does not follow for R4 and is not written.

    >>> from fhirtrial.publish.target import load_target
    >>> r5 = load_target("R5", MappingFiles())
    >>> found = {one["code"]: one for one in search_parameters(r5, MappingFiles(), version="1.0.0")}
    >>> found["outcome"]["expression"], found["outcome"]["type"], found["outcome"]["base"]
    ('ResearchStudy.outcomeMeasure.name', 'string', ['ResearchStudy'])
    """
    base = load_prefixes(files)["our"]
    parameters = read_parameters(files)
    if target.places is None:
        parameters = [parameter for parameter in parameters if parameter.only != "R4"]
    else:
        parameters = [_in_r4(parameter, target.places) for parameter in parameters if parameter.only != "R5"]
    made = [_resource(parameter, base, version) for parameter in parameters]
    if target.places is None:
        made = [{**resource, "processingMode": "normal"} for resource in made]
    return sorted(made, key=lambda resource: str(resource["url"]))


# ------------------------------------------------------------------------------------------------------ the file


def read_parameters(files: MappingFiles) -> list[Parameter]:
    """The parameters as they stand in the file, for R5. Raises MappingError, with file and line, for what is none."""
    prefixes = load_prefixes(files)
    definitions = Definitions.load(files)
    nodes = members(compose(files.read_bytes(FILE), FILE), "the file", file=FILE)
    bases = {code: _text(node, "base") for code, (_, node) in nodes.items()}
    read = [_parameter(code, line, node, prefixes, bases) for code, (line, node) in nodes.items()]
    for parameter in read:
        _check_path(parameter, definitions)
    return read


def _parameter(
    code: str, line: int, node: yaml.Node, prefixes: Mapping[str, str], bases: Mapping[str, str]
) -> Parameter:
    needed = ("base", "type", "text", "expression")
    said = members(node, code, file=FILE, known=(*needed, "r4", "only", "targets", "components"), needed=needed)
    texts = {name: text_of(said[name][1], file=FILE) for name in (*needed, "r4", "only") if name in said}
    for name, known in (("type", TYPES), ("only", ("R4", "R5"))):
        if name in texts and texts[name] not in known:
            hint = nearest(texts[name], known) or f"known: {', '.join(known)}"
            raise MappingError(f"{texts[name]} is no {name} of a search; {hint}", file=FILE, line=said[name][0])
    if (texts["type"] == "composite") != ("components" in said) or (texts["type"] == "reference") != (
        "targets" in said
    ):
        message = f"{code}: a composite has components, a reference has targets, nothing else has"
        raise MappingError(message, file=FILE, line=line)
    components = {}
    for name, (number, value) in (
        members(said["components"][1], "components", file=FILE).items() if "components" in said else ()
    ):
        address = expand(name, prefixes)
        if address == name and name not in bases:
            hint = nearest(name, bases)
            raise MappingError(f"{name} is no search of this file{f'; {hint}' if hint else ''}", file=FILE, line=number)
        ours = f"{prefixes['our']}SearchParameter/{bases[name]}-{name}" if name in bases else address
        components[ours] = _long(text_of(value, file=FILE), prefixes)
    return Parameter(
        line=line,
        code=code,
        base=texts["base"],
        type=texts["type"],
        text=texts["text"],
        expression=_long(texts["expression"], prefixes),
        r4=_long(texts.get("r4", ""), prefixes),
        only=texts.get("only", ""),
        targets=tuple(texts_of(said["targets"][1], "targets", file=FILE)) if "targets" in said else (),
        components=components,
    )


def _text(node: yaml.Node, name: str) -> str:
    """A text that is needed before the rest is read, empty if it is not there."""
    found = dict(node.value) if isinstance(node, yaml.MappingNode) else {}
    return next((str(value.value) for key, value in found.items() if key.value == name), "")


def _long(expression: str, prefixes: Mapping[str, str]) -> str:
    """An expression with whole addresses within quotes."""
    return _QUOTED.sub(lambda found: f"'{expand(found[1], prefixes)}'", expression)


def _check_path(parameter: Parameter, definitions: Definitions) -> None:
    """Raises MappingError if the elements that the expression begins with are not in R5."""
    names, _ = split(parameter.expression)
    kind, *steps = names.split(".")
    if kind != parameter.base or not definitions.is_resource(kind):
        message = f"{parameter.code}: the expression begins with {kind}, which is no {parameter.base or 'resource'}"
        raise MappingError(message, file=FILE, line=parameter.line)
    for step in steps:
        element = definitions.element(kind, step)
        if element is None:
            hint = nearest(step, definitions.elements(kind))
            message = f"{parameter.code}: {kind} has no {step}{f'; {hint}' if hint else ''}"
            raise MappingError(message, file=FILE, line=parameter.line)
        kind = element.type


# -------------------------------------------------------------------------------------------------- the resources


def _in_r4(parameter: Parameter, places: R4Places) -> Parameter:
    """A parameter with the expressions of R4."""
    try:
        expression = parameter.r4 or places.expression(parameter.expression)
        components = dict(_components(parameter, expression, places))
    except MappingError as error:
        raise MappingError(f"{parameter.code}: {error.message}", file=FILE, line=parameter.line) from None
    return replace(parameter, expression=expression, components=components)


def _components(parameter: Parameter, expression: str, places: R4Places) -> Iterator[tuple[str, str]]:
    for url, path in parameter.components.items():
        if path == "$this":
            yield url, path
        else:
            yield url, places.expression(f"{parameter.expression}.{path}").removeprefix(f"{expression}.")


def _resource(parameter: Parameter, base: str, version: str) -> dict[str, Any]:
    identity = f"{parameter.base}-{parameter.code}"
    words = parameter.base, *parameter.code.split("-")
    made: dict[str, Any] = {
        "resourceType": "SearchParameter",
        "id": identity,
        "url": f"{base}SearchParameter/{identity}",
        "name": "".join(word[:1].upper() + word[1:] for word in words),
        "status": "active",
        "description": parameter.text,
        "code": parameter.code,
        "base": [parameter.base],
        "type": parameter.type,
        "expression": parameter.expression,
    }
    if parameter.targets:
        made["target"] = list(parameter.targets)
    if parameter.type == "composite":
        made["component"] = [
            {"definition": url, "expression": expression} for url, expression in parameter.components.items()
        ]
    return headed(made, version=version)
