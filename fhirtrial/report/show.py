"""A study for people, read off its FHIR resources: what a terminal can show of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from fhirtrial.conversion import Conversion
from fhirtrial.resources import Resource, Resources

Json = dict[str, Any]

SITES_SHOWN = 10
"""How many sites of a country are named; of the others the number is given."""

OFFSTAGE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that steer a terminal. What a record says is shown, and never obeyed."""

SEVERITY_STYLES = {"error": "red", "warning": "yellow", "information": "dim"}


def show_record(conversion: Conversion, console: Console) -> None:
    """
    Prints a study: who, what, when and where, arms, outcomes, eligibility; then the resources and the issues.

    All of it is read off the FHIR resources. What the record does not say is listed as not given. The console decides
    on width and colour (https://no-color.org).
    """
    view = _View(Resources(conversion.resources))
    number = str(view.study.get("id", conversion.record.id))
    console.print(Rule(styled(number, "bold")))
    console.print(styled(view.study.get("title", "(no title)"), "bold"))
    for label in view.study.get("label", ()):
        console.print(styled(f"{concept(label.get('type'))}: {label.get('value', '')}"))
    console.print(_grid(view.facts()))
    for heading, parts in view.sections():
        _print_section(console, heading, parts)
    if view.missing:
        _print_section(console, "Not given", [styled(listed(view.missing))])
    counts = Counter(reference.partition("/")[0] for reference in conversion.texts)
    _print_section(console, "As FHIR", [_grid((kind, [str(count)]) for kind, count in counts.items())])
    issues = [styled(str(issue), SEVERITY_STYLES[issue.severity]) for issue in conversion.issues]
    _print_section(console, "Issues", issues or [styled("none")])


def _print_section(console: Console, heading: str, parts: Iterable[RenderableType]) -> None:
    console.print()
    console.print(styled(heading, "bold cyan"))
    for part in parts:
        console.print(_indented(part))


@dataclass(slots=True)
class _View:
    """One study, its resources at hand; ``missing`` fills up with what was looked for in vain."""

    index: Resources
    study: Resource = field(init=False)
    missing: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.study,) = self.index.of_type["ResearchStudy"]

    # ------------------------------------------------------------------------------------------------- the facts

    def facts(self) -> Iterator[tuple[str, list[str]]]:
        """What fits in a line or a few: names and values. A fact without a value has no line."""
        for name, values, is_expected in self._facts():
            found = [value for value in values if value]
            if found:
                yield name, found
            elif is_expected:
                self.missing.append(name.lower())

    def _facts(self) -> Iterator[tuple[str, Iterable[str], bool]]:
        """Each fact, and whether every study is expected to say it."""
        study, states = self.study, self.study.get("progressStatus", ())
        yield "Other numbers", map(_identifier, study.get("identifier", [])[1:]), False
        events = {end: state for state in states for end in state.get("period", ())}
        now = [state for state in states if "period" not in state and "actual" not in state]
        yield "Status", [concept(state.get("state")) for state in now], True
        yield "Last known as", [concept(extension(study, "last-known-status").get("valueCodeableConcept"))], False
        yield "Why stopped", [concept(study.get("whyStopped"))], False
        yield "Phase", [listed(coding_text(coding) for coding in _own_codings(study.get("phase")))], True
        yield "Design", [listed(map(concept, study.get("studyDesign", ())))], True
        yield "Purpose", [concept(study.get("primaryPurposeType"))], False
        period = study.get("period", {})
        for name, end in (("Start", "start"), ("Completion", "end")):
            if end == "end":
                yield "Primary completion", [self._registered("primary-outcome-data-collection")], False
            yield name, [dated(period.get(end), events.get(end, {}).get("actual"))], True
        yield "Participants", self._participants(), True
        yield "Facts", [listed(map(concept, study.get("classifier", ())))], False
        conditions = study.get("condition", ())
        yield "Conditions", [listed(condition.get("text", "") for condition in conditions)], True
        yield "Indexed as", [listed(concept(condition) for condition in conditions if "coding" in condition)], False
        yield "Keywords", [listed(map(concept, study.get("keyword", ())))], False
        plan = extension(study, "ipd-sharing")
        said = [coding_text(part(plan, "plan").get("valueCoding")), part(plan, "description").get("valueMarkdown", "")]
        yield "Data sharing", [listed(said)], False

    def _participants(self) -> Iterator[str]:
        recruitment = self.study.get("recruitment", {})
        other = extension(self.study, "enrollment-other")
        kind = coding_text(part(other, "type").get("valueCoding"))
        untyped = extension(self.study, "enrollment-untyped").get("valueUnsignedInt")
        for number, what in (
            (recruitment.get("actualNumber"), "actual"),
            (recruitment.get("targetNumber"), "estimated"),
            (untyped, "not said whether actual or estimated"),
            (part(other, "count").get("valueUnsignedInt"), kind),
        ):
            if number is not None:
                yield f"{number} ({what})"

    def _registered(self, activity: str) -> str:
        return next((text for code, _, text in self._activities() if code == activity), "")

    def _activities(self) -> Iterator[tuple[str, str, str]]:
        """What happened to the record in the registry: the activity's code and name, and its date."""
        for node in self.study.get("extension", ()):
            if node["url"].endswith("/researchStudy-studyRegistration"):
                what = part(node, "activity").get("valueCodeableConcept", {})
                period = part(node, "period").get("valuePeriod", {})
                code = next((coding.get("code", "") for coding in what.get("coding", ())), "")
                actual = part(node, "actual").get("valueBoolean")
                yield code, concept(what), dated(period.get("start") or period.get("end"), actual)

    # ---------------------------------------------------------------------------------------------- the sections

    def sections(self) -> Iterator[tuple[str, list[RenderableType]]]:
        """Headings and what stands below them. A section with nothing in it is left out."""
        found: list[tuple[str, list[RenderableType], bool]] = [
            ("Parties", [_grid(self._parties())] if self.study.get("associatedParty") else [], True),
            ("Summary", [styled(text) for text in self._description()], True),
            ("Arms", [*map(self._arm, self.study.get("comparisonGroup", ()))], True),
            ("Interventions", [*map(_intervention, self.index.of_type.get("ActivityDefinition", ()))], True),
            ("Outcomes", [*self._outcomes()], True),
            ("Eligibility", [*self._eligibility()], True),
            (f"Sites ({len(self.study.get('site', ()))})", [*self._sites()], True),
            ("References and documents", [*map(_artifact, self.study.get("relatedArtifact", ()))], False),
            ("Registration", [*self._registration()], False),
        ]
        for heading, parts, is_expected in found:
            if parts:
                yield heading, parts
            elif is_expected:
                self.missing.append(heading.partition(" (")[0].lower())

    def _description(self) -> Iterator[str]:
        if "descriptionSummary" in self.study:
            yield self.study["descriptionSummary"]
        if "description" in self.study:
            words = len(self.study["description"].split())
            yield f"(and a detailed description of {words} words)"

    def _parties(self) -> Iterator[tuple[str, list[str]]]:
        """Sponsors, officials and contacts: what each is, its name, and what is behind it."""
        for party in self.study.get("associatedParty", ()):
            found = self._follow(party.get("party"))
            is_person = found is not None and found["resourceType"].startswith("Practitioner")
            codings = party.get("role", {}).get("coding", [])
            # Our own coding says which entry this is; of a person, another one says more exactly as what.
            ours = [coding_text(coding) for coding in codings if _is_party(coding)]
            other = [coding for coding in codings if not _is_party(coding)]
            role = ours[0] if ours else concept(party.get("role")) or "Party"
            exact = coding_text(other[-1]) if other and is_person else ""
            kinds = map(concept, party.get("classifier", ()))
            behind = self._behind(party, found) if found else ()
            yield role, [listed([party.get("name", ""), exact, *kinds, *behind], ", ")]

    def _behind(self, party: Json, found: Resource) -> Iterator[str]:
        """What the resource of a party adds: title, organization, phone, e-mail."""
        yield from map(concept, found.get("code", ()))
        below = self._follow(found.get("organization"))
        if below is not None:
            yield str(below.get("name", ""))
        elif found["resourceType"] == "Organization" and found.get("name") != party.get("name"):
            yield str(found.get("name", ""))
        yield from map(_telecom, found.get("telecom", ()))

    def _arm(self, group: Json) -> RenderableType:
        exposures = listed(exposure.get("display", "") for exposure in group.get("intendedExposure", ()))
        head = listed([concept(group.get("type")), group.get("name", "")], ": ")
        return _entry(head, exposures, group.get("description", ""))

    def _outcomes(self) -> Iterator[RenderableType]:
        for name, outcomes in groupby(self.study.get("outcomeMeasure", ()), key=_kind):
            yield styled(name, "dim")
            for outcome in outcomes:
                frame = extension(outcome, "time-frame").get("valueString", "")
                yield _indented(_entry(outcome.get("name", ""), f"Time frame: {frame}" if frame else ""))

    def _eligibility(self) -> Iterator[RenderableType]:
        for group in self.index.of_type.get("Group", ()):
            facts = [(name, [value]) for name, value in _characteristics(group) if value]
            if facts:
                yield _grid(facts)
            if "description" in group:
                yield styled(f"\n{group['description']}")

    def _sites(self) -> Iterator[RenderableType]:
        places: dict[str, list[str]] = {}
        states: dict[str, Counter[str]] = {}
        for site in self.study.get("site", ()):
            location = self._follow(site) or {}
            address = location.get("address", {})
            country = str(address.get("country", "(no country)"))
            parts = [location.get("name", ""), address.get("city", ""), address.get("state", "")]
            places.setdefault(country, []).append(listed(parts, ", ") or "(no name)")
            status = concept(extension(site, "site-status").get("valueCodeableConcept"))
            states.setdefault(country, Counter())[status or "status not given"] += 1
        for country, names in places.items():
            counts = ", ".join(f"{count} {state.lower()}" for state, count in states[country].items())
            rest = len(names) - SITES_SHOWN
            yield _entry(
                f"{country} ({len(names)}: {counts})", *names[:SITES_SHOWN], f"… {rest} more" if rest > 0 else ""
            )

    def _registration(self) -> Iterator[RenderableType]:
        found = [(name, [date]) for code, name, date in self._activities() if date and not code.startswith("primary-")]
        if found:
            yield _grid(found)
        for provenance in self.index.of_type.get("Provenance", ()):
            who = listed(agent.get("who", {}).get("display", "") for agent in provenance.get("agent", ()))
            if "occurredDateTime" in provenance:
                yield styled(f"Data of {provenance['occurredDateTime']}, {who}")

    def _follow(self, reference: Json | None) -> Resource | None:
        address = reference.get("reference") if reference else None
        return self.index.find(address) if isinstance(address, str) else None


# ------------------------------------------------------------------------------------------------ parts of a study


def _identifier(identifier: Json) -> str:
    giver = identifier.get("assigner", {}).get("display") or concept(identifier.get("type"))
    value = identifier.get("value", "")
    return f"{value} ({giver})" if value and giver else str(value)


def _intervention(definition: Resource) -> RenderableType:
    names = [node.get("valueString", "") for node in extensions(definition, "other-name")]
    head = listed([concept(definition.get("code")), definition.get("title", "")], ": ")
    return _entry(head, f"also: {listed(names)}" if any(names) else "", definition.get("description", ""))


def _kind(outcome: Json) -> str:
    return listed(map(concept, outcome.get("type", ())))


def _characteristics(group: Resource) -> Iterator[tuple[str, str]]:
    for characteristic in group.get("characteristic", ()):
        name = concept(characteristic.get("code"))
        if "valueRange" in characteristic:
            ends = [quantity(characteristic["valueRange"].get(end)) for end in ("low", "high")]
            yield name, " to ".join(end or "no limit" for end in ends)
        elif "valueBoolean" in characteristic:
            yield name, _yes_or_no(characteristic["valueBoolean"])
        else:
            yield name, concept(characteristic.get("valueCodeableConcept"))
    yield "Sex", coding_text(extension(group, "sex").get("valueCoding"))
    ages = (coding_text(node.get("valueCoding")) for node in extensions(group, "standard-age"))
    yield "Age groups", listed(ages)
    yield "Based on gender", _yes_or_no(extension(group, "gender-based").get("valueBoolean"))
    yield "Gender", extension(group, "gender-description").get("valueMarkdown", "")
    yield "Population", extension(group, "study-population").get("valueMarkdown", "")
    yield "Sampling", coding_text(extension(group, "sampling-method").get("valueCoding"))


def _artifact(artifact: Json) -> RenderableType:
    kinds = listed(map(concept, artifact.get("classifier", ())), ", ")
    said = listed([artifact.get(key, "") for key in ("label", "display", "citation")], " – ")
    document = artifact.get("document", {})
    retractions = [
        f"Retracted: {part(node, 'source').get('valueString', '')}" for node in extensions(artifact, "retraction")
    ]
    return _entry(listed([kinds, said], ": "), document.get("url", ""), *retractions)


def _telecom(telecom: Json) -> str:
    more = extension(telecom, "contactpoint-extension").get("valueString", "")
    return f"{telecom.get('value', '')} ext. {more}" if more else str(telecom.get("value", ""))


def _is_party(coding: Json) -> bool:
    return str(coding.get("system", "")).endswith("/CodeSystem/party")


def extensions(node: Json, name: str) -> list[Json]:
    """The extensions whose address ends with a name."""
    return [found for found in node.get("extension", ()) if found["url"].rsplit("/", 1)[-1] == name]


def extension(node: Json, name: str) -> Json:
    """The first extension whose address ends with a name, or nothing."""
    return next(iter(extensions(node, name)), {})


def part(node: Json, name: str) -> Json:
    """The part of an extension that has a name, or nothing."""
    return extension(node, name)


def _own_codings(value: Json | None) -> list[Json]:
    """The codings of the system that comes last: the registry's own."""
    codings = value.get("coding", []) if value else []
    return [coding for coding in codings if coding.get("system") == codings[-1].get("system")]


def concept(value: Json | None) -> str:
    """
    What a concept is called: its text, else the last coding, which is the registry's own.

    >>> concept({"coding": [{"code": "n-a", "display": "N/A"}, {"code": "NA", "display": "Not Applicable"}]})
    'Not Applicable'
    """
    if not value:
        return ""
    codings = value.get("coding")
    return str(value.get("text") or coding_text(codings[-1] if codings else None))


def coding_text(value: Json | None) -> str:
    """What a code is called, else the code."""
    return str(value.get("display") or value.get("code") or "") if value else ""


def quantity(value: Json | None) -> str:
    """
    A quantity as people write it.

    >>> quantity({"value": 18, "unit": "Years"})
    '18 Years'
    """
    return " ".join(str(value[key]) for key in ("value", "unit") if key in value) if value else ""


def dated(date: str | None, actual: bool | None) -> str:  # noqa: FBT001
    """
    A date, and whether it is what happened or what is expected, if that is known.

    >>> dated("2030-07-01", False)
    '2030-07-01 (estimated)'
    """
    if not date:
        return ""
    return date if actual is None else f"{date} ({'actual' if actual else 'estimated'})"


def _yes_or_no(value: bool | None) -> str:  # noqa: FBT001
    return "" if value is None else "yes" if value else "no"


def listed(texts: Iterable[str], mark: str = "; ") -> str:
    """The texts that say something, one after the other."""
    return mark.join(filter(None, texts))


# ------------------------------------------------------------------------------------------------------- the layout


def styled(text: str, style: str = "") -> Text:
    """Text as it is: brackets in it are no markup, and characters that steer a terminal are shown as such."""
    return Text(OFFSTAGE.sub("\ufffd", text.replace("\r\n", "\n")), style=style)


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2), expand=False)


def _grid(rows: Iterable[tuple[str, list[str]]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, values in rows:
        table.add_row(styled(name), styled("\n".join(values)))
    return table


def _entry(head: str, *details: str) -> RenderableType:
    """One of several things: its name, and what else is said of it below."""
    return Group(styled(head or "(no name)"), *(_indented(styled(detail, "dim")) for detail in details if detail))
