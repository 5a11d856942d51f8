"""What is to be done with one resource, from what we have, what we wrote before, and what the target holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fhirtrial.loading.compare import same
from fhirtrial.loading.item import Item
from fhirtrial.loading.state import Written
from fhirtrial.loading.target import Held
from fhirtrial.resources import Resource

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
    resource: Resource,
    known: Written | None,
    found: Sequence[Held],
    *,
    base: str = "",
    force: bool = False,
) -> Decision:
    """
    What is to be done with a resource.

    Args:
        item: ours.
        resource: its content, with the references of the target.
        known: what we last wrote under its identity; None if nothing is known.
        found: what the target holds under its identity.
        base: the target's own address.
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
    if same(resource, held.resource, base=base):
        return Decision(action="unchanged", held=held)
    if force:
        return Decision(action="update", held=held)
    if known is None or not known.version:
        return _unknown(item, held)
    if held.id != known.id:
        return Decision(action="update", held=held, why=f"it lives under {item.kind}/{held.id} now")
    if held.version == known.version:
        return Decision(action="update", held=held)
    if held.version.isdecimal() and known.version.isdecimal() and int(held.version) < int(known.version):
        return Decision(action="update", held=held, why="the server holds an older version than we wrote: restored")
    why = f"it was edited on the server: version {held.version}, we wrote {known.version}"
    return Decision(action="edited", held=held, why=why)


def _unknown(item: Item, held: Held) -> Decision:
    """A resource of which we do not remember anything."""
    if held.id != item.id:
        return Decision(action="update", held=held, why=f"adopted: it was there as {item.kind}/{held.id}")
    if held.version in ("", "1"):
        return Decision(action="update", held=held)
    why = f"it differs in version {held.version}, and what was written before is not known: it may have been edited"
    return Decision(action="edited", held=held, why=why)
