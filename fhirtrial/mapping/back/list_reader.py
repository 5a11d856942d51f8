"""Reading lists, back: each entry goes to the line whose constants it shows."""

from __future__ import annotations

from abc import ABC, abstractmethod

from fhirtrial.mapping.back.item_writer import Item, ItemWriter, written
from fhirtrial.mapping.language.apart import picker, shortcut
from fhirtrial.mapping.language.nodes import Each, Node, Path, Through, is_two_way


class ListReader(ItemWriter, ABC):
    """Writes what reads the entries of lists."""

    @abstractmethod
    def node(self, node: Node, value: str, item: Item) -> None:
        """Reads a FHIR value (a variable that is not None) into the item."""

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

    def branches(self, live: list[tuple[int, Node]], which: str, entry: str, lists: dict[int, str], item: Item) -> None:
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
            self.node(node.source, made, item)
        else:
            assert isinstance(node.source, Path)
            self.set(node.source.keys, made, item, node)
