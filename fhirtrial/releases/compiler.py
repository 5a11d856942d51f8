"""The table, compiled: a block for each type, made of its rows and of what both releases' definitions say."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from fhirtrial.definitions import Definitions, Element
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import nearest
from fhirtrial.releases import codeable_reference, extension_rows, first_part, native_rows
from fhirtrial.releases.block import EVERYWHERE, IN_RESOURCES, Block, Step, value_name
from fhirtrial.releases.copies import copy_rule
from fhirtrial.releases.copies.needed import Needed
from fhirtrial.releases.cross_version import CrossVersion
from fhirtrial.releases.earlier import Earlier
from fhirtrial.releases.extension_rows import Parts, Value
from fhirtrial.releases.holding import Holding, is_part
from fhirtrial.releases.member_rows import Member, add_members
from fhirtrial.releases.pairs import PAIRS
from fhirtrial.releases.run import Run
from fhirtrial.releases.systems import both_ways
from fhirtrial.releases.table import Row, Table, wrong
from fhirtrial.releases.table_checks import check_types, check_use, unmade
from fhirtrial.releases.values import ExtensionValues, extension_values

_NOTHING = Row(line="", type="", name="")
SAME_FORM = frozenset(
    {("string", "markdown"), ("markdown", "string"), ("code", "id"), ("url", "uri"), ("SimpleQuantity", "Quantity")}
)
"""Types of R5 and of the other release that are written the same."""


class Compiler:
    """
    Makes the blocks of a table; raises MappingError, with file and line, where the table and FHIR do not agree.

    ``words``: the members that the resources hold at all, where that is known; others get no rows.
    """

    def __init__(
        self,
        table: Table,
        r5: Definitions,
        other: Definitions,
        cross: CrossVersion,
        files: MappingFiles,
        *,
        words: frozenset[str] | None = None,
    ) -> None:
        self.words = words
        self.table = table
        self.r5 = r5
        self.other = other
        self.cross = cross
        self.files = files
        self.systems = both_ways(table.to_swap)
        self.blocks: dict[tuple[str, str], Block] = {}
        self.needed: set[str] = set()
        self.holding = Holding(r5, other, self.systems, self.inner)
        self.earlier = Earlier(table, r5, other, self.holding)
        self.values: tuple[ExtensionValues, ExtensionValues] | None = None

    def compiled(self, resources: tuple[str, ...]) -> Mapping[str, Block]:
        """The block of each type of resource."""
        check_types(self.table, self.r5)
        made = {name: self.block(name, name) for name in resources}
        self.values = extension_values((self.r5, self.other), self.inner, self.blocks)
        check_use(self.table, self.other, {name for name, _ in self.blocks}, self.needed)
        return made

    def block(self, r5_type: str, other_type: str, *, rows: str = "", required: bool = True) -> Block:
        """The block of a type, once."""
        key = (rows or r5_type, other_type)
        if key in self.blocks:
            return self.blocks[key]
        block = self.blocks[key] = Block(rows or r5_type, self.systems)
        said = self.rows(rows or r5_type)
        passed_by = IN_RESOURCES if self.r5.is_resource(r5_type) else EVERYWHERE
        elements = [each for each in self.r5.elements(r5_type).values() if each.name not in passed_by]
        known = {each.choice or each.name for each in elements}
        for name, row in said.items():
            if name not in known and row.type == (rows or r5_type):  # else inherited, and this type does without it
                hint = nearest(name, known) or "FHIR R5 has no such element"
                raise self.error(row, f"{r5_type} has no {name}; {hint}")
        for general, forms in groupby(elements, lambda each: each.choice or each.name):
            row = said.get(general, _NOTHING)
            self.element(block, general, list(forms), row, other_type)
        block.copies += [copy_rule(row, self.table, self.files) for row in self.table.copies.get(rows or r5_type, ())]
        block.unknown = self.earlier.unknown(
            block, r5_type, other_type, nowhere={name for name, row in said.items() if row.nowhere}
        )
        if self.words is None:
            self.earlier.keep(block, other_type)
        if required:
            for needed in unmade(self.table, block.path, self.r5.required(r5_type), self.other.required(other_type)):
                self.needed.add(needed.path)
                block.copies.append(Needed(block.path, needed.name, self.table.file))
        if self.words is not None and not self.table.to_swap:
            del block.down_rows["extension"]  # nothing to look for in them
        block.finished = True
        return block

    def rows(self, name: str) -> dict[str, Row]:
        """The rows of a type, and of those that it is derived from."""
        base = self.r5.base(name)
        inherited = self.rows(base) if base else {}
        return {**inherited, **self.table.rows.get(name, {})}

    # ------------------------------------------------------------ one element

    def element(self, block: Block, general: str, forms: list[Element], row: Row, other_type: str) -> None:
        """The rows of one element, or of all forms of a choice."""
        if self.words is not None and self.words.isdisjoint(each.name for each in forms):
            return
        first = forms[0]
        if row.read:
            self.read_as_well(block, first.name, row)
        if row.nowhere:
            native_rows.add_nowhere(block, [each.name for each in forms], row.nowhere, row.line)
        elif row.dissolve:
            native_rows.add_dissolved(block, general, self.block(first.type, other_type, required=False))
        elif row.members is not None:
            self.members(block, first, row, other_type)
        elif row.call:
            self.called(block, first, row, other_type)
        elif row.split:
            if len(row.split) != 2:
                raise self.error(row, "split: names two elements, that of the concept and that of the reference")
            self.cross.check_parts(row, row.extension, first.path, self.places(other_type))
            codeable_reference.add_split(block, general, row.split[0], row.split[1], row.extension)
        elif row.plain:
            members = {each.name: (value_name(each.type), *self.inner(each.type, each.type)) for each in forms}
            types = {each.type: each.name for each in forms}
            if row.plain not in types:
                raise self.error(row, f"plain: {general} is no {row.plain}; {nearest(row.plain, types) or [*types]}")
            places = self.places(other_type, general.removesuffix("[x]"))
            for form in forms:
                if form.type != row.plain:
                    self.cross.check(row, form, self.holding.of(form), places)
            native_rows.add_plain_choice(block, members, general.removesuffix("[x]"), types[row.plain], row.extension)
        elif row.beside:
            self.beside(block, first, row, other_type)
        elif row.nearest is not None:
            target = self.other.element(other_type, first.name)
            codes = tuple(frozenset() if each is None else each.codes or frozenset() for each in (first, target))
            native_rows.add_codes(block, first.name, (codes[0], codes[1]), row.nearest, row.line)
        elif first.type == "CodeableReference" and not row.extension:
            self.codeable_reference(block, first, row, other_type)
        elif row.first:
            self.first(block, first, row, other_type)
        elif row.extension and not first.choice:
            self.extension(block, first, row, other_type)
        else:
            for form in forms:
                self.form(block, form, row, other_type)

    def form(self, block: Block, form: Element, row: Row, other_type: str) -> None:
        """An element, or one form of a choice, which is native or, in a choice, may be an extension."""
        to = form.name
        if row.to:
            general = form.choice.removesuffix("[x]") if form.choice else form.name
            to = row.to.removesuffix("[x]") + form.name.removeprefix(general)
        target = self.other.element(other_type, to)
        if target is None and form.choice and row.extension:
            self.extension(block, form, row, other_type)
        elif target is None:
            raise self.error(row, f"the other release has no {other_type}.{to}: {form.path} needs a row")
        else:
            self.native(block, form, target, row)

    def native(self, block: Block, form: Element, target: Element, row: Row) -> None:
        """An element that both releases have."""
        where = f"{form.path} ({form.name})" if form.choice else form.path
        as_list, one = target.many and not form.many, row.one
        if form.many and not target.many and not one:
            raise self.error(row, f"{where} is a list; the other release takes one")
        if form.codes and target.codes and form.codes - target.codes:
            more = ", ".join(sorted(form.codes - target.codes))
            raise self.error(row, f"{where}: the other release has no code {more}")
        steps: tuple[Step | None, Step | None] = (None, None)
        if form.type == "Reference":
            allowed = frozenset(target.targets)
            open_to_all = not allowed or "Resource" in allowed
            if not open_to_all and not (form.targets and allowed.issuperset(form.targets)):
                steps = (native_rows.to_alternate(allowed), native_rows.from_alternate)
        elif (form.type, target.type) in SAME_FORM:
            if target.type == "Quantity":
                steps = (None, native_rows.without_comparator(block, form.name))
        elif form.type == target.type or row.inside or (is_part(form.type) and is_part(target.type)):
            of_another = form.choice and not row.inside.endswith(f".{form.name}")
            steps = self.inner(form.type, target.type, "" if of_another else row.inside)
        else:
            raise self.error(row, f"{where} is a {form.type}, in the other release a {target.type}")
        if form.type == "CodeableConcept" and form.coded and not target.coded:
            steps = steps[0], native_rows.with_code(form.path, steps[1])
        if row.codes and self.table.to_swap:
            steps = self.with_codes(form.type, steps)
        if target.name != form.name or as_list or one or steps != (None, None):
            native_rows.add_native(block, form.name, target.name, steps=steps, as_list=as_list, one=one)

    def inner(self, r5_type: str, other_type: str, rows: str = "") -> tuple[Step | None, Step | None]:
        """What happens inside a value of a type."""
        if self.r5.is_primitive(r5_type) or r5_type in ("Extension", "Resource") or self.r5.is_resource(r5_type):
            return None, None
        block = self.block(r5_type, other_type, rows=rows)
        return block.down if block.changes_down else None, block.up if block.changes_up else None

    def with_codes(self, fhir_type: str, steps: tuple[Step | None, Step | None]) -> tuple[Step, Step]:
        """The same, and code systems are swapped: in a concept or coding, else in the value's extensions."""

        def swapping(place: int) -> Step:
            systems, step = self.systems[place], steps[place]

            def swap(value: Any, run: Run) -> Any:
                if step is not None:
                    value = step(value, run)
                if fhir_type == "CodeableConcept":
                    return systems.concept(value)
                extensions = value.get("extension")
                made = extensions and systems.extensions(extensions)
                return value if made is extensions else {**value, "extension": made}

            return swap

        return swapping(0), swapping(1)

    # ------------------------------------------------------------ kinds of rows

    def extension(self, block: Block, element: Element, row: Row, other_type: str) -> None:
        """An element that is an extension in the other release."""
        value = self.holding.of(element)
        self.cross.check(row, element, value, self.places(other_type))
        if isinstance(value, Parts):
            extension_rows.add_parts(block, element.name, row.extension, value)
        else:
            extension_rows.add_value(block, element.name, row.extension, value)

    def read_as_well(self, block: Block, name: str, row: Row) -> None:
        """Addresses of HL7's that others write for the same element: read where there is nothing else."""
        for path in row.read:
            owner, _, last = path.rpartition(".")
            if self.r5.element(owner, last) is None:
                known_there = [f"{owner}.{each}" for each in self.r5.elements(owner)] if owner in self.r5.types else []
                hint = nearest(path, known_there) or "HL7's addresses are those of R5's elements"
                raise self.error(row, f"read: R5 has no element {path}; {hint}")
            url = f"{self.table.official}{path}"
            if url in block.extension_rows:
                raise self.error(row, f"{path} is read already")
            element = self.r5.element(row.type, name)
            assert element is not None
            scratch = Block(block.path, self.systems)
            value = self.holding.of(element)
            if isinstance(value, Value):
                extension_rows.add_value(scratch, name, url, value)
                block.extension_rows[url] = scratch.extension_rows[url]

    def first(self, block: Block, element: Element, row: Row, other_type: str) -> None:
        """A list of which the other release takes one."""
        value = self.holding.of(element)
        target = self.other.element(other_type, row.native)
        if target is not None and not target.many and (element.type, target.type) in first_part.KINDS:
            self.cross.check(row, element, value, self.places(other_type))
            allowed = (frozenset(target.targets), frozenset(element.targets))
            first_part.add_first_part(block, element.name, target.name, row.extension, (value, target.type), allowed)
            return
        if target is None or target.type != element.type or target.many:
            raise self.error(row, f"first: the other release has no {element.type} {other_type}.{row.native}")
        if row.unless and self.r5.element(row.type, row.unless) is None:
            hint = nearest(row.unless, self.r5.elements(row.type)) or "name an element"
            raise self.error(row, f"unless: {row.type} has no {row.unless}; {hint}")
        assert isinstance(value, Value)
        self.cross.check(row, element, value, self.places(other_type))
        extension_rows.add_first(block, element.name, row.native, row.extension, value, unless=row.unless)

    def beside(self, block: Block, element: Element, row: Row, other_type: str) -> None:
        """A code that stands in an extension on the element."""
        target = self.other.element(other_type, element.name)
        if target is None or target.codes is None or element.codes is None:
            raise self.error(row, f"{element.path}: both releases must list their codes")
        self.cross.check(row, element, self.holding.of(element), self.places(other_type, element.name))
        lost = element.codes - target.codes - (row.nearest or {}).keys()
        if row.nearest is not None and (wrong := set(row.nearest.values()) - target.codes):
            raise self.error(row, f"{element.path}: the other release has no code {', '.join(sorted(wrong))}")
        back = row.back or {}
        if wrong := (back.keys() - (target.codes - element.codes)) | (set(back.values()) - element.codes):
            raise self.error(
                row, f"{element.path}: back: {', '.join(sorted(wrong))}: from a code R5 lacks to one it has"
            )
        member = value_name(element.type)
        extension_rows.add_beside(
            block,
            element.name,
            row.extension,
            member,
            native=target.codes - lost,
            known=element.codes,
            nearest=row.nearest,
            back=back,
            required=target.min > 0,
            line=row.line,
        )

    def codeable_reference(self, block: Block, element: Element, row: Row, other_type: str) -> None:
        """A CodeableReference: what the other release has instead follows from its definition."""
        url = f"{self.table.official}{element.path}"
        name = row.to or element.name
        target = self.other.element(other_type, name)
        choice = self.other.element(other_type, f"{name}Reference")
        if target is None and choice is not None and not element.many:
            codeable_reference.add_choice(block, element.name, name)
        elif target is not None and element.many and not target.many:
            raise self.error(row, f"{element.path} is a list; the other release takes one")
        elif target is not None and target.type in ("CodeableConcept", "Reference"):
            self.cross.check_parts(row, url, element.path, self.places(other_type, name))
            native = "concept" if target.type == "CodeableConcept" else "reference"
            codeable_reference.add_one_part(block, element.name, name, url, native)
        else:
            raise self.error(row, f"{element.path}: the other release has neither a concept nor a reference {name}")

    def members(self, block: Block, element: Element, row: Row, other_type: str) -> None:
        """A list of which the other release has what is in the first entry as elements of its own."""
        assert row.members is not None
        found = [self.member(element, name, to, row, other_type) for name, to in row.members.items()]
        if sum(each.grows for each in found) > 1:
            raise self.error(row, f"{element.path}: only one member may be a list in the other release alone")
        target = self.other.element(other_type, element.name)
        if row.extension:
            value = self.holding.of(element)
            self.cross.check(row, element, value, self.places(other_type))
            assert isinstance(value, Parts)
            add_members(block, element.name, found, extension=(row.extension, value))
        elif target is not None and element.name not in row.members.values():
            if row.apart not in self.r5.elements(element.type):
                hint = nearest(row.apart, self.r5.elements(element.type)) or "name an element"
                raise self.error(row, f"apart: {element.type} has no {row.apart or 'such element'}; {hint}")
            steps = self.inner(element.type, target.type, row.inside)
            add_members(block, element.name, found, native=(steps, row.apart))
        else:
            add_members(block, element.name, found)

    def member(self, element: Element, name: str, to: str, row: Row, other_type: str) -> Member:
        """One member of the first entry, and the element of the other release that holds it."""
        here, there = self.r5.element(element.type, name), self.other.element(other_type, to)
        if here is None:
            known = self.r5.elements(element.type)
            raise self.error(row, f"members: {element.type} has no {name}; {nearest(name, known) or [*known]}")
        if there is None or not there.many or (here.type != there.type and not is_part(there.type)):
            raise self.error(row, f"members: the other release has no list {other_type}.{to} of {here.type}")
        steps: tuple[Step | None, Step | None] = (None, None)
        needed: frozenset[str] = frozenset()
        if is_part(there.type):
            block = self.block(
                here.type, there.type, rows=there.type if there.type in self.table.rows else "", required=False
            )
            steps = (block.down, block.up)
            needed = frozenset(each.name for each in self.other.required(there.type))
        else:
            steps = self.inner(here.type, there.type)
        return Member(name=name, to=to, grows=not here.many, needed=needed, steps=steps)

    def called(self, block: Block, element: Element, row: Row, other_type: str) -> None:
        """A pair of functions."""
        if row.call not in PAIRS:
            hint = nearest(row.call, PAIRS) or f"known: {', '.join(PAIRS)}"
            raise self.error(row, f"no pair of functions is called {row.call!r}; {hint}")
        target = self.other.element(other_type, element.name)
        both = target is None or target.type == element.type
        inner: tuple[Step | None, Step | None] = (None, None)
        named = self.other.element(other_type, row.native)
        if is_part(element.type) and named is not None and is_part(named.type):
            inner = self.inner(element.type, named.type)
        elif both and not is_part(element.type):
            inner = self.inner(element.type, element.type)
        PAIRS[row.call](block, row, self.table, inner)

    # ------------------------------------------------------------ checks

    def places(self, other_type: str, name: str = "") -> list[str]:
        """What an extension on a type of the other release, or on an element of it, stands on: the most exact first."""
        element = self.other.element(other_type, name) if name else None
        place = f"{other_type}.{name}" if name else other_type
        bases = [element.type if element else other_type]
        while base := self.other.base(bases[-1]):
            bases.append(base)
        return [place, *bases]

    def error(self, row: Row, message: str) -> MappingError:
        """A MappingError at a row, or for the whole table where the row is missing."""
        return wrong(row, message) if row.line else MappingError(message, file=self.table.file)
