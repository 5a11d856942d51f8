"""Where resources are loaded into, as the loader sees it: a server, or a folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from fhirtrial.errors import FhirtrialError
from fhirtrial.identity import Identity
from fhirtrial.loading.item import Item
from fhirtrial.loading.plan import Limits
from fhirtrial.loading.state import State

Way = Literal["create", "update"]
Outcome = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A resource as the target holds it: its id and version there, and its content."""

    id: str
    version: str
    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """
    One resource to write.

    ``text`` is the item's, its references and id as they are on the target. ``create`` makes it under its id unless its
    identity is there meanwhile; ``update`` exchanges the resource ``id``, if that is still in ``version`` (empty: in
    whichever).
    """

    item: Item
    way: Way
    text: bytes
    id: str
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """
    What became of one write: the id and version on the target, and whether the target changed anything.

    ``throttled``: the target wanted fewer at once before it took it.
    """

    item: Item
    outcome: Outcome
    id: str
    version: str
    throttled: bool = False


class RefusedBundleError(FhirtrialError):
    """
    A target that took nothing of a bundle, because of what is in it.

    ``place`` is the entry at fault where the target says so; ``too_large`` that the bundle has too many bytes or
    entries; ``changed`` that a resource is not in the version, or under the id, that was expected; ``throttled`` that
    the target wants fewer at once, and nothing more for ``wait`` seconds.
    """

    def __init__(
        self,
        message: str,
        *,
        place: int | None = None,
        too_large: bool = False,
        changed: bool = False,
        throttled: bool = False,
        wait: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.place = place
        self.too_large = too_large
        self.changed = changed
        self.throttled = throttled
        self.wait = wait


class Target(Protocol):
    """
    Takes resources in, and says what it holds.

    Its methods are called from several threads at once. They raise ServerError where the target cannot be reached, or
    does not want us.
    """

    @property
    def address(self) -> str:
        """What the target is called: the base of its addresses."""

    @property
    def release(self) -> str:
        """The release of FHIR that it takes."""

    @property
    def limits(self) -> Limits:
        """The most that one bundle may hold."""

    @property
    def workers(self) -> int:
        """How many bundles under way at a time are of use."""

    @property
    def remembers(self) -> bool:
        """Whether the target itself remembers what was written, so that no file is needed for that."""

    @property
    def again(self) -> Counter[str]:
        """How often something had to be sent again, by the reason."""

    def open(self, state: str | Path | None, *, mapping: str, dry: bool = False) -> State:
        """
        Makes ready for a load, and gives the memory of what was written before.

        Args:
            state: the file of that memory; None: what is not remembered is looked up.
            mapping: a name for the version of the mapping.
            dry: nothing is written, neither there nor into the memory.

        Raises UsageError if the target is in use, or the memory is none or another target's.

        """

    def together(self) -> AbstractContextManager[None]:
        """What is written and remembered inside is kept together, where the target can do that."""

    def find(self, identities: Sequence[Identity]) -> dict[Identity, list[Held]]:
        """All that the target holds under identities of one type; those that it does not hold are left out."""

    def write(self, writes: Sequence[Write]) -> Sequence[Result | RefusedBundleError]:
        """
        Writes a bundle, and says of each write in its order what became of it.

        A target should take all of a bundle or nothing; of one that does not, some writes may be refused. Raises
        RefusedBundleError if nothing was taken.
        """

    def delete(self, kind: str, identity: str, version: str) -> bool:
        """Deletes a resource if it is still in that version; False if it is not, or is referred to."""

    def close(self) -> None:
        """Completes what was written."""
