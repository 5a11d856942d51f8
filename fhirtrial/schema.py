"""What a registry's records may hold: fields, types and code values, and a fast check of a record against them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import yaml

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue, Severity, nearest
from fhirtrial.sound import Sound
from fhirtrial.typed import INTEGERS, PATTERNS, Field

SHAPES = {
    "date": (re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?"), "yyyy, yyyy-MM or yyyy-MM-dd"),
    "day": (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "yyyy-MM-dd"),
    "minute": (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]"), "yyyy-MM-ddTHH:mm"),
    "time": (re.compile(PATTERNS["time"]), "a number and a unit, as in 18 Years"),
}
"""Types whose text has a shape: the pattern, and the shape in words. PATTERNS say which are days of the calendar."""

WORDS = {
    "text": "text",
    "markup": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
}
"""The JSON type in words; every other type is written as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """
    One value that a record may hold.

    ``path`` writes lists with ``[]`` (``protocolSection.conditionsModule.conditions[]``), ``type`` is a word of
    schema.json or the name of an enumeration, ``enum`` the enumeration's values with their labels, ``left_out``
    the reason why the mapping leaves it out; empty if it is mapped.
    """

    path: str
    type: str
    enum: Mapping[str, str] | None = None
    left_out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Where a record's id stands, what it must look like, and an example of one."""

    path: tuple[str, ...]
    pattern: re.Pattern[str]
    example: str


class Schema:
    """
    The fields and code values of one registry, from ``mappings/<registry>/schema.json`` and ``left-out.yaml``.

    Where the list comes from is said in ``source``: for ClinicalTrials.gov it is
    https://clinicaltrials.gov/data-api/about-api/study-data-structure.

    >>> schema = Schema.load(MappingFiles())
    >>> schema.enums["Sex"]["ALL"]
    'All'
    >>> data, issues = schema.check({"hasResults": True, "protocolSection": None})
    >>> data, issues
    ({'hasResults': True}, ())
    """

    def __init__(self, registry: str, tree: dict[str, Any], left_out: Mapping[str, str], *, file: str) -> None:
        self.registry = registry
        self.file = file
        self.source: str = tree["source"]
        self.enums: dict[str, dict[str, str]] = tree["enums"]
        self.left_out: dict[str, str] = dict(left_out)
        self.id = Identity(
            path=tuple(tree["id"]["path"].split(".")),
            pattern=re.compile(tree["id"]["pattern"]),
            example=tree["id"]["example"],
        )
        self._root = Field(
            name=registry, type="object", is_list=False, fields=self._fields(tree["fields"], "", ""), left_out=""
        )
        self.fields = frozenset(tree["fields"])
        self.tree: dict[str, Any] = tree["fields"]
        self.tables: dict[str, Any] | None = tree.get("tables")
        self.whole = Sound(self._root, self.enums, whole=True)
        self.carried = Sound(self._root, self.enums, whole=False)

    @classmethod
    def load(cls, files: MappingFiles, registry: str = "ctgov") -> Schema:
        """The schema of a registry. Raises MappingError if a file is missing or says something it must not."""
        file = f"{registry}/schema.json"
        tree = files.read_json(file)
        for key in ("source", "enums", "id", "fields"):
            if not isinstance(tree, dict) or key not in tree:
                raise MappingError(f"{key!r} is missing", file=file)
        name = f"{registry}/left-out.yaml"
        # A registry whose mapping leaves nothing out has no such file.
        left_out = _read_left_out(files.read_bytes(name), name, tree["fields"]) if files.find(name) else {}
        return cls(registry, tree, left_out, file=file)

    def leaves(self) -> list[Leaf]:
        """Every value that a record may hold, in the registry's order."""
        return list(self._leaves(self._root, ""))

    def labels(self) -> Iterator[tuple[str, str]]:
        """What the registry calls its fields, where the schema says so: the name of each field, and its label."""
        waiting = [self.tree]
        while waiting:
            for name, field in waiting.pop().items():
                if "label" in field:
                    yield name, field["label"]
                waiting.append(field.get("fields", {}))

    def wanted(self, data: dict[str, Any]) -> dict[str, Any]:
        """The tree without the parts that the mapping leaves out, and without what is empty then."""
        return self._wanted(self._root, data)

    def looked_into(self, data: dict[str, Any]) -> dict[str, Any]:
        """The same with what stands beside a record, as a subject's study: the mapping looks things up in it."""
        beside = [name for name, field in (self._root.fields or {}).items() if field.beside]
        return self.wanted(data) | {name: data[name] for name in beside if name in data}

    def check(self, data: Any) -> tuple[dict[str, Any], tuple[Issue, ...]]:
        """
        The tree in its canonical form (no nulls, no empty objects or lists), and what is odd about it.

        An ``error`` among the issues means that the record cannot be used. An unknown field is a warning and is taken
        out; an unknown code value or an impossible date is a warning and stays. Parts that the mapping leaves out are
        passed over. The given tree is not changed. What has nothing odd about it is read faster by ``whole``, and
        by ``carried`` if nobody wants to see what is left out.
        """
        issues: list[Issue] = []
        clean = self._explain(self._root, data, "", issues)
        return (clean if isinstance(clean, dict) else {}), tuple(issues)

    # ------------------------------------------------------------------------------------------------- loading

    def _fields(self, tree: dict[str, Any], path: str, reason: str) -> dict[str, Field]:
        made = {}
        for name, entry in tree.items():
            here = f"{path}.{name}" if path else name
            kind = entry.get("type")
            if kind not in self.enums and kind not in SHAPES and kind not in WORDS and kind != "object":
                known = [*WORDS, *SHAPES, "object", *self.enums]
                hint = nearest(kind, known)
                raise MappingError(f"{here}: {kind!r} is no type{f'; {hint}' if hint else ''}", file=self.file)
            if (kind == "object") != ("fields" in entry):
                raise MappingError(f"{here}: an object, and nothing else, has fields", file=self.file)
            why = reason or self.left_out.get(here, "")
            fields = self._fields(entry["fields"], here, why) if kind == "object" else None
            made[name] = Field(
                name=name,
                type=kind,
                is_list=entry.get("list", False),
                fields=fields,
                left_out=why,
                beside=entry.get("beside", False),
            )
        return made

    def _leaves(self, parent: Field, path: str) -> Iterator[Leaf]:
        for name, field in (parent.fields or {}).items():
            here = (f"{path}.{name}" if path else name) + ("[]" if field.is_list else "")
            if field.fields is None:
                yield Leaf(path=here, type=field.type, enum=self.enums.get(field.type), left_out=field.left_out)
            else:
                yield from self._leaves(field, here)

    def _wanted(self, parent: Field, data: dict[str, Any]) -> dict[str, Any]:
        known = parent.fields or {}
        kept = {}
        for name, value in data.items():
            field = known.get(name)
            if field is None or not field.fields:
                kept[name] = value
            elif not field.left_out:
                inner = [self._wanted(field, item) for item in value] if field.is_list else self._wanted(field, value)
                if inner:
                    kept[name] = inner
        return kept

    # -------------------------------------------------------------------- the slow walk: what is it that is not fine?

    def _explain(self, field: Field, value: Any, path: str, issues: list[Issue], *, item: bool = False) -> Any:
        """The value without what is empty or unknown; None if nothing is left. Issues are added to the list."""
        if value is None or value == {} or value == []:
            return None
        if field.is_list and not item:
            if type(value) is not list:
                hint = "put it into a list" if type(value) is (dict if field.fields else str) else ""
                issues.append(_issue("error", "wrong-type", f"expected a list, found {_found(value)}", path, hint))
                return None
            if field.left_out:
                return value
            parts: list[Any] = []
            for inner in value:
                # Paths are those of the canonical tree: what is empty does not count.
                part = self._explain(field, inner, f"{path}[{len(parts)}]", issues, item=True)
                if part is not None:
                    parts.append(part)
            return parts or None
        if field.fields is None:
            self._explain_leaf(field, value, path, issues)
            return value
        if type(value) is not dict:
            issues.append(_issue("error", "wrong-type", f"expected an object, found {_found(value)}", path))
            return None
        if field.left_out:
            return value
        kept = {}
        for name, inner in value.items():
            here = f"{path}.{name}" if path else name
            member = field.fields.get(name)
            if member is not None:
                part = self._explain(member, inner, here, issues)
                if part is not None:
                    kept[name] = part
            elif inner is not None and inner != {} and inner != []:
                message = f"{name!r} is no field of {field.name}, and is not carried"
                issues.append(_issue("warning", "unknown-field", message, here, nearest(name, field.fields)))
        return kept or None

    def _explain_leaf(self, field: Field, value: Any, path: str, issues: list[Issue]) -> None:
        kind = field.type
        json_type = WORDS.get(kind, "text")
        if (json_type == "text" and type(value) is not str) or (kind == "boolean" and type(value) is not bool):
            words = WORDS.get(kind) or f"text ({kind})"
            issues.append(_issue("error", "wrong-type", f"expected {words}, found {_found(value)}", path))
        elif kind in ("integer", "number"):
            if type(value) is float and not isfinite(value):
                issues.append(_issue("error", "out-of-range", f"{value} cannot be written in JSON", path))
            elif (type(value) is int and value not in INTEGERS) or (kind == "integer" and _was_integer(value)):
                issues.append(_issue("error", "out-of-range", f"{value} does not fit into 64 bits", path))
            elif type(value) is not int and not (kind == "number" and type(value) is float):
                issues.append(_issue("error", "wrong-type", f"expected {json_type}, found {_found(value)}", path))
        elif kind in self.enums:
            if value not in self.enums[kind]:
                issues.append(
                    _issue("warning", "unknown-value", f"{value!r} is no {kind}", path, self._value(kind, value))
                )
        elif kind in SHAPES:
            if not SHAPES[kind][0].fullmatch(value):
                message = f"{_found(value)} has not the shape of a {kind} ({SHAPES[kind][1]})"
                issues.append(_issue("warning", "wrong-shape", message, path))
            elif not re.fullmatch(PATTERNS[kind], value):
                issues.append(_issue("warning", "impossible-date", f"{value!r} is no date of the calendar", path))
        elif type(value) is str and "\x00" in value:
            message = "holds the character NUL, which FHIR text cannot hold: it travels as bytes beside the text"
            issues.append(_issue("information", "nul-character", message, path))

    def _value(self, enum: str, value: str) -> str:
        """The hint at the right value: the one whose label was written, or the nearest."""
        for code, label in self.enums[enum].items():
            if label.casefold() == value.strip().casefold():
                return f"did you mean {code}?"
        return nearest(value, self.enums[enum])


def _issue(severity: Severity, code: str, message: str, path: str, hint: str = "") -> Issue:
    return Issue(severity=severity, code=code, message=message, path=path, hint=hint)


def _found(value: Any) -> str:
    """A value in words, short enough for a message."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:39] + "…")
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else type(value).__name__


def _was_integer(value: Any) -> bool:
    """Whether a JSON parser made this of an integer that has more than 64 bits."""
    return type(value) is float and value.is_integer() and abs(value) >= 2.0**63


def _read_left_out(raw: bytes, file: str, fields: dict[str, Any]) -> dict[str, str]:
    """The paths that are left out, and why. Raises MappingError for a path that the registry does not have."""
    try:
        root = yaml.compose(raw, yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise MappingError(f"not YAML: {error}", file=file, line=mark.line + 1 if mark else None) from error
    if not isinstance(root, yaml.MappingNode):
        raise MappingError("expected one path and its reason per line", file=file)
    found: dict[str, str] = {}
    for key, value in root.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or not isinstance(value, yaml.ScalarNode) or not value.value.strip():
            raise MappingError("expected a path and its reason", file=file, line=line)
        if key.value in found:
            raise MappingError(f"{key.value} stands here twice", file=file, line=line)
        members: Any = fields
        for name in key.value.split("."):
            if name not in members:
                hint = nearest(name, members)
                raise MappingError(f"{key.value}: no field {name}{f'; {hint}' if hint else ''}", file=file, line=line)
            members = members[name].get("fields", {})
        if not members:
            raise MappingError(f"{key.value}: only whole objects can be left out", file=file, line=line)
        found[key.value] = value.value
    return found
