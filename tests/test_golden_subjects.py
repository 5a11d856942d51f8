"""The exact output for invented subjects: both conventions of screen failures, dose changes, placebo, doses not given."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhirtrial.releases.release import Release
from fhirtrial.releases.view import as_r5
from fhirtrial.resources import Resources

from .conformance import problems
from .conformance.earlier import earlier_problems
from .golden_update import converted, files_of, files_of_release, mapper_of, source, subject_cases
from .properties import exact, misplaced
from .test_golden import difference, stored

CASES = subject_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
class TestEachCase:
    """What holds for each case."""

    def test_output_is_the_expected_one(self, case: Path) -> None:
        """Each subject becomes exactly the stored resources and issues, in R5 and in R4."""
        record = source(case)
        conversion = converted(case)
        made = dict(files_of(conversion)) | dict(files_of_release(conversion))
        if told := difference(stored(case), made):
            pytest.fail(f"{told}\n\nIf this is meant: python -m tests.golden_update {case.name}", pytrace=False)
        assert list(misplaced(record, conversion)) == []

    def test_expected_output_is_fhir(self, case: Path) -> None:
        """Every stored resource is valid in its release, and each reference leads to another file or to the study."""
        files = stored(case)
        refs = {
            f"{found['resourceType']}/{found['id']}": found
            for name, found in files.items()
            if "/" in name and "issues" not in name
        }
        study = source(case).data.get("study", {}).get("protocolSection", {})
        number = study.get("identificationModule", {}).get("nctId")
        for name, found in files.items():
            if name.startswith("expected/"):
                wrong = [each for each in problems(found, refs, model=True) if not number or number not in each]
                assert wrong == [], name
            elif name.startswith("expected-R4/") and "issues" not in name:
                assert earlier_problems(found) == [], name

    @pytest.mark.parametrize("release", ["R5", "R4"])
    def test_expected_output_gives_the_record(self, case: Path, release: str) -> None:
        """The stored resources, in alphabetical order of their files, give back the subject, rows in order."""
        record = source(case)
        mapper = mapper_of(record.registry)
        folder = "expected/" if release == "R5" else "expected-R4/"
        found = [each for name, each in stored(case).items() if name.startswith(folder) and "issues" not in name]
        index = Resources(found) if release == "R5" else as_r5(Resources(found), Release("R4"))[0]
        restored = mapper.restore(index)
        assert exact(restored.data) == exact(mapper.mapping.schema.wanted(record.data))
        assert restored.issues == ()


def test_the_cases_show_what_is_hard() -> None:
    """Both conventions of screen failures, zero doses, doses not given, open intervals of a study that runs and of one
    of which nothing is known, no EX at all, single doses of intervals, and a roster."""
    texts = {case.name: "".join(file.read_text("utf-8") for file in sorted(case.glob("expected/*"))) for case in CASES}
    assert '"ineligible"' in texts["screen-failure"]
    assert '"ineligible"' in texts["screen-failure-older-convention"]
    assert '"value": 0,' in texts["completed-placebo"]
    assert '"not-done"' in texts["not-done-and-ongoing"]
    assert '"unknown"' in texts["not-done-and-ongoing"] and '"in-progress"' not in texts["not-done-and-ongoing"]
    assert '"in-progress"' in texts["running-study"]
    assert '"single-dose"' in texts["single-doses"] and '"single-dose"' not in texts["running-study"]
    assert '"code": "exposure"' not in texts["collected-only"]
    assert '"not-done"' in texts["roster"]
