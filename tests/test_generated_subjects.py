"""Properties that hold of every subject that the lists of fields allow, found out with invented ones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release
from fhirtrial.releases.view import as_r5
from fhirtrial.resources import Resources

from .conformance.earlier import earlier_problems
from .golden_update import mapper_of
from .properties import exact, identified_wrongly, misplaced, not_conforming, unstable
from .subjects import subject, subject_trees

Json = dict[str, Any]
PHASES = [Phase.explicit, Phase.generate, Phase.shrink]
some = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=100,
    suppress_health_check=list(HealthCheck),
    phases=PHASES,
)
few = settings(some, max_examples=25)
DM: Json = {"STUDYID": "S", "USUBJID": "1"}


def check(registry: str, tree: Json) -> None:
    """A subject comes back as it was, without a word; what it becomes is valid, the same each time, and its own."""
    mapper, record = mapper_of(registry), subject(tree, registry)
    conversion = mapper.convert(record)
    restored = mapper.restore(conversion.resources)
    assert exact(restored.data) == exact(mapper.mapping.schema.wanted(record.data))
    assert restored.issues == ()
    assert list(identified_wrongly(conversion)) == []
    assert list(not_conforming(conversion, model=False)) == []
    assert list(misplaced(record, conversion)) == []
    assert list(unstable(mapper, record, conversion)) == []


@some
@given(subject_trees("sdtm"))
@example({"dm": {"USUBJID": "1"}})
@example({"dm": DM, "ex": [{"EXSEQ": 1}]})
@example(
    {"dm": DM, "ex": [{"EXSEQ": 1, "EXROUTE": "ORAL"}, {"EXSEQ": 2, "EXROUTE": "\x07"}, {"EXSEQ": 3, "EXLOC": "ARM"}]}
)
@example({"dm": DM, "ec": [{"ECSEQ": 1, "ECOCCUR": "N"}, {"ECSEQ": 2, "ECDOSE": 0}], "ex": [{"EXSEQ": 1}]})
@example({"dm": DM | {"RFICDTC": "2020-02-01T10:00", "RFPENDTC": "2020-01-31T09:00"}})
@example({"dm": DM, "ds": [{"DSSEQ": 1, "DSCAT": category} for category in ("PROTOCOL MILESTONE", "OTHER EVENT", "X")]})
@example({"dm": DM, "ds": [{"DSSEQ": 1, "DSTERM": "x"}, {"DSSEQ": 2, "DSCAT": "DISPOSITION EVENT"}]})
def test_a_subject_of_sdtm(tree: Json) -> None:
    """Whatever may stand in DM, DS, EX and EC."""
    check("sdtm", tree)


@some
@given(subject_trees("roster"))
@example({"subject": {"subject_id": "1"}})
@example({"subject": {"subject_id": "1"}, "doses": [{"dose_id": "1"}, {"dose_id": "2", "end": "2020"}]})
def test_a_subject_of_a_roster(tree: Json) -> None:
    """Whatever may stand in the two tables of a roster."""
    check("roster", tree)


@pytest.mark.parametrize("release", ["R4", "R4B"])
@few
@given(subject_trees("sdtm"))
def test_a_subject_through_an_earlier_release(release: str, tree: Json) -> None:
    """It comes back from R4 and R4B as well, whose own rules its resources obey."""
    mapper, record, step = mapper_of("sdtm"), subject(tree), Release(release)
    made = released(mapper.convert(record), step).resources
    assert [problem for found in made for problem in earlier_problems(found, release)] == []
    index, _ = as_r5(Resources(made), step)
    assert exact(mapper.restore(index).data) == exact(mapper.mapping.schema.wanted(record.data))
