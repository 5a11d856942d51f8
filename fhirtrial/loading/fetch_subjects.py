"""Reading the subjects of studies back from a server, with who they are and what was given to them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing

import orjson

from fhirtrial.identity import identity_of
from fhirtrial.issue import Issue
from fhirtrial.loading.following import ABSOLUTE, ASKED, Following
from fhirtrial.loading.loader import in_parts
from fhirtrial.readers.fhir import ResourceFound
from fhirtrial.record import Origin
from fhirtrial.resources import Resource, spellings
from fhirtrial.search_value import escaped
from fhirtrial.server.client import FhirClient
from fhirtrial.store import KeySet, temporary_database

MAIN, PERSON, STUDY = "ResearchSubject", "Patient", "ResearchStudy"
PAGE = "500"


class SubjectFetch:
    """
    Reads subjects, and for many of them at once what refers to them and what they refer to, in little memory.

    What was given to somebody is found by the person, which is what servers can look for: no search parameter leads
    from an administration to a subject. What names neither a subject nor a study of those that are wanted, something
    that a hospital has given to the same person for instance, is passed over.
    https://hl7.org/fhir/R5/medicationadministration.html#search

    Args:
        client: the server.
        beside: the types of what refers to subjects.
        others: the types of what these and subjects refer to; others are not read.
        noticed: is called with each issue.

    """

    def __init__(
        self,
        client: FhirClient,
        *,
        beside: Iterable[str],
        others: Collection[str],
        noticed: Callable[[Issue], object] = lambda _: None,
    ) -> None:
        self.client = client
        self.base = client.address.text
        self.beside = tuple(beside)
        self._following = Following(client, known={*others} - {*self.beside, MAIN}, noticed=noticed)

    def subjects(self, numbers: Sequence[str] = ()) -> Iterator[Resource]:
        """
        The resources of the subjects of studies by their numbers, or of all subjects of the server.

        Subjects come first: study by study, in the order of their identifiers. A study without any is an issue.
        """
        with closing(temporary_database()) as database, closing(KeySet()) as read:
            database.execute(
                "CREATE TABLE subject (name TEXT PRIMARY KEY, study TEXT, own TEXT, person TEXT, text BLOB)"
            )
            database.execute("CREATE INDEX of_study ON subject (study)")
            database.execute("BEGIN")
            for subject in self._of(numbers) if numbers else self.client.search(MAIN, {"_count": PAGE}):
                row = (f"{MAIN}/{subject.get('id')}", *self._facts(subject), orjson.dumps(subject))
                database.execute("INSERT OR IGNORE INTO subject VALUES (?, ?, ?, ?, ?)", row)
            texts = database.execute("SELECT text FROM subject ORDER BY study, own, name")
            while subjects := [orjson.loads(text) for (text,) in texts.fetchmany(ASKED)]:
                for subject in subjects:
                    yield from self._studies_of(subject, read)
                referred = set().union(*map(self._references, subjects))
                yield from self._referred(referred, read, without=PERSON)
                yield from subjects
            self._say_without_person(database)
            persons = database.execute(
                "SELECT person FROM subject WHERE person <> '' GROUP BY person ORDER BY min(study), min(own), person"
            )
            while names := [name for (name,) in persons.fetchmany(ASKED)]:
                yield from self._around(names, database, read)

    def _studies_of(self, subject: Resource, read: KeySet) -> Iterator[Resource]:
        """The studies on the server that have the number by which a subject names its own, each once."""
        number = _number(subject)
        if number and STUDY in self._following.known and read.add(f"{STUDY}?{number}".encode()):
            for study in self.client.search(STUDY, {"identifier": escaped(number), "_count": "200"}):
                if read.add(f"{STUDY}/{study.get('id')}".encode()):
                    yield study

    def _say_without_person(self, database: sqlite3.Connection) -> None:
        query = "SELECT count(*) OVER (), name FROM subject WHERE person = '' ORDER BY study, own, name LIMIT 1"
        count, first = database.execute(query).fetchone() or (0, "")
        if count:
            message = f"what was given to {count:,} of the subjects, and their visits, are not read: they refer to no"
            message += " person whom a server can look for; this is the first of them"
            self._following.say("warning", "person-not-searchable", message, first)

    def _around(self, persons: Sequence[str], database: sqlite3.Connection, read: KeySet) -> Iterator[Resource]:
        """Some persons, and what refers to the subjects that they are."""
        yield from self._referred(set(persons), read)
        for kind in self.beside:
            referred: set[str] = set()
            for resource in self.client.search(kind, {"patient": ",".join(map(escaped, persons)), "_count": PAGE}):
                named = self._references(resource)
                if self._names_one(named, database):
                    yield resource
                    referred |= named
            yield from self._referred(referred, read, without=PERSON)

    def _names_one(self, references: Iterable[str], database: sqlite3.Connection) -> bool:
        """Whether references name a subject of those that are wanted, or their study."""
        named = (name for name in references if name.startswith((f"{MAIN}/", f"{STUDY}/")))
        query = "SELECT 1 FROM subject WHERE name = ?1 UNION ALL SELECT 1 FROM subject WHERE study = ?1 LIMIT 1"
        return any(database.execute(query, (name,)).fetchone() for name in named)

    def _referred(self, references: set[str], read: KeySet, *, without: str = "") -> Iterator[Resource]:
        """What some references mean, of the types that are read, each once."""
        kinds = self._following.known
        wanted = sorted(name for name in references if (kind := name.partition("/")[0]) in kinds and kind != without)
        for _, resource in self._following.by_id([name for name in wanted if read.add(name.encode())]):
            yield resource

    def _of(self, numbers: Sequence[str]) -> Iterator[Resource]:
        """
        The subjects of studies by their numbers.

        Those that are tied to a study by its number alone are not found by a search: servers look for references. So
        where a study has no other subjects, all are looked at.
        """
        numbers_of: dict[str, list[str]] = {}
        for asked in in_parts([escaped(number) for number in numbers], ASKED):
            for study in self.client.search(STUDY, {"identifier": ",".join(asked), "_count": "200"}):
                own = {str(each.get("value")) for each in study.get("identifier", ())}
                numbers_of[f"{STUDY}/{study.get('id')}"] = [number for number in numbers if number in own]
        found: set[str] = set()
        for asked in in_parts(sorted(numbers_of), ASKED):
            for subject in self.client.search(MAIN, {"study": ",".join(asked), "_count": PAGE}):
                found.update(*(numbers_of.get(name, ()) for name in self._references(subject)))
                yield subject
        left = set(numbers) - found
        if left:
            for subject in self.client.search(MAIN, {"_count": PAGE}):
                number = _number(subject)
                if number in left:
                    found.add(number)
                    yield subject
        for number in sorted(left - found):
            self._following.say("error", "not-on-server", f"the server has no subject of the study {number}", number)

    def _facts(self, subject: Resource) -> tuple[str, str, str]:
        """The study of a subject, what it is called there, and whom to look for as the person; empty if not said."""
        references = self._references(subject)
        study = next((name for name in sorted(references) if name.startswith(f"{STUDY}/")), _number(subject))
        return study, _own_number(subject), self._person_of(subject)

    def _person_of(self, subject: Resource) -> str:
        """The person whom a subject is: by type and id, or by the address on another server."""
        person = subject.get("individual", subject.get("subject"))  # R4 and R4B, R5
        address = person.get("reference") if isinstance(person, dict) else None
        if not isinstance(address, str):
            return ""
        name = spellings(address)[-1]
        if not name.startswith(f"{PERSON}/"):
            return ""
        here = not ABSOLUTE.match(address) or address.startswith(f"{self.base}/")
        return name if here else address.partition("/_history/")[0]

    def _references(self, resource: Resource) -> set[str]:
        references = set[str]()
        self._following.addresses(resource, references, set())
        return references


def _own_number(subject: Resource) -> str:
    """What a subject is called in a study: by the identifier that is usual, else by the first."""
    listed = subject.get("identifier")
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and each.get("use") == "usual":
            return str(each.get("value", ""))
    return identity_of(subject).value


def _number(subject: Resource) -> str:
    """The number of a subject's study, where the subject has it."""
    study = subject.get("study")
    identifier = study.get("identifier") if isinstance(study, dict) else None
    return str(identifier.get("value", "")) if isinstance(identifier, dict) else ""


def subjects_there(
    client: FhirClient,
    numbers: Sequence[str],
    noticed: Callable[[Issue], object],
    *,
    beside: Iterable[str],
    others: Collection[str],
) -> Iterator[ResourceFound]:
    """What `SubjectFetch.subjects` finds, as a run takes it; the client is closed at the end."""
    fetch = SubjectFetch(client, beside=beside, others=others, noticed=noticed)
    with client:
        yield from found_there(fetch.subjects(numbers), fetch.base)


def found_there(resources: Iterable[Resource], base: str) -> Iterator[ResourceFound]:
    """Resources of a server as a run takes them."""
    for resource in resources:
        size = len(orjson.dumps(resource))
        yield ResourceFound(resource=resource, origin=Origin(file=base), full_url=None, size=size)
