"""
The named functions of the mapping files: what needs more than a copy.

A one-way function makes a copy for readers (``also … call``). A two-way function (``from … call``) stands with its
inverse: ``inverse(f(x)) == x`` for every x that f takes; for any other x it returns None, and the mapping carries the
value as it is, beside the element. Inverses return None for what they cannot read.

What a registry's studies share (days, age limits, phases, countries, names of arms) is remembered, so many of each: so
nobody may change what a function returned.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from fhirtrial import design_functions, subject_functions, us_core  # noqa: F401  # they add their functions to the list
from fhirtrial.codes import Coding, Table, coding_of
from fhirtrial.function import FUNCTIONS, Function, named
from fhirtrial.identifier_systems import IdentifierSystems
from fhirtrial.quantities import TEXT, age_ranges, ages_contradict, ages_of_ranges, quantity, quantity_text

__all__ = ["FUNCTIONS", "Function"]

Json = Any


# ---------------------------------------------------------------- numbers with units

named(quantity_text, members=("value", "unit", "system", "code"))(quantity)
named(ages_of_ranges, doubt=ages_contradict, members=("low", "high", "value", "unit", "system", "code"))(age_ranges)


def text_of_integer64(value: Json) -> int | None:
    """
    The inverse of ``integer64``; servers and HL7's examples also write a number.

    >>> text_of_integer64("1024"), text_of_integer64(1024)
    (1024, 1024)
    """
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):  # the last one of infinity, which dicts may hold
        return None


@named(text_of_integer64)
def integer64(number: int) -> str | None:
    """
    A whole number as R5 writes it in JSON: text. https://hl7.org/fhir/R5/json.html#primitive

    >>> integer64(1024)
    '1024'
    """
    return str(number) if type(number) is int and -(2**63) <= number < 2**63 else None


# ---------------------------------------------------------------- yes and no


def actual_type(actual: Json) -> str | None:
    """The inverse of ``is_actual``."""
    return {True: "ACTUAL", False: "ESTIMATED"}.get(actual) if isinstance(actual, bool) else None


_ACTUAL = {"ACTUAL": True, "ESTIMATED": False}


@named(actual_type)
def is_actual(date_type: str) -> bool | None:
    """
    Whether a date is what happened (True) or what is expected (False).

    >>> is_actual("ESTIMATED"), is_actual("OTHER")
    (False, None)
    """
    return _ACTUAL.get(date_type)


# ---------------------------------------------------------------- addresses

PUBMED = "https://pubmed.ncbi.nlm.nih.gov/"


def pubmed_number(url: Json) -> str | None:
    """The inverse of ``pubmed_url``."""
    if not isinstance(url, str) or not url.startswith(PUBMED):
        return None
    return unquote(url[len(PUBMED) :].removesuffix("/")) or None


@named(pubmed_number)
def pubmed_url(number: str) -> str | None:
    """
    The address of an article by its PubMed number.

    >>> pubmed_url("31995857")
    'https://pubmed.ncbi.nlm.nih.gov/31995857/'
    """
    plain = number.isalnum() and number.isascii()  # nearly every one: quote() costs ten times as much
    return f"{PUBMED}{number if plain else quote(number, safe='')}/" if number else None


def document_name(url: Json) -> str | None:
    """The inverse of ``document_url``: what comes after the last slash."""
    return unquote(url.rsplit("/", 1)[-1]) or None if isinstance(url, str) else None


@named(document_name)
def document_url(name: str, nct_id: str) -> str | None:
    """
    Where the registry serves a study's document.

    >>> document_url("Prot_SAP 1.pdf", "NCT01234567")
    'https://cdn.clinicaltrials.gov/large-docs/67/NCT01234567/Prot_SAP%201.pdf'
    """
    return f"https://cdn.clinicaltrials.gov/large-docs/{nct_id[-2:]}/{nct_id}/{quote(name, safe='')}" if name else None


@named()
def study_url(nct_id: str) -> str:
    """The page of a study at the registry."""
    return f"https://clinicaltrials.gov/study/{nct_id}"


@named()
def study_reference(nct_id: str) -> str:
    """The literal reference to the study made from this record."""
    return f"ResearchStudy/{nct_id}"


@named()
def content_type(name: str) -> str | None:
    """
    The media type of a document, where its name says it.

    >>> content_type("Prot_000.PDF")
    'application/pdf'
    """
    return "application/pdf" if name.lower().endswith(".pdf") else None


# ---------------------------------------------------------------- dates

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?=T|$)", re.ASCII)


@named()
@lru_cache(maxsize=8192)
def day(text: str) -> str | None:
    """
    The day of a date or of a time to the minute.

    >>> day("2021-02-03T04:05")
    '2021-02-03'
    """
    found = _DAY.match(text)
    try:
        return str(date.fromisoformat(found[0])) if found else None
    except ValueError:
        return None  # no such day


@named()
@lru_cache(maxsize=8192)
def midnight(text: str) -> str | None:
    """
    The first instant of a day, in UTC.

    >>> midnight("2021-02-03")
    '2021-02-03T00:00:00Z'
    """
    found = day(text)
    return f"{found}T00:00:00Z" if found else None


# ---------------------------------------------------------------- codes


# https://hl7.org/fhir/R5/datatypes.html#code
_CODE = re.compile(r"[^\s\x00-\x1f]+( [^\s\x00-\x1f]+)*")


def phases_of_codings(codings: Json, combinations: Table, phases: Table) -> list[str] | None:
    """The inverse of ``phase_codings``; a FHIR code that disagrees with the registry's own was edited, and wins."""
    mine, theirs = _phases(codings, combinations, phases)
    edited = combinations.unique.get(theirs) if theirs is not None else None
    return edited.split("+") if edited is not None else mine or None


def _phases(codings: Json, combinations: Table, phases: Table) -> tuple[list[str], tuple[str, str] | None]:
    """The registry's codes, and the FHIR code if it disagrees with them."""
    mine = [coding["code"] for coding in codings if coding.get("system") == phases.own and "code" in coding]
    found = [(coding.get("system"), coding.get("code")) for coding in codings]
    theirs = next((pair for pair in found if pair[0] in combinations.systems), None)
    return mine, None if theirs is None or combinations.outside.get("+".join(mine)) == theirs else theirs


def phases_disagree(codings: Json, combinations: Table, phases: Table) -> str | None:
    """What is wrong between a FHIR phase and the registry's own codes beside it."""
    mine, theirs = _phases(codings, combinations, phases)
    if theirs is None or not mine:
        return None
    own = " and ".join(mine)
    if theirs not in combinations.unique:
        return f"the FHIR code {theirs[1]!r} leads to no single row of {combinations.file}: the own {own} stays"
    return f"the FHIR code {theirs[1]!r} was edited and wins over the registry's own {own}"


@named(phases_of_codings, tables=2, doubt_back=phases_disagree)
def phase_codings(codes: list[str], combinations: Table, phases: Table) -> list[Json] | None:
    """
    The FHIR code of the combination (``PHASE1`` and ``PHASE2``: Phase 1/Phase 2), then each of the registry's codes.

    A search for PHASE2 finds the combined studies too, as on the registry's own site.
    """
    return _phase_codings(tuple(codes), combinations, phases)


@lru_cache(maxsize=1024)
def _phase_codings(codes: tuple[str, ...], combinations: Table, phases: Table) -> list[Json] | None:
    if not all(map(_CODE.fullmatch, codes)):
        return None
    found = combinations.forth.get("+".join(codes), ())
    outside = [coding_of(coding) for coding in found if coding.system != combinations.own]
    own = [phases.forth.get(code, (Coding(phases.own, code, ""),))[-1] for code in codes]
    return outside + [coding_of(coding) for coding in own]


# ---------------------------------------------------------------- copies made of several values


@named(tables=1)
def countries(sites: list[Json], table: Table) -> list[Json] | None:
    """The distinct countries of the sites, in order, each with its ISO 3166 code if it has one."""
    names = dict.fromkeys([site.get("country") for site in sites])
    concepts = [_country(name, table) for name in names if name is not None]
    return [concept for concept in concepts if concept is not None] or None


@lru_cache(maxsize=1024)
def _country(name: str, table: Table) -> Json:
    """A country as a concept; None for what nobody can read."""
    if not TEXT.fullmatch(name):
        return None
    codes = [coding_of(coding) for coding in table.forth.get(name, ()) if coding.system != table.own]
    return {"coding": codes, "text": name} if codes else {"text": name}


@named()
def arms_with_interventions(arms: list[Json] | None, interventions: list[Json] | None) -> list[Json] | None:
    """
    Each arm's label and the interventions it names, then those that no arm names.

    The registry joins the two by text (``Drug: Placebo``): the same type and name, and among namesakes those that name
    the arm. https://clinicaltrials.gov/policy/protocol-definitions#ArmsInterventions

    >>> found = arms_with_interventions(
    ...     [{"label": "A", "interventionNames": ["Drug: X"]}],
    ...     [{"type": "DRUG", "name": "X"}, {"type": "DRUG", "name": "Y"}])
    >>> [(arm.get("label"), [made["name"] for made in arm["interventions"]]) for arm in found]
    [('A', ['X']), (None, ['Y'])]
    """
    named: dict[str, list[Json]] = {}
    for intervention in interventions or ():
        kind = intervention.get("type", "").replace("_", " ").lower()
        named.setdefault(f"{kind}: {intervention.get('name', '')}", []).append(intervention)
    joined: list[Json] = []
    used: set[int] = set()
    for arm in arms or ():
        label = arm.get("label")
        mine: dict[int, Json] = {}  # by identity: namesakes are not the same
        for name in arm.get("interventionNames", ()):
            head, separator, tail = name.partition(": ")
            same = named.get(head.lower() + separator + tail, [])
            if len(same) > 1:
                same = [found for found in same if label in found.get("armGroupLabels", ())] or same
            for found in same:
                mine[id(found)] = found
        used |= mine.keys()
        joined.append(
            {"label": label, "interventions": [*mine.values()]} if label else {"interventions": [*mine.values()]}
        )
    rest = [found for found in interventions or () if id(found) not in used]
    if rest:
        joined.append({"interventions": rest})
    return joined or None


@named(tables=1)
def identifier_system(
    value: str | None, kind: str | None, domain: str | None, systems: IdentifierSystems
) -> str | None:
    """The system of a secondary id, where its shape leaves no doubt. See ``mappings/ctgov/identifier-systems.yaml``."""
    return None if value is None else systems.system(value, kind, domain)
