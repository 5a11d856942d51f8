"""The lines of a page's text, and where its blocks begin."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from fhirtrial.readers.page_mapping import Block, PageMapping

Report = Callable[["Line", str, str, "Block | None"], None]
"""Takes an issue: its line, code, message, and the block it belongs to."""

_BREAK = re.compile(r"\r\n|\r|\n")
_TITLE = re.compile(r"[A-Z][^.;:,!?|]{2,59}")
_FLOWING = frozenset({"text", "criteria", "groups", "interventions"})
"""Kinds whose lines may be sentences of the study, so that only a page's typical sentence shows an unknown block."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number from 1, its text without blanks around it, and with those before it."""

    number: int
    text: str
    raw: str

    @property
    def key(self) -> str:
        """The text with single blanks, for comparing."""
        return " ".join(self.text.split())


@dataclass(slots=True)
class Part:
    """A block as it is on the page: its title's line, and the lines below it; unknown if ``block`` is None."""

    block: Block | None
    heading: Line
    body: list[Line] = field(default_factory=list)

    @property
    def filled(self) -> list[Line]:
        """The lines that are not blank."""
        return [line for line in self.body if line.text]


def lines_of(text: str) -> list[Line]:
    """
    The lines of a text, whatever ends them, without a margin that all of them have.

    >>> [(line.number, line.raw) for line in lines_of("\\ufeff  A\\r\\n\\r\\n    b  \\n")]
    [(1, 'A'), (2, ''), (3, '  b'), (4, '')]
    """
    raw = [line.expandtabs().rstrip() for line in _BREAK.split(text.removeprefix("\ufeff"))]
    margin = min((len(line) - len(line.lstrip()) for line in raw if line), default=0)
    return [Line(number, line.strip(), line[margin:]) for number, line in enumerate(raw, 1)]


def text_of(lines: Sequence[Line]) -> str:
    """The lines as one text, without blank lines around it."""
    return "\n".join(line.raw for line in lines).strip("\n").strip()


def split_blocks(lines: Sequence[Line], mapping: PageMapping, report: Report) -> tuple[list[Line], list[Part]]:
    """
    The lines above the first block, and the blocks in the page's order.

    A block begins with its title and its sentence. A title without the sentence begins one only if the page has that
    title nowhere with it; otherwise it is a line of a text. An unknown block is recognised by its look.
    """
    keys = [line.key for line in lines]
    filled = [index for index, line in enumerate(lines) if line.text]
    follower = dict(pairwise(filled))
    certain = {
        keys[index] for index, after in follower.items() if _follows(mapping.blocks.get(keys[index]), keys[after])
    }
    preamble: list[Line] = []
    parts: list[Part] = []
    seen: set[str] = set()
    sentence = -1
    for index, line in enumerate(lines):
        if index == sentence:
            continue
        after = follower.get(index, -1)
        following = keys[after] if after >= 0 else ""
        block = mapping.blocks.get(keys[index])
        if block is not None and _follows(block, following):
            sentence = after if following == block.sentence else -1
            parts.append(Part(block, line))
        elif block is not None and block.title not in certain and block.title not in seen:
            changed = _doubt(line, block, lines[after] if after >= 0 else None, report)
            sentence = after if changed else -1
            parts.append(Part(block, line))
        elif line.text and _is_unknown(keys[index], following, parts, mapping, first=index == filled[0]):
            parts.append(Part(None, line))
        elif parts:
            parts[-1].body.append(line)
        else:
            preamble.append(line)
        if block is not None and parts and parts[-1].heading is line:
            seen.add(block.title)
    return preamble, parts


def _follows(block: Block | None, following: str) -> bool:
    """Whether the line is what stands below this block's title."""
    if block is None:
        return False
    return following == block.sentence if block.sentence else following in block.parts


def _doubt(line: Line, block: Block, after: Line | None, report: Report) -> bool:
    """Report a title without its sentence; whether the line after it is the sentence in other words."""
    if not block.sentence:
        return False
    if after is not None and len(after.text) <= 2 * len(block.sentence) and not block.parts.keys() & {after.key}:
        alike = difflib.SequenceMatcher(None, after.key, block.sentence, autojunk=False).ratio() >= 0.6
        if alike or (len(after.key) > 10 and block.sentence.startswith(after.key)):
            message = f"the sentence of {block.title!r} has other words, and is not read: {short(after.text)}"
            report(after, "changed-sentence", message, block)
            return True
    report(line, "missing-sentence", f"{block.title!r} stands here without its sentence; read as that block", block)
    return False


def _is_unknown(key: str, following: str, parts: Sequence[Part], mapping: PageMapping, *, first: bool) -> bool:
    """Whether two lines look like title and sentence of a block that is not in the mapping file."""
    words = key.split()
    if first or not _TITLE.fullmatch(key) or len(words) > 8:
        return False
    if any(word[0].islower() for word in words if len(word) > 3) or not following.endswith("."):
        return False
    part = parts[-1] if parts else None
    # Shorter sentences of that form are found below an arm's label.
    if mapping.opening.fullmatch(following) and len(following.split()) >= 6:
        return True
    if part is not None and (part.block is None or part.block.kind in _FLOWING or not _may_end(key, part)):
        return False
    sentence = following.split()
    lower = sum(word[0].islower() for word in sentence)
    return len(sentence) >= 3 and lower >= 2 and 2 * lower >= len(sentence)


def _may_end(key: str, part: Part) -> bool:
    """Whether an entry may be over above this line: plain lines come first, and the line is none of the labelled."""
    labels = part.block.words.get("labels", ()) if part.block else ()
    said = [line.key for line in part.filled]
    return not labels or (not is_labelled(key, labels) and any(is_labelled(line, labels) for line in said))


def is_labelled(key: str, labels: Iterable[str]) -> str:
    """The label that a line begins with; empty if there is none."""
    return next((label for label in labels if key == label or key.startswith(label + " ")), "")


def short(text: str) -> str:
    """A text in quotes, short enough for a message."""
    return repr(text if len(text) <= 60 else text[:59] + "…")
