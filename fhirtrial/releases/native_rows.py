"""Rows for R5 elements that the other release has natively, under this name or another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fhirtrial.releases.block import Block, Json, Step, extension_of, no_r5_code
from fhirtrial.releases.run import Run

ALTERNATE = "http://hl7.org/fhir/StructureDefinition/alternate-reference"
"""For a target that the element may not have: https://hl7.org/fhir/extensions/StructureDefinition-alternate-reference.html"""


def add_native(
    block: Block,
    name: str,
    to: str,
    *,
    steps: tuple[Step | None, Step | None] = (None, None),
    as_list: bool = False,
    one: bool = False,
) -> None:
    """
    An element of another name, or with something inside that changes.

    ``as_list``: the other release takes a list where R5 takes one; ``one``: one where R5 takes a list.
    """
    step_down, step_up = steps
    here, there = f"_{name}", f"_{to}"

    def renamed(given: Any, out: Json, *_: Any) -> None:
        out[to] = given

    def stepped(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        assert step_down is not None
        out[to] = [step_down(each, run) for each in given] if given.__class__ is list else step_down(given, run)

    def counted(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:
        if step_down is None:
            renamed(given, out)
        else:
            stepped(given, out, extensions, source, run)
        value = out[to]
        if one and len(value) > 1:
            message = f"R4 takes one of these; {len(value) - 1} of {len(value)} are left out"
            run.say("warning", "no-r4-form", message, f"{block.path}.{name}")
        out[to] = [value] if as_list else value[0]

    def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        value = given
        if as_list:
            if len(value) > 1:
                message = f"R5 takes one of these; {len(value) - 1} of {len(value)} are left out"
                run.say("warning", "not-carried", message, f"{block.path}.{to}")
            value = value[0]
        if step_up is not None:
            value = [step_up(each, run) for each in value] if value.__class__ is list else step_up(value, run)
        out[name] = [value] if one else value

    block.down_rows[name] = counted if one or as_list else renamed if step_down is None else stepped
    block.up_rows[to] = up
    if to != name and step_down is None:
        block.down_rows[here] = lambda given, out, *_: out.__setitem__(there, given)
        block.up_rows[there] = lambda given, out, *_: out.__setitem__(here, given)


def to_alternate(allowed: frozenset[str]) -> Step:
    """A Reference whose target the element may not have becomes one that holds it in an extension."""
    begins = tuple(f"{name}/" for name in allowed)

    def step(reference: Json, run: Run) -> Json:
        address = reference.get("reference")
        if address.__class__ is str and address.startswith(begins):  # as nearly all are
            return reference
        kind = run.type_of(reference)
        if kind is None or kind in allowed:
            return reference
        made: Json = {"extension": [{"url": ALTERNATE, "valueReference": reference}]}
        shown = reference.get("display") or reference.get("reference")
        return {**made, "display": shown} if shown else made

    return step


def from_alternate(reference: Json, run: Run) -> Json:  # noqa: ARG001
    """The Reference that one of these holds; any other as it is."""
    found = extension_of(reference, ALTERNATE)
    return reference if found is None else found.get("valueReference", reference)


def with_code(path: str, then: Step | None = None) -> Step:
    """Says where R5 requires a code and a concept has none; ``then`` comes after it."""

    def step(concept: Json, run: Run) -> Json:
        if not any("code" in coding for coding in run.codings(concept)):
            message = "R5 requires a code here, and text is none: kept as it is, and R5 servers refuse the resource"
            run.say("error", "no-r5-code", message, path)
        made: Json = concept if then is None else then(concept, run)
        return made

    return step


def without_comparator(block: Block, name: str) -> Step:
    """
    Looks at a Quantity of the other release where R5 allows no comparator.

    It stays, as the value would be another without it, and nothing but a comparator can say so.
    https://hl7.org/fhir/R5/datatypes.html#SimpleQuantity
    """

    def step(quantity: Json, run: Run) -> Json:
        if "comparator" in quantity or "_comparator" in quantity:
            message = "R5 allows no comparator here: kept as it is, and R5 servers refuse the resource"
            run.say("error", "no-r5-form", message, f"{block.path}.{name}.comparator")
        return quantity

    return step


def add_dissolved(block: Block, name: str, inner: Block) -> None:
    """An element that the other release does not have: what is in it belongs to its parent."""

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        for key, value in given.items():
            row = inner.down_rows.get(key) if key != "extension" else None
            if row is not None:
                row(value, out, extensions, given, run)
            else:
                message = "the element dissolves, and this cannot stand on its parent"
                run.say("warning", "no-r4-form", message, f"{inner.path}.{key}")

    def into(out: Json, step: Callable[[Json], None]) -> None:
        made = out.get(name, {})
        step(made)
        if made:
            out[name] = made

    def up_of(row: Callable[[Any, Json, Json, Run], None]) -> Callable[[Any, Json, Json, Run], None]:
        return lambda given, out, source, run: into(out, lambda made: row(given, made, source, run))

    def from_extension_of(row: Callable[[Json, Json, Run], None]) -> Callable[[Json, Json, Run], None]:
        return lambda extension, out, run: into(out, lambda made: row(extension, made, run))

    block.down_rows[name] = down
    block.up_rows |= {key: up_of(row) for key, row in inner.up_rows.items()}
    block.extension_rows |= {url: from_extension_of(row) for url, row in inner.extension_rows.items()}


def add_nowhere(block: Block, names: list[str], why: str, line: str) -> None:
    """Elements that no official place holds; what the other release has under the same name is something else."""

    def up_of(name: str) -> Callable[[Any, Json, Json, Run], None]:
        def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
            run.say("warning", "not-carried", f"left out: {why}", f"{block.path}.{name}", line)

        return up

    def down_of(name: str) -> Callable[[Any, Json, list[Json], Json, Run], None]:
        def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
            run.say("warning", "no-r4-form", f"left out: {why}", f"{block.path}.{name}", line)

        return down

    for name in names:
        block.down_rows[name] = down_of(name)
        block.down_rows[f"_{name}"] = lambda *_: None
        block.up_rows[name] = block.up_rows[f"_{name}"] = up_of(name)


def add_codes(
    block: Block, name: str, codes: tuple[frozenset[str], frozenset[str]], nearest: Mapping[str, str], line: str
) -> None:
    """
    A code, or a list of codes, of which the other release lacks some: they become the nearest, or go nowhere.

    ``codes`` are those of R5 and of the other release. One that R5 lacks stays, and is an error.
    """
    known, native = codes

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        all_codes = given if isinstance(given, list) else [given]
        made = [nearest.get(code, code) for code in all_codes if code in native or code in nearest]
        if made != all_codes:
            lost = ", ".join(repr(code) for code in all_codes if code not in native)
            run.say("warning", "no-r4-form", f"R4 has no code {lost}", f"{block.path}.{name}", line)
        if made:
            out[name] = made if isinstance(given, list) else made[0]

    def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        for code in given if isinstance(given, list) else [given]:
            if code not in known:
                no_r5_code(code, f"{block.path}.{name}", line, run)
        out[name] = given

    block.down_rows[name] = down
    block.up_rows[name] = up


def add_plain_choice(
    block: Block, forms: dict[str, tuple[str, Step | None, Step | None]], to: str, plain: str, url: str
) -> None:
    """
    A choice that the other release has as an element of one type.

    ``forms`` are the R5 members: the member of the extension that holds each, and what happens inside both ways;
    ``plain`` is the one that is native.
    """

    def down_of(name: str) -> Callable[[Any, Json, list[Json], Json, Run], None]:
        member, step, _ = forms[name]

        def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
            value = given if step is None else step(given, run)
            out[to] = value if name == plain else {"extension": [{"url": url, member: value}]}

        return down

    def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        extension = extension_of(given, url) or {}
        name, value = plain, given
        for form, (member, _, _) in forms.items():
            if member in extension:
                name, value = form, extension[member]
        step = forms[name][2]
        out[name] = value if step is None else step(value, run)

    for name in forms:
        block.down_rows[name] = down_of(name)
    block.up_rows[to] = up
