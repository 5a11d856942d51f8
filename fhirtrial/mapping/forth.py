"""
The way forth: mapping nodes become straight-line Python that makes resources of a record.

One function per mapping file. In it, each module of the record is looked up once; the value of a node is computed
before the object around it, so that an object is built only if something is in it; constants are literals, built anew
each time, so that nobody who edits a resource edits the next one. The rare cases (an unknown code, a value that FHIR
refuses, a required element that is missing) call `ForthRun`, and only there the path of the value is spelt out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fhirtrial.codes import Table
from fhirtrial.definitions import Definitions
from fhirtrial.errors import MappingError
from fhirtrial.mapping import forth_run, verbatim
from fhirtrial.mapping.marks import bones
from fhirtrial.mapping.nodes import (
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
    Path,
    Reference,
    ResourceFile,
    Through,
    When,
    constant_value,
    is_constant,
)
from fhirtrial.mapping.source import Source, literal


@dataclass(frozen=True, slots=True)
class Value:
    """What a node gives: an expression, the test that it is there (empty: always), what is refused if it is None."""

    expression: str
    test: str = ""
    refused: str = ""


@dataclass(slots=True)
class Frame:
    """The current item in the generated code: its variable, what is known of it, and how its path is spelt."""

    item: str
    spelt: str
    known: dict[tuple[str, ...], str] = field(default_factory=dict)
    facts: bool = False

    def fork(self) -> Frame:
        """The same item inside a block: what is looked up there is not known outside."""
        return Frame(self.item, self.spelt, dict(self.known), self.facts)

    def path(self, keys: tuple[str, ...]) -> str:
        """The source of an expression that spells the path of a value."""
        if not keys:
            return f"f'{self.spelt}'"
        return f"f'{self.spelt}{'.' if self.spelt else ''}{'.'.join(keys)}'"


class Forth:
    """Writes the functions of all files into one source."""

    def __init__(self, files: dict[str, ResourceFile], definitions: Definitions, base: str) -> None:
        self.files = files
        self.definitions = definitions
        self.base = base
        self.source = Source()
        self.source.names |= {
            "EMPTY": forth_run.EMPTY,
            "digest": forth_run.digest,
            "place_of": forth_run.place_of,
            "is_later": verbatim.is_later,
            "is_text": verbatim.is_text,
            "is_code": verbatim.is_code,
            "is_uri": verbatim.is_uri,
            "is_date": verbatim.is_date,
        }
        self._makers: dict[int, str] = {}
        self.root = Frame("record", "")

    def compile(self) -> dict[str, Any]:
        """The names of the generated module: ``make_<file>`` for each file."""
        for file in self.files.values():
            self.file(file)
        return self.source.compiled("<fhirtrial mapping, forth>")

    # ------------------------------------------------------------ files

    def file(self, file: ResourceFile) -> None:
        """The function of one file: gives the reference (``Location/…``), or None if there is nothing to make."""
        source = self.source
        source.add("")
        source.add("")
        self.root = Frame("record", "")
        if file.identity.shared:
            facts = [path.keys for path in file.identity.of]
            names = [source.fresh("_".join(keys)) for keys in facts]
            frame = Frame("", "", dict(zip(facts, names, strict=True)), facts=True)
            arguments = ", ".join(names)
        else:
            frame = Frame("item", "", facts=False)
            frame.spelt = "" if file.scope == () else "{where}"
            arguments = "item, where"
        with source.block(f"def make_{python_name(file.name)}({arguments}, run):", file.line):
            if any(path.root for path in walk_paths(file.body)) or any(path.root for path in file.identity.of):
                source.add("record = run.record")
            self.hoist(file.body, frame)
            if file.identity.shared:
                self.shared(file, frame, names)
            else:
                self.single(file, frame)

    def shared(self, file: ResourceFile, frame: Frame, names: list[str]) -> None:
        """A shared resource is its facts: the same facts give the same id and the same bytes."""
        source = self.source
        with source.block(f"if {' and '.join(f'{name} is None' for name in names)}:"):
            source.add("return None")
        source.add(f"identifier = '{file.identity.kind}-' + digest({', '.join(names)})[:32]")
        source.add(f"reference = '{file.resource}/' + identifier")
        with source.block("if reference in run.out or reference in run.skip:"):
            source.add("return reference")
        source.add("run.out[reference] = EMPTY")
        self.finish(file, frame)

    def single(self, file: ResourceFile, frame: Frame) -> None:
        """A resource of one study."""
        source = self.source
        memo = file.scope != ()
        if memo:
            with source.block(f"if ({file.name!r}, id(item)) in run.seen:"):
                source.add(f"return run.seen[{file.name!r}, id(item)]")
        facts = [self.read(path, frame) for path in file.identity.of]
        kind = file.identity.kind
        if file.identity.readable:
            tail = "" if kind == "study" else f"-{kind}"
            source.add(f"identifier = '-'.join([{', '.join(f'str({fact})' for fact in facts)}]) + '{tail}'")
        else:
            source.add(f"identifier = run.unique(f'{{{facts[0]}}}-{kind}-{{digest({', '.join(facts)})[:16]}}')")
        source.add(f"reference = '{file.resource}/' + identifier")
        self.finish(file, frame, memo=memo)

    def finish(self, file: ResourceFile, frame: Frame, *, memo: bool = False) -> None:
        source = self.source
        extra = [("id", "identifier")]
        if not file.identity.bare and not (file.identity.readable and file.identity.kind == "study"):
            extra.append(("identifier", f"[{{'system': {self.base + 'sid/' + file.identity.kind!r}, 'value': identifier}}]"))
        if file.canonical:
            extra.append(("url", f"{self.base!r} + reference"))
        made = self.object(file.body, frame, extra=extra, resource=file.resource)
        with source.block(f"if {made.expression} is None:"):
            if file.identity.shared:
                source.add("del run.out[reference]")
            source.add("return None")
        source.add(f"run.out[reference] = {made.expression}")
        if memo:
            source.add(f"run.seen[{file.name!r}, id(item)] = reference")
        source.add("return reference")

    # ------------------------------------------------------------ reading the record

    def hoist(self, node: Node, frame: Frame) -> None:
        """Looks up every object of the item that the node reads, once, before anything else."""
        own = {path.keys[:place] for path in walk_paths(node) if not path.root for place in range(1, len(path.keys))}
        if not frame.facts:
            for keys in sorted(own - frame.known.keys()):
                self.lookup(keys, frame)
        root = {path.keys[:place] for path in walk_paths(node, deep=True) if path.root for place in range(1, len(path.keys))}
        for keys in sorted(root - self.root.known.keys()):
            self.lookup(keys, self.root)

    def lookup(self, keys: tuple[str, ...], frame: Frame) -> None:
        parent = frame.known[keys[:-1]] if len(keys) > 1 else frame.item
        name = self.source.fresh(keys[-1])
        self.source.add(f"{name} = {parent}.get({keys[-1]!r}) or EMPTY")
        frame.known[keys] = name

    def object_at(self, keys: tuple[str, ...], frame: Frame) -> str:
        """The variable of an object of the item."""
        if not keys:
            return frame.item
        if keys not in frame.known:
            self.object_at(keys[:-1], frame)
            self.lookup(keys, frame)
        return frame.known[keys]

    def read(self, path: Path, frame: Frame) -> str:
        """The variable of a value."""
        frame = self.root if path.root else frame
        if frame.facts or not path.keys:
            return frame.known[path.keys] if path.keys else frame.item
        parent = self.object_at(path.keys[:-1], frame)
        name = self.source.fresh(path.keys[-1])
        self.source.add(f"{name} = {parent}.get({path.keys[-1]!r})")
        return name

    # ------------------------------------------------------------ nodes

    def node(self, node: Node, frame: Frame) -> Value:
        """What a node gives, after the lines that compute it."""
        if is_constant(node):
            return Value(literal(constant_value(node)))
        return getattr(self, f"_{type(node).__name__.lower()}")(node, frame)  # type: ignore[no-any-return]

    def _path(self, node: Path, frame: Frame) -> Value:
        name = self.read(node, frame)
        return Value(name, f"{name} is not None")

    def _copy(self, node: Copy, frame: Frame) -> Value:
        names = [self.read(path, frame) for path in node.sources]
        if node.function is None:
            return Value(names[0], f"{names[0]} is not None")
        present = [name for name, path in zip(names, node.sources, strict=True) if not path.root] or names
        return self.called(node.function.forth, node.tables, names, present, node.function.name)

    def _through(self, node: Through, frame: Frame) -> Value:
        names = [self.read(path, frame) for path in node.sources]
        present = [name for name, path in zip(names, node.sources, strict=True) if not path.root]
        made = self.called(node.function.forth, node.tables, names, present, node.function.name)
        if len(present) > 1:
            return made
        return Value(made.expression, f"{present[0]} is not None", present[0])

    def called(self, function: Any, tables: Any, names: list[str], present: list[str], stem: str) -> Value:
        called = self.source.name(function, stem)
        arguments = ", ".join([*names, *(self.source.name(table, table.name) for table in tables)])
        made = self.source.fresh(stem)
        there = " or ".join(f"{name} is not None" for name in present)
        self.source.add(f"{made} = {called}({arguments}) if {there} else None")
        return Value(made, f"{made} is not None")

    def _coded(self, node: Coded, frame: Frame) -> Value:
        source = self.source
        value = self.read(node.path, frame)
        made = source.fresh("codings")
        source.add(f"{made} = None")
        with source.block(f"if {value} is not None:", node.line):
            source.add(f"{made} = {self.makers(node.table)}.get({value})")
            table = source.name(node.table, node.table.name)
            unknown = f"run.unknown({table}, {value}, {frame.path(node.path.keys)}, {str(node.line)!r})"
            source.add(f"{made} = {made}() if {made} is not None else {unknown}")
        return Value(f"{made}[-1]" if node.single else made, f"{made} is not None")

    def makers(self, table: Table) -> str:
        if id(table) not in self._makers:
            self._makers[id(table)] = self.source.name(forth_run.makers(table), f"codings_{table.name}")
        return self._makers[id(table)]

    def _each(self, node: Each, frame: Frame) -> Value:
        source = self.source
        listed = self.node(node.source, frame)
        made, item = source.fresh("made"), source.fresh("item")
        source.add(f"{made} = []")
        if isinstance(node.source, Path):
            spelt = frame.path(node.source.keys)[2:-1] + f"[{{place_of({listed.expression}, {item})}}]"
        elif isinstance(node.source, Copy) and node.source.function is None:
            spelt = frame.path(node.source.sources[0].keys)[2:-1]
        else:
            own = [path for path in node.source.sources if not path.root]
            spelt = frame.path(own[0].keys)[2:-1] if own else ""
        with source.block(f"for {item} in {listed.expression} or ():", node.line):
            inner = Frame(item, spelt)
            self.hoist(node.make, inner)
            one = self.node(node.make, inner)
            if one.test:
                with source.block(f"if {one.test}:"):
                    source.add(f"{made}.append({one.expression})")
            else:
                source.add(f"{made}.append({one.expression})")
        return Value(made, made)

    def _when(self, node: When, frame: Frame) -> Value:
        value = self.read(node.path, frame)
        wanted = node.value
        same = f"{value} is {wanted}" if wanted is None or isinstance(wanted, bool) else f"{value} == {wanted!r}"
        return self.guarded(node.make, same, frame, node.line)

    def _otherwise(self, node: Otherwise, frame: Frame) -> Value:
        value = self.read(node.path, frame)
        return self.guarded(node.make, f"{value} is not None and {value} not in {node.known!r}", frame, node.line)

    def guarded(self, make: Node, test: str, frame: Frame, line: Line) -> Value:
        """What is made only under a test."""
        if is_constant(make):
            return Value(literal(constant_value(make)), test)
        made = self.source.fresh("made")
        self.source.add(f"{made} = None")
        root = self.root
        self.root = root.fork()
        with self.source.block(f"if {test}:", line):
            value = self.node(make, frame.fork())
            self.source.add(f"{made} = {value.expression}")
        self.root = root
        return Value(made, f"{made} is not None")

    def _canonical(self, node: Canonical, frame: Frame) -> Value:
        made = self.source.fresh("canonical")
        call = self.call_of(node.file, node.at, frame)
        self.source.add(f"{made} = {call}", node.line)
        return Value(f"{self.base!r} + {made}", f"{made} is not None")

    def call_of(self, file: str, at: tuple[str, ...], frame: Frame) -> str:
        """The call that makes another file's resource of the current item."""
        target = self.files[file]
        name = python_name(file)
        if target.identity.shared:
            facts = [self.read(Path(path.line, at + path.keys, False), frame) for path in target.identity.of]
            return f"make_{name}({', '.join(facts)}, run)"
        where = frame.path(at) if at else f"f'{frame.spelt}'"
        return f"make_{name}({self.object_at(at, frame)}, {where}, run)"

    def reference(self, node: Reference, frame: Frame) -> Value:
        """The literal reference to another file's resource."""
        if node.binds is None:
            call = self.call_of(node.file, node.at, frame)
        else:
            target = self.files[node.file]
            given = {name: self.node(value, frame) for name, value in node.binds.items()}
            names = [".".join(path.keys) for path in target.identity.of]
            arguments = [given[name].expression if name in given else "None" for name in names]
            call = f"make_{python_name(node.file)}({', '.join(arguments)}, run)"
        made = self.source.fresh("reference")
        self.source.add(f"{made} = {call}", node.line)
        return Value(made, f"{made} is not None")

    def _many(self, node: Many, frame: Frame) -> Value:
        source = self.source
        parts = [(item, self.node(item, frame)) for item in node.items]
        live = [(item, value) for item, value in parts if value.test]
        if len(parts) == 1:
            item, value = parts[0]
            if isinstance(item, Each | Coded):
                return value
            return Value(f"[{value.expression}]", value.test)
        made = source.fresh("entries")
        constants = len(live) < len(parts)
        if constants:
            source.add(f"{made} = None")
            head = f"if {' or '.join(f'({value.test})' for _, value in live)}:"
            with source.block(head):
                source.add(f"{made} = []")
                self.fill(parts, made)
            return Value(made, f"{made} is not None")
        source.add(f"{made} = []")
        self.fill(parts, made)
        return Value(made, made)

    def fill(self, parts: list[tuple[Node, Value]], made: str) -> None:
        for item, value in parts:
            if isinstance(item, Each | Coded):
                with self.source.block(f"if {value.test}:"):
                    self.source.add(f"{made} += {value.expression}")
            elif value.test:
                with self.source.block(f"if {value.test}:"):
                    self.source.add(f"{made}.append({value.expression})")
            else:
                self.source.add(f"{made}.append({value.expression})")

    # ------------------------------------------------------------ objects

    def _object(self, node: Object, frame: Frame) -> Value:
        return self.object(node, frame)

    def object(
        self, node: Object, frame: Frame, *, extra: list[tuple[str, str]] | None = None, resource: str = ""
    ) -> Value:
        """An object: there if a value is found for anything in it, its elements in the order of the file."""
        source = self.source
        parts: list[tuple[str, Node | None, Value]] = []
        if resource:
            parts.append(("resourceType", None, Value(repr(resource))))
            parts += [(key, None, Value(expression)) for key, expression in extra or ()]
        if node.reference is not None:
            parts.append(("reference", node.reference, self.reference(node.reference, frame)))  # type: ignore[arg-type]
        parts += [(key, child, self.node(child, frame)) for key, child in node.entries.items()]
        tests = list(dict.fromkeys(value.test for _, _, value in parts if value.test))
        made = source.fresh("object")
        source.add(f"{made} = None")
        there = " or ".join(tests if len(tests) == 1 else [f"({test})" if " and " in test else test for test in tests])
        if node.at is not None and any(path.root for path in walk_paths(node)):
            there = f"({there}) and {self.read(node.at, frame)} is not None"
        with source.block(f"if {there}:", node.line):
            only = tests[0] if len(tests) == 1 else ""
            first = next((n for n, (_, _, v) in enumerate(parts) if v.test and v.test != only), len(parts))
            head = ", ".join(f"{key!r}: {value.expression}" for key, _, value in parts[:first] if self.in_head(value, only))
            source.add(f"{made} = {{{head}}}")
            for place, (key, child, value) in enumerate(parts):
                self.placed(made, key, child, value, only, frame, in_head=place < first and self.in_head(value, only))
            if node.type == "Period":
                self.check_period(made, node, frame)
            self.required(made, node, frame)
        return Value(made, f"{made} is not None")

    @staticmethod
    def in_head(value: Value, only: str) -> bool:
        return not value.refused and (not value.test or value.test == only)

    def placed(
        self, made: str, key: str, child: Any, value: Value, only: str, frame: Frame, *, in_head: bool
    ) -> None:
        """One element: put where it belongs, and its value looked at."""
        source = self.source
        if value.refused:
            with source.block(f"if {value.expression} is not None:"):
                source.add(f"{made}[{key!r}] = {value.expression}")
            with source.block(f"elif {value.refused} is not None:"):
                self.refuse(made, key, value.refused, child, frame)
        elif in_head:
            self.fitting(made, key, child, value, frame)
        elif value.test and value.test != only:
            bone = bones(child) if isinstance(child, Many | Object) else None
            with source.block(f"if {value.test}:"):
                source.add(f"{made}[{key!r}] = {value.expression}")
                self.fitting(made, key, child, value, frame)
            if bone is not None:
                with source.block("else:"):
                    source.add(f"{made}[{key!r}] = {literal(bone)}")
        else:
            source.add(f"{made}[{key!r}] = {value.expression}")
            self.fitting(made, key, child, value, frame)

    def fitting(self, made: str, key: str, child: Any, value: Value, frame: Frame) -> None:
        """Looks whether FHIR takes a value that was copied as it is."""
        path = leaf_path(child)
        if path is None or path.root or path.type not in verbatim.FITTING:
            return
        test, _ = verbatim.FITTING[path.type]
        with self.source.block(f"if {test.format(value.expression)}:"):
            self.refuse(made, key, value.expression, child, frame)

    def refuse(self, made: str, key: str, name: str, child: Any, frame: Frame) -> None:
        path = leaf_path(child)
        if path is None:
            raise MappingError(f"{key}: no value to carry beside", file=child.line.file, line=child.line.number)
        fhir_type = path.type if isinstance(child, Path) else ""  # of what a function made nothing stays in the element
        self.source.add(
            f"run.refuse({made}, {key!r}, {name}, {fhir_type!r}, {frame.path(path.keys)}, {str(child.line)!r})"
        )

    def check_period(self, made: str, node: Object, frame: Frame) -> None:
        """A period must not end before it starts (per-1); the record's own contradiction is carried beside."""
        end = leaf_path(node.entries.get("end"))
        if end is None or "start" not in node.entries:
            return
        start_now, end_now = f"{made}.get('start')", f"{made}.get('end')"
        with self.source.block(f"if {end_now} and {start_now} and {start_now} > {end_now} and is_later({start_now}, {end_now}):"):
            self.source.add(
                f"run.refuse({made}, 'end', {end_now}, {end.type!r}, {frame.path(end.keys)}, {str(node.line)!r}, "
                f"'is before the start, ' + {start_now})"
            )

    def required(self, made: str, node: Object, frame: Frame) -> None:
        """What FHIR requires and the record lacks gets a data-absent-reason and an issue."""
        for element in self.definitions.required(node.type):
            child = node.entries.get(element.name)
            if child is None or is_constant(child) or element.choice:
                continue
            if isinstance(child, Many | Object) and bones(child) is not None:
                continue
            primitive = self.definitions.is_primitive(element.type)
            shape = "many" if element.many else "primitive" if primitive else "object"
            keys = leaf_path(child).keys if leaf_path(child) else ()  # type: ignore[union-attr]
            beside = f" and '_{element.name}' not in {made}" if primitive else ""
            with self.source.block(f"if {element.name!r} not in {made}{beside}:"):
                self.source.add(
                    f"run.absent({made}, {element.name!r}, {shape!r}, {element.path!r}, {frame.path(keys)}, "
                    f"{str(node.line)!r})"
                )


def python_name(file: str) -> str:
    """A file's name as part of a Python name."""
    return file.replace("-", "_")


def leaf_path(node: Any) -> Path | None:
    """The path whose value an element holds as it is, or through a function."""
    if isinstance(node, Path):
        return node
    if isinstance(node, Through):
        return node.own[0]
    if isinstance(node, When | Otherwise):
        return leaf_path(node.make)
    return None


def walk_paths(node: Node, *, deep: bool = False) -> list[Path]:
    """The paths that a node reads from the current item (``deep``: also inside ``each``)."""
    if isinstance(node, Path):
        return [node]
    if isinstance(node, Copy | Through):
        return list(node.sources)
    if isinstance(node, Coded):
        return [node.path]
    if isinstance(node, Each):
        return walk_paths(node.source) + [
            path for path in walk_paths(node.make, deep=deep) if deep or path.root
        ]
    if isinstance(node, When | Otherwise):
        return [node.path, *walk_paths(node.make, deep=deep)]
    if isinstance(node, Canonical):
        return [Path(node.line, (*node.at, ""), False)] if node.at else []
    if isinstance(node, Many):
        return [path for item in node.items for path in walk_paths(item, deep=deep)]
    if isinstance(node, Object):
        found = [path for child in node.entries.values() for path in walk_paths(child, deep=deep)]
        if node.at is not None:
            found.append(node.at)
        if node.reference is not None:
            if node.reference.binds is not None:
                found += [path for bound in node.reference.binds.values() for path in walk_paths(bound)]
            elif node.reference.at:
                found.append(Path(node.reference.line, (*node.reference.at, ""), False))
        return found
    assert isinstance(node, Constant)
    return []
