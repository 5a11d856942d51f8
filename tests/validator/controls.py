"""What the validator itself is judged by: good resources, and changes that make them wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.conformance.samples import with_changes

from .good import GOOD
from .validator import Validator
from .warnings import sift
from .wrong import CHANGES


def misjudged(validator: Validator) -> Iterator[str]:
    """A sentence for each control that the validator judges otherwise than it should."""
    good = GOOD[validator.release]
    for name, found in zip(good, validator.judge(list(good.values())), strict=True):
        yield from (f"good {name}: {each}" for each in sift(found, Counter()))
    changes = [each for each in CHANGES if validator.release in each[0].split()]
    changed = [with_changes(good[name], change) for _, name, change, _, _ in changes]
    for (_, name, change, rule, words), found in zip(changes, validator.judge(changed), strict=True):
        left = sift(found, Counter())
        said = "".join(f"\n    {each}" for each in left)
        if not rule and left:
            yield f"{name} with {change} is good, and was found wrong:{said}"
        elif rule and not any(each.rule == rule and words in f"{each.place} {each.text}" for each in left):
            yield f"{name} with {change} breaks {rule} ({words}), and was found to break{said or ' nothing'}"


def count(release: str) -> Counter[str]:
    """How many controls there are for a release: ``good`` ones, and ``wrong`` ones that must be rejected."""
    changes = [rule for releases, _, _, rule, _ in CHANGES if release in releases.split()]
    wrong = len([rule for rule in changes if rule])
    return Counter(good=len(GOOD[release]) + len(changes) - wrong, wrong=wrong)
