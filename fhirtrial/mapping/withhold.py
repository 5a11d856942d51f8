"""Leaving out what a user does not want to hand on: the names, phones and e-mails of contacts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.strict_yaml import compose, line_of, plain


class Withheld:
    """The fields that are left out, from ``<registry>/contacts.yaml``."""

    def __init__(self, files: MappingFiles, registry: str, known: Iterable[str]) -> None:
        name = f"{registry}/contacts.yaml"
        node = compose(files.read_bytes(name), name)
        if not isinstance(node, yaml.SequenceNode):
            raise MappingError("must be a list of paths", file=name, line=line_of(node))
        fields = {path.replace("[]", "") for path in known}
        paths = []
        for item in node.value:
            path = str(plain(item))
            if path not in fields:
                parent, _, last = path.rpartition(".")
                beside = [field.rpartition(".")[2] for field in fields if field.rpartition(".")[0] == parent]
                hint = nearest(last, beside) or nearest(path, fields) or "see schema.json"
                raise MappingError(f"{path}: {last!r} is no field there; {hint}", file=name, line=line_of(item))
            paths.append(path)
        self._tree: dict[str, Any] = {}
        for path in paths:
            place = self._tree
            *parents, last = path.split(".")
            for key in parents:
                place = place.setdefault(key, {})
            place[last] = None

    def without(self, data: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """The tree without those fields, and how many values were left out. The given tree is not changed."""
        left: list[int] = []
        cleaned = _without(data, self._tree, left)
        return (cleaned or {}), len(left)


def _without(value: Any, tree: dict[str, Any], left: list[int]) -> Any:
    if isinstance(value, list):
        return [found for item in value if (found := _without(item, tree, left))] or None
    kept = {}
    for key, inner in value.items():
        if key not in tree:
            kept[key] = inner
        elif tree[key] is None:
            left.append(1)
        elif (found := _without(inner, tree[key], left)) is not None:
            kept[key] = found
    return kept or None
