"""The judgement of a release's resources: what is wrong, and which of the harmless warnings were met."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhirtrial.releases.release import name_of

from . import definitions
from .foreign import given, made
from .further_rules import dangling
from .validator import PROGRAM, Validator
from .warnings import FOREIGN, Harmless, entries, sift


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
        folders = [*definitions.of_hl7(release, folder), definitions.of_others(release, folder)]
        with Validator(release, definitions=folders, packages=[definitions.of_ours(release, folder)]) as running:
            yield running


def judge(running: Validator, resources: dict[str, dict[str, Any]]) -> Judgement:
    """What is wrong with resources, by reference, which refer to nothing else than each other."""
    wrong = [str(finding) for finding in dangling(resources)]
    harmless: Counter[Harmless] = Counter()
    for name, found in zip(resources, running.judge(list(resources.values())), strict=True):
        wrong += [f"{name}: {finding}" for finding in sift(found, harmless)]
    return Judgement(wrong=wrong, harmless=harmless)


def judge_foreign(running: Validator) -> Judgement:
    """What is wrong with the resources of the validator's release as they are, and with what others became in it."""
    release, harmless = running.release, Counter[Harmless]()
    known = (*entries(FOREIGN), *entries())
    found = running.judge(given(release))
    wrong = [
        f"{release} {name_of(resource)}: {each}"
        for resource, findings in zip(given(release), found, strict=True)
        for each in sift(findings, harmless, known)
    ]
    for each, findings in zip(made(release), running.judge([each.resource for each in made(release)]), strict=True):
        left = sift(findings, harmless, known)
        wrong += [f"{each.name}: {finding}" for finding in left if not each.refused(finding)]
        if each.refusals and not any(finding.severity == "error" for finding in left):
            wrong.append(f"{each.name}: nothing is wrong with it, but the step said: {each.refusals[0]}")
    return Judgement(wrong=wrong, harmless=harmless)
