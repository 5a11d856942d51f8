"""What a table says of types and elements that there are none of, or that nothing uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from fhirtrial.definitions import Definitions, Element
from fhirtrial.errors import MappingError
from fhirtrial.issue import nearest
from fhirtrial.releases.table import Table, wrong, wrong_at


def check_types(table: Table, r5: Definitions) -> None:
    """Raises MappingError for rows of a type that R5 does not have, and that no row gives a name to."""
    named = _named(table)
    for name, rows in table.rows.items():
        if rows and name not in r5.types | named:
            hint = nearest(name, r5.types) or "FHIR R5 has no such type"
            raise wrong(next(iter(rows.values())), f"there is no type {name}; {hint}")


def check_use(table: Table, other: Definitions, types: AbstractSet[str], needed: AbstractSet[str]) -> None:
    """
    Raises MappingError for rows, copies and required elements that are not used.

    ``types`` are those that the covered resources are made of, ``needed`` the elements that the other release requires
    and that nothing makes.
    """
    used = types | _named(table)
    for name, rows in table.rows.items():
        if name not in used:
            raise wrong(next(iter(rows.values())), f"no resource holds a {name}")
    for name, copies in table.copies.items():
        for copy in copies:
            if name not in types:
                raise wrong(copy, f"copies: no resource holds a {name}; {nearest(name, types) or 'no such type'}")
            known = {each.choice or each.name for each in other.elements(name).values()}
            if copy.element not in known:
                hint = nearest(copy.element, known) or "no such element"
                raise wrong(copy, f"copies: the other release has no {name}.{copy.element}; {hint}")
    for path, place in table.required.items():
        if path not in needed:
            hint = nearest(path, needed) or f"they are {', '.join(sorted(needed))}"
            raise wrong_at(place, f"required: {path} is none of the elements that the other release requires; {hint}")


def unmade(table: Table, path: str, here: Iterable[Element], there: Iterable[Element]) -> Iterator[Element]:
    """
    The elements of a type that the other release requires (``there``), and that no row and no copy makes.

    What R5 requires as well (``here``) is made of it. Raises MappingError if the table does not name one of them.
    """
    made = {each.name.removesuffix("[x]") for each in here}
    made |= {row.to.removesuffix("[x]") for row in table.rows.get(path, {}).values() if row.to}
    copied = {row.element for row in table.copies.get(path, ())}
    for needed in there:
        if needed.name.removesuffix("[x]") in made or needed.name in copied:
            continue
        if needed.path not in table.required:
            raise MappingError(f"the other release requires {needed.path}: it needs a copy", file=table.file)
        yield needed


def _named(table: Table) -> set[str]:
    """The names under which rows look for the rows of what is in them."""
    every = [row for rows in table.rows.values() for row in rows.values()]
    return {row.inside for row in every} | {
        f"{row.type}.{name}" for row in every for name in (row.members or {}).values()
    }
