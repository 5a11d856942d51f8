"""
The way back: the same nodes become straight-line Python that makes a record of resources.

What a line wrote, it reads: copies (``also``) and constants are passed over, entries of a list go to the line whose
constants they show. Nothing is guessed: what no line reads is an issue.
"""

from __future__ import annotations

from typing import Any

from fhirtrial.mapping.back.item_writer import Item, beside, reads_back, written
from fhirtrial.mapping.back.list_reader import ListReader
from fhirtrial.mapping.language.nodes import (
    Canonical,
    Coded,
    Constant,
    Copy,
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
from fhirtrial.mapping.language.walk import leaf_path, python_name, references, stands_inside

JSON_TYPES = {"boolean": "bool", "integer": "int", "unsignedInt": "int", "positiveInt": "int", "decimal": None}
"""What JSON writes a FHIR primitive as, where it is not text; decimals are whole numbers or not."""


class Back(ListReader):
    """Writes the functions of all files into one source."""

    def __init__(self, files: dict[str, ResourceFile], disputed: frozenset[str]) -> None:
        super().__init__()
        self.files = files
        self.disputed = disputed

    def write(self) -> None:
        """Writes the source. Raises MappingError where nothing tells two entries apart."""
        for file in self.files.values():
            self.file(file)

    def compile(self) -> dict[str, Any]:
        """The names of the generated module: ``back_<file>`` for each file."""
        return self.source.compiled("<fhirtrial mapping, back>")

    def holds(self, name: str) -> bool:
        """Whether a file has anything to read: one of copies alone is not followed, and not missed either."""
        body = self.files[name].body
        return any(True for _ in written(body)) or any(reads_back(link) for link in references(body) if not link.made)

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

    # ------------------------------------------------------------ nodes

    def node(self, node: Node, value: str, item: Item) -> None:
        """Reads a FHIR value (a variable that is not None) into the item."""
        match node:
            case Path():
                self.path(node, value, item)
            case Through():
                self.through(node, value, item)
            case Coded():
                self.coded(node, value, item)
            case Each():
                self.many((node,), value, item, node)
            case When():
                if node.value is not None:
                    self.set(node.path.keys, repr(node.value), item, node, doubtful=True)
                if is_two_way(node.make):
                    self.node(node.make, value, item)
            case Otherwise():
                self.node(node.make, value, item)
            case Canonical():
                self.canonical(node, value, item)
            case Object():
                self.object(node, value, item)
            case Many():
                self.several(node, value, item)
            case Constant() | Copy():
                raise AssertionError("never read back")

    def path(self, node: Path, value: str, item: Item) -> None:
        """A value that is set as it is, if it is of the JSON type that FHIR says."""
        if node.root:
            return
        wanted = JSON_TYPES.get(node.type, "str") if node.type[:1].islower() else None
        if wanted is None:
            self.set(node.keys, value, item, node, doubtful=item.path(node.keys) in self.disputed)
            return
        with self.source.block(f"if {value}.__class__ is {wanted}:"):
            self.set(node.keys, value, item, node, doubtful=item.path(node.keys) in self.disputed)
        with self.source.block("else:"):
            self.source.add(f"run.misshapen({value}, {node.type!r}, {item.path(node.keys)!r}, {str(node.line)!r})")

    def through(self, node: Through, value: str, item: Item) -> None:
        """A value that goes through a function's inverse."""
        source = self.source
        function = source.name(node.function.back, f"{node.function.name}_back")
        tables = "".join(f", {source.name(table, table.name)}" for table in node.tables)
        made = source.fresh(node.function.name)
        source.add(f"{made} = {function}({value}{tables})", node.line)
        own = node.own
        if node.function.doubt_back is not None:
            doubt = source.fresh("doubt")
            source.add(f"{doubt} = {source.name(node.function.doubt_back, doubt)}({value}{tables})")
            with source.block(f"if {doubt} is not None:"):
                spelt = item.path(own[0].keys)
                source.add(f"run.say('warning', 'disagreement', {doubt}, {spelt!r}, {str(node.line)!r})")
        if len(own) == 1:
            with source.block(f"if {made} is not None:"):
                self.set(own[0].keys, made, item, node)
            with source.block("else:"):
                source.add(f"run.unreadable({value}, {item.path(own[0].keys)!r}, {str(node.line)!r})")
            return
        for place, path in enumerate(own):
            with source.block(f"if {made}[{place}] is not None:"):
                self.set(path.keys, f"{made}[{place}]", item, node)

    def coded(self, node: Coded, value: str, item: Item) -> None:
        """The registry's code that codings stand for."""
        source = self.source
        table = source.name(node.table, node.table.name)
        made = source.fresh("code")
        path = item.path(node.path.keys)
        codings = f"[{value}]" if node.single else value
        source.add(f"{made} = run.code({table}, {codings}, {path!r}, {str(node.line)!r})", node.line)
        with source.block(f"if {made} is not None:"):
            self.set(node.path.keys, made, item, node)

    def canonical(self, node: Canonical, value: str, item: Item) -> None:
        """Follows a canonical URL and reads what it names."""
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

    def several(self, node: Many, value: str, item: Item) -> None:
        """The entries of a list: all codings for one code, each other entry to its line."""
        items = node.items
        coded = [entry for entry in items if isinstance(entry, Coded)]
        for entry in coded:
            self.coded(entry, value, item)
        rest = tuple(entry for entry in items if not isinstance(entry, Coded))
        if any(map(is_two_way, rest)):
            self.many(rest, value, item, node, quiet=bool(coded))

    # ------------------------------------------------------------ objects

    def object(self, node: Object, value: str, item: Item) -> None:
        """The elements of an object that are read back."""
        source = self.source
        if node.reference is not None and reads_back(node.reference) and self.holds(node.reference.file):
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
        if stands_inside(node, key, child):
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
            self.set(path.keys, raw, item, path, doubtful=item.path(path.keys) in self.disputed)
            if isinstance(child, When) and child.value is not None:
                self.set(child.path.keys, repr(child.value), item, child, doubtful=True)
