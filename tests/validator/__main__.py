"""
Judges what all golden and shared records become, what the release step makes of others' resources, and our own
definitions: ``python -m tests.validator [R4] [R4B] [R5]``.

Prints a table for each release; exits with 1 if anything is wrong, or if an entry of the two lists is met no more.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from . import controls
from .definitions import published
from .foreign import made
from .judgement import judge, judge_foreign, lacking, validator
from .sample import RELEASES, everything, resources, us_core_patients
from .warnings import FOREIGN, Harmless, entries

SHOWN = 50
"""How many lines of what is wrong are printed for a release."""


def main(releases: list[str]) -> int:
    """Judges the releases that are named, or all; 0 if nothing is wrong."""
    failed = False
    met: Counter[Harmless] = Counter()
    for release in releases or RELEASES:
        if reason := lacking(release):
            print(f"{release}: not judged: {reason}")
            return 1
        wrong, counts = _release(release)
        failed = failed or wrong
        met += counts
    if not releases:
        for entry in (*entries(), *entries(FOREIGN)):
            if not met[entry]:
                failed = True
                print(f"not met any more, to be taken from the list: {entry.rule} {entry.path} {entry.text}")
    return 1 if failed else 0


def _release(release: str) -> tuple[bool, Counter[Harmless]]:
    """Judges a release and prints its table; whether anything was wrong, and the warnings."""
    found = resources(everything(), release) | us_core_patients(release) | published(release)
    with validator(release) as running:
        misjudged = list(controls.misjudged(running))
        started = time.monotonic()
        judgement = judge(running, found)
        seconds = time.monotonic() - started
        foreign = judge_foreign(running)
    controlled = controls.count(release)
    print(
        f"{release}: {len(found):,} resources, {len(judgement.wrong):,} wrong, {judgement.harmless.total():,} warnings"
    )
    print(f"    {len(found) / seconds:,.0f} resources a second, after a start of {running.start_seconds:.0f} s")
    print(
        f"    controls: {controlled['wrong']} wrong resources rejected by their rule, {controlled['good']} good ones passed"
    )
    for entry, count in judgement.harmless.most_common():
        print(f"    {count:>7,}  {entry.path or 'anywhere'}: {entry.rule}: {entry.reason}")
    print(f"    {len(made(release))} resources made elsewhere, after the release step: {len(foreign.wrong)} wrong")
    for entry, count in foreign.harmless.most_common():
        print(f"    {count:>7,}  {entry.path or 'anywhere'}: {entry.rule}: {entry.reason}")
    wrong = [f"misjudged: {each}" for each in misjudged] + judgement.wrong + foreign.wrong
    for line in wrong[:SHOWN]:
        print(f"    WRONG {line}")
    if len(wrong) > SHOWN:
        print(f"    … and {len(wrong) - SHOWN:,} more")
    return bool(wrong), judgement.harmless + foreign.harmless


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
