"""Memory that two processes share gives what was put there, whatever its size."""

from __future__ import annotations

import os
from pickle import PickleBuffer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirtrial.pipelines import jobs as jobs_module
from fhirtrial.pipelines import slot as slot_module
from fhirtrial.pipelines.jobs import Jobs
from fhirtrial.pipelines.slot import Slot

PART = st.tuples(st.text(), st.binary(max_size=200))


def other_end(slot: Slot) -> Slot:
    """The slot as another process has it: another view of the same memory."""
    assert slot._file is not None
    return Slot(os.dup(slot._file))


@given(st.lists(st.lists(PART, max_size=10), max_size=10))
def test_what_is_put_is_taken(values: list[list[tuple[str, bytes]]]) -> None:
    """One after the other, longer and shorter ones; large bytes stand beside the object and come back as bytes."""
    slot = Slot()
    other = other_end(slot)
    for value in values:
        assert other.take(slot.put([(text, PickleBuffer(raw)) for text, raw in value])) == value
    other.close()
    slot.close()


def test_the_memory_follows_what_is_put_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """It grows, and shrinks again from more than it may hold on to; the other end sees all of it each time."""
    monkeypatch.setattr(slot_module, "_LEAST", 1 << 12)
    monkeypatch.setattr(slot_module, "_MOST", 1 << 14)
    slot = Slot()
    other = other_end(slot)
    assert slot._file is not None
    held = []
    for size in (100, 5_000, 10_000, 100, 1_000_000, 20_000, 100, 1_000_000, 10_000, 0):
        value = os.urandom(size)
        assert other.take(slot.put(PickleBuffer(value))) == value
        held.append(os.fstat(slot._file).st_size)
    assert held == [1 << power for power in (12, 13, 14, 14, 20, 20, 12, 20, 14, 14)]
    other.close()
    slot.close()


def large(number: int) -> bytes:
    """More than a pipe holds."""
    return b"%d" % number * 300_000


def test_where_memory_cannot_be_shared_all_goes_through_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """One chunk at a time for each process, so that both ends never write at once, and nobody waits for ever."""
    monkeypatch.setattr(slot_module, "SHARING", False)
    monkeypatch.setattr(jobs_module, "_AHEAD", 1)
    chunks = [large(number) for number in range(10)]
    with Jobs(bytes, 2) as pool:
        assert list(pool.run(chunks)) == [(chunk, chunk) for chunk in chunks]
