"""The short forms of addresses in mapping files: ``ct:Status`` for ``https://fhirtrial.org/CodeSystem/ctgov-Status``."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.strict_yaml import compose, line_of, scalar


def load_prefixes(files: MappingFiles) -> Mapping[str, str]:
    """
    Prefix → address, from ``prefixes.yaml``.

    Raises MappingError for anything but a list of addresses.

    >>> load_prefixes(MappingFiles())["hl7"]
    'http://hl7.org/fhir/'
    """
    file = "prefixes.yaml"
    node = compose(files.read_bytes(file), file)
    if not isinstance(node, yaml.MappingNode):
        raise MappingError("prefixes are an object: prefix and address", file=file, line=line_of(node))
    prefixes: dict[str, str] = {}
    for key, value in node.value:
        address = scalar(value) if isinstance(value, yaml.ScalarNode) else None
        if not isinstance(address, str) or ":" not in address:
            raise MappingError(f"the prefix {key.value} needs an address", file=file, line=line_of(key))
        prefixes[key.value] = address
    return prefixes


def expand(text: str, prefixes: Mapping[str, str]) -> str:
    """
    The whole address that a short form stands for; any other text as it is.

    >>> expand("hl7:study-design", {"hl7": "http://hl7.org/fhir/"})
    'http://hl7.org/fhir/study-design'
    >>> expand("http://loinc.org", {"hl7": "http://hl7.org/fhir/"})
    'http://loinc.org'
    """
    head, colon, rest = text.partition(":")
    return prefixes[head] + rest if colon and head in prefixes else text
