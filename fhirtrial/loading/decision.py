"""What is to be done with one resource, from what we have, what we wrote before, and what the target holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from fhirtrial.loading.compare import same
from fhirtrial.loading.item import Item
from fhirtrial.loading.state import Written
from fhirtrial.loading.target import Held
from fhirtrial.resources import spellings

Action = Literal["create", "update", "unchanged", "edited", "ambiguous"]
"""
``edited``: somebody has changed it on the target since we wrote it, and it is left as it is; ``ambiguous``: the target
holds several under its identity, and it is not touched.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done, with the resource that the target holds (None: none), and why if that is worth saying."""

    action: Action
    held: Held | None = None
    why: str = ""

    @property
    def writes(self) -> bool:
        """Whether something is written."""
        return self.action in ("create", "update")


def decide(
    item: Item,
    text: bytes,
    known: Written | None,
    found: Sequence[Held],
    *,
    base: str = "",
    ours: bool = False,
    force: bool = False,
) -> Decision:
    """
    What is to be done with a resource.

    Args:
        item: ours.
        text: its JSON, with the references of the target.
        known: what we last wrote under its identity; None if nothing is known.
        found: what the target holds under its identity.
        base: the target's own address.
        ours: whether what is found there was written by this tool before, whatever is remembered.
        force: exchange also what somebody has edited.

    """
    if len(found) > 1:
        named = ", ".join(sorted(f"{item.kind}/{held.id}" for held in found))
        return Decision(
            action="ambiguous", why=f"{len(found)} resources have the identifier of {item.identity}: {named}"
        )
    if not found:
        return Decision(action="create")
    (held,) = found
    if same(orjson.loads(text), held.resource, base=base):
        return Decision(action="unchanged", held=held)
    if force:
        return Decision(action="update", held=held)
    if known is None or not known.version or held.id != known.id:
        return _unknown(item, held, ours=ours)
    if held.version == known.version:
        return Decision(action="update", held=held)
    if held.version.isdecimal() and known.version.isdecimal() and int(held.version) < int(known.version):
        return Decision(action="update", held=held, why="the server holds an older version than we wrote: restored")
    why = f"it was edited since: version {held.version}, we wrote {known.version}"
    return Decision(action="edited", held=held, why=why)


def _unknown(item: Item, held: Held, *, ours: bool) -> Decision:
    """
    A resource that differs from ours, and of which we do not remember that we wrote it.

    What the target says must do, and that is little. Its version counts changes and does not say whose they were; the
    content has no digest of ours to compare with, for writing one into it (a tag, an extension) would change what is
    loaded, and tags only accumulate on servers. But it can be known whether we were there before:

    - An identifier of our own system is given by nobody else, so what carries it was made by this tool, under whatever
      id: a server may have given it one of its own.
    - A study has the registry's number, which a hospital's own may have as well. Our Provenance is written along with
      the study and speaks of it, so where it speaks of what is there, we have written that.

    What was never ours, under an id that is not ours, is adopted: it is there for the first time, and updated. What was
    ours is updated in its first version, which nobody can have edited, and in any other it is left: somebody may have.
    """
    elsewhere = held.id != item.id
    if elsewhere and not ours:
        return Decision(action="update", held=held, why=f"adopted: it was there as {item.kind}/{held.id}")
    if held.version in ("", "1"):
        return Decision(action="update", held=held, why=f"it lives under {item.kind}/{held.id}" if elsewhere else "")
    why = f"it differs in version {held.version}, and what was written before is not known: it may have been edited"
    return Decision(action="edited", held=held, why=why)


def targets_of(provenance: Mapping[str, Any], *, base: str = "") -> set[str]:
    """
    What a Provenance speaks of, by literal references.

    >>> targets_of({"target": [{"reference": "https://x/fhir/Group/a"}, {"display": "b"}]}, base="https://x/fhir")
    {'Group/a'}
    """
    listed = provenance.get("target")
    found = [each.get("reference") for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    return {spellings(each.removeprefix(f"{base}/"))[-1] for each in found if isinstance(each, str)}
