"""Elements that change in a way of their own: pairs of functions, named in the table by ``call``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fhirtrial.releases.block import (
    ABSENT,
    Block,
    Down,
    Inner,
    Json,
    applied,
    extension_of,
    with_extension,
    without_extension,
)
from fhirtrial.releases.consent import (
    add_consent_date,
    add_content_class,
    add_decision,
    add_policy_reference,
    add_scope,
)
from fhirtrial.releases.encounter import add_hospitalization, add_reason
from fhirtrial.releases.native_rows import with_code
from fhirtrial.releases.period_pairs import add_exact_date
from fhirtrial.releases.run import Run
from fhirtrial.releases.table import Row, Table

LARGEST = 2**31
"""R4's unsignedInt goes up to here: https://hl7.org/fhir/R4/datatypes.html#unsignedInt"""

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_AS_TEXT = {"extension": [{"url": ABSENT, "valueCode": "as-text"}]}


def add_size(block: Block, row: Row, table: Table, inner: Inner) -> None:  # noqa: ARG001
    """
    Attachment.size: text in R5 (integer64), a number in R4; HL7's extension on it holds what R4's number cannot say.

    https://hl7.org/fhir/R4/datatypes.html#unsignedInt
    """
    url = f"{table.official}Attachment.size"

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        text = str(given)
        if text.isdecimal() and text == str(int(text)) and int(text) < LARGEST:
            out["size"] = int(text)
        else:
            out["_size"] = with_extension(source.get("_size"), {"url": url, "valueString": text})

    def down_beside(given: Any, out: Json, *_: Any) -> None:
        out.setdefault("_size", given)

    def up(given: Any, out: Json, source: Json, run: Run) -> None:
        kept = extension_of(source.get("_size"), url)
        if kept is not None:
            message = f"{given} wins over {kept.get('valueString')}, which the extension says"
            run.say("warning", "conflict", message, f"{block.path}.size", row.line)
        out["size"] = str(given)

    def up_beside(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        kept = extension_of(given, url)
        if kept is not None and "size" not in source:
            out["size"] = kept.get("valueString")
        if rest := without_extension(given, url):
            out["_size"] = rest

    block.down_rows |= {"size": down, "_size": down_beside}
    block.up_rows |= {"size": up, "_size": up_beside}


def add_dosage(block: Block, row: Row, table: Table, inner: Inner) -> None:  # noqa: ARG001
    """
    MedicationAdministration.dosage: R4's rule mad-1 wants a dose or a rate, R5's takes text, route or site alone.

    A dose that only says why it is absent satisfies the rule, and claims nothing.
    https://hl7.org/fhir/R4/medicationadministration.html#constraints
    """

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        bare = given.keys().isdisjoint(("dose", "rateRatio", "rateQuantity"))
        made = applied(inner[0], given, run)
        out["dosage"] = {**made, "dose": _AS_TEXT} if bare else made

    def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        bare = given.get("dose") == _AS_TEXT
        made = {name: value for name, value in given.items() if name != "dose"} if bare else given
        out["dosage"] = applied(inner[1], made, run)

    block.down_rows["dosage"] = down
    block.up_rows["dosage"] = up


def add_communication(block: Block, row: Row, table: Table, inner: Inner) -> None:  # noqa: ARG001
    """Practitioner.communication: in R4 the language, and HL7's extension on it that says whether it is preferred."""
    url = f"{table.official}Practitioner.communication.preferred"
    forms = (("preferred", "valueBoolean"), ("_preferred", "_valueBoolean"))
    coded = with_code(f"{block.path}.communication.language")

    def one_down(given: Json, run: Run) -> Json:
        for name in given.keys() - {"language", "preferred", "_preferred"}:
            message = "the element becomes a concept, and this cannot stand on it"
            run.say("warning", "no-r4-form", message, f"{block.path}.communication.{name}", row.line)
        language: Json = given.get("language", {})
        preferred = {there: given[here] for here, there in forms if here in given}
        return with_extension(language, {"url": url, **preferred}) if preferred else language

    def one_up(given: Json, run: Run) -> Json:
        found = extension_of(given, url) or {}
        language = coded(without_extension(given, url), run)
        made: Json = {"language": language} if language else {}
        return made | {here: found[there] for here, there in forms if there in found}

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        out["communication"] = [one_down(each, run) for each in given]

    def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        out["communication"] = [one_up(each, run) for each in given]

    block.down_rows["communication"] = down
    block.up_rows["communication"] = up


def add_total_volume(block: Block, row: Row, table: Table, inner: Inner) -> None:
    """Medication.totalVolume: in R4 an amount, the volume for one; HL7's extension on it holds the volume itself."""
    url = f"{table.official}Medication.totalVolume"
    path = f"{block.path}.{row.to}"

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        made = applied(inner[0], given, run)
        out[row.to] = {
            "extension": [{"url": url, "valueQuantity": made}],
            "numerator": made,
            "denominator": {"value": 1},
        }

    def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        extension = extension_of(given, url)
        kept = None if extension is None else extension.get("valueQuantity")
        now = given.get("numerator", kept)
        if given.keys() - {"numerator", "denominator", "extension"} or len(given.get("extension", ())) > (
            extension is not None
        ):
            message = "R5 has a volume here, and no place for what else stands in the ratio"
            run.say("warning", "not-carried", message, path, row.line)
        if given.get("denominator") not in (None, {"value": 1}) or now is None:
            run.say("warning", "not-carried", "R5 has a volume here: a ratio is none", path, row.line)
            return
        if kept is not None and now != kept:
            run.say("warning", "conflict", f"{now} wins over {kept}, which the extension says", path, row.line)
        out[row.name] = applied(inner[1], now, run)

    block.down_rows[row.name] = down
    block.up_rows[row.to] = up


def add_arm(block: Block, row: Row, table: Table, inner: Inner) -> None:  # noqa: ARG001
    """
    The arm of a subject: in R5 the ``linkId`` of a group of the study, in R4 the name of the arm.

    The linkId stands in our extension ``comparison-group`` on the name. Where the study is not at hand, the name is
    what our extension ``assigned-arm`` or ``actual-arm`` on the subject says; without one, R4 shows the linkId.
    """
    url, here, there = table.own("comparison-group"), row.name, row.to
    said = table.own(there.replace("Arm", "-arm"))
    below, path = f"_{there}", f"{block.path}.{row.to}"

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        name = _arms(source, run).get(given) or _told(source, said)
        out[there] = name or given
        if name and name != given:
            out[below] = {"extension": [{"url": url, "valueId": given}]}

    def up(given: Any, out: Json, source: Json, run: Run) -> None:
        extension = extension_of(source.get(below), url)
        kept = None if extension is None else extension.get("valueId")
        known = _arms(source, run)
        told = _told(source, said)
        if kept and ((not known and told in (None, given)) or known.get(kept) == given):
            out[here] = kept
            return
        if kept:
            message = f"{given!r} is not the arm {kept}: the name wins"
            run.say("warning", "conflict", message, path, row.line)
        ids = [identity for identity, name in known.items() if given in (name, identity)]
        if len(ids) == 1:
            out[here] = ids[0]
        elif _ID.fullmatch(given) and not known:
            out[here] = given
        else:
            named = f"{len(ids)} arms of the study are" if ids else "no arm of the study is"
            run.say("warning", "not-carried", f"{named} called {given!r}", path, row.line)

    block.down_rows |= {here: down, f"_{here}": left_out(block, f"_{here}", row)}

    def up_below(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        if without_extension(given, url):
            message = "R5 writes another value here, and nothing may stand beside it: left out"
            run.say("warning", "not-carried", message, f"{block.path}.{below}", row.line)

    block.up_rows |= {there: up, below: up_below}


def _told(subject: Json, url: str) -> str | None:
    """The name of a subject's arm that an extension of ours says."""
    name = (extension_of(subject, url) or {}).get("valueString")
    return name if isinstance(name, str) else None


def _arms(subject: Json, run: Run) -> dict[str, str]:
    """The names of the arms of a subject's study by linkId; none where the study is not at hand."""
    groups = (run.resolve(subject.get("study")) or {}).get("comparisonGroup", ())
    return {each["linkId"]: each["name"] for each in groups if "linkId" in each and "name" in each}


def add_milliseconds(block: Block, row: Row, table: Table, inner: Inner) -> None:  # noqa: ARG001
    """SampledData.interval: R4 has it as ``period``, always in milliseconds, where R5 names the unit besides."""

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        if source.get("intervalUnit") == "ms" and "interval" in source:
            out["period"] = source["interval"]
        else:
            message = "left out: R4 counts in milliseconds"
            run.say("warning", "no-r4-form", message, f"{block.path}.{row.name}", row.line)

    def up(given: Any, out: Json, source: Json, run: Run) -> None:  # noqa: ARG001
        out |= {"interval": given, "intervalUnit": "ms"}

    block.down_rows |= {row.name: down, f"_{row.name}": left_out(block, f"_{row.name}", row)}
    block.up_rows["period"] = up


def left_out(block: Block, name: str, row: Row) -> Down:
    """What stands beside a value that changes its type has no place."""

    def down(given: Any, out: Json, extensions: list[Json], source: Json, run: Run) -> None:  # noqa: ARG001
        message = "R4 writes another value here, and nothing may stand beside it: left out"
        run.say("warning", "no-r4-form", message, f"{block.path}.{name}", row.line)

    return down


PAIRS: dict[str, Callable[[Block, Row, Table, Inner], None]] = {
    "arm": add_arm,
    "communication": add_communication,
    "consent_date": add_consent_date,
    "content_class": add_content_class,
    "decision": add_decision,
    "dosage": add_dosage,
    "exact_date": add_exact_date,
    "hospitalization": add_hospitalization,
    "milliseconds": add_milliseconds,
    "policy_reference": add_policy_reference,
    "reason": add_reason,
    "scope": add_scope,
    "size": add_size,
    "total_volume": add_total_volume,
}
"""By the name that ``call`` uses."""
