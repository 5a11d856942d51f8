"""What is known of subjects and their doses while resources pass by, in any order: in memory while it is little."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from fhirtrial.store import temporary_database

SUBJECTS_IN_MEMORY = 1_000
"""Of how many subjects doses are added up in memory at a time: those of one come together, nearly always."""

CACHE = 4 << 20
"""How many bytes of what waits on disk are held in memory; the same for the keys of what was counted."""


@dataclass(slots=True)
class Tally:
    """What was given to one subject: how often, how often not, and by treatment and unit how much."""

    done: int = 0
    not_done: int = 0
    doses: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    """Total, number of administrations counted in it, number of the others."""

    def add(self, treatment: str, unit: str, amount: Decimal | None, *, counted: int = 1, uncounted: int = 1) -> None:
        """Adds an amount; None is one that cannot be counted."""
        total = self.doses.setdefault((treatment, unit), [Decimal(0), 0, 0])
        if amount is None:
            total[2] += uncounted
        else:
            total[0] += amount
            total[1] += counted

    def merge(self, other: Tally) -> None:
        """Adds another."""
        self.done += other.done
        self.not_done += other.not_done
        for key, (amount, counted, uncounted) in other.doses.items():
            total = self.doses.setdefault(key, [Decimal(0), 0, 0])
            total[0] += amount
            total[1] += counted
            total[2] += uncounted

    def dumped(self) -> bytes:
        """As JSON."""
        doses = [[*key, str(total), counted, uncounted] for key, (total, counted, uncounted) in self.doses.items()]
        return orjson.dumps([self.done, self.not_done, doses])

    @classmethod
    def loaded(cls, text: bytes) -> Tally:
        """From what `dumped` gave."""
        done, not_done, doses = orjson.loads(text)
        return cls(done, not_done, {(a, b): [Decimal(total), c, u] for a, b, total, c, u in doses})


class Tallies:
    """Subjects with what was given to them, found by what doses refer to: the subject, or the person."""

    def __init__(self, *, limit: int = SUBJECTS_IN_MEMORY) -> None:
        self._limit = limit
        self._held: dict[tuple[str, str], Tally] = {}
        self._database = temporary_database(cache=CACHE)
        self._database.executescript(
            """
            CREATE TABLE subject (name TEXT PRIMARY KEY, facts BLOB);
            CREATE TABLE called (person TEXT, study TEXT, name TEXT, PRIMARY KEY (person, study, name)) WITHOUT ROWID;
            CREATE TABLE dose (name TEXT, study TEXT, tally BLOB);
            BEGIN;
            """
        )

    def subject(self, name: str, person: str, facts: dict[str, Any], *, studies: Iterable[str] = ()) -> None:
        """Takes a subject in, with what the study may be called; a person of "" is not known."""
        self._database.execute("INSERT OR IGNORE INTO subject VALUES (?, ?)", (name, orjson.dumps(facts)))
        if person:  # else all whose person is not known would be one
            rows = [(person, study, name) for study in ("", *studies)]
            self._database.executemany("INSERT OR IGNORE INTO called VALUES (?, ?, ?)", rows)

    def of(self, name: str, study: str = "") -> Tally:
        """What was given to a subject, or to a person (in a study, if it is said), to be added to at once."""
        tally = self._held.get((name, study))
        if tally is None:
            if len(self._held) >= self._limit:
                self._spill()
            tally = self._held[name, study] = Tally()
        return tally

    def _spill(self) -> None:
        rows = [(*key, tally.dumped()) for key, tally in self._held.items()]
        self._database.executemany("INSERT INTO dose VALUES (?, ?, ?)", rows)
        self._held.clear()

    def joined(self, *, by_person: bool = True) -> Iterator[tuple[dict[str, Any] | None, Tally]]:
        """
        Each subject's facts and doses, in the order of the subjects' names; None for doses of nobody at hand.

        ``by_person`` says whether doses count that name a subject's person, and no study; else they are left out.
        """
        self._spill()
        if not by_person:
            self._database.execute("DELETE FROM dose WHERE study = '' AND name IN (SELECT person FROM called)")
        self._database.executescript(
            """
            UPDATE dose SET name = (SELECT name FROM called WHERE person = dose.name AND study = dose.study)
                WHERE (SELECT count(*) FROM called WHERE person = dose.name AND study = dose.study) = 1;
            CREATE INDEX dosed ON dose (name);
            """
        )
        query = "SELECT subject.name, facts, tally FROM subject LEFT JOIN dose USING (name)"
        query += " ORDER BY subject.name, dose.rowid"
        here, facts, tally = "", b"", Tally()
        for name, found, text in self._database.execute(query):
            if name != here:
                if here:
                    yield orjson.loads(facts), tally
                here, facts, tally = name, found, Tally()
            if text is not None:
                tally.merge(Tally.loaded(text))
        if here:
            yield orjson.loads(facts), tally
        lost = "SELECT tally FROM dose WHERE name NOT IN (SELECT name FROM subject) ORDER BY name, rowid"
        for (text,) in self._database.execute(lost):
            yield None, Tally.loaded(text)

    def close(self) -> None:
        """Gives the memory and the disk space back."""
        self._held.clear()
        self._database.close()
