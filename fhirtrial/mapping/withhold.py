"""Leaving out what a user does not want to hand on: contacts of a study, sex or race of a subject."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from fhirtrial.errors import MappingError, UsageError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.strict_yaml import compose, line_of, plain

WORDS = {
    "contacts": "names, phones and e-mails of contacts",
    "sex": "values of sex",
    "race": "values of race and ethnicity",
}
"""What can be left out, in words."""


class Withheld:
    """
    The fields that are left out, from ``<registry>/<what>.yaml``.

    ``dm.supp.QNAM~RACE.*`` means the rows of a list whose field matches the pattern as a whole.
    """

    def __init__(self, files: MappingFiles, registry: str, what: str, known: Iterable[str]) -> None:
        if what not in WORDS:
            hint = nearest(what, WORDS) or f"known: {', '.join(WORDS)}"
            raise UsageError(f"{what!r} cannot be left out; {hint}")
        self.what = what
        name = f"{registry}/{what}.yaml"
        if files.find(name) is None:  # a registry that has no such fields
            self._tree: dict[str, Any] = {}
            return
        node = compose(files.read_bytes(name), name)
        if not isinstance(node, yaml.SequenceNode):
            raise MappingError("must be a list of paths", file=name, line=line_of(node))
        fields = {path.replace("[]", "") for path in known}
        paths = []
        for item in node.value:
            path, _, pattern = str(plain(item)).partition("~")
            if path not in fields:
                parent, _, last = path.rpartition(".")
                beside = [field.rpartition(".")[2] for field in fields if field.rpartition(".")[0] == parent]
                hint = nearest(last, beside) or nearest(path, fields) or "see schema.json"
                raise MappingError(f"{path}: {last!r} is no field there; {hint}", file=name, line=line_of(item))
            paths.append((path, pattern))
        self._tree = {}
        for path, pattern in paths:
            place = self._tree
            *parents, last = path.split(".")
            for key in parents:
                place = place.setdefault(key, {})
            before = place.get(last)
            patterns = [before.pattern] if isinstance(before, re.Pattern) else []
            place[last] = re.compile("|".join([*patterns, pattern])) if pattern else None

    def said(self, count: int) -> str:
        """That some values were left out, in words."""
        return f"{count} {WORDS[self.what]} were left out, as asked"

    def without(self, data: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """The tree without those fields, and how many values were left out. The given tree is not changed."""
        left: list[int] = []
        cleaned = _without(data, self._tree, left)
        return (cleaned or {}), len(left)


def _without(value: Any, tree: dict[str, Any], left: list[int]) -> Any:
    if isinstance(value, list):
        return [found for item in value if (found := _without(item, tree, left))] or None
    kept = {}
    if any(isinstance(pattern, re.Pattern) and pattern.fullmatch(str(value.get(key))) for key, pattern in tree.items()):
        left.append(1)
        return None
    for key, inner in value.items():
        if key not in tree or isinstance(tree[key], re.Pattern):
            kept[key] = inner
        elif tree[key] is None:
            left.append(1)
        elif (found := _without(inner, tree[key], left)) is not None:
            kept[key] = found
    return kept or None
