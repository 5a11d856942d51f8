"""HL7's invariants of R5 datatypes, one predicate each, true where the value keeps it."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol
from xml.etree import ElementTree

Json = dict[str, Any]


class Around(Protocol):
    """What a rule may know of the resource that the node is in."""

    root: Json
    contained: dict[str, Json]
    inside: bool
    local: set[str]

    def resolve(self, reference: object) -> Json | None:
        """The resource that a reference points at, if it is at hand."""


Rule = Callable[[Json, Around], bool]
RULES: dict[str, list[tuple[str, Rule]]] = {}
"""The rules of each type, by HL7's key."""

STRUCTURAL = {"ele-1": "kept by the walk itself: objects without members, values without anything"}
"""Invariants that are checked elsewhere than here."""

NOT_CHECKED = {"dom-6": "a warning: the resources carry no narrative, by decision"}
"""Invariants that are not checked at all, and why."""

UCUM = "http://unitsofmeasure.org"
DAYS = {
    "a": Decimal("365.25"),
    "mo": Decimal("30.4375"),
    "wk": Decimal(7),
    "d": Decimal(1),
    "h": Decimal(1) / 24,
    "min": Decimal(1) / 1440,
    "s": Decimal(1) / 86400,
}
"""UCUM's units of time in days: https://ucum.org/ucum"""
XHTML = "{http://www.w3.org/1999/xhtml}"
ALLOWED_TAGS = re.compile(
    "a|abbr|acronym|b|big|blockquote|br|caption|cite|code|col|colgroup|dd|dfn|div|dl|dt|em|h[1-6]|hr|i|img|li|ol|p|pre|q|"
    "samp|small|span|strong|sub|sup|table|tbody|td|tfoot|th|thead|tr|tt|ul|var"
)


def invariant(key: str, *types: str) -> Callable[[Rule], Rule]:
    """Makes a predicate the rule of that key for those types."""

    def add(rule: Rule) -> Rule:
        for each in types:
            RULES.setdefault(each, []).append((key, rule))
        return rule

    return add


def has(node: Json, name: str) -> bool:
    """Whether an element is there, be it without a value."""
    return name in node or f"_{name}" in node


def has_choice(node: Json, name: str) -> bool:
    """Whether a ``name[x]`` is there in any form."""
    end = len(name)
    return any(key.lstrip("_").startswith(name) and key.lstrip("_")[end : end + 1].isupper() for key in node)


def items(node: Json, name: str) -> list[Any]:
    """The entries of a list that may be absent."""
    found = node.get(name, [])
    return found if isinstance(found, list) else []


def needs(key: str, type_name: str, name: str, other: str) -> None:
    """An invariant of the kind: the one element only with the other."""
    invariant(key, type_name)(lambda node, around: not has(node, name) or has(node, other))


needs("att-1", "Attachment", "data", "contentType")
needs("cpt-2", "ContactPoint", "value", "system")
needs("qty-3", "Quantity", "code", "system")
needs("tim-1", "Timing.repeat", "duration", "durationUnit")
needs("tim-2", "Timing.repeat", "period", "periodUnit")
needs("tim-6", "Timing.repeat", "periodMax", "period")
needs("tim-7", "Timing.repeat", "durationMax", "duration")
needs("tim-8", "Timing.repeat", "countMax", "count")
needs("trd-2", "TriggerDefinition", "condition", "data")
needs("cod-1", "Coding", "display", "code")


def either(key: str, type_name: str, one: str, other: str) -> None:
    """An invariant of the kind: exactly one of two elements."""
    invariant(key, type_name)(lambda node, around: has(node, one) != has(node, other))


either("drq-1", "DataRequirement.codeFilter", "path", "searchParam")
either("drq-2", "DataRequirement.dateFilter", "path", "searchParam")
either("pld-0", "PlanDefinition.action.input", "requirement", "relatedData")
either("pld-1", "PlanDefinition.action.output", "requirement", "relatedData")
either("sdd-1", "SampledData", "interval", "offsets")


def one_of(key: str, type_name: str, *names: str) -> None:
    """An invariant of the kind: at least one of these elements."""
    invariant(key, type_name)(lambda node, around: any(has(node, name) for name in names))


one_of("exp-1", "Expression", "expression", "reference")
one_of("ref-2", "Reference", "reference", "identifier", "display", "extension")
one_of("bdl-5", "Bundle.entry", "resource", "request", "response")
one_of("ident-1", "Identifier", "value")


@invariant("ext-1", "Extension")
def _(node: Json, around: Around) -> bool:
    return ("extension" in node) != has_choice(node, "value")


# Quantities


def in_ucum(node: Json) -> bool:
    """Whether a quantity has a code if it has a value, and no system but UCUM."""
    return (has(node, "code") or not has(node, "value")) and node.get("system", UCUM) == UCUM


@invariant("age-1", "Age")
def _(node: Json, around: Around) -> bool:
    return in_ucum(node) and ("value" not in node or node["value"] > 0)


@invariant("cnt-3", "Count")
def _(node: Json, around: Around) -> bool:
    return in_ucum(node) and node.get("code", "1") == "1" and "." not in str(node.get("value", ""))


invariant("dis-1", "Distance")(lambda node, around: in_ucum(node))


@invariant("drt-1", "Duration")
def _(node: Json, around: Around) -> bool:
    return not has(node, "code") or (node.get("system") == UCUM and has(node, "value"))


invariant("sqty-1", "SimpleQuantity")(lambda node, around: not has(node, "comparator"))


@invariant("rat-1", "Ratio")
def _(node: Json, around: Around) -> bool:
    both = {has(node, "numerator"), has(node, "denominator")}
    return both == {True} or (both == {False} and "extension" in node)


@invariant("ratrng-1", "RatioRange")
def _(node: Json, around: Around) -> bool:
    numerators = has(node, "lowNumerator") or has(node, "highNumerator")
    if numerators or has(node, "denominator"):
        return numerators and has(node, "denominator")
    return "extension" in node


@invariant("rng-2", "Range")
def _(node: Json, around: Around) -> bool:
    return ordered(node.get("low", {}), node.get("high", {}))


@invariant("ratrng-2", "RatioRange")
def _(node: Json, around: Around) -> bool:
    return ordered(node.get("lowNumerator", {}), node.get("highNumerator", {}))


def ordered(low: Json, high: Json) -> bool:
    """
    Whether the low end is not above the high one.

    R5 would compare 18.5 with 18 as equally exact numbers and let it pass, R4 would not: here it does not. Ends in two
    units of time must be in order both converted and as bare numbers: few servers and validators convert.
    """
    if "value" not in low or "value" not in high:
        return True
    least, most = Decimal(str(low["value"])), Decimal(str(high["value"]))
    units = [(each.get("system"), str(each.get("code") or each.get("unit"))) for each in (low, high)]
    if units[0] == units[1]:
        return least <= most
    if all(system == UCUM and code in DAYS for system, code in units):
        return least * DAYS[units[0][1]] <= most * DAYS[units[1][1]] and least <= most
    return True


# Dates


@invariant("per-1", "Period")
def _(node: Json, around: Around) -> bool:
    if "start" not in node or "end" not in node:
        return True
    start, end = moments(node["start"])[0], moments(node["end"])[1]
    if (start.tzinfo is None) != (end.tzinfo is None):
        start, end = start.replace(tzinfo=None), end.replace(tzinfo=None)
    return start <= end


def moments(text: str) -> tuple[datetime, datetime]:
    """The first and the last moment of a FHIR dateTime; without time zone where the text has none."""
    if "T" in text:
        moment = datetime.fromisoformat(text.replace(":60", ":59"))
        return moment, moment + timedelta(seconds=0 if "." in text else 0.999999)
    year, month, day = [*map(int, text.split("-")), 0, 0][:3]
    last = month or 12
    return (
        datetime(year, month or 1, day or 1),
        datetime(year, last, day or monthrange(year, last)[1], 23, 59, 59, 999999),
    )


@invariant("av-1", "Availability.availableTime")
def _(node: Json, around: Around) -> bool:
    return node.get("allDay") is not True or not (has(node, "availableStartTime") or has(node, "availableEndTime"))


invariant("tim-4", "Timing.repeat")(lambda node, around: node.get("duration", 0) >= 0)
invariant("tim-5", "Timing.repeat")(lambda node, around: node.get("period", 0) >= 0)
invariant("tim-10", "Timing.repeat")(lambda node, around: not (has(node, "timeOfDay") and has(node, "when")))


@invariant("tim-9", "Timing.repeat")
def _(node: Json, around: Around) -> bool:
    when = items(node, "when")
    return not has(node, "offset") or (bool(when) and not set(when) & {"C", "CM", "CD", "CV"})


# Other datatypes


@invariant("dos-1", "Dosage")
def _(node: Json, around: Around) -> bool:
    return not has(node, "asNeededFor") or node.get("asNeeded", True) is True


@invariant("exp-2", "Expression")
def _(node: Json, around: Around) -> bool:
    return "name" not in node or bool(re.search(r"[A-Za-z][A-Za-z0-9_]{0,63}", node["name"]))


@invariant("trd-1", "TriggerDefinition")
def _(node: Json, around: Around) -> bool:
    return not (has(node, "data") and has_choice(node, "timing"))


@invariant("trd-3", "TriggerDefinition")
def _(node: Json, around: Around) -> bool:
    kind = str(node.get("type", ""))
    return (
        (kind != "named-event" or has(node, "name"))
        and (kind != "periodic" or has_choice(node, "timing"))
        and (not kind.startswith("data-") or has(node, "data"))
    )


@invariant("ref-1", "Reference")
def _(node: Json, around: Around) -> bool:
    reference = str(node.get("reference", ""))
    if reference == "#":
        return around.inside
    return not reference.startswith("#") or reference[1:] in around.contained


@invariant("txt-1", "Narrative")
def _(node: Json, around: Around) -> bool:
    try:
        top = ElementTree.fromstring(str(node.get("div", "")))
    except ElementTree.ParseError:
        return False
    elements = list(top.iter())
    return top.tag == f"{XHTML}div" and all(
        ALLOWED_TAGS.fullmatch(each.tag.removeprefix(XHTML))
        and not any(name.lower().startswith("on") for name in each.attrib)
        for each in elements
    )


@invariant("txt-2", "Narrative")
def _(node: Json, around: Around) -> bool:
    try:
        top = ElementTree.fromstring(str(node.get("div", "")))
    except ElementTree.ParseError:
        return True  # txt-1 says so
    return bool("".join(top.itertext()).strip()) or any(each.tag == f"{XHTML}img" for each in top.iter())
