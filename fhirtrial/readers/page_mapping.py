"""The mapping file of a page's text, compiled: which title stands for which registry path (``ctgov/page.yaml``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import yaml

from fhirtrial.codes import load_tables
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.schema import Leaf, Schema
from fhirtrial.strict_yaml import compose, line_of, scalar

FILE = "ctgov/page.yaml"

KINDS = {
    "statement": "says",
    "text": "path",
    "list": "path",
    "fields": "fields",
    "criteria": "path sections fields",
    "entries": "to before after labels chooses goes otherwise countries",
    "interventions": "to name description label type",
    "groups": "to name description label type names of arms",
    "countries": "of",
}
"""What a block may be, and the words it may have beside ``kind`` and ``sentence``."""

_TEXT_BY_NAME = {"sections", "goes", "values"}
_BY_NAME = _TEXT_BY_NAME | {"says", "fields", "labels", "otherwise", "words", "preamble", "blocks"}
_LISTS = {"absent", "masked", "openings", "openings-then", "unit", "before", "after"}
VALUE_WORDS = "path unit words split absent values value sentence note month-end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """
    How one value is written on the page, and where it goes.

    ``path`` may be relative to an entry; ``line`` is the line in the mapping file. ``leaf`` is the registry's field,
    if the path is a whole one. The other words are explained in the mapping file.
    """

    path: str
    line: int
    leaf: Leaf | None = None
    unit: tuple[str, ...] = ()
    words: Mapping[str, bool] = field(default_factory=dict)
    split: str = ""
    absent: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    value: bool | None = None
    sentence: str = ""
    note: str = ""
    month_end: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """
    One block of the page. ``parts`` are the values that its lines may hold, by title, label or field name.

    ``places`` are where its entries go, by what the choosing label says; one without a choice has the key ``""``.
    """

    title: str
    kind: str
    line: int
    sentence: str
    parts: Mapping[str, Value]
    before: tuple[str | tuple[str, ...], ...]
    after: tuple[str, ...]
    places: Mapping[str, str]
    countries: frozenset[str]
    words: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageMapping:
    """The whole mapping file: the blocks in order, the lines above the first, what the page writes for nothing."""

    schema: Schema
    types: Mapping[str, str]
    title: Value
    labels: Mapping[str, Value]
    blocks: Mapping[str, Block]
    absent: frozenset[str]
    masked: tuple[str, ...]
    opening: re.Pattern[str]


@lru_cache(maxsize=8)
def load_page_mapping(files: MappingFiles) -> PageMapping:
    """
    The mapping of page text, checked against the registry's schema.

    Raises MappingError, with file and line, for an unknown word or kind, a path that the registry does not have, and
    a block without what its kind needs.
    """
    return _Loader(files).load()


@lru_cache(maxsize=1)
def own_files() -> MappingFiles:
    """The mapping files of fhirtrial itself, found once."""
    return MappingFiles()


class _Loader:
    def __init__(self, files: MappingFiles) -> None:
        self.files = files
        self.schema = Schema.load(files)
        self.leaves = {leaf.path: leaf for leaf in self.schema.leaves()}
        self.lines: dict[tuple[str, ...], int] = {}

    def load(self) -> PageMapping:
        tree = self._plain(compose(self.files.read_bytes(FILE), FILE), ())
        self._known(tree, "absent masked openings openings-then preamble blocks", ())
        for word in ("preamble", "blocks"):
            if word not in tree:
                raise MappingError(f"{word!r} is missing", file=FILE)
        preamble = tree["preamble"]
        self._known(preamble, "title labels", ("preamble",))
        verbs, then = ("|".join(map(re.escape, tree.get(word, ["\0"]))) for word in ("openings", "openings-then"))
        return PageMapping(
            schema=self.schema,
            types={path: leaf.type for path, leaf in self.leaves.items()},
            title=self._value({"path": preamble.get("title", "")}, ("preamble", "title")),
            labels={
                label: self._value(spec, ("preamble", "labels", label))
                for label, spec in preamble.get("labels", {}).items()
            },
            blocks={title: self._block(title, spec) for title, spec in tree["blocks"].items()},
            absent=frozenset(tree.get("absent", ())),
            masked=tuple(tree.get("masked", ())),
            opening=re.compile(rf"(?:{verbs}) (?:{then})\b.*\.", re.DOTALL),
        )

    def _block(self, title: str, spec: Any) -> Block:
        at = ("blocks", title)
        kind = spec.get("kind", "") if isinstance(spec, dict) else ""
        if kind not in KINDS:
            hint = nearest(kind, KINDS)
            raise self._error(f"{title}: {kind!r} is no kind of block{f'; {hint}' if hint else ''}", at)
        self._known(spec, "kind sentence " + KINDS[kind], at)
        optional = {"to", "after", "chooses", "goes", "otherwise", "countries"} if kind == "entries" else set()
        for word in KINDS[kind].split():
            if word not in spec and word not in optional:
                raise self._error(f"{title}: a block of kind {kind} needs {word!r}", at)
        places = dict(spec.get("goes", {})) or {"": spec["to"]} if "to" in spec or "goes" in spec else {}
        parts: dict[str, Value] = {}
        if kind in ("text", "list", "criteria"):
            parts[""] = self._value({"path": spec["path"]}, (*at, "path"))
        for word in ("says", "fields"):
            for name, value in spec.get(word, {}).items():
                parts[name] = self._value(value, (*at, word, name))
        if kind in ("entries", "interventions", "groups"):
            parts |= self._parts(spec, kind, places, at)
        before = tuple(tuple(name) if isinstance(name, list) else name for name in spec.get("before", ()))
        if any(isinstance(name, tuple) and len(name) != 3 for name in before):
            raise self._error(f"{title}: an address is city, state and country", (*at, "before"))
        table = spec.get("countries", "").rpartition("/")
        return Block(
            title=title,
            kind=kind,
            line=self.lines[at],
            sentence=spec.get("sentence", ""),
            parts=parts,
            before=before,
            after=tuple(spec.get("after", ())),
            places=places,
            countries=frozenset(load_tables(self.files, table[0])[table[2].removesuffix(".json")].labels)
            if table[2]
            else frozenset(),
            words=spec,
        )

    def _parts(self, spec: dict[str, Any], kind: str, places: dict[str, str], at: tuple[str, ...]) -> dict[str, Value]:
        """The values of an entry: its plain lines by field name, the labelled ones by label."""
        parts: dict[str, Value] = {}
        if kind == "entries":
            if not places or ("goes" in spec) != ("chooses" in spec):
                raise self._error(f"{at[-1]}: entries need 'to', or 'chooses' and 'goes'", at)
            if spec.get("chooses", "") not in ("", *spec["labels"]):
                raise self._error(f"{at[-1]}: {spec['chooses']!r} is none of the labels", (*at, "chooses"))
            for word in ("before", "after"):
                for name in spec.get(word, ()):
                    for one in name if isinstance(name, list) else [name]:
                        parts[one] = self._value({"path": one}, (*at, word), within=places)
            for label, value in spec["labels"].items():
                if value or label != spec.get("chooses"):
                    parts[label] = self._value(value, (*at, "labels", label), within=places)
            if other := spec.get("otherwise"):
                self._known(other, "to path", (*at, "otherwise"))
                if other.keys() != {"to", "path"}:
                    raise self._error("'otherwise' needs 'to' and 'path'", (*at, "otherwise"))
                parts["otherwise"] = self._value({"path": other["path"]}, (*at, "otherwise"), within={"": other["to"]})
        else:
            for word in ("name", "description", "type"):
                parts[word] = self._value({"path": spec[word]}, (*at, word), within=places)
            if kind == "groups":
                parts["names"] = self._value({"path": spec["names"] + "[]"}, (*at, "names"), within=places)
        return parts

    def _value(self, spec: Any, at: tuple[str, ...], *, within: Mapping[str, str] | None = None) -> Value:
        self._known(spec, VALUE_WORDS, at)
        if "path" not in spec:
            raise self._error(f"{at[-1]}: a value needs a path", at)
        path = spec["path"]
        for place in ("",) if within is None else within.values():
            whole = f"{place}.{path}" if place else path
            if whole not in self.leaves:
                hint = nearest(whole, self.leaves)
                raise self._error(f"{whole!r} is no field of the registry{f'; {hint}' if hint else ''}", at)
        leaf = self.leaves[path] if within is None else None
        if (leaf is not None and leaf.type == "boolean") != ("words" in spec or "value" in spec):
            raise self._error(f"{path}: a yes/no value, and no other, needs 'words' or 'value'", at)
        return Value(
            path=path,
            line=self.lines.get(at, 1),
            leaf=leaf,
            unit=tuple(spec.get("unit", ())),
            words=spec.get("words", {}),
            split=spec.get("split", ""),
            absent=tuple(spec.get("absent", ())),
            values=spec.get("values", {}),
            value=spec.get("value"),
            sentence=spec.get("sentence", ""),
            note=spec.get("note", ""),
            month_end=spec.get("month-end", ""),
        )

    def _plain(self, node: yaml.Node, at: tuple[str, ...]) -> Any:
        """The node as plain values; the line of everything in an object is remembered."""
        if isinstance(node, yaml.MappingNode):
            for key, _ in node.value:
                self.lines[(*at, key.value)] = line_of(key)
            return {key.value: self._plain(value, (*at, key.value)) for key, value in node.value}
        if isinstance(node, yaml.SequenceNode):
            return [self._plain(item, at) for item in node.value]
        return scalar(node) if isinstance(node, yaml.ScalarNode) else None

    def _known(self, spec: Any, words: str, at: tuple[str, ...]) -> None:
        """Raise an error for a word that has no meaning here, or one with a value of the wrong form."""
        if not isinstance(spec, dict):
            raise self._error("expected words with values", at)
        for word, value in spec.items():
            if word not in words.split():
                hint = nearest(word, words.split())
                raise self._error(f"unknown word {word!r}{f'; {hint}' if hint else ''}", (*at, word))
            if wrong := _wrong_form(word, value):
                raise self._error(f"{word!r} must be {wrong}", (*at, word))

    def _error(self, message: str, at: tuple[str, ...]) -> MappingError:
        return MappingError(message, file=FILE, line=self.lines.get(at))


def _wrong_form(word: str, value: Any) -> str:
    """What the value of a word must be, if it is something else."""
    if word in _LISTS:
        names = (
            [name for item in value for name in (item if isinstance(item, list) else [item])]
            if isinstance(value, list)
            else [0]
        )
        return "" if all(isinstance(name, str) for name in names) else "a list of texts"
    if word in _TEXT_BY_NAME:
        fine = isinstance(value, dict) and all(isinstance(text, str) for text in value.values())
        return "" if fine else "texts with a name each"
    if word in _BY_NAME:
        fine = isinstance(value, dict) and (word != "words" or all(isinstance(v, bool) for v in value.values()))
        return "" if fine else "true or false, each with a name" if word == "words" else "things with a name each"
    if word == "value":
        return "" if isinstance(value, bool) else "true or false"
    return "" if isinstance(value, str) and value else "text"
