"""Writing bundles: what a target refuses is narrowed down to the entry at fault, and the rest goes through."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fhirtrial.loading.decision import Decision
from fhirtrial.loading.item import Item, with_id, with_references
from fhirtrial.loading.pace import Pace
from fhirtrial.loading.plan import by_level
from fhirtrial.loading.state import State, Written
from fhirtrial.loading.summary import LoadSummary
from fhirtrial.loading.target import RefusedBundleError, Result, Target, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    What became of an item: ``result``, or why it could not be written; ``changed``: it is to be decided again.

    Neither: after all, there was nothing to write.
    """

    item: Item
    result: Result | None = None
    why: str = ""
    changed: bool = False


class Writer:
    """
    Writes chains of bundles; may be called from several threads.

    ``addresses`` says of items that live under another id than ours, by our reference, where they are.
    """

    def __init__(
        self,
        target: Target,
        state: State,
        pace: Pace,
        summary: LoadSummary,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.target = target
        self.state = state
        self.pace = pace
        self.summary = summary
        self.addresses: dict[str, str] = {}
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()

    def lives(self, item: Item, id: str) -> None:
        """Takes note of the id under which an item is on the target."""
        if id == item.id:
            self.addresses.pop(item.reference, None)
        else:
            self.addresses[item.reference] = f"{item.kind}/{id}"

    def text(self, item: Item) -> bytes:
        """An item's text with the references of the target."""
        if not self.addresses:
            return item.text
        other = {name: self.addresses[name] for name in item.references if name in self.addresses}
        return with_references(item.text, other)

    def prepared(self, item: Item, decision: Decision) -> Write:
        """The write that carries out a decision."""
        text, held = self.text(item), decision.held
        if held is None:
            return Write(item=item, way="create", text=text, id=item.id)
        if held.id != item.id:
            text = with_id(text, held.id)
        return Write(item=item, way="update", text=text, id=held.id, version=held.version)

    def chain(
        self,
        bundles: Sequence[Sequence[Item]],
        decisions: Mapping[str, Decision],
        again: Callable[[Outcome], Outcome],
    ) -> list[Outcome]:
        """
        What became of a chain of bundles, written one after the other.

        ``again`` decides and writes once more what was changed meanwhile: before anything that refers to it is written.
        """
        outcomes: list[Outcome] = []
        failed: set[str] = set()
        for bundle in bundles:
            ready = []
            for item in bundle:
                lost = next((name for name in item.references if name in failed), None)
                if lost is None:
                    ready.append(item)
                else:
                    outcomes.append(Outcome(item=item, why=f"it refers to {lost}, which could not be written"))
                    failed.add(item.reference)
            for outcome in self.bundle([self.prepared(item, decisions[item.reference]) for item in ready]):
                settled = again(outcome) if outcome.changed else outcome
                outcomes.append(settled)
                if settled.why:
                    failed.add(settled.item.reference)
        return outcomes

    def bundle(self, writes: Sequence[Write]) -> list[Outcome]:
        """What became of one bundle: of all of it, or, where the target refuses it, of its parts."""
        if not writes:
            return []
        begun = self._clock()
        try:
            with self.target.together():
                results = self.target.write(writes)
                # Remembered before the next bundle is sent: a run may stop at any moment.
                self.state.put({each.item.identity: self.written(each) for each in results if isinstance(each, Result)})
        except RefusedBundleError as error:
            if error.too_large:
                self.pace.too_large(len(writes), sum(len(each.text) for each in writes))
            if error.throttled:
                self.pace.throttled(len(writes))
                self._sleep(error.wait)
            divided = parts(writes, error)
            if len(divided) == 1:
                return [Outcome(item=each.item, why=str(error), changed=error.changed) for each in writes]
            return [outcome for part in divided for outcome in self.bundle(part)]
        took = self._clock() - begun
        if any(each.throttled for each in results):
            self.pace.throttled(len(writes))
        else:
            self.pace.took(took, len(writes))
        with self._lock:
            self.summary.took(took, len(writes))
        outcomes = [Outcome(item=each.item, result=each) for each in results if isinstance(each, Result)]
        for write, each in zip(writes, results, strict=True):
            if isinstance(each, RefusedBundleError):
                alone = len(writes) == 1
                refusal = Outcome(item=write.item, why=str(each), changed=each.changed)
                outcomes += [refusal] if alone else self.bundle([write])
        return outcomes

    def written(self, result: Result) -> Written:
        """What is remembered of a write."""
        known = self.state.get(result.item.identity)
        created = result.outcome == "created" or (known is not None and known.created)
        return Written(result.item.digest, result.id, result.version, created)


def parts(writes: Sequence[Write], error: RefusedBundleError) -> list[Sequence[Write]]:
    """
    A refused bundle in parts, in the order of its references; one part if it cannot be divided.

    Around the entry at fault where the target has named it: those before it, itself, those after it; else two halves.
    What refers to each other in a circle stays together.
    """
    by_name = {write.item.reference: write for write in writes}
    levels = by_level([write.item for write in writes])
    units = [[by_name[item.reference] for item in circle] for level in levels for circle in level]
    if error.place is not None and not error.too_large and error.place < len(writes):
        at = next(place for place, unit in enumerate(units) if writes[error.place] in unit)
        divided = [units[:at], units[at : at + 1], units[at + 1 :]]
    else:
        middle = (len(units) + 1) // 2
        divided = [units[:middle], units[middle:]]
    return [[write for unit in part for write in unit] for part in divided if part]
