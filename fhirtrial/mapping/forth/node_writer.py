"""Writing nodes, forth: what each line of a mapping file becomes in the generated code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from orjson import Fragment

from fhirtrial.codes import Table
from fhirtrial.definitions import Definitions
from fhirtrial.mapping.forth.finishing import Finishing
from fhirtrial.mapping.forth.frame import Frame, Lookups
from fhirtrial.mapping.forth.run import coding_texts, opened, own_texts
from fhirtrial.mapping.forth.value import Members, Value, text
from fhirtrial.mapping.language.nodes import (
    Canonical,
    Coded,
    Constant,
    Copy,
    Each,
    Line,
    Many,
    Node,
    Object,
    Otherwise,
    OwnId,
    Path,
    Reference,
    ResourceFile,
    Through,
    When,
    constant_value,
    is_constant,
)
from fhirtrial.mapping.language.walk import paths_of, python_name
from fhirtrial.mapping.verbatim import FITTING, FITTING_SOUND
from fhirtrial.schema import Schema


class NodeWriter(Lookups, ABC):
    """
    Writes what makes the JSON values of nodes.

    The way of a node: first the lines that look up and compute, then a `Value` for the object around it, which is made
    only if something is in it. The rare cases (an unknown code, a value that FHIR refuses, a required element that is
    missing) call `ForthRun`, and only there the path of the value is spelt out.
    """

    def __init__(
        self,
        files: dict[str, ResourceFile],
        definitions: Definitions,
        base: str,
        *,
        sound: Schema | None = None,
        finishing: Finishing | None = None,
    ) -> None:
        super().__init__()
        self.files = files
        self.finishing = finishing
        self.opened: dict[int, Any] = {}
        self.fitting = FITTING_SOUND if sound is not None else FITTING
        self.known = {} if sound is None else {leaf.path.replace("[]", ""): leaf for leaf in sound.leaves()}
        self.definitions = definitions
        self.base = base
        self.constants: dict[bytes, str] = {}
        self._codings: dict[tuple[int, bool, bytes, bytes], str] = {}

    # ------------------------------------------------------------ nodes

    def node(self, node: Node, frame: Frame) -> Value:
        """The value of a node, after the lines that compute it."""
        if is_constant(node):
            return Value(self.constant(constant_value(node)))
        # What somebody else still looks into must not be text yet, but for concepts and codings.
        around = around_code(node) if self.finishing is None or is_concept(node) else None
        if around is not None:
            return self.coded(*around, frame)
        match node:
            case Object():
                return self.object_or_none(node, frame)
            case Many():
                return self.many(node, frame)
            case OwnId():
                return Value("identifier", "identifier")
            case Path():
                name = self.read(node, frame)
                return Value(name, f"{name} is not None")
            case Copy():
                return self.copy(node, frame)
            case Through():
                made = self.value(node, frame)
                return Value(made, f"{made} is not None")
            case Each():
                made = self.source.fresh("made")
                self.source.add(f"{made} = []")
                self.each_into(made, node, frame)
                return Value(made, made)
            case When():
                value = self.read(node.path, frame)
                wanted = node.value
                exact = wanted is None or isinstance(wanted, bool)
                return self.guarded(node.make, f"{value} {'is' if exact else '=='} {wanted!r}", frame, node.line)
            case Otherwise():
                value = self.read(node.path, frame)
                test = f"{value} is not None and {value} not in {node.known!r}"
                return self.guarded(node.make, test, frame, node.line)
            case Canonical():
                made = self.source.fresh("canonical")
                self.source.add(f"{made} = {self.call_of(node.file, node.at, frame)}", node.line)
                return Value(f"{self.base!r} + {made}", f"{made} is not None")
            case Coded() | Constant():
                raise AssertionError("done above")

    def constant(self, value: Any) -> str:
        """The source of a constant: itself, or the name of its JSON text, which stands above the functions."""
        if not isinstance(value, dict | list):
            return repr(value)
        if self.finishing is not None:
            value = self.finishing.constant(value)
            if not looks_like_concept(value):
                return self.source.name(value, "fixed")
        written = text(value)
        if written not in self.constants:
            self.constants[written] = self.source.fresh("FIXED")
        return self.constants[written]

    def object_or_none(self, node: Object, frame: Frame) -> Value:
        """An object, with one look first at the place that all of it comes from."""
        at, reference = node.at, node.reference
        if at is not None and reference is not None and reference.binds is None and at.keys not in frame.guarded:
            # What the other file copies from elsewhere must not make a resource of nothing.
            return self.guarded(node, self.object_at(at.keys, frame), frame, node.line)
        place = self.common_place(node, frame)
        return self.guarded(node, place, frame, node.line) if place else self.object(node, frame, ())

    @abstractmethod
    def object(self, node: Object, frame: Frame, head: Members) -> Value:
        """An object, ``head`` before its elements."""

    def common_place(self, node: Object, frame: Frame) -> str:
        """The variable of the object that all paths of a node lie in, if looking there first saves looking for each."""
        paths = [path.keys for path in paths_of(node)]
        if frame.facts or len(set(paths)) < 2 or any(path.root for path in paths_of(node)):
            return ""
        place = paths[0][:-1]
        while any(keys[: len(place)] != place for keys in paths):
            place = place[:-1]
        if len(place) < 2 or place in frame.guarded:
            return ""
        return frame.objects.get(place, "")

    def copy(self, node: Copy, frame: Frame) -> Value:
        """A copy is left out where FHIR refuses the value: the two-way place carries it."""
        made = self.value(node, frame)
        test = f"{made} is not None"
        if (
            node.function is None
            and node.type in self.fitting
            and not self.is_certain(node.sources[0], node.type, frame)
        ):
            test += f" and ({self.fitting[node.type].format(made)})"
        return Value(made, test)

    def is_certain(self, path: Path, fhir_type: str, frame: Frame) -> bool:
        """Whether FHIR takes whatever a sound record has there: a day is a date."""
        leaf = self.known.get(".".join(path.keys if path.root else frame.scope + path.keys))
        return leaf is not None and leaf.type in ("date", "day") and fhir_type in ("date", "dateTime")

    def value(self, node: Path | Copy | Through, frame: Frame) -> str:
        """The variable of a value, or of what a function makes of it."""
        if isinstance(node, Path):
            return self.read(node, frame)
        names = [self.read(path, frame) for path in node.sources]
        if node.function is None:
            return names[0]
        own = [name for name, path in zip(names, node.sources, strict=True) if not path.root] or names
        function = self.source.name(node.function.forth, node.function.name)
        tables = node.tables
        if self.finishing is not None:
            tables = tuple(self.finishing.table(each) if isinstance(each, Table) else each for each in tables)
        arguments = ", ".join([*names, *(self.source.name(table, table.name) for table in tables)])
        made = self.source.fresh(node.function.name)
        there = " or ".join(f"{name} is not None" for name in own)
        self.source.add(f"{made} = {function}({arguments}) if {there} else None", node.line)
        if node.function.doubt is not None:
            doubt = self.source.fresh("doubt")
            self.source.add(f"{doubt} = {self.source.name(node.function.doubt, doubt)}({arguments})")
            with self.source.block(f"if {doubt} is not None:"):
                path, code = frame.path(node.sources[0].keys), node.function.doubt_code
                self.source.add(f"run.doubt({code!r}, {doubt}, {path}, {str(node.line)!r})")
        return made

    def coded(self, node: Coded, before: bytes, after: bytes, frame: Frame) -> Value:
        """A code, and what is constant around it: one look-up gives both as text."""
        value = self.read(node.path, frame)
        made = self.source.fresh("coded")
        with self.source.block(f"if {value} is not None:", node.line):
            table = self.source.name(node.table, node.table.name)
            unknown = f"run.unknown({table}, {value}, {frame.path(node.path.keys)}, {str(node.line)!r}"
            unknown += f", {before!r}, {after!r})" if before or after else ")"
            self.source.add(f"{made} = {self.codings(node, before, after)}.get({value}) or {unknown}")
        return Value(made, f"{value} is not None")

    def codings(self, node: Coded, before: bytes, after: bytes) -> str:
        """The name of a table's texts by code."""
        table = node.table
        key = (id(table), node.single, before, after)
        if key not in self._codings:
            made = own_texts(table) if node.single else coding_texts(table)
            texts = {code: self.finished(before + codings + after) for code, codings in made.items()}
            around = {code: Fragment(written) for code, written in texts.items()}
            if self.finishing is not None:
                self.opened |= {id(around[code]): opened(written) for code, written in texts.items()}
            self._codings[key] = self.source.name(around, f"codings_{table.name}")
        return self._codings[key]

    def finished(self, written: bytes) -> bytes:
        """The text of codings as they shall be written."""
        if self.finishing is None:
            return written
        value = opened(written)
        made = text(self.finishing.constant(value))
        return made if value.__class__ is not list or written.startswith(b"[") else made[1:-1]

    def each_into(self, made: str, node: Each, frame: Frame) -> None:
        """The loop that adds one entry for each item to a list."""
        source = self.source
        listed = self.value(node.source, frame)
        item = source.fresh("item")
        keys = (node.source if isinstance(node.source, Path) else node.source.sources[0]).keys
        spelt = frame.path(keys)[2:-1] + (f"[{{place_of({listed}, {item})}}]" if isinstance(node.source, Path) else "")
        with source.block(f"if {listed} is not None:"), source.block(f"for {item} in {listed}:", node.line):
            root, self.root = self.root, self.root.fork()
            keys = node.source.keys if isinstance(node.source, Path) else ()
            inner = Frame(item, spelt, frame.scope + keys)
            if node.only is not None:
                rules = self.source.name(node.only.rules, node.only.rules.name)
                with source.block(f"if {rules}.code(run.record, {item}) != {node.only.code!r}:"):
                    source.add("continue")
            self.hoist(node.make, inner)
            self.append(made, self.node(node.make, inner), f"{item} is not None")
            self.root = root

    def append(self, made: str, value: Value, known: str = "") -> None:
        """Adds an entry to a list, if it is there."""
        add = f"{made}.append({value.source})"
        if value.test and value.test != known:
            with self.source.block(f"if {value.test}:"):
                self.source.add(add)
        else:
            self.source.add(add)

    def guarded(self, make: Node, test: str, frame: Frame, line: Line) -> Value:
        """What is made only under a test."""
        if is_constant(make):
            return Value(self.constant(constant_value(make)), test)
        made = self.source.fresh("made")
        self.source.add(f"{made} = None")
        root, self.root = self.root, self.root.fork()
        with self.source.block(f"if {test}:", line):
            inner = frame.fork(next((keys for keys, name in frame.objects.items() if name == test), ()))
            value = self.node(make, inner)
            with self.source.block(f"if {value.test}:"):
                self.source.add(f"{made} = {value.source}")
        self.root = root
        return Value(made, f"{made} is not None")

    def call_of(self, file: str, at: tuple[str, ...], frame: Frame) -> str:
        """The call that makes another file's resource of the current item."""
        target = self.files[file]
        if not target.identity.shared:
            return f"make_{python_name(file)}({self.object_at(at, frame)}, run)"
        facts = [self.read(Path(path.line, at + path.keys, root=False), frame) for path in target.identity.of]
        names = {".".join(path.keys): ".".join(at + path.keys) for path in target.identity.of}
        self.calling(names, frame)
        return f"make_{python_name(file)}({', '.join(facts)}, run)"

    def calling(self, names: dict[str, str], frame: Frame) -> None:
        """Notes where the facts of a shared resource come from, should one of them be worth an issue."""
        call = self.source.name((frame.scope, names), "facts")
        if frame.facts:
            self.source.add("calling = run.calling")
            self.source.add(f"run.calling = calling, {call}")
        else:
            self.source.add(f"run.calling = {frame.item}, {call}")

    def reference(self, node: Reference, frame: Frame) -> Value:
        """The literal reference to another file's resource."""
        if node.made:
            return Value(f"run.made[{node.file!r}]", f"{node.file!r} in run.made")
        if node.binds is None:
            call = self.call_of(node.file, node.at, frame)
        else:
            given = {name: self.value(bound, frame) for name, bound in node.binds.items()}
            names = [".".join(path.keys) for path in self.files[node.file].identity.of]
            arguments = [given.get(name, "None") for name in names]
            sources = {n: bound if isinstance(bound, Path) else bound.sources[0] for n, bound in node.binds.items()}
            self.calling({name: ".".join(path.keys) for name, path in sources.items()}, frame)
            call = f"make_{python_name(node.file)}({', '.join(arguments)}, run)"
        made = self.source.fresh("reference")
        self.source.add(f"{made} = {call}", node.line)
        if frame.facts:
            self.source.add("run.calling = calling")
        return Value(made, f"{made} is not None")

    def many(self, node: Many, frame: Frame) -> Value:
        """A list: of what is there."""
        if len(node.items) == 1:
            (item,) = node.items
            value = self.node(item, frame)
            return value if isinstance(item, Each) else Value(f"[{value.source}]", value.test)
        made = self.source.fresh("entries")
        if not any(map(is_constant, node.items)):
            self.source.add(f"{made} = []")
            for item in node.items:
                if isinstance(item, Each):
                    self.each_into(made, item, frame)
                else:
                    self.append(made, self.node(item, frame))
            return Value(made, made)
        # Constants among them are there if anything else is.
        values = [self.node(item, frame) for item in node.items]
        tests = [value.test for value in values if value.test]
        spread = ["*" * isinstance(item, Each) + value.source for item, value in zip(node.items, values, strict=True)]
        if len(tests) == 1:
            return Value(f"[{', '.join(spread)}]", tests[0])
        self.source.add(f"{made} = []")
        with self.source.block(f"if {' or '.join(f'({test})' for test in tests)}:"):
            for item, value in zip(node.items, values, strict=True):
                if isinstance(item, Each):
                    self.source.add(f"{made} += {value.source}")
                else:
                    self.append(made, value)
        return Value(made, made)


def is_concept(node: Node) -> bool:
    """Whether a node makes a concept, a coding, or the codings of a concept."""
    if isinstance(node, Many):
        return node.type == "Coding"
    return isinstance(node, Coded) or (isinstance(node, Object) and node.type in ("CodeableConcept", "Coding"))


def looks_like_concept(value: Any) -> bool:
    """Whether a constant is a concept, a coding, or the codings of a concept."""
    if isinstance(value, list):
        return all(isinstance(each, dict) and each.keys() <= {"system", "code", "display"} for each in value)
    return bool(value.keys() <= {"coding", "text"} or value.keys() <= {"system", "code", "display"})


def around_code(node: Node) -> tuple[Coded, bytes, bytes] | None:
    """The one code of a node that holds nothing else but constants, and their text before and after it; else None."""
    if isinstance(node, Coded):
        return node, b"", b""
    if isinstance(node, Many):
        changing = [place for place, item in enumerate(node.items) if not is_constant(item)]
        found = around_code(node.items[changing[0]]) if len(changing) == 1 else None
        if found is None:
            return None
        texts = [b"" if place in changing else text(constant_value(item)) for place, item in enumerate(node.items)]
        before = b"".join(known + b"," for known in texts[: changing[0]])
        after = b"".join(b"," + known for known in texts[changing[0] + 1 :])
        return found[0], b"[" + before + found[1], found[2] + after + b"]"
    if isinstance(node, Object) and node.reference is None:
        fixed = {key: constant_value(child) for key, child in node.entries.items() if is_constant(child)}
        found = None
        if len(node.entries) == len(fixed) + 1:
            ((key, child),) = ((key, child) for key, child in node.entries.items() if key not in fixed)
            found = around_code(child)
        if found is None or (node.at is not None and found[0].path.root):
            return None
        start = text(fixed)[:-1] + b"," * bool(fixed) + text(key) + b":"
        return found[0], start + found[1], found[2] + b"}"
    return None
