"""Memory that two processes share gives what was put there, whatever its size and however the system takes it."""

from __future__ import annotations

import os
from pickle import PickleBuffer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirtrial.pipelines import jobs as jobs_module
from fhirtrial.pipelines import slot as slot_module
from fhirtrial.pipelines.jobs import Jobs
from fhirtrial.pipelines.slot import Slot


@given(st.lists(st.tuples(st.text(), st.binary(max_size=200)), max_size=40))
def test_what_is_put_is_taken(values: list[tuple[str, bytes]]) -> None:
    """One after the other, longer and shorter ones; large bytes stand beside the object and come back as bytes."""
    slot = Slot()
    for last in range(len(values) + 1):
        some = values[last:]
        sign = slot.put([(text, PickleBuffer(raw)) for text, raw in some])
        assert slot.take(sign) == some
    slot.close()


@pytest.mark.parametrize("most", [1, 7, 1 << 20])
def test_the_system_may_take_a_part_only(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the rest follows, in both directions."""
    write, read = os.pwritev, os.pread

    def pwritev(file: int, parts: list[Any], place: int) -> int:
        return write(file, [b"".join(parts)[:most]], place)

    monkeypatch.setattr(os, "pwritev", pwritev)
    monkeypatch.setattr(os, "pread", lambda file, size, place: read(file, min(size, most), place))
    value = ["text", b"", bytes(range(256)) * 3]
    slot = Slot()
    assert slot.take(slot.put([value[0], *map(PickleBuffer, value[1:])])) == value
    slot.close()


def test_more_pieces_than_the_system_takes_at_a_time() -> None:
    """They go in turns: the system takes 1,024 at once."""
    pieces = [b"%d" % number for number in range(3000)]
    slot = Slot()
    assert slot.take(slot.put(list(map(PickleBuffer, pieces)))) == pieces
    slot.close()


def test_what_was_large_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of a slot follows what is put there, but does not stay at the largest."""
    monkeypatch.setattr(slot_module, "_LARGE", 1000)
    slot = Slot()
    assert slot._file is not None
    sizes = []
    for size in (500, 5000, 500):
        slot.take(slot.put(PickleBuffer(bytes(size))))
        sizes.append(os.fstat(slot._file).st_size)
    slot.close()
    assert sizes[1] == 0
    assert 500 < sizes[0] == sizes[2] < 1000


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
