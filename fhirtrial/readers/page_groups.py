"""The interventions of a page, and the groups that use them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fhirtrial.readers.page_lines import Line, Part, is_labelled, short, text_of
from fhirtrial.readers.page_mapping import Block
from fhirtrial.readers.page_values import Page

Run = list[Line]


@dataclass(slots=True)
class _Mark:
    """The lines between two labelled ones: ``block`` is the owner of the label that ends them, None at the end."""

    run: Run
    block: Block | None
    line: Line | None = None
    type: str = ""


def read_interventions(page: Page, part: Part, block: Block) -> None:
    """The interventions of their own block: name, description, and the labelled type that ends each."""
    for mark in _marks(part.body, (block,)):
        lines = [line for line in mark.run if line.text]
        if not lines and mark.line:
            page.report(mark.line, "missing-value", "a type stands here without a name; left out", block)
        elif lines and mark.block is None:
            for line in lines:
                page.unread(line, block)
        elif lines and mark.line:
            found = _entry(page, block, lines[0], mark.run, mark.type, mark.line)
            page.put(block.words["to"], found, lines[0], block)


def read_groups(page: Page, part: Part, block: Block) -> None:
    """
    The groups: label and description, the labelled type, then name, labelled type and description of each intervention.

    Nothing stands between an intervention's description and the next label, so the descriptions in the block of the
    interventions tell where one ends. Without them, lines that may be either are reported and left out.
    """
    _Groups(page, part, block).read()


class _Groups:
    def __init__(self, page: Page, part: Part, block: Block) -> None:
        self.page = page
        self.part = part
        self.block = block
        self.other = page.mapping.blocks[block.words["of"]]
        self.closed = bool(self._all())  # the page lists all interventions elsewhere
        self.sure = False  # the intervention used last is one of those listed
        self.group: dict[str, Any] | None = None
        self.used: dict[str, Any] | None = None  # the intervention whose description comes next

    def read(self) -> None:
        before: _Mark | None = None
        for mark in _marks(self.part.body, (self.block, self.other)):
            rest = list(mark.run)
            name: Line | None = None
            if mark.block is self.other and _filled(rest):
                name = _filled(rest)[-1]
                rest = rest[: rest.index(name)]
            if before is not None and before.block is self.other:
                rest = self._description(before, mark, rest)
            if mark.block is self.block:
                self._begin(rest, mark)
            elif _filled(rest):
                if before is None or (before.block is self.other and mark.block is not None):
                    self._begin(rest, None)
                else:
                    self._unread(rest)
            if mark.block is self.other and mark.line:
                self._use(name, mark)
            before = mark

    def _begin(self, run: Run, mark: _Mark | None) -> None:
        """A group begins with these lines: the label, then its description."""
        lines = _filled(run)
        line = lines[0] if lines else mark.line if mark else None
        if line is None:
            return
        if not lines:
            self.page.report(line, "missing-value", "a group without a label", self.block)
        if mark is None:
            message = f"no {self.block.words['label']!r} below {short(line.text)}; what follows is read as one group"
            self.page.report(line, "missing-label", message, self.block)
        group = _entry(self.page, self.block, lines[0] if lines else None, run, mark.type if mark else "", line)
        if group:
            self.group = group
            self.page.put(self.block.words["to"], group, line, self.block)

    def _use(self, name: Line | None, mark: _Mark) -> None:
        """The group uses an intervention, which is one of those listed or a new one."""
        self.used, self.sure = None, False
        line = mark.line or self.part.heading
        if name is None:
            self.page.report(line, "missing-value", "an intervention without a name; left out", self.block)
            return
        kind = mark.type if mark.type not in self.page.mapping.absent else ""
        parts = self.other.parts
        same = [i for i in self._all() if (i.get(parts["type"].path, ""), i[parts["name"].path]) == (kind, name.text)]
        if same:
            self.used, self.sure = same[0], self.closed
        elif found := _entry(self.page, self.other, name, [name], mark.type, line):
            if self.closed:
                message = f"{short(name.text)} is not listed in {self.other.title!r}; added"
                self.page.report(name, "contradiction", message, self.block)
            self.used = found
            self.page.put(self.other.words["to"], found, name, self.other)
        if self.group is None:
            message = f"{short(name.text)} is used by a group that is not named"
            self.page.report(name, "missing-value", message, self.block)
            return
        label = self.page.label(f"{self.other.words['to']}.{parts['type'].path}", kind) if kind else ""
        names = self.block.words["names"]
        self.group.setdefault(names, []).append(f"{label}: {name.text}" if label else name.text)
        self._join(same)

    def _join(self, same: Sequence[dict[str, Any]]) -> None:
        """Say at the intervention which group uses it; namesakes wait for the description that tells them apart."""
        label = self.group.get(self.block.parts["name"].path) if self.group else None
        if label is not None and self.used is not None and len(same) < 2:
            arms = self.used.setdefault(self.block.words["arms"], [])
            if label not in arms:
                arms.append(label)

    def _description(self, before: _Mark, mark: _Mark, run: Run) -> Run:
        """Take the description of the intervention before off the run, and give back what is left."""
        used, self.used = self.used, None
        lines = _filled(run)
        if used is None:
            self._unread(run)
            return []
        named = self.other.parts
        key = named["description"].path
        same = [
            i
            for i in self._all()
            if all(i.get(named[part].path) == used.get(named[part].path) for part in ("type", "name"))
        ]
        texts = [line.text for line in lines]
        sizes = {index: _size(texts, entry.get(key, "")) for index, entry in enumerate(same)}
        fitting = [index for index, size in sizes.items() if size >= 0]
        if fitting and (self.sure or any(sizes[index] for index in fitting)):
            size = max(sizes.values())
            best = [entry for entry, found in zip(same, sizes.values(), strict=True) if found == size]
            if len(best) == 1 < len(same):
                self.used = best[0]
                self._join(())
                self.used = None
            elif len(best) > 1:
                self._report_namesakes(before, used)
            return run[run.index(lines[size - 1]) + 1 :] if size else run
        if len(same) > 1:
            self._report_namesakes(before, used)
        if not lines or (mark.block is self.block and len(lines) == 1):
            return run
        if mark.block is self.block:
            message = "nothing tells where the intervention's description ends and the group's label begins"
            self.page.report(lines[0], "ambiguous-lines", f"{message}; {len(lines)} lines are left out", self.block)
            return []
        text = text_of(run)
        if key not in used and not self.sure:
            used[key] = text
        elif used.get(key) != text:
            message = f"{short(text)} is not the description in {self.other.title!r}; left out"
            self.page.report(lines[0], "contradiction", message, self.block)
        return []

    def _report_namesakes(self, mark: _Mark, used: dict[str, Any]) -> None:
        name = short(used[self.other.parts["name"].path])
        message = f"several interventions are called {name}, and nothing tells which of them this group uses"
        self.page.report(mark.line or self.part.heading, "ambiguous-lines", message, self.block)

    def _all(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.get(self.other.words["to"].removesuffix("[]")) or []
        return found

    def _unread(self, run: Run) -> None:
        for line in _filled(run):
            self.page.unread(line, self.block)


def _marks(body: Run, blocks: Sequence[Block]) -> list[_Mark]:
    """The lines, cut after each labelled one."""
    made: list[_Mark] = []
    run: Run = []
    for line in body:
        for block in blocks:
            label = block.words["label"]
            if is_labelled(line.text, (label,)):
                made.append(_Mark(run, block, line, line.text[len(label) :].strip()))
                run = []
                break
        else:
            run.append(line)
    return [*made, _Mark(run, None)]


def _entry(page: Page, block: Block, name: Line | None, run: Run, kind: str, line: Line) -> dict[str, Any]:
    """A group or an intervention: its name, the lines below it, and its type."""
    made: dict[str, Any] = {}
    parts = block.parts
    place = block.words["to"]
    if name is not None:
        made[parts["name"].path] = name.text
    if (value := page.value(parts["type"], line, kind, within=place)) is not None:
        made[parts["type"].path] = value
    if name is not None and (text := text_of(run[run.index(name) + 1 :])) and text not in page.mapping.absent:
        made[parts["description"].path] = text
    return made


def _filled(run: Run) -> Run:
    return [line for line in run if line.text]


def _size(texts: Sequence[str], description: str) -> int:
    """How many lines at the beginning are this description; -1 if they are not."""
    wanted = [line.strip() for line in description.split("\n") if line.strip()]
    return len(wanted) if list(texts[: len(wanted)]) == wanted else -1
