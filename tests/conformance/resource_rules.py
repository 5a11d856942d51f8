"""HL7's invariants of the R5 resources in use, of contained ones and of Bundles."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .rules import RULES, Around, Json, has, has_choice, invariant, items, one_of

__all__ = ["RULES"]

one_of("org-1", "Organization", "identifier", "name")
one_of("pat-1", "Patient.contact", "name", "telecom", "address", "organization")


def home(node: Json, name: str) -> bool:
    """Whether an entry of the list is of use ``home``."""
    return any(each.get("use") == "home" for each in items(node, name))


def organization_address(node: Json) -> list[Json]:
    """The one address of an organization's contact, as a list."""
    return [node["address"]] if isinstance(node.get("address"), dict) else []


invariant("org-3", "Organization.contact")(lambda node, around: not home(node, "telecom"))
invariant("org-4", "Organization.contact")(
    lambda node, around: not any(each.get("use") == "home" for each in organization_address(node))
)


@invariant("mad-1", "MedicationAdministration.dosage")
def _(node: Json, around: Around) -> bool:
    return has(node, "dose") or has(node, "text") or has_choice(node, "rate")


one_of("enc-1", "Encounter.participant", "actor", "type")


@invariant("enc-2", "Encounter.participant")
def _(node: Json, around: Around) -> bool:
    address = literal(node, "actor")
    target = around.resolve(address) or {"resourceType": address.rpartition("/")[0].rpartition("/")[2]}
    return target["resourceType"] not in ("Patient", "Group") or "type" not in node


@invariant("cnl-0", "ActivityDefinition", "PlanDefinition")
def _(node: Json, around: Around) -> bool:
    return "name" not in node or bool(re.fullmatch(r"[A-Z]([A-Za-z0-9_]){1,254}", node["name"]))


@invariant("cnl-1", "ActivityDefinition", "PlanDefinition")
def _(node: Json, around: Around) -> bool:
    return "url" not in node or bool(re.fullmatch(r"[^|# ]+", node["url"]))


def actions(node: Json) -> Iterator[Json]:
    """All actions of a plan, also those within others."""
    for action in items(node, "action"):
        yield action
        yield from actions(action)


@invariant("pld-3", "PlanDefinition")
def _(node: Json, around: Around) -> bool:
    goals = {each.get("id") for each in items(node, "goal")}
    return all(goal in goals for action in actions(node) for goal in items(action, "goalId"))


@invariant("pld-4", "PlanDefinition")
def _(node: Json, around: Around) -> bool:
    known = {action.get("id") for action in actions(node)}
    related = (each for action in actions(node) for each in items(action, "relatedAction"))
    return all(each.get("targetId") in known for each in related)


def literal(node: Json, name: str) -> str:
    """The literal reference of an element; empty if it has none."""
    return str(node.get(name, {}).get("reference", ""))


@invariant("prov-1", "Provenance.agent")
def _(node: Json, around: Around) -> bool:
    return not literal(node, "who") or literal(node, "who") != literal(node, "onBehalfOf")


@invariant("prov-2", "Provenance.agent")
def _(node: Json, around: Around) -> bool:
    role = around.resolve(literal(node, "who")) or {}
    return "practitioner" not in role or literal(role, "practitioner") != literal(node, "onBehalfOf")


@invariant("prov-3", "Provenance.agent")
def _(node: Json, around: Around) -> bool:
    role = around.resolve(literal(node, "onBehalfOf")) or {}
    return role.get("resourceType") != "PractitionerRole" or literal(role, "organization") != literal(node, "who")


# Contained resources


def contained(key: str, broken: Callable[[Json], bool]) -> None:
    """An invariant of each contained resource."""
    invariant(key, "DomainResource")(lambda node, around: not any(map(broken, items(node, "contained"))))


contained("dom-2", lambda each: has(each, "contained"))
contained("dom-4", lambda each: not {"versionId", "lastUpdated"}.isdisjoint(each.get("meta", ())))
contained("dom-5", lambda each: "security" in each.get("meta", ()))


@invariant("dom-3", "DomainResource")
def _(node: Json, around: Around) -> bool:
    return all(each.get("id") in around.local or points_back(each) for each in items(node, "contained"))


def points_back(node: object) -> bool:
    """Whether a contained resource refers to the one that it is contained in."""
    if isinstance(node, dict):
        return node.get("reference") == "#" or any(map(points_back, node.values()))
    return isinstance(node, list) and any(map(points_back, node))


# Bundles


def bundle(key: str, keeps: Callable[[Json, str, list[Json]], bool]) -> None:
    """An invariant of a Bundle, its type and its entries."""
    invariant(key, "Bundle")(lambda node, around: keeps(node, node.get("type", ""), items(node, "entry")))


def method(entry: Json) -> str:
    """The HTTP method of an entry's request."""
    return str(entry.get("request", {}).get("method", ""))


def writes(entry: Json) -> bool:
    """Whether an entry's request carries a resource."""
    return method(entry) in ("POST", "PATCH", "PUT")


def first(entries: list[Json]) -> str:
    """The type of the first entry's resource."""
    return str(entries[0].get("resource", {}).get("resourceType", "")) if entries else ""


SEARCHED = ("searchset", "history")
COLLECTIONS = ("document", "message", "searchset", "collection")
REQUESTS = ("transaction", "batch")
ANSWERS = ("transaction-response", "batch-response")

bundle("bdl-1", lambda node, kind, entries: "total" not in node or kind in SEARCHED)
bundle("bdl-2", lambda node, kind, entries: kind == "searchset" or not any("search" in each for each in entries))
bundle(
    "bdl-3a",
    lambda node, kind, entries: (
        kind not in COLLECTIONS
        or all("resource" in each and "request" not in each and "response" not in each for each in entries)
    ),
)
bundle(
    "bdl-3b",
    lambda node, kind, entries: (
        kind != "history"
        or all("request" in each and "response" in each and writes(each) == ("resource" in each) for each in entries)
    ),
)
bundle(
    "bdl-3c",
    lambda node, kind, entries: (
        kind not in REQUESTS or all(method(each) and writes(each) == ("resource" in each) for each in entries)
    ),
)
bundle("bdl-3d", lambda node, kind, entries: kind not in ANSWERS or all("response" in each for each in entries))
bundle(
    "bdl-9", lambda node, kind, entries: kind != "document" or {"system", "value"} <= set(node.get("identifier", ()))
)
bundle("bdl-10", lambda node, kind, entries: kind != "document" or "timestamp" in node)
bundle("bdl-11", lambda node, kind, entries: kind != "document" or first(entries) == "Composition")
bundle("bdl-12", lambda node, kind, entries: kind != "message" or first(entries) == "MessageHeader")
bundle(
    "bdl-13", lambda node, kind, entries: kind != "subscription-notification" or first(entries) == "SubscriptionStatus"
)
bundle("bdl-14", lambda node, kind, entries: kind != "history" or not any(method(each) == "PATCH" for each in entries))
bundle(
    "bdl-15",
    lambda node, kind, entries: (
        kind in REQUESTS + ANSWERS or all("fullUrl" in each or method(each) == "POST" for each in entries)
    ),
)
bundle(
    "bdl-16",
    lambda node, kind, entries: (
        {each.get("severity") for each in items(node.get("issues", {}), "issue")} <= {"information", "warning"}
    ),
)
bundle("bdl-17", lambda node, kind, entries: kind != "document" or "issues" not in node)
bundle(
    "bdl-18",
    lambda node, kind, entries: (
        kind != "searchset" or any(each.get("relation") == "self" and "url" in each for each in items(node, "link"))
    ),
)


@invariant("bdl-7", "Bundle")
def _(node: Json, around: Around) -> bool:
    addressed = [each for each in items(node, "entry") if "fullUrl" in each]
    versions = [(each["fullUrl"], each.get("resource", {}).get("meta", {}).get("versionId")) for each in addressed]
    return node.get("type") == "history" or len(versions) == len(set(versions))


invariant("bdl-8", "Bundle.entry")(lambda node, around: "/_history/" not in str(node.get("fullUrl", "")))
