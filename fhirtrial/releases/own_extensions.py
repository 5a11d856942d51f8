"""Which of our own extensions only the release step writes, and on resources of which release."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.strict_yaml import compose, line_of, plain

FILE = "releases/extensions.yaml"


def own_extensions(files: MappingFiles) -> Mapping[str, str]:
    """
    Name → ``R4`` (which stands for R4B as well) or ``R5``.

    Raises MappingError, with file and line, if an extension is in another release.

    >>> found = own_extensions(MappingFiles())
    >>> found["release-difference"], found["earlier-difference"]
    ('R4', 'R5')
    """
    root = compose(files.read_bytes(FILE), FILE)
    found = {}
    for key, node in root.value if isinstance(root, yaml.MappingNode) else ():
        said = {name.value: value for name, value in node.value} if isinstance(node, yaml.MappingNode) else {}
        release = plain(said["in"]) if "in" in said else "R4"
        if release not in ("R4", "R5"):
            raise MappingError(f"{key.value} is in R4 or in R5, not in {release}", file=FILE, line=line_of(said["in"]))
        found[key.value] = str(release)
    return found
