"""A study for people, read off its FHIR resources: what a terminal can show of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from fhirtrial.conversion import Conversion
from fhirtrial.resources import Resource, Resources

Json = dict[str, Any]


def show_record(conversion: Conversion, console: Console) -> None:
    """Prints a study: its title and status, who, when and where, arms, outcomes, eligibility, and the issues."""
    index = Resources(conversion.resources)
    (study,) = index.of_type["ResearchStudy"]
    console.print(Rule(Text(f"{study['id']}  {study.get('title', '(no title)')}", style="bold")))
    for label in study.get("label", ()):
        console.print(Text(f"{concept(label.get('type'))}: {label.get('value', '')}"))
    console.print(_facts(study, index))
    for heading, body in _sections(study, index):
        console.print(Text(heading, style="bold cyan"))
        console.print(Padding(body, (0, 0, 1, 2)))
    console.print(Text("As FHIR", style="bold cyan"))
    counts = ", ".join(f"{len(found)} {kind}" for kind, found in index.of_type.items())
    console.print(Padding(Text(counts), (0, 0, 0, 2)))
    for issue in conversion.issues:
        console.print(Padding(Text(str(issue), style="yellow"), (0, 0, 0, 2)))


def _facts(study: Resource, index: Resources) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _pairs(study, index):
        if value:
            table.add_row(name, Text(value))
    return table


def _pairs(study: Resource, index: Resources) -> Iterator[tuple[str, str]]:
    states = study.get("progressStatus", [])
    status = next((concept(state.get("state")) for state in states if "period" not in state and "actual" not in state), "")
    yield "Status", status
    yield "Why stopped", concept(study.get("whyStopped"))
    yield "Phase", concept(study.get("phase"))
    yield "Design", "; ".join(filter(None, map(concept, study.get("studyDesign", ()))))
    yield "Purpose", concept(study.get("primaryPurposeType"))
    actual = {key: state.get("actual") for state in states for key in state.get("period", ())}
    period = study.get("period", {})
    yield "Start", dated(period.get("start"), actual.get("start"))
    yield "Completion", dated(period.get("end"), actual.get("end"))
    recruitment = study.get("recruitment", {})
    for kind, number in (
        ("actual", recruitment.get("actualNumber")),
        ("planned", recruitment.get("targetNumber")),
        ("not said whether planned or actual", _extension(study, "enrollment-untyped").get("valueUnsignedInt")),
    ):
        yield "Participants", f"{number} ({kind})" if number is not None else ""
    for party in study.get("associatedParty", ()):
        role = concept(party.get("role"), own=True)
        yield role or "Party", ", ".join(filter(None, [party.get("name", ""), *_reached(party, index)]))
    yield "Conditions", listed(map(concept, study.get("condition", ())))
    yield "Keywords", listed(map(concept, study.get("keyword", ())))


def _reached(party: Json, index: Resources) -> Iterator[str]:
    """The organization and the addresses of a person behind a party."""
    found = _follow(party.get("party"), index)
    if found is None:
        return
    for way in ("organization", "practitioner"):
        below = _follow(found.get(way), index)
        if way == "organization" and below is not None:
            yield str(below.get("name", ""))
    for telecom in found.get("telecom", ()):
        yield str(telecom.get("value", ""))


def _sections(study: Resource, index: Resources) -> Iterator[tuple[str, RenderableType]]:
    if "descriptionSummary" in study:
        yield "Summary", Text(study["descriptionSummary"])
    groups = study.get("comparisonGroup", ())
    if groups:
        yield "Arms", _rows(
            ("Arm", "Type", "Interventions", "Description"),
            (
                (
                    group.get("name", ""),
                    concept(group.get("type")),
                    listed(exposure.get("display", "") for exposure in group.get("intendedExposure", ())),
                    group.get("description", ""),
                )
                for group in groups
            ),
        )
    made = index.of_type.get("ActivityDefinition", ())
    if made:
        yield "Interventions", _rows(
            ("Type", "Name", "Description"),
            ((concept(one.get("code")), one.get("title", ""), one.get("description", "")) for one in made),
        )
    if study.get("outcomeMeasure"):
        yield "Outcomes", _rows(
            ("Kind", "Measure", "Time frame"),
            (
                (listed(map(concept, outcome.get("type", ()))), outcome.get("name", ""), _time_frame(outcome))
                for outcome in study["outcomeMeasure"]
            ),
        )
    for group in index.of_type.get("Group", ()):
        yield "Eligibility", Group(*(Text(line) for line in _criteria(group)))
    if study.get("site"):
        yield f"Sites ({len(study['site'])})", Group(*(Text(line) for line in _sites(study, index)))
    artifacts = [_artifact(artifact) for artifact in study.get("relatedArtifact", ())]
    if artifacts:
        yield "References and documents", Group(*(Text(f"- {line}") for line in artifacts if line))


def _rows(names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False)
    for name in names:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _extension(node: Json, name: str) -> Json:
    """The extension of that name, or nothing."""
    return next((found for found in node.get("extension", ()) if found["url"].rsplit("/", 1)[-1] == name), {})


def _time_frame(outcome: Json) -> str:
    return str(_extension(outcome, "time-frame").get("valueString", ""))


def _criteria(group: Resource) -> Iterator[str]:
    for characteristic in group.get("characteristic", ()):
        name = concept(characteristic.get("code"))
        if "valueRange" in characteristic:
            ends = [quantity(characteristic["valueRange"].get(end)) for end in ("low", "high")]
            yield f"{name}: {' to '.join(end or '…' for end in ends)}"
        elif "valueBoolean" in characteristic:
            yield f"{name}: {'yes' if characteristic['valueBoolean'] else 'no'}"
        else:
            yield f"{name}: {concept(characteristic.get('valueCodeableConcept'))}"
    if "description" in group:
        yield ""
        yield str(group["description"])


def _sites(study: Resource, index: Resources) -> Iterator[str]:
    places: dict[str, list[str]] = {}
    states: dict[str, Counter[str]] = {}
    for site in study["site"]:
        location = _follow(site, index) or {}
        address = location.get("address", {})
        country = str(address.get("country", "(no country)"))
        parts = [location.get("name", ""), address.get("city", ""), address.get("state", "")]
        places.setdefault(country, []).append(", ".join(filter(None, parts)))
        status = concept(_extension(site, "site-status").get("valueCodeableConcept"))
        states.setdefault(country, Counter())[status or "status not given"] += 1
    for country, names in places.items():
        counts = ", ".join(f"{count} {state.lower()}" for state, count in states[country].items())
        yield f"{country} ({len(names)}: {counts})"
        for name in names:
            yield f"  {name}"


def _artifact(artifact: Json) -> str:
    document = artifact.get("document", {})
    parts = [artifact.get("citation"), artifact.get("label"), artifact.get("display"), document.get("url")]
    return " – ".join(str(part) for part in parts if part)


def _follow(reference: Json | None, index: Resources) -> Resource | None:
    address = reference.get("reference") if reference else None
    return index.find(address) if isinstance(address, str) else None


def concept(value: Json | None, *, own: bool = False) -> str:
    """What a concept is called: its text, else the display or code of its first coding (``own``: of its last)."""
    if not value:
        return ""
    codings = value.get("coding", [{}])
    coding = codings[-1 if own else 0] if codings else {}
    return str(value.get("text") or coding.get("display") or coding.get("code") or "")


def quantity(value: Json | None) -> str:
    """
    A quantity as people write it.

    >>> quantity({"value": 18, "unit": "Years"})
    '18 Years'
    """
    return " ".join(str(value[key]) for key in ("value", "unit") if key in value) if value else ""


def dated(date: str | None, actual: bool | None) -> str:  # noqa: FBT001
    """A date, and whether it is what happened or what is expected."""
    if not date:
        return ""
    return date if actual is None else f"{date} ({'actual' if actual else 'estimated'})"


def listed(texts: Iterable[str]) -> str:
    """Texts one after the other."""
    return "; ".join(filter(None, texts))
