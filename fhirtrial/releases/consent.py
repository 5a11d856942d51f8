"""Elements of a Consent that change in a way of their own: pairs of functions, named in the table by ``call``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fhirtrial.releases.block import ABSENT, Block, Inner, Json, extension_of, with_extension, without_extension
from fhirtrial.releases.run import Run
from fhirtrial.releases.table import Row, Table

SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
"""What a consent is about, research among others: https://terminology.hl7.org/CodeSystem-consentscope.html"""

TYPES = {"http://hl7.org/fhir/fhir-types": "http://hl7.org/fhir/resource-types"}
"""The code system of resource types in R5, and in R4."""

_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?", re.ASCII)


def add_scope(block: Block, row: Row, table: Table, inner: Inner) -> None:  # noqa: ARG001
    """
    Consent.category: R4 has the category that says what kind of consent it is as ``scope``, which it requires.

    A scope stands first in R5. Without one R4 says that it is unknown; our extension ``copy-of`` marks that. What is no
    code of HL7's for a scope stays under HL7's address for elements of R4.
    """
    block.down_rows[row.name] = lambda *_: None
    block.up_rows |= {row.name: lambda *_: None, row.to: lambda *_: None}
    block.copies.append(_Scope(f"{table.earlier}Consent.scope", table.own("copy-of")))


class _Scope:
    """Both elements at once: R4 requires a scope where R5 has no category at all."""

    def __init__(self, url: str, mark: str) -> None:
        self.url = url
        absent = {"url": ABSENT, "valueCode": "unknown"}
        self.unknown = {"extension": [absent, {"url": mark, "valueString": "nothing"}]}

    def down(self, r5: Json, out: Json, run: Run) -> None:
        """Takes the scope from the categories; it stays one of them where the way back would not put it first."""
        given = r5.get("category", [])
        kept = extension_of(out, self.url)
        if kept is not None:
            out["scope"] = kept.get("valueCodeableConcept", self.unknown)
            rest = without_extension(out, self.url).get("extension")
            del out["extension"]
            if rest:
                out["extension"] = rest
        else:
            scope = out["scope"] = next((each for each in given if _is_scope(each, run)), self.unknown)
            if given and given[0] is scope and given[1:] != [scope] and scope not in given[2:]:
                given = given[1:] or given
        if given:
            out["category"] = given

    def up(self, native: Json, out: Json, run: Run) -> None:
        """Puts it first, unless it is among the categories."""
        scope, given = native.get("scope", self.unknown), native.get("category", [])
        if scope != self.unknown and not _is_scope(scope, run):
            kept = {"url": self.url, "valueCodeableConcept": scope}
            out["extension"] = [*out.get("extension", ()), kept]
        elif scope != self.unknown and given != [scope] and scope not in given[1:]:
            given = [scope, *given]
        if given:
            out["category"] = given


def _is_scope(concept: Json, run: Run) -> bool:
    return any(system == SCOPES for system, _ in run.tokens(concept))


def add_consent_date(block: Block, row: Row, table: Table, inner: Inner) -> None:  # noqa: ARG001
    """Consent.date: in R4 a time as well, of which R5 has the day."""

    def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        found = _DATE.match(given)
        if found is None or found[0] != given:
            message = f"R5 has a date here: the time of {given!r} is left out"
            run.say("warning", "not-carried", message, f"{block.path}.{row.to}", row.line)
        if found is not None:
            out[row.name] = found[0]

    block.down_rows[row.name] = lambda given, out, *_: out.__setitem__(row.to, given)
    block.down_rows[f"_{row.name}"] = lambda given, out, *_: out.__setitem__(f"_{row.to}", given)
    block.up_rows[row.to] = up
    block.up_rows[f"_{row.to}"] = lambda given, out, *_: out.__setitem__(f"_{row.name}", given)


def add_decision(block: Block, row: Row, table: Table, inner: Inner) -> None:  # noqa: ARG001
    """Consent.decision: HL7's extension for it changes what else is said, so it is a modifierExtension."""
    url = f"{table.official}Consent.decision"

    class Decision:
        """After the other members, as the resource may have further modifiers."""

        def down(self, r5: Json, out: Json, run: Run) -> None:  # noqa: ARG002
            """Makes the extension."""
            said = {name: r5[member] for name, member in _DECISION if member in r5}
            if said:
                out["modifierExtension"] = [*out.get("modifierExtension", ()), {"url": url, **said}]

        def up(self, native: Json, out: Json, run: Run) -> None:
            """Takes it off."""
            for said in sorted(set(_types(native.get("provision")))):
                message = f"{said!r} stands in an extension of R4's, which readers of R5 need not know"
                run.say("warning", "no-r5-form", message, "Consent.provision.type", row.line)
            mine = [each for each in out.get("modifierExtension", ()) if each.get("url") == url]
            if not mine:
                return
            out |= {member: mine[0][name] for name, member in _DECISION if name in mine[0]}
            rest = [each for each in out.pop("modifierExtension") if each not in mine]
            if rest:
                out["modifierExtension"] = rest

    for name in ("decision", "_decision"):
        block.down_rows[name] = lambda *_: None
    block.copies.append(Decision())


def _types(provision: Any) -> Iterator[str]:
    """What R4's provisions do, at any depth: permit or deny."""
    if isinstance(provision, dict):
        if isinstance(provision.get("type"), str):
            yield provision["type"]
        for each in provision.get("provision", ()):
            yield from _types(each)


_DECISION = (("valueCode", "decision"), ("_valueCode", "_decision"))


def add_policy_reference(block: Block, row: Row, table: Table, inner: Inner) -> None:  # noqa: ARG001
    """Consent.policyBasis.reference: HL7's extension for it stands on the address that R4 has instead."""
    url = f"{table.official}Consent.policyBasis.reference"

    class Policy:
        """After the other members: the address has extensions of its own."""

        def down(self, r5: Json, out: Json, run: Run) -> None:  # noqa: ARG002
            """Makes the extension."""
            if row.name in r5:
                out["_uri"] = with_extension(out.get("_uri"), {"url": url, "valueReference": r5[row.name]})

        def up(self, native: Json, out: Json, run: Run) -> None:  # noqa: ARG002
            """Takes it off."""
            found = extension_of(out.get("_url"), url)
            if found is not None:
                out[row.name] = found.get("valueReference", {})
                rest = without_extension(out.pop("_url"), url)
                if rest:
                    out["_url"] = rest

    block.down_rows[row.name] = lambda *_: None
    block.copies.append(Policy())


def add_content_class(block: Block, row: Row, table: Table, inner: Inner) -> None:  # noqa: ARG001
    """Consent.provision.documentType and .resourceType: one list in R4, in which the code system tells them apart."""
    of_types = row.name == "resourceType"
    of_r5 = {there: here for here, there in TYPES.items()}

    def renamed(coding: Json, systems: dict[str, str]) -> Json:
        system = coding.get("system")
        return {**coding, "system": systems[system]} if system in systems else coding

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        if any((coding.get("system") in TYPES) != of_types for coding in given):
            message = "R4 has one list for types of documents and of resources: which this is, is lost"
            run.say("warning", "no-r4-form", message, f"{block.path}.{row.name}", row.line)
        out[row.to] = [*out.get(row.to, ()), *(renamed(coding, TYPES) for coding in given)]

    def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        for name, types in (("documentType", False), ("resourceType", True)):
            found = [renamed(coding, of_r5) for coding in given if (coding.get("system") in of_r5) == types]
            if found:
                out[name] = found

    block.down_rows[row.name] = down
    block.up_rows[row.to] = up
