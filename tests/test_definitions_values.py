"""What is and what is no legal value of each FHIR primitive."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fhirtrial.definitions import Definitions
from fhirtrial.files import MappingFiles
from tests.conformance.structure import PRIMITIVES

R5 = Definitions.load(MappingFiles())

RIGHT: dict[str, list[object]] = {
    "string": ["x", " x ", "a\tb\r\nc", "ä", "\u00a0x", "\U0001f600", "x" * 1024 * 1024],
    "markdown": ["# x\n\ny"],
    "uri": ["http://example.org/a?b=c#d", "urn:oid:1.2", "x", "ä"],
    "url": ["https://example.org"],
    "canonical": ["http://example.org/x|1.0"],
    "oid": ["urn:oid:1.2.840"],
    "uuid": ["urn:uuid:0a0a0a0a-1b1b-4c4c-8d8d-5e5e5e5e5e5e"],
    "code": ["x", "a b", "<="],
    "id": ["NCT00000001", "a-b.C", "x" * 64],
    "date": ["2020", "2020-02", "2020-02-29", "0001-01-01", "9999-12-31"],
    "dateTime": ["2020", "2020-02-29", "2020-02-29T23:59:59Z", "2020-02-29T00:00:60.123456789-05:00"],
    "instant": ["2020-02-29T23:59:59Z", "2020-02-29T23:59:59.1+14:00"],
    "time": ["00:00:00", "23:59:60.5"],
    "integer": [0, -1, 2**31 - 1, -(2**31)],
    "unsignedInt": [0, 2**31 - 1],
    "positiveInt": [1, 2**31 - 1],
    "integer64": ["0", "-9223372036854775808", "9223372036854775807"],
    "decimal": [0, 1, -1.5, 1e-9, 1e300, 10**17, Decimal("1.50")],
    "boolean": [True, False],
    "base64Binary": ["QUJD", "QQ==", "Ab+/"],
    "xhtml": ['<div xmlns="http://www.w3.org/1999/xhtml">x</div>'],
}
WRONG: dict[str, list[object]] = {
    "string": ["", " ", "\n", "\u00a0", "a\x00b", "a\x0bb", "a\x1fb", "\ud800", "\ufffe", 1, True, None, ["x"], "x" * (2**20 + 1)],
    "markdown": ["", "\t", "a\x0cb", 1],
    "uri": ["", "a b", "a\nb", " http://example.org", "a\x01b", 1],
    "url": ["", "a b", "a\u00a0b", 1],
    "canonical": ["", "a b", 1],
    "oid": ["", "1.2.3", "urn:oid:3.1", "urn:oid:1.02"],
    "uuid": ["", "urn:uuid:0", "0a0a0a0a-1b1b-4c4c-8d8d-5e5e5e5e5e5e", "urn:uuid:0A0A0A0A-1B1B-4C4C-8D8D-5E5E5E5E5E5E"],
    "code": ["", " x", "x ", "a  b", "a\tb", "a\nb", 1],
    "id": ["", "a_b", "a b", "x" * 65, "a\n", "ä", 1],
    "date": ["", "20", "0000", "2020-00", "2020-13", "2019-02-29", "2020-02-30", "1900-02-29", "2020-2-1", "2020-02-29\n",
             "2020-02-29T00:00:00Z", "٢٠٢٠", "2020-04-31", "2020-01-00", 2020, None],
    "dateTime": ["", "2020-02-29T10:00", "2020-02-29T10:00:00", "2020-02-29T24:00:00Z", "2020-02-30T10:00:00Z",
                 "2020-02T10:00:00Z", "2020-02-29 10:00:00Z", "2020-02-29T10:00:00+15:00", "2020-02-29T10:00:00+14:30", "2020-02-29T10:00:00Z\n", "2020Z"],
    "instant": ["", "2020", "2020-02-29", "2020-02-29T10:00:00", "2020-02-29T10:00Z", "2020-02-30T10:00:00Z", 1],
    "time": ["", "24:00:00", "10:00", "10:00:61", "10:00:00Z", 1],
    "integer": ["1", 1.0, True, 2**31, -(2**31) - 1, None],
    "unsignedInt": [-1, "1", 1.5, False, 2**31],
    "positiveInt": [0, -1, True, 2**31],
    "integer64": [1, "", "01", "1.0", "-0", "9223372036854775808", "-9223372036854775809", "1" * 5000],
    "decimal": ["1", math.nan, math.inf, True, 10**18, 10**5000, None, Decimal("NaN")],
    "boolean": ["true", 0, 1, None],
    "base64Binary": ["", "abc", "QQ=", "Q Q=", "QUJD\n", 1],
    "xhtml": ["", " ", 1],
}  # fmt: skip


@pytest.mark.parametrize("kind", RIGHT)
def test_legal_values_fit(kind: str) -> None:
    """Values at the edges of what FHIR allows fit."""
    assert [value for value in RIGHT[kind] if not R5.fits(kind, value)] == []


@pytest.mark.parametrize("kind", WRONG)
def test_illegal_values_do_not_fit(kind: str) -> None:
    """Values just beyond what FHIR allows, and those of another JSON type, do not fit."""
    assert [value for value in WRONG[kind] if R5.fits(kind, value)] == []


def test_every_primitive_is_tried() -> None:
    """Both tables above have all primitives."""
    assert RIGHT.keys() == WRONG.keys()


DIGITS = some.text("0123456789-:TZ+. ", max_size=26)
TIMES = some.datetimes(timezones=some.timezones()).map(lambda moment: moment.isoformat())
TEXTS = some.one_of(
    some.text(max_size=8), DIGITS, TIMES, some.dates().map(str), some.from_regex(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
)
VALUES = some.one_of(TEXTS, some.integers(), some.floats(), some.booleans(), some.none())


@given(some.sampled_from(sorted(RIGHT)), VALUES)
def test_two_readings_of_the_specification_agree(kind: str, value: object) -> None:
    """The library's check of a primitive and that of the tests, which follows HL7's published patterns, agree."""
    assert R5.fits(kind, value) == PRIMITIVES[kind](value)


def test_the_two_readings_agree_on_the_edges() -> None:
    """The same for the tables above, but for Python's own decimals, which JSON does not give."""
    for table in (RIGHT, WRONG):
        for kind, values in table.items():
            for value in values:
                agree = R5.fits(kind, value) == PRIMITIVES[kind](value)
                assert agree or isinstance(value, Decimal), (kind, str(value)[:40])
