"""Entries of a page: sponsors, officials, sites, contacts, identifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fhirtrial.readers.page_lines import Line, Part, is_labelled, short
from fhirtrial.readers.page_mapping import Block
from fhirtrial.readers.page_values import Page


@dataclass(slots=True)
class _Entry:
    """The lines of one entry: above the labelled ones, the labelled ones, below them."""

    before: list[Line] = field(default_factory=list)
    labels: dict[str, Line] = field(default_factory=dict)
    after: list[Line] = field(default_factory=list)

    @property
    def first(self) -> Line:
        """The line that issues about the whole entry name."""
        return next(iter([*self.before, *self.labels.values(), *self.after]))


def read_entries(page: Page, part: Part, block: Block) -> None:
    """Things of one kind, one after the other; what has no place in the record is reported."""
    known = _known_countries(page, block)
    for entry in _split(page, part.filled, block):
        place = _place(page, entry, block)
        if place is None:
            lines = [*entry.before, *entry.labels.values(), *entry.after]
            message = f"nothing says where this belongs: {', '.join(short(line.text) for line in lines)}; left out"
            page.report(entry.first, "no-place", message, block)
            continue
        made: dict[str, Any] = {}
        _add_lines(page, block, entry.before, block.before, place, made, known)
        _add_lines(page, block, entry.after, block.after, place, made, known)
        for label, line in entry.labels.items():
            spec = block.parts.get(label)
            text = _said(line, label)
            if spec is not None and (value := page.value(spec, line, text, within=place)) is not None:
                made[spec.path] = value
            elif label == block.words.get("chooses") and text not in block.places and "otherwise" in block.parts:
                spec = block.parts["otherwise"]
                made[spec.path] = text
                message = f"{short(text)} is not known as a source; taken as the {spec.path} of the number"
                page.report(line, "uncertain-field", message, spec, severity="information", path=f"{place}.{spec.path}")
        if made:
            page.put(place, made, entry.first, block)


def _place(page: Page, entry: _Entry, block: Block) -> str | None:
    """Where the entry goes; None if nothing says it."""
    if label := block.words.get("chooses"):
        line = entry.labels.get(label)
        said = _said(line, label) if line else ""
        place = block.places.get(said)
        if place is None and said and said not in page.mapping.absent and "otherwise" in block.parts:
            place = block.words["otherwise"]["to"]
        return place
    place = block.places[""]
    holder, nested, _ = place.rpartition("[].")
    if nested and len(page.get(holder) or ()) != 1:
        return None
    return place


def _split(page: Page, lines: Sequence[Line], block: Block) -> list[_Entry]:
    """
    The lines, cut into entries.

    A label that comes again, or that follows plain lines below labelled ones, begins an entry: the last of those plain
    lines are its own, as many as an entry has above its labels.
    """
    entries = [_Entry()]
    for line in lines:
        label = is_labelled(line.text, block.words["labels"])
        entry = entries[-1]
        if not label:
            (entry.after if entry.labels else entry.before).append(line)
        elif label in entry.labels or entry.after:
            entries += _next(page, block, entry, len(block.before), last=False)
            entries[-1].labels[label] = line
        else:
            if not entry.labels and len(entry.before) > len(block.before):
                entries[-1:] = _spread(page, block, entry.before)
            entries[-1].labels[label] = line
    entry = entries[-1]
    if entry.labels:
        entries += _next(page, block, entry, len(block.before), last=True)
    elif len(entry.before) > len(block.before):
        entries[-1:] = _spread(page, block, entry.before)
    return [entry for entry in entries if entry.before or entry.labels]


def _next(page: Page, block: Block, entry: _Entry, size: int, *, last: bool) -> list[_Entry]:
    """Cut the plain lines below an entry's labels into its own and those of the entries that follow."""
    lines, entry.after = entry.after, []
    own = len(block.after) if last else min(len(block.after), max(0, len(lines) - size))
    entry.after = lines[:own]
    return _spread(page, block, lines[own:], keep=not last) if lines[own:] or not last else []


def _spread(page: Page, block: Block, lines: Sequence[Line], *, keep: bool = True) -> list[_Entry]:
    """
    Entries of plain lines only; the last of them goes on with what follows if ``keep`` is set.

    More lines than an entry has are entries without labels if they come out even, and are unread otherwise.
    """
    size = len(block.before)
    rest = list(lines[: max(0, len(lines) - size)]) if keep else []
    tail = list(lines[len(rest) :])
    if not keep:
        rest, tail = tail, []
    entries = []
    if len(rest) % size == 0:
        entries = [_Entry(before=rest[at : at + size]) for at in range(0, len(rest), size)]
        for entry in entries:
            message = f"{short(entry.first.text)} has none of the labels of {block.title!r}"
            page.report(entry.first, "missing-label", message, block)
    else:
        for line in rest:
            page.unread(line, block)
    return [*entries, _Entry(before=tail)] if keep else entries


def _add_lines(
    page: Page,
    block: Block,
    lines: Sequence[Line],
    names: Sequence[str | tuple[str, ...]],
    place: str,
    made: dict[str, Any],
    known: frozenset[str],
) -> None:
    """Read the plain lines of an entry by their order."""
    wanted = list(names)
    if len(lines) == 1 and len(wanted) == 2 and isinstance(wanted[1], tuple) and _country(lines[0].text, known):
        wanted = wanted[1:]
    for at, line in enumerate(lines):
        name = wanted[at] if at < len(wanted) else None
        if name is None:
            page.unread(line, block)
        elif isinstance(name, tuple):
            _add_address(page, block, line, name, place, made, known)
        elif (value := page.value(block.parts[name], line, line.text, within=place)) is not None:
            made[name] = value


def _add_address(
    page: Page,
    block: Block,
    line: Line,
    names: tuple[str, ...],
    place: str,
    made: dict[str, Any],
    known: frozenset[str],
) -> None:
    """Read ``city, state, country`` or ``city, country``; which comma is which is only certain with these."""
    if line.text in page.mapping.absent:
        return
    city, state, last = names
    country = _country(line.text, known)
    if not country:
        country = line.text.rpartition(", ")[2]
        message = f"{short(country)} is no country that is known; taken as one"
        page.report(line, "uncertain-field", message, block, severity="information", path=f"{place}.{last}")
    parts = line.text.removesuffix(country).removesuffix(", ").split(", ") if line.text != country else []
    if len(parts) > 2:
        message = f"{short(line.text)}: which part is the city and which the state is not certain; both are left out"
        page.report(line, "ambiguous-lines", message, block, path=place)
        parts = []
    for name, text in zip((city, state), parts, strict=False):
        if (value := page.value(block.parts[name], line, text.strip(), within=place)) is not None:
            made[name] = value
    made[last] = country


def _country(text: str, known: frozenset[str]) -> str:
    """The longest known country that the text ends with, as a part of its own; empty if there is none."""
    parts = text.split(", ")
    return next((tail for at in range(len(parts)) if (tail := ", ".join(parts[at:])) in known), "")


def _known_countries(page: Page, block: Block) -> frozenset[str]:
    return block.countries | page.countries if block.countries else frozenset()


def _said(line: Line, label: str) -> str:
    return line.text.removeprefix(label).strip()
