"""
The way back: the same nodes become straight-line Python that makes a record of resources.

What a line wrote, it reads: copies (``also``) and constants are passed over, entries of a list go to the line whose
constants they show. Nothing is guessed: what no line reads is an issue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fhirtrial.mapping.apart import picker, shortcut
from fhirtrial.mapping.nodes import (
    Canonical,
    Coded,
    Constant,
    Each,
    Many,
    Node,
    Object,
    Otherwise,
    Path,
    Reference,
    ResourceFile,
    Through,
    When,
    is_two_way,
)
from fhirtrial.mapping.source import Source
from fhirtrial.mapping.walk import leaf_path, python_name


@dataclass(slots=True)
class Item:
    """The current item in the generated code: the variables of its objects, by path, and how the path is spelt."""

    name: str
    spelt: str
    objects: dict[tuple[str, ...], str] = field(default_factory=dict)
    whole: bool = False

    def path(self, keys: tuple[str, ...]) -> str:
        """The path of a value, for issues."""
        return ".".join([*([self.spelt] if self.spelt else []), *keys])


class Back:
    """Writes the functions of all files into one source."""

    def __init__(self, files: dict[str, ResourceFile], disputed: frozenset[str]) -> None:
        self.files = files
        self.disputed = disputed
        self.source = Source()
        self.modules: list[tuple[int, str]] = [(0, "")]
        self._module_at: dict[tuple[str, ...], int] = {(): 0}
        self.element = ""

    def compile(self) -> dict[str, Any]:
        """The names of the generated module: ``back_<file>`` for each file."""
        for file in self.files.values():
            self.file(file)
        return self.source.compiled("<fhirtrial mapping, back>")

    # ------------------------------------------------------------ files and items

    def file(self, file: ResourceFile) -> None:
        """The function of one file: reads a resource into an item (the record's modules for the record itself)."""
        source = self.source
        source.add("")
        source.add("")
        root = file.scope == ()
        self.element = file.resource
        with source.block(f"def back_{python_name(file.name)}(target, item, run):", file.line):
            item = Item("item", "" if root or file.scope is None else ".".join(file.scope))
            paths = set(written(file.body))
            if root:
                for keys in sorted({path[:place] for path in paths for place in range(len(path))}):
                    name = source.fresh(keys[-1] if keys else "record")
                    source.add(f"{name} = run.modules[{self.module(keys)}]")
                    item.objects[keys] = name
            else:
                self.begin(item, paths)
            self.object(file.body, "target", item)
            if not root:
                self.end(item)

    def module(self, keys: tuple[str, ...]) -> int:
        """The number of a module of the record."""
        if keys not in self._module_at:
            self.modules.append((self.module(keys[:-1]), keys[-1]))
            self._module_at[keys] = len(self.modules) - 1
        return self._module_at[keys]

    def begin(self, item: Item, paths: set[tuple[str, ...]]) -> None:
        """The objects inside an item, there from the beginning."""
        item.objects[()] = item.name
        for keys in sorted({path[:place] for path in paths for place in range(1, len(path))}):
            name = self.source.fresh(keys[-1])
            self.source.add(f"{name} = {{}}")
            item.objects[keys] = name

    def end(self, item: Item) -> None:
        """What is filled of them goes where it belongs."""
        for keys in sorted(item.objects, key=len, reverse=True):
            if keys:
                with self.source.block(f"if {item.objects[keys]}:"):
                    self.source.add(f"{item.objects[keys[:-1]]}[{keys[-1]!r}] = {item.objects[keys]}")

    def set(self, keys: tuple[str, ...], expression: str, item: Item, node: Node, *, doubtful: bool = False) -> None:
        """Sets a value of the item."""
        if not keys:
            self.source.add(f"{item.name} = {expression}", node.line)
        elif doubtful:
            parent = item.objects[keys[:-1]]
            self.source.add(
                f"run.once({parent}, {keys[-1]!r}, {expression}, {item.path(keys)!r}, {str(node.line)!r})"
            )
        else:
            self.source.add(f"{item.objects[keys[:-1]]}[{keys[-1]!r}] = {expression}", node.line)

    # ------------------------------------------------------------ nodes

    def node(self, node: Node, value: str, item: Item) -> None:
        """Reads a FHIR value (a variable that is not None) into the item."""
        getattr(self, f"_{type(node).__name__.lower()}")(node, value, item)

    def _path(self, node: Path, value: str, item: Item) -> None:
        if not node.root:
            self.set(node.keys, value, item, node, doubtful=item.path(node.keys) in self.disputed)

    def _through(self, node: Through, value: str, item: Item) -> None:
        source = self.source
        function = source.name(node.function.back, f"{node.function.name}_back")
        tables = "".join(f", {source.name(table, table.name)}" for table in node.tables)
        made = source.fresh(node.function.name)
        source.add(f"{made} = {function}({value}{tables})", node.line)
        own = node.own
        if len(own) == 1:
            with source.block(f"if {made} is not None:"):
                self.set(own[0].keys, made, item, node)
            with source.block("else:"):
                source.add(f"run.unreadable({value}, {item.path(own[0].keys)!r}, {str(node.line)!r})")
            return
        for place, path in enumerate(own):
            with source.block(f"if {made}[{place}] is not None:"):
                self.set(path.keys, f"{made}[{place}]", item, node)

    def _coded(self, node: Coded, value: str, item: Item) -> None:
        source = self.source
        table = source.name(node.table, node.table.name)
        made = source.fresh("code")
        path = item.path(node.path.keys)
        codings = f"[{value}]" if node.single else value
        source.add(f"{made} = run.code({table}, {codings}, {path!r}, {str(node.line)!r})", node.line)
        with source.block(f"if {made} is not None:"):
            self.set(node.path.keys, made, item, node)

    def _when(self, node: When, value: str, item: Item) -> None:
        if node.value is not None:
            self.set(node.path.keys, repr(node.value), item, node, doubtful=True)
        if is_two_way(node.make):
            self.node(node.make, value, item)

    def _otherwise(self, node: Otherwise, value: str, item: Item) -> None:
        self.node(node.make, value, item)

    def _canonical(self, node: Canonical, value: str, item: Item) -> None:
        target = self.files[node.file]
        found = self.source.fresh("found")
        self.source.add(
            f"{found} = run.at_url({value}, {target.resource!r}, {item.path(node.at)!r}, {str(node.line)!r})", node.line
        )
        with self.source.block(f"if {found} is not None:"):
            self.source.add(f"back_{python_name(node.file)}({found}, {item.objects.get(node.at, 'None')}, run)")

    def reference(self, node: Reference, value: str, item: Item) -> None:
        """Follows a reference and reads what it points at."""
        source = self.source
        target = self.files[node.file]
        found = source.fresh("found")
        bound = node.binds or {}
        keys = next((path.keys for path in bound.values() if isinstance(path, Path)), node.at)
        source.add(
            f"{found} = run.follow({value}, {target.resource!r}, {item.path(keys)!r}, {str(node.line)!r})", node.line
        )
        with source.block(f"if {found} is not None:"):
            if node.binds is None:
                place = "None" if target.scope == () else item.objects[node.at]
                source.add(f"back_{python_name(node.file)}({found}, {place}, run)")
                return
            facts = source.fresh("facts")
            source.add(f"{facts} = {{}}")
            source.add(f"back_{python_name(node.file)}({found}, {facts}, run)")
            for name, path in node.binds.items():
                if isinstance(path, Path) and not path.root:
                    with source.block(f"if {name!r} in {facts}:"):
                        self.set(path.keys, f"{facts}[{name!r}]", item, path)

    def _each(self, node: Each, value: str, item: Item) -> None:
        self.many((node,), value, item, node)

    def _many(self, node: Many, value: str, item: Item) -> None:
        items = node.items
        coded = [entry for entry in items if isinstance(entry, Coded)]
        for entry in coded:
            self._coded(entry, value, item)
        rest = tuple(entry for entry in items if not isinstance(entry, Coded))
        if any(map(is_two_way, rest)):
            self.many(rest, value, item, node, quiet=bool(coded))

    def many(self, items: tuple[Node, ...], value: str, item: Item, node: Node, *, quiet: bool = False) -> None:
        """Each entry of a list goes to the template whose constants it shows."""
        source = self.source
        live = [(place, entry) for place, entry in enumerate(items) if is_two_way(entry)]
        lists: dict[int, str] = {}
        for place, entry in live:
            if isinstance(entry, Each):
                lists[place] = source.fresh("items")
                source.add(f"{lists[place]} = []")
        pick = source.name(picker(items), "pick")
        entry_name, which = source.fresh("entry"), source.fresh("which")
        with source.block(f"for {entry_name} in {value}:", node.line):
            self.pick(items, which, entry_name, pick)
            with source.block(f"if {which} is None:"):
                if quiet:
                    source.add("continue")
                else:
                    source.add(f"run.unread({entry_name}, {self.element!r}, {str(node.line)!r})")
            with source.block("else:"):
                self.branches(live, which, entry_name, lists, item)
        for place, entry in live:
            if place in lists:
                assert isinstance(entry, Each)
                with source.block(f"if {lists[place]}:"):
                    self.listed(entry, lists[place], item)

    def pick(self, items: tuple[Node, ...], which: str, entry: str, pick: str) -> None:
        """Which template an entry belongs to: at one look where its first constant settles it."""
        source = self.source
        short = shortcut(items)
        if short is None:
            source.add(f"{which} = {pick}({entry})")
            return
        places = source.name(short.places, "places")
        if short.way[0] == "coding":
            coding = source.fresh("coding")
            system = f"{coding}.get('system')"
            value = f"({system}, {coding}.get('code'))" if short.way[-1] == "#" else system
            source.add(f"{which} = None")
            with source.block(f"for {coding} in {entry}.get('coding', ()):"):
                source.add(f"{which} = {places}.get({value})")
                with source.block(f"if {which} is not None:"):
                    source.add("break")
        else:
            source.add(f"{which} = {places}.get({entry}.get({short.way[0]!r}))")
        with source.block(f"if {which} is None:"):
            source.add(f"{which} = {pick}({entry})")

    def branches(
        self, live: list[tuple[int, Node]], which: str, entry: str, lists: dict[int, str], item: Item
    ) -> None:
        """The code of each template, found by halving."""
        if len(live) > 3:
            half = len(live) // 2
            with self.source.block(f"if {which} < {live[half][0]}:"):
                self.branches(live[:half], which, entry, lists, item)
            with self.source.block("else:"):
                self.branches(live[half:], which, entry, lists, item)
            return
        word = "if"
        for place, template in live:
            with self.source.block(f"{word} {which} == {place}:", template.line):
                if isinstance(template, Each):
                    self.one(template, entry, lists[place], item)
                else:
                    self.node(template, entry, item)
            word = "elif"

    def one(self, node: Each, entry: str, made: str, item: Item) -> None:
        """One item of a list."""
        source = self.source
        paths: set[tuple[str, ...]] = {()} if isinstance(node.source, Through) else set(written(node.make))
        whole = () in paths
        inner = Item(source.fresh("item"), f"{item.path(node.source.keys)}[]" if isinstance(node.source, Path) else "")
        source.add(f"{inner.name} = {'None' if whole else '{}'}")
        if not whole:
            self.begin(inner, paths)
        else:
            inner.objects[()] = inner.name
        self.node(node.make, entry, inner)
        if not whole:
            self.end(inner)
        with source.block(f"if {inner.name}{' is not None' if whole else ''}:"):
            source.add(f"{made}.append({inner.name})")

    def listed(self, node: Each, made: str, item: Item) -> None:
        """The list where the record has it."""
        if isinstance(node.source, Through):
            self._through(node.source, made, item)
        else:
            assert isinstance(node.source, Path)
            self.set(node.source.keys, made, item, node)

    # ------------------------------------------------------------ objects

    def _object(self, node: Object, value: str, item: Item) -> None:
        self.object(node, value, item)

    def object(self, node: Object, value: str, item: Item) -> None:
        """The elements of an object that are read back."""
        source = self.source
        if node.reference is not None and reads_back(node.reference):
            self.reference(node.reference, value, item)
        outer = self.element
        for key, child in node.entries.items():
            if not is_two_way(child):
                continue
            self.element = f"{outer}.{key}"
            name = source.fresh(key)
            if beside(child):
                self.said(node, key, child, name, value, item)
                continue
            source.add(f"{name} = {value}.get({key!r})")
            with source.block(f"if {name} is not None:"):
                self.node(child, name, item)
        self.element = outer


    def said(self, node: Object, key: str, child: Node, name: str, value: str, item: Item) -> None:
        """An element that may hold less than the record had: what stands beside it, or instead of it, comes first."""
        source = self.source
        path = leaf_path(child)
        assert path is not None
        raw = source.fresh("raw")
        source.add(f"{name} = {value}.get({key!r})")
        if node.type == "Extension" and key.startswith("value"):
            # An extension holds either a value or extensions.
            with source.block(f"if {name} is not None:"):
                self.node(child, name, item)
            with source.block(f"elif 'extension' in {value}:"):
                source.add(f"{raw} = run.inside({value})")
                self.refused(path, child, raw, item)
            return
        with source.block(f"if '_{key}' in {value}:"):
            source.add(f"{raw} = run.beside({value}, {key!r})")
            self.refused(path, child, raw, item)
            with source.block(f"elif {name} is not None:"):
                self.node(child, name, item)
        with source.block(f"elif {name} is not None:"):
            self.node(child, name, item)

    def refused(self, path: Path, child: Node, raw: str, item: Item) -> None:
        """A value that FHIR could not hold, if one was carried."""
        with self.source.block(f"if {raw} is not None:"):
            self.node(path, raw, item)
            if isinstance(child, When) and child.value is not None:
                self.set(child.path.keys, repr(child.value), item, child, doubtful=True)


def reads_back(reference: Reference) -> bool:
    """Whether following a reference sets anything."""
    return reference.binds is None or any(isinstance(path, Path) and not path.root for path in reference.binds.values())


def beside(node: Node) -> bool:
    """Whether a value may stand beside its element."""
    if isinstance(node, When | Otherwise):
        return beside(node.make)
    return isinstance(node, Path | Through) and bool(node.type) and node.type[0].islower()


def written(node: Node) -> Iterator[tuple[str, ...]]:
    """The paths of the current item that reading a node sets."""
    if isinstance(node, Constant) or not is_two_way(node):
        return
    if isinstance(node, Path):
        yield node.keys
    elif isinstance(node, Through):
        yield from (path.keys for path in node.own)
    elif isinstance(node, Coded):
        yield node.path.keys
    elif isinstance(node, Each):
        yield from written(node.source)
    elif isinstance(node, When):
        if node.value is not None:
            yield node.path.keys
        yield from written(node.make)
    elif isinstance(node, Otherwise):
        yield from written(node.make)
    elif isinstance(node, Canonical):
        yield (*node.at, "")
    elif isinstance(node, Many):
        for entry in node.items:
            yield from written(entry)
    elif isinstance(node, Object):
        if node.reference is not None and reads_back(node.reference):
            if node.reference.binds is None:
                yield (*node.reference.at, "")
            else:
                for path in node.reference.binds.values():
                    if isinstance(path, Path) and not path.root:
                        yield path.keys
        for child in node.entries.values():
            yield from written(child)
