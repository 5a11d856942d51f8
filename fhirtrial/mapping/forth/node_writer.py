"""Writing nodes, forth: what each line of a mapping file becomes in the generated code."""

from __future__ import annotations

from abc import ABC, abstractmethod

from fhirtrial.codes import Table
from fhirtrial.definitions import Definitions
from fhirtrial.mapping.forth.frame import Frame, Lookups
from fhirtrial.mapping.forth.run import coding_texts, own_texts
from fhirtrial.mapping.forth.text import Piece, Text, constant
from fhirtrial.mapping.language.nodes import (
    Canonical,
    Coded,
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
from fhirtrial.mapping.language.walk import paths_of, python_name
from fhirtrial.mapping.verbatim import FITTING, FITTING_PLAIN


class NodeWriter(Lookups, ABC):
    """
    Writes what makes the JSON text of nodes.

    The way of a node: first the lines that look up and compute, then a `Text` for the object around it, which is made
    only if something is in it. The rare cases (an unknown code, a value that FHIR refuses, a required element that is
    missing) call `ForthRun`, and only there the path of the value is spelt out.
    """

    def __init__(
        self, files: dict[str, ResourceFile], definitions: Definitions, base: str, *, plain: bool = False
    ) -> None:
        super().__init__()
        self.files = files
        self.fitting = FITTING_PLAIN if plain else FITTING
        self.definitions = definitions
        self.base = base
        self._texts: dict[tuple[int, bool], str] = {}

    # ------------------------------------------------------------ nodes

    def _object(self, node: Object, frame: Frame) -> Text:
        at, reference = node.at, node.reference
        if at is not None and reference is not None and reference.binds is None and at.keys not in frame.guarded:
            # What the other file copies from elsewhere must not make a resource of nothing.
            return self.guarded(node, self.object_at(at.keys, frame), frame, node.line)
        place = self.common_place(node, frame)
        return self.guarded(node, place, frame, node.line) if place else self.object(node, frame, ())

    @abstractmethod
    def object(self, node: Object, frame: Frame, head: tuple[Piece, ...]) -> Text:
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

    def node(self, node: Node, frame: Frame) -> Text:
        """The text of a node, after the lines that compute it."""
        if is_constant(node):
            return Text((constant(constant_value(node)),))
        return getattr(self, f"_{type(node).__name__.lower()}")(node, frame)  # type: ignore[no-any-return]

    def _path(self, node: Path, frame: Frame) -> Text:
        name = self.read(node, frame)
        return Text((f"dumps({name})",), f"{name} is not None")

    def _copy(self, node: Copy, frame: Frame) -> Text:
        made = self.value(node, frame)
        test = f"{made} is not None"
        if node.function is None and node.type in self.fitting:
            # A copy is left out where FHIR refuses the value: the two-way place carries it.
            test += f" and ({self.fitting[node.type].format(made)})"
        return Text((f"dumps({made})",), test)

    def _through(self, node: Through, frame: Frame) -> Text:
        made = self.value(node, frame)
        return Text((f"dumps({made})",), f"{made} is not None")

    def value(self, node: Path | Copy | Through, frame: Frame) -> str:
        """The variable of a value, or of what a function makes of it."""
        if isinstance(node, Path):
            return self.read(node, frame)
        names = [self.read(path, frame) for path in node.sources]
        if node.function is None:
            return names[0]
        own = [name for name, path in zip(names, node.sources, strict=True) if not path.root] or names
        function = self.source.name(node.function.forth, node.function.name)
        arguments = ", ".join([*names, *(self.source.name(table, table.name) for table in node.tables)])
        made = self.source.fresh(node.function.name)
        there = " or ".join(f"{name} is not None" for name in own)
        self.source.add(f"{made} = {function}({arguments}) if {there} else None", node.line)
        if node.function.doubt is not None:
            doubt = self.source.fresh("doubt")
            self.source.add(f"{doubt} = {self.source.name(node.function.doubt, doubt)}({arguments})")
            with self.source.block(f"if {doubt} is not None:"):
                path = frame.path(node.sources[0].keys)
                self.source.add(f"run.say('warning', 'contradiction', {doubt}, {path}, {str(node.line)!r})")
        return made

    def _coded(self, node: Coded, frame: Frame) -> Text:
        value = self.read(node.path, frame)
        made = self.source.fresh("codings")
        with self.source.block(f"if {value} is not None:", node.line):
            table = self.source.name(node.table, node.table.name)
            unknown = f"run.unknown({table}, {value}, {frame.path(node.path.keys)}, {str(node.line)!r})"
            self.source.add(f"{made} = {self.texts(node.table, single=node.single)}.get({value}) or {unknown}")
        return Text((made,), f"{value} is not None")

    def texts(self, table: Table, *, single: bool) -> str:
        """The name of a table's texts."""
        key = (id(table), single)
        if key not in self._texts:
            made = own_texts(table) if single else coding_texts(table)
            self._texts[key] = self.source.name(made, f"codings_{table.name}")
        return self._texts[key]

    def _each(self, node: Each, frame: Frame) -> Text:
        made = self.source.fresh("made")
        self.source.add(f"{made} = []")
        self.each_into(made, node, frame)
        return Text((b"[", f"b','.join({made})", b"]"), made)

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
            self.hoist(node.make, inner)
            self.append(made, self.node(node.make, inner), f"{item} is not None")
            self.root = root

    def append(self, made: str, text: Text, known: str = "") -> None:
        """Adds an entry to a list, if it is there."""
        add = f"{made}.append({text.source})"
        if text.test and text.test != known:
            with self.source.block(f"if {text.test}:"):
                self.source.add(add)
        else:
            self.source.add(add)

    def _when(self, node: When, frame: Frame) -> Text:
        value = self.read(node.path, frame)
        wanted = node.value
        same = f"{value} is {wanted}" if wanted is None or isinstance(wanted, bool) else f"{value} == {wanted!r}"
        return self.guarded(node.make, same, frame, node.line)

    def _otherwise(self, node: Otherwise, frame: Frame) -> Text:
        value = self.read(node.path, frame)
        return self.guarded(node.make, f"{value} is not None and {value} not in {node.known!r}", frame, node.line)

    def guarded(self, make: Node, test: str, frame: Frame, line: Line) -> Text:
        """What is made only under a test."""
        if is_constant(make):
            return Text((constant(constant_value(make)),), test)
        made = self.source.fresh("made")
        self.source.add(f"{made} = None")
        root, self.root = self.root, self.root.fork()
        with self.source.block(f"if {test}:", line):
            inner = frame.fork(next((keys for keys, name in frame.objects.items() if name == test), ()))
            text = self.node(make, inner)
            with self.source.block(f"if {text.test}:"):
                self.source.add(f"{made} = {text.source}")
        self.root = root
        return Text((made,), f"{made} is not None")

    def _canonical(self, node: Canonical, frame: Frame) -> Text:
        made = self.source.fresh("canonical")
        self.source.add(f"{made} = {self.call_of(node.file, node.at, frame)}", node.line)
        return Text((b'"' + self.base.encode(), made, b'"'), f"{made} is not None")

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
            self.source.add(f"run.calling = run.handed_on({call}[1])")
        else:
            self.source.add(f"run.calling = {frame.item}, {call}")

    def reference(self, node: Reference, frame: Frame) -> Text:
        """The literal reference to another file's resource."""
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
        return Text((b'"', made, b'"'), f"{made} is not None")

    def _many(self, node: Many, frame: Frame) -> Text:
        if len(node.items) == 1:
            (item,) = node.items
            text = self.node(item, frame)
            return text if isinstance(item, Each) else Text((b"[", *text.pieces, b"]"), text.test)
        made = self.source.fresh("entries")
        if not any(map(is_constant, node.items)):
            self.source.add(f"{made} = []")
            for item in node.items:
                if isinstance(item, Each):
                    self.each_into(made, item, frame)
                else:
                    self.append(made, self.node(item, frame))
            return Text((b"[", f"b','.join({made})", b"]"), made)
        # Constants among them are there if anything else is.
        texts = [self.node(item, frame) for item in node.items]
        texts = [inside(text) if isinstance(item, Each) else text for item, text in zip(node.items, texts, strict=True)]
        tests = [text.test for text in texts if text.test]
        if len(tests) == 1:
            pieces = [piece for text in texts for piece in (b",", *text.pieces)][1:]
            return Text((b"[", *pieces, b"]"), tests[0])
        self.source.add(f"{made} = []")
        with self.source.block(f"if {' or '.join(f'({test})' for test in tests)}:"):
            for text in texts:
                self.append(made, text)
        return Text((b"[", f"b','.join({made})", b"]"), made)


def inside(listed: Text) -> Text:
    """The entries of a list without its brackets."""
    return Text(listed.pieces[1:-1], listed.test)
