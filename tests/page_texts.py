"""The text of the seed page, whole and in blocks, and what reading a page's text gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fhirtrial.issue import Issue
from fhirtrial.readers.page import read_page
from fhirtrial.record import Origin

from .page_writer import SENTENCES

DATA = Path(__file__).parent / "data" / "page"
SEED = (DATA / "NCT05143125.page.txt").read_text(encoding="utf-8")
TITLES = ["Study Results", *SENTENCES]


def read(text: str) -> tuple[dict[str, Any], list[Issue]]:
    """The page's record and issues, as if it were in page.txt."""
    return read_page(text, Origin(file="page.txt"))


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All values of a tree with their paths."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from leaves(value, f"{path}.{name}" if path else name)
    elif isinstance(tree, list):
        for at, value in enumerate(tree):
            yield from leaves(value, f"{path}[{at}]")
    else:
        yield path, tree


def odd(issues: list[Issue]) -> list[str]:
    """The codes of the warnings, without the hidden e-mail address that the seed page has."""
    return [issue.code for issue in issues if issue.severity != "information" and issue.code != "masked-value"]


def blocks_of(text: str) -> tuple[str, dict[str, str]]:
    """A page cut by hand: the lines above the first block, and each block's text."""
    parts = re.split(
        rf"(?m)^({'|'.join(TITLES)})\n(?=\n(?:{'|'.join(map(re.escape, SENTENCES.values()))}|Results))", text
    )
    return parts[0], {title: f"{title}\n{body}" for title, body in zip(parts[1::2], parts[2::2], strict=True)}


HEAD, BLOCKS = blocks_of(SEED)
