"""What the way forth does at once, it does as it would step by step."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirtrial.issue import Issue
from fhirtrial.mapping.engine import Engine
from fhirtrial.mapping.forth import node_writer
from fhirtrial.mapping.language.apart import reader
from fhirtrial.mapping.language.nodes import Coded, Node
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.record import Record

from .records import at_hand, record_of, trees
from .test_generated_records import some

MAPPER = Mapper()


@cache
def careful() -> Engine:
    """The same mapping, compiled so that only codings are text beforehand and all around them is made each time."""

    def only_codes(node: Node) -> Any:
        return (node, b"", b"") if isinstance(node, Coded) else None

    engine = Engine(MAPPER.mapping)
    for sound in (False, True):
        MAPPER.engine.prepare(sound=sound)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(node_writer, "around_code", only_codes)
            engine.prepare(sound=sound)
        assert engine.forth_sources[sound] != MAPPER.engine.forth_sources[sound]
    return engine


def made(engine: Engine, record: Record) -> tuple[list[tuple[str, bytes]], list[Issue]]:
    """The resources in their order, and the issues."""
    texts, issues = engine.forth(record.data, sound=record.sound)
    return list(texts.items()), issues


def test_codes_with_what_stands_around_them() -> None:
    """A code and its surroundings from one look-up are, byte for byte, what they are when made of parts."""
    for record in at_hand():
        assert made(MAPPER.engine, record) == made(careful(), record)


@some
@given(trees())
def test_codes_of_invented_records(tree: dict[str, Any]) -> None:
    """The same for unknown codes, absent ones, and all the rest that the schema allows."""
    record = record_of(tree)
    assert made(MAPPER.engine, record) == made(careful(), record)


ENTRIES = st.recursive(
    st.sampled_from(["x", "y", "", None, 1, True]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=8,
)


@some
@given(st.lists(st.dictionaries(st.sampled_from(["b", "c"]), ENTRIES, max_size=2), max_size=3) | st.none())
def test_the_quick_way_into_extensions(extension: Any) -> None:
    """The values two keys down are those that the general way finds, where None means nothing."""
    quick = reader(("a", "b"))({"a": extension})
    general = reader(("x", "a", "b"))({"x": {"a": extension}})
    assert [value for value in quick if value is not None] == [value for value in general if value is not None]
