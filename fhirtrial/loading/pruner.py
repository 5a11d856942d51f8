"""Deleting what was made for a study, and the study has no longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fhirtrial.identity import Identity
from fhirtrial.issue import Severity
from fhirtrial.loading.state import State, Written
from fhirtrial.loading.summary import LoadSummary
from fhirtrial.loading.target import Target

Say = Callable[[Severity, str, str, str, str], object]


@dataclass(frozen=True, slots=True)
class _Gone:
    study: str
    place: str
    identity: Identity
    known: Written


class Pruner:
    """
    Deletes at the end of a run what studies have no longer, if this tool has made it and no other study has it.

    ``say`` takes an issue of a study: its severity, code and message, the study, and where that was read.
    """

    def __init__(self, target: Target, state: State, summary: LoadSummary, say: Say) -> None:
        self.target = target
        self.state = state
        self.summary = summary
        self.say = say
        self._studies: list[tuple[str, str, list[Identity]]] = []

    def gone(self, study: str, place: str, identities: Iterable[Identity]) -> None:
        """Takes note of what a study had before and has no longer; asked before the state knows of the new."""
        if found := self.state.gone(study, identities):
            self._studies.append((study, place, found))

    def prune(self, *, dry: bool = False) -> None:
        """
        Deletes all that was noted; ``dry``: only counts.

        What others refer to a target may keep, so what refers to it may have to go first: as long as something went,
        the rest is tried again.
        """
        with self.state.transaction():
            waiting = list(self._ours(dry=dry))
        while waiting:
            # Of a folder all of a round together: each alone would take its time.
            with self.target.together():
                kept = [each for each in waiting if not (dry or self._deleted(each))]
            for each in waiting:
                if each not in kept:
                    self.summary.count(each.identity.kind, "deleted")
            if len(kept) == len(waiting):
                break
            waiting = kept
        for each in waiting:
            name = f"{each.identity.kind}/{each.known.id}"
            message = f"{name} is no longer in the record, and is kept: edited, or referred to"
            self.say("warning", "not-pruned", message, each.study, each.place)

    def _ours(self, *, dry: bool) -> Iterable[_Gone]:
        """What is to be deleted; of the rest it is forgotten that the study had it."""
        all_gone = {(study, identity) for study, _, found in self._studies for identity in found}
        claimed: set[Identity] = set()
        for study, place, found in self._studies:
            for identity in found:
                known = self.state.get(identity)
                users = {user for user in self.state.users(identity) if (user, identity) not in all_gone}
                if known is not None and known.created and not users:
                    if identity not in claimed:
                        claimed.add(identity)
                        yield _Gone(study, place, identity, known)
                elif not dry:
                    self.state.drop(study, [identity])

    def _deleted(self, gone: _Gone) -> bool:
        if not self.target.delete(gone.identity.kind, gone.known.id, gone.known.version):
            return False
        self.state.forget([gone.identity])
        return True
