"""The judgement of a release's resources: what is wrong, and which of the harmless warnings were met."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import definitions
from .further_rules import dangling
from .validator import PROGRAM, Validator
from .warnings import Harmless, sift


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """
    What was found in resources.

    Args:
        wrong: a line for each error, and for each warning that is not on the list.
        harmless: how often each entry of the list was met.

    """

    wrong: list[str]
    harmless: Counter[Harmless]


def lacking(release: str) -> str:
    """Why a release cannot be judged here; empty if it can."""
    return PROGRAM.lacking() or definitions.lacking(release)


@contextmanager
def validator(release: str) -> Iterator[Validator]:
    """A running validator that knows HL7's definitions for a release, and our own as the package that is published."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hl7, ours = definitions.of_hl7(release, folder), definitions.of_ours(release, folder)
        with Validator(release, definitions=hl7, packages=[ours]) as running:
            yield running


def judge(running: Validator, resources: dict[str, dict[str, Any]]) -> Judgement:
    """What is wrong with resources, by reference, which refer to nothing else than each other."""
    wrong = [str(finding) for finding in dangling(resources)]
    harmless: Counter[Harmless] = Counter()
    for name, found in zip(resources, running.judge(list(resources.values())), strict=True):
        wrong += [f"{name}: {finding}" for finding in sift(found, harmless)]
    return Judgement(wrong=wrong, harmless=harmless)
