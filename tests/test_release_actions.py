"""Actions of a plan refer to each other: in R4 by the id of an element, in R5 by a linkId."""

from __future__ import annotations

import pytest

from .releases import Json, both, down, said, up


def plan(*actions: Json) -> Json:
    """A plan with these actions."""
    return {"resourceType": "PlanDefinition", "id": "p", "status": "draft", "action": list(actions)}


def test_actions_that_others_refer_to() -> None:
    """R4 refers to an action by the id of its element, R5 by linkId (pld-4): what is referred to in R4 gets one."""
    after: Json = {"actionId": "first", "relationship": "after-end"}
    r4 = plan({"id": "first"}, {"id": "second", "action": [{"id": "third", "relatedAction": [after]}]})
    made = up(r4)

    assert said(made.issues) == []
    first, second = made.resource["action"]
    assert first == {"id": "first", "linkId": "first"}
    assert "linkId" not in second  # nobody refers to it
    assert second["action"][0]["relatedAction"][0]["targetId"] == "first"
    assert down(made.resource).resource == r4


@pytest.mark.parametrize("ids", [{}, {"id": "other"}])
def test_actions_with_a_link_id(ids: Json) -> None:
    """The linkId of R5 comes back as it was, whether the element has an id besides or not."""
    after: Json = {"targetId": "a", "relationship": "after"}
    r4, _ = both(plan({**ids, "linkId": "a"}, {"linkId": "b", "relatedAction": [after]}))
    assert [len(each["extension"]) for each in r4["action"]] == [1, 1]
