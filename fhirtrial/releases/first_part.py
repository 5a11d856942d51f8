"""Rows for lists of which the other release has a part of one: the first coding, or the concept or reference alone."""

from __future__ import annotations

from typing import Any

from fhirtrial.releases.block import Block, Json, extension_of
from fhirtrial.releases.extension_rows import Parts, Value, add_parts, add_value
from fhirtrial.releases.native_rows import from_alternate, to_alternate
from fhirtrial.releases.run import Run

KINDS = {
    ("CodeableConcept", "Coding"): "coding",
    ("CodeableReference", "CodeableConcept"): "concept",
    ("CodeableReference", "Reference"): "reference",
}
"""By the types of R5 and of the other release: the member of which the value is the native one."""

_SHOWN = {"concept": ("reference", "display", "text"), "reference": ("concept", "text", "display")}
"""Without that member: which other is shown, by which of its words, as which of the native ones."""


def add_first_part(
    block: Block,
    name: str,
    to: str,
    url: str,
    held: tuple[Value | Parts, str],
    targets: tuple[frozenset[str], frozenset[str]],
) -> None:
    """
    A list of which the other release has a part of the first value.

    Where that says less than the list, extensions hold all of it, and what is native is a copy: edited, it wins.
    ``held`` is what an extension holds of each value, and the native type; ``targets`` are the resources that the
    native reference may point at, and that R5's may.
    """
    value, native_type = held
    kind = "CodeableConcept" if native_type == "Coding" else "CodeableReference"
    member = KINDS[kind, native_type]
    scratch = Block(block.path, block.systems)
    if isinstance(value, Parts):
        add_parts(scratch, name, url, value)
    else:
        add_value(scratch, name, url, value)
    steps = [to_alternate(each) if each else None for each in targets]

    def native(first: Json, run: Run) -> Json | None:
        if member == "coding":
            shown_alone = {"display": first["text"]} if "text" in first else None
            return next(iter(run.codings(first)), shown_alone)
        part: Json | None = first.get(member)
        if part is not None and member == "reference" and steps[0] is not None:
            back = from_alternate(part, run)
            return steps[0](part, run) if back is part else back
        other, word, shown = _SHOWN[member]
        said = first.get(other, {}).get(word)
        return part if part is not None or said is None else {shown: said}

    def whole(part: Json, run: Run) -> Json:
        if member == "coding":
            return {"coding": [part]}
        if member == "reference" and steps[1] is not None:
            back = from_alternate(part, run)
            part = steps[1](part, run) if back is part else back
        return {member: part}

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:
        made = native(given[0], run)
        if made is not None:
            out[to] = made
        if made is None or given != [whole(made, run)]:
            scratch.down_rows[name](given, out, extensions, source, run)

    def up(given: Any, out: Json, source: Json, run: Run) -> None:
        if extension_of(source, url) is None:
            out[name] = [whole(given, run)]

    block.down_rows[name] = down
    block.up_rows[to] = up
    block.extension_rows[url] = scratch.extension_rows[url]
    block.copies.append(_First(block.path, name, to, url, native, whole))


class _First:
    """The native part where extensions hold the list: a copy then, of which an edit counts."""

    def __init__(self, path: str, name: str, to: str, url: str, native: Any, whole: Any) -> None:
        self.path = path
        self.name = name
        self.to = to
        self.url = url
        self.native = native
        self.whole = whole

    def down(self, r5: Json, out: Json, run: Run) -> None:
        """Makes nothing: the row has made it."""

    def up(self, native: Json, out: Json, run: Run) -> None:
        """Takes what is native instead of the extensions if it says something else."""
        if extension_of(native, self.url) is None:
            return
        given, found = native.get(self.to), out.get(self.name) or [{}]
        if given is not None and given.keys() != {"extension"} and given != self.native(found[0], run):
            message = f"{self.to} says something else than the extension: it wins"
            run.say("warning", "conflict", message, f"{self.path}.{self.to}")
            out[self.name] = [self.whole(given, run)]
