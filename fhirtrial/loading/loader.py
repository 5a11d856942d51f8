"""The load itself: wave after wave of studies is compared with the target, and what differs is written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import orjson

from fhirtrial.identity import Identity
from fhirtrial.issue import Issue, Severity
from fhirtrial.loading.compare import changes
from fhirtrial.loading.decision import Decision, decide, targets_of
from fhirtrial.loading.item import Item
from fhirtrial.loading.pace import Pace
from fhirtrial.loading.plan import by_level, chains, in_order, steps
from fhirtrial.loading.pruner import Pruner
from fhirtrial.loading.state import State, Written
from fhirtrial.loading.summary import LoadSummary
from fhirtrial.loading.target import Held, Target
from fhirtrial.loading.writer import Outcome, Writer
from fhirtrial.mapping.difference import Difference
from fhirtrial.store import KeySet

WAVE = 4000
"""How many resources, about, are compared and written together; the first waves are smaller, so that writing begins."""
ASKED = 250
"""How many identities are looked up with one search."""
FIRST = 50
"""How many entries a bundle has until it is known how long they take."""

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """
    A record, a study or a subject: what it is called, all its resources, those that it shares among them.

    ``place`` is where it was read.
    """

    study: str
    items: Sequence[Item]
    place: str = ""
    is_subject: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """
    How to load.

    ``verify`` looks at everything on the target, whatever is remembered; ``force`` exchanges what was edited there;
    ``dry`` writes nothing; ``prune`` deletes what we made for a study and the record no longer has; ``workers`` is how
    many bundles are under way at a time (None: as many as are of use for the target).
    """

    verify: bool = False
    force: bool = False
    dry: bool = False
    prune: bool = False
    workers: int | None = None


@dataclass(slots=True)
class Wave:
    """
    Studies that are compared and written together; ``shared`` are resources of theirs met for the first time.

    ``failed`` says of resources, by reference, why they are not written; ``refused`` of studies, by their place.
    ``spoken_of`` are the resources of the target that our Provenances there speak of.
    """

    groups: list[Group] = field(default_factory=list)
    shared: list[Item] = field(default_factory=list)
    decisions: dict[str, Decision] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    spoken_of: set[str] = field(default_factory=set)


class Loader:
    """
    Loads studies into a target.

    Args:
        target: where to.
        state: what was written there before.
        options: how.
        own: how the systems of identifiers begin that only this tool gives.
        noticed: is called with each issue.
        shown: is called with each resource that would change, its study, and where it differs from what the target
            holds; before it is written.
        progress: is called after each wave.

    """

    def __init__(
        self,
        target: Target,
        state: State,
        options: Options,
        *,
        own: str = "",
        noticed: Callable[[Issue], object] = lambda _: None,
        shown: Callable[[Item, Decision, Sequence[Difference]], object] | None = None,
        progress: Callable[[LoadSummary], object] = lambda _: None,
    ) -> None:
        self.target = target
        self.state = state
        self.options = options
        self.own = own
        self.noticed = noticed
        self.shown = shown
        self.progress = progress
        self.summary = LoadSummary(dry=options.dry)
        self.pace = Pace(target.limits, entries=FIRST)
        self.writer = Writer(target, state, self.pace, self.summary)
        self.seen = KeySet()
        self.lost: dict[str, str] = {}
        self.pruner = Pruner(target, state, self.summary, self._say_of_study)
        self._lock = threading.Lock()

    def load(self, groups: Iterable[Group]) -> LoadSummary:
        """
        Loads all studies, in waves; what one refers to is written before it.

        Raises ServerError if the target cannot be reached any more, or does not want us: what was written until then
        is remembered, and another run goes on.
        """
        workers = self.options.workers or self.target.workers
        with closing(self.seen), ThreadPoolExecutor(workers) as pool, ThreadPoolExecutor(1) as writing:
            self._map = pool.map
            under_way: Future[None] | None = None
            for wave in self._waves(groups):
                # While one wave is written, the next is read, converted and compared.
                self._decide(wave)
                self._await(under_way)
                under_way = writing.submit(self._carry_out, wave)
            self._await(under_way)
        # Only now: what one study has no longer, another may have taken up.
        self.pruner.prune(dry=self.options.dry)
        return self.summary

    def refuse(self, issue: Issue) -> None:
        """Counts what was noticed while reading, and hands it on; an error refuses a record."""
        with self._lock:
            self.summary.refused += issue.severity == "error"
        self._note(issue)

    def _await(self, under_way: Future[None] | None) -> None:
        if under_way is not None:
            under_way.result()
            self.progress(self.summary)

    def _waves(self, groups: Iterable[Group]) -> Iterator[Wave]:
        wave, size, most = Wave(), 0, WAVE // 8
        for group in groups:
            wave.groups.append(group)
            for item in group.items:
                if not item.study and self.seen.add(item.reference.encode()):
                    wave.shared.append(item)
                size += 1
            if size >= most:
                yield wave
                wave, size, most = Wave(), 0, min(WAVE, 2 * most)
        if wave.groups:
            yield wave

    # ------------------------------------------------------------ one wave

    def _carry_out(self, wave: Wave) -> None:
        """Writes what is to be written: what studies share first, by level, then studies, then who refers to them."""
        for level in by_level([item for item in wave.shared if self._writes(wave, item)]):
            self._write(wave, level)
        ready = [[item for item in group.items if item.study and self._writes(wave, item)] for group in wave.groups]
        for step in steps(ready):
            standing = [[place for place in circle if self._stands(wave, place)] for circle in step]
            written = [in_order([item for place in circle for item in ready[place]]) for circle in standing]
            self._write(wave, [items for items in written if items])
        for item in wave.shared:
            self.summary.count(item.kind, self._outcome(wave, item, failed=False))
        with self.state.transaction():  # one for all studies: each would take its time
            for place in range(len(wave.groups)):
                self._finish(wave, place)

    def _writes(self, wave: Wave, item: Item) -> bool:
        decision = wave.decisions.get(item.reference)
        return decision is not None and decision.writes and item.reference not in wave.failed

    def _decide(self, wave: Wave) -> None:
        """What is to be done with each item; those that are as we wrote them are not looked up."""
        items = [*wave.shared, *(item for group in wave.groups for item in group.items if item.study)]
        open_: dict[str, tuple[Item, Written | None]] = {}
        for item in items:
            known = self.state.get(item.identity)
            if known is not None and known.id:
                self.writer.lives(item, known.id)
            if known is not None and known.digest == item.digest and not self.options.verify:
                wave.decisions[item.reference] = Decision(action="unchanged")
            else:
                open_[item.reference] = item, known
        if not self.options.verify:
            # A Provenance alone is no reason to write: it goes along with something that it speaks of.
            for reference, (item, known) in list(open_.items()):
                alone = known is not None and not any(name in open_ for name in item.references)
                if item.kind == "Provenance" and alone:
                    wave.decisions[reference] = Decision(action="unchanged")
                    del open_[reference]
        found = self._find([item.identity for item, _ in open_.values()])
        # An identity that lives elsewhere changes what others refer to: so that is known first.
        for item, _ in open_.values():
            held = found.get(item.identity, ())
            if len(held) < 2:
                self.writer.lives(item, held[0].id if held else item.id)
        for identity, there in found.items():
            if identity.kind == "Provenance":
                wave.spoken_of.update(*(targets_of(each.resource, base=self.target.address) for each in there))
        agreed: dict[Identity, Written] = {}
        for last in (False, True):
            for reference, (item, known) in open_.items():
                if (item.kind == "Provenance") == last:
                    held_here = found.get(item.identity, ())
                    wave.decisions[reference] = self._decided(wave, item, known, held_here, agreed)
        self.state.put(agreed)

    def _decided(
        self,
        wave: Wave,
        item: Item,
        known: Written | None,
        held: Sequence[Held],
        agreed: dict[Identity, Written],
    ) -> Decision:
        """What is to be done with an item; what the target holds already is added to what is ``agreed``."""
        text, base = self.writer.text(item), self.target.address
        ours = bool(self.own) and item.identity.system.startswith(self.own)
        ours = ours or any(f"{item.kind}/{each.id}" in wave.spoken_of for each in held)
        decision = decide(item, text, known, held, base=base, ours=ours, force=self.options.force)
        if item.kind == "Provenance" and decision.action in ("update", "edited"):
            spoken_of = [wave.decisions[name] for name in item.references if name in wave.decisions]
            if not any(each.writes for each in spoken_of):
                return Decision(action="unchanged")
        if decision.action == "unchanged" and decision.held is not None:
            created = known is not None and known.created
            agreed[item.identity] = Written(item.digest, decision.held.id, decision.held.version, created)
        if self.shown is not None and decision.action in ("create", "update", "edited"):
            theirs = {} if decision.held is None else decision.held.resource
            with self._lock:
                self.shown(item, decision, list(changes(orjson.loads(text), theirs, base=base)))
        if decision.action == "edited":
            hint = "--force overwrites it"
            self._say("warning", "edited", f"{decision.why}: left as it is", item, hint=hint)
        elif decision.action == "ambiguous":
            self._fail(wave, item, "several-matches", decision.why, hint="fhirtrial duplicates lists all of them")
        elif decision.why:
            self._say("information", "adopted", decision.why, item)
        return decision

    def _find(self, identities: Sequence[Identity]) -> dict[Identity, list[Held]]:
        by_kind: dict[tuple[str, bool], list[Identity]] = {}
        for identity in identities:
            by_kind.setdefault((identity.kind, bool(identity.system)), []).append(identity)
        questions = [part for asked in by_kind.values() for part in in_parts(asked, ASKED)]
        found: dict[Identity, list[Held]] = {}
        for answer in self._map(self.target.find, questions):
            found |= answer
        return found

    def _fail(self, wave: Wave, item: Item, code: str, why: str, hint: str = "") -> None:
        """What is not written; what several studies share is missing to those of later waves as well."""
        wave.failed[item.reference] = why
        if not item.study:
            self.lost[item.reference] = why
        self._say("error", code, why, item, hint=hint)

    def _stands(self, wave: Wave, place: int) -> bool:
        """Whether a study can be written: nothing of it, and nothing that it refers to, has failed."""
        items = wave.groups[place].items
        for item in items:
            for name in (item.reference, *item.references):
                if why := wave.failed.get(name) or self.lost.get(name):
                    wave.refused[place] = f"{name}: {why}"
                    for each in items:
                        if each.study and wave.decisions[each.reference].action == "create":
                            wave.failed.setdefault(each.reference, why)
                    return False
        return True

    def _write(self, wave: Wave, groups: Sequence[Sequence[Item]]) -> None:
        if self.options.dry:
            return
        planned = list(chains(groups, self.pace.limits))
        again = partial(self._again, wave)
        for outcomes in self._map(lambda chain: self.writer.chain(chain, wave.decisions, again), planned):
            for outcome in outcomes:
                self._settle(wave, outcome)

    def _again(self, wave: Wave, outcome: Outcome) -> Outcome:
        """What was changed on the target while we were deciding is looked at once more."""
        item = outcome.item
        known = self.state.get(item.identity)
        held = self.target.find([item.identity]).get(item.identity, [])
        if len(held) < 2:
            self.writer.lives(item, held[0].id if held else item.id)
        agreed: dict[Identity, Written] = {}
        decision = self._decided(wave, item, known, held, agreed)
        self.state.put(agreed)
        wave.decisions[item.reference] = decision
        if not decision.writes:
            return Outcome(item=item)  # why is said already
        return self.writer.bundle([self.writer.prepared(item, decision)])[0]

    def _settle(self, wave: Wave, outcome: Outcome) -> None:
        item, result = outcome.item, outcome.result
        if result is None:
            if outcome.why:
                self._fail(wave, item, "not-loaded", outcome.why)
        else:
            self.writer.lives(item, result.id)
        if result is not None and result.outcome == "unchanged":
            wave.decisions[item.reference] = Decision(action="unchanged")

    # ------------------------------------------------------------ the end of a study

    def _finish(self, wave: Wave, place: int) -> None:
        group = wave.groups[place]
        if group.is_subject:
            self.summary.subjects += 1
        else:
            self.summary.studies += bool(group.study)
        failed = place in wave.refused or any(item.reference in wave.failed for item in group.items)
        if failed:
            with self._lock:
                self.summary.refused += 1
            if not group.is_subject:  # nobody refers to what is a subject's, but subjects of later waves do to a study
                self.lost |= {each.reference: why for each in group.items if (why := wave.failed.get(each.reference))}
            if group.study and place in wave.refused:
                message = f"not loaded: {wave.refused[place]}"
                self._say_of_study("error", "study-not-loaded", message, group.study, group.place)
        for item in group.items:
            if item.study:
                self.summary.count(item.kind, self._outcome(wave, item, failed=failed))
        if group.study and not failed:
            identities = [item.identity for item in group.items]
            if self.options.prune:
                self.pruner.gone(group.study, group.place, identities)
            if not self.options.dry:
                self.state.use(group.study, identities)

    def _outcome(self, wave: Wave, item: Item, *, failed: bool) -> str:
        decision = wave.decisions[item.reference]
        if item.reference in wave.failed or (failed and item.study and decision.writes):
            return "failed"
        return {"create": "created", "update": "updated"}.get(decision.action, decision.action)

    # ------------------------------------------------------------ issues

    def _say(self, severity: Severity, code: str, message: str, item: Item, hint: str = "") -> None:
        self._note(
            Issue(
                severity=severity,
                code=code,
                message=message,
                record=item.study,
                place=item.place,
                path=item.reference,
                hint=hint,
            )
        )

    def _say_of_study(self, severity: Severity, code: str, message: str, study: str, place: str) -> None:
        self._note(Issue(severity=severity, code=code, message=message, record=study, place=place))

    def _note(self, issue: Issue) -> None:
        with self._lock:  # a wave is compared while another is written
            self.summary.note(issue)
            self.noticed(issue)


def in_parts(things: Sequence[Thing], most: int) -> Iterator[Sequence[Thing]]:
    """
    A sequence in parts of at most so many.

    >>> list(in_parts("abcde", 2))
    ['ab', 'cd', 'e']
    """
    for start in range(0, len(things), most):
        yield things[start : start + most]
