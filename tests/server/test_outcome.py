"""An OperationOutcome, read for people and for decisions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirtrial.server.outcome import Outcome, read_outcome
from tests.server.tools import outcome


def read(found: Any) -> Outcome:
    made = read_outcome(found)
    assert made is not None
    return made


def test_hapi() -> None:
    """HAPI's nested codes are found in their order; what it says stays whole."""
    found = read(
        outcome("HAPI-0550: HAPI-0825: The operation has failed\n with a client-assigned ID constraint failure.")
    )

    assert str(found) == (
        "error: HAPI-0550: HAPI-0825: The operation has failed with a client-assigned ID constraint failure."
    )
    assert found.server_codes == ("HAPI-0550", "HAPI-0825")
    assert found.kinds == {"processing"}
    assert found.failed


def test_details_and_diagnostics() -> None:
    """What details and diagnostics both say is said once; what differs stands behind each other."""
    issue = {"severity": "fatal", "code": "invalid", "diagnostics": "unknown code 'x'"}

    assert str(
        read({"resourceType": "OperationOutcome", "issue": [{**issue, "details": {"text": "unknown code"}}]})
    ) == ("fatal: unknown code 'x'")
    coded = {**issue, "details": {"text": "Bad", "coding": [{"code": "MSG_X", "display": "bad code"}]}}
    found = read({"resourceType": "OperationOutcome", "issue": [{**coded, "expression": ["Group.type"]}]})
    assert str(found) == "fatal: unknown code 'x'; Bad; bad code at Group.type"
    assert found.details == ("MSG_X",)


def test_errors_before_warnings() -> None:
    """Where something failed, warnings are not shown; where nothing did, they are; R5's success is information."""
    warned = [{"severity": "warning", "code": "informational", "diagnostics": "odd"}]
    both = [*warned, {"severity": "error", "code": "required", "diagnostics": "missing"}]

    assert str(read({"resourceType": "OperationOutcome", "issue": both})) == "error: missing"
    assert str(read({"resourceType": "OperationOutcome", "issue": warned})) == "warning: odd"
    done = read({"resourceType": "OperationOutcome", "issue": [{"severity": "success", "code": "success"}]})
    assert (str(done), done.failed) == ("information: success", False)


def test_many_and_long() -> None:
    """A text shows five issues and counts the others; of one it shows a thousand characters; the same is said once."""
    issues = [{"severity": "error", "diagnostics": f"problem {number}"} for number in range(9)]
    assert str(read({"resourceType": "OperationOutcome", "issue": issues})).splitlines()[4:] == [
        "error: problem 4",
        "and 4 more",
    ]
    assert str(read({"resourceType": "OperationOutcome", "issue": issues[:1] * 4})) == "error: problem 0"
    assert len(str(read(outcome("x" * 5000)))) == len("error: ") + 1000 + len(" …")


@pytest.mark.parametrize(
    ("more", "entry"),
    [
        ({"expression": ["Bundle.entry[3].resource.status"]}, 3),
        ({"location": ["/f:Bundle/f:entry[4]/f:resource"]}, 3),
        ({"diagnostics": "Invalid match URL in Bundle.entry[12].request.url"}, 12),
        ({"expression": ["Bundle.entry[3]", "Bundle.entry[4]"]}, None),
        ({"expression": ["Location.name"]}, None),
    ],
)
def test_entry(more: dict[str, Any], entry: int | None) -> None:
    """The entry at fault is found by FHIRPath, by XPath (which counts from 1) and in texts, if it is one."""
    assert read(outcome("", **more)).entry == entry


@pytest.mark.parametrize("found", [None, [], "x", {}, {"resourceType": "Bundle"}])
def test_none(found: object) -> None:
    """What is no OperationOutcome is none."""
    assert read_outcome(found) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["issue", "severity", "code", "details", "coding", "text", "diagnostics", "expression", "location"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_any_shape(issue: Any) -> None:
    """Whatever a server makes of an outcome, reading and showing it raises nothing."""
    for content in (issue, [issue], [{"severity": "error", "details": issue, "expression": issue}]):
        found = read({"resourceType": "OperationOutcome", "issue": content})
        assert isinstance(str(found), str)
        assert found.entry is None or found.entry >= 0
