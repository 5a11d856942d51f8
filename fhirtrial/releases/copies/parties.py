"""Parties of a study that R4 has elements of their own for: sponsor, principal investigator, contacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhirtrial.definitions import Definitions
from fhirtrial.files import MappingFiles
from fhirtrial.releases.block import Json
from fhirtrial.releases.copies.entries import replaced
from fhirtrial.releases.run import Known, Run, Token
from fhirtrial.releases.table import CopyRow, Table

ROLES = "http://hl7.org/fhir/research-study-party-role"


class Party:
    """
    One reference, to the first party that has one of the ``roles``, in their order.

    Among those with the same role the one that also has our code ``prefer`` comes first. A party without a reference is
    shown by its name. Edited, the party gets the new reference and, as its name, what the reference displays; name and
    classifier of the old one go, as they belong to it.
    """

    def __init__(self, row: CopyRow, table: Table, files: MappingFiles) -> None:
        self.line = row.line
        self.element = row.element
        element = Definitions.load(files, "r4").element(row.type, row.element)
        self.targets = frozenset(element.targets if element else ())
        self.begins = tuple(f"{name}/" for name in self.targets)
        self.roles: tuple[str, ...] = row.options["roles"]
        self.ranks = {(ROLES, role): rank for rank, role in enumerate(self.roles)}
        self.prefer = (f"{table.base}CodeSystem/party", row.options.get("prefer", ""))
        self._places: Known[tuple[int, bool] | None] = {}

    def place(self, tokens: Sequence[Token]) -> tuple[int, bool] | None:
        """How early a party of a role comes; None for one that the element does not show."""
        ranks = [self.ranks[token] for token in tokens if token in self.ranks]
        return (min(ranks), self.prefer not in tokens) if ranks else None

    def party(self, study: Json, run: Run) -> Json | None:
        """The party that the element shows."""
        best: tuple[int, bool] | None = None
        found = None
        for party in study.get("associatedParty", ()):
            place = run.told(self._places, party.get("role"), self.place)
            if place is not None and (best is None or place < best) and self.is_shown(party, run):
                best, found = place, party
        return found

    def is_shown(self, party: Json, run: Run) -> bool:
        """Whether a party is something that the element may refer to or show."""
        who = party.get("party")
        if who is None:
            return "name" in party
        address = who.get("reference")
        if address.__class__ is str and address.startswith(self.begins):  # as nearly all are
            return True
        kind = run.type_of(who)
        return kind is None or kind in self.targets

    def reference(self, party: Json | None) -> Json:
        """The reference that shows a party; nothing for none."""
        if party is None:
            return {}
        reference: Json = party.get("party", {})
        return {**reference, "display": party["name"]} if "name" in party and "display" not in reference else reference

    def down(self, r5: Json, out: Json, run: Run) -> None:
        """Makes the reference."""
        if reference := self.reference(self.party(r5, run)):
            out[self.element] = reference

    def up(self, native: Json, out: Json, run: Run) -> None:
        """Compares the reference with the party."""
        out.pop(self.element, None)
        given = native.get(self.element)
        if given is None:
            return
        party = self.party(out, run)
        wanted = self.reference(party)
        if given == wanted or (wanted and same_target(given, wanted)):
            return
        new: Json = {"role": party["role"] if party else {"coding": [{"system": ROLES, "code": self.roles[0]}]}}
        if "display" in given:
            new["name"] = given["display"]
        reference = {name: value for name, value in given.items() if name != "display"}
        if reference:
            new["party"] = reference
        if party is None:
            out["associatedParty"] = [*out.get("associatedParty", ()), new]
            return
        message = f"{shown(given)} wins over {shown(wanted)}, which associatedParty says"
        run.say("warning", "conflict", message, f"ResearchStudy.{self.element}", self.line)
        out["associatedParty"] = replaced(out["associatedParty"], party, new)


class Contact:
    """
    Name, phone and e-mail of those who answer questions.

    Phone and e-mail are those of the Practitioner that the party refers to. Names are compared: a new one becomes a
    party, one that is gone takes its party along. Phone and e-mail have their own place: they stay as they are there.
    """

    def __init__(self, row: CopyRow, table: Table, files: MappingFiles) -> None:  # noqa: ARG002
        self.line = row.line
        self.roles: tuple[str, ...] = row.options["roles"]
        self.own = (f"{table.base}CodeSystem/party", row.options.get("own", ""))
        self.codes = {*((ROLES, role) for role in self.roles), self.own}
        self._known: Known[bool] = {}

    def is_contact(self, tokens: Sequence[Token]) -> bool:
        """Whether a party of a role is a contact."""
        return not self.codes.isdisjoint(tokens)

    def parties(self, study: Json, run: Run) -> list[Json]:
        """The parties that are contacts."""
        return [
            party
            for party in study.get("associatedParty", ())
            if run.told(self._known, party.get("role"), self.is_contact)
        ]

    def detail(self, party: Json, run: Run) -> Json:
        """A party as a ContactDetail."""
        made: Json = {"name": party["name"]} if "name" in party else {}
        who = run.resolve(party.get("party"))
        telecom = _telecom(who)
        if telecom is None and who is not None and who.get("resourceType") == "PractitionerRole":
            telecom = _telecom(run.resolve(who.get("practitioner")))
        return {**made, "telecom": telecom} if telecom else made

    def down(self, r5: Json, out: Json, run: Run) -> None:
        """Makes the contacts."""
        found = [detail for party in self.parties(r5, run) if (detail := self.detail(party, run))]
        if found:
            out["contact"] = found

    def up(self, native: Json, out: Json, run: Run) -> None:  # noqa: ARG002
        """Compares the contacts with the parties."""
        given = out.pop("contact", None)
        if given is None:
            return
        parties = self.parties(out, run)
        wanted = [detail for party in parties if (detail := self.detail(party, run))]
        if given == wanted:
            return
        path = "ResearchStudy.contact"
        names = [each.get("name") for each in given]
        if names == [each.get("name") for each in wanted]:
            if any("telecom" in each for each in wanted):
                message = "phone or e-mail differ from the Practitioner's, which stay: edit them there"
                run.say("warning", "conflict", message, f"{path}.telecom", self.line)
            return
        if parties:
            said = ", ".join(repr(each.get("name")) for each in wanted)
            message = f"{', '.join(map(repr, names))} wins over {said}, which associatedParty says"
            run.say("warning", "conflict", message, path, self.line)
        kept = {party.get("name"): party for party in parties}
        ours = any(self.own in run.tokens(party.get("role")) for party in parties)
        made = [kept.get(each.get("name")) or self.new(each, run, ours=ours) for each in given]
        others = [each for each in out.get("associatedParty", ()) if not any(each is party for party in parties)]
        out["associatedParty"] = others + made

    def new(self, detail: Json, run: Run, *, ours: bool) -> Json:
        """The party that a new contact becomes; beside contacts with our mark (``ours``) it gets that, and is read."""
        if "telecom" in detail:
            message = f"phone or e-mail of {detail.get('name', 'a contact')!r} need a Practitioner, and are not carried"
            run.say("warning", "not-carried", message, "ResearchStudy.contact.telecom", self.line)
        for name in sorted(detail.keys() - {"name", "telecom"}):
            message = "a party has no place for it: not carried"
            run.say("warning", "not-carried", message, f"ResearchStudy.contact.{name}", self.line)
        coding = [{"system": ROLES, "code": self.roles[0]}]
        if ours:
            coding.append({"system": self.own[0], "code": self.own[1]})
        made: Json = {"role": {"coding": coding}}
        return {**made, "name": detail["name"]} if "name" in detail else made


def _telecom(who: Json | None) -> Any:
    """Phone and e-mail of somebody in R5: of the contact that a role names, else of the person; None if none."""
    if who is None:
        return None
    named = [each for contact in who.get("contact", ()) for each in contact.get("telecom", ())]
    return named or who.get("telecom")


def same_target(one: Json, other: Json) -> bool:
    """
    Whether two references mean the same: servers make them absolute, versioned, and add a display.

    >>> same_target({"reference": "https://x/fhir/Location/1/_history/2", "display": "A"}, {"reference": "Location/1"})
    True
    """
    first, second = _target(one), _target(other)
    return first == second if first or second else one.get("display") == other.get("display")


def _target(reference: Json) -> str:
    address = str(reference.get("reference") or "")
    return address if address.startswith("#") else "/".join(address.partition("/_history/")[0].split("/")[-2:])


def shown(reference: Json) -> str:
    """A reference in words."""
    return repr(reference.get("display") or reference.get("reference") or "nothing")
