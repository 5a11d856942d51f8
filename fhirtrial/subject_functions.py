"""
The named functions that the mappings of participants' data use besides: codes, rules, dates and doses.

They follow the same terms as those of `fhirtrial.functions`.
"""

from __future__ import annotations

from typing import Any

from fhirtrial.codes import Coding, Table, coding_of
from fhirtrial.dates import begins_with_date
from fhirtrial.dosing import dosage_text, dose_text, frequency, is_once, printable
from fhirtrial.function import named
from fhirtrial.matching import (
    arm_link,
    arm_unknown,
    intervention_link,
    intervention_unknown,
    link_id,
    study_unknown,
    subject_study,
)
from fhirtrial.rules import Rules
from fhirtrial.visits import visit_link, visit_unknown

Json = Any

# ---------------------------------------------------------------- codes and rules of clinical data


def no_row(value: str | None, table: Table) -> str | None:
    """That a table does not have a value."""
    return None if value is None or value in table.labels else f"{value!r} has no row in {table.file}: it stays text"


@named(tables=1, doubt=no_row, doubt_code="unknown-value")
def known_code(value: str, table: Table) -> str | None:
    """The FHIR code alone of a value, for copies; a value that the table does not have is said."""
    found = table.outside.get(value)
    return found[1] if found else None


@named(tables=1)
def system_of(value: str, table: Table) -> str | None:
    """The system of the FHIR code of a value; None if the table has no code for it."""
    found = table.outside.get(value)
    return found[0] if found else None


@named(tables=1, members=("system", "code", "display"))
def further_coding(value: str, table: Table) -> Json:
    """The FHIR coding of a value in a further code system; None if the table has none."""
    for coding in table.forth.get(value, ()):
        if coding.system != table.own:
            return coding_of(coding)
    return None


@named(tables=1)
def rule_code(item: Json, record: Json, rules: Rules) -> str | None:
    """The code that rules give to an item of a record."""
    return rules.code(record, item)


@named(tables=1)
def reason_if_cancelled(item: Json, reason: str, rules: Rules) -> str | None:
    """A reason, where rules say of an item that it is cancelled."""
    return reason if rules.code({}, item) == "cancelled" else None


@named(tables=1, members=("system", "code", "display"))
def rule_codings(item: Json, record: Json, rules: Rules) -> Json:
    """The same as codings, of which there is one or none."""
    decision = rules.decide(record, item)
    return None if decision is None else [coding_of(Coding(rules.system, decision.rule.code, decision.rule.display))]


@named(tables=1, members=("system", "code", "display"))
def decided_here(item: Json, record: Json, rules: Rules) -> Json:
    """What is decided about a record, as codings, if it was this row of it that decided."""
    decision = rules.decide(record)
    if decision is None or decision.row is not item:
        return None
    return [coding_of(Coding(rules.system, decision.rule.code, decision.rule.display))]


@named(tables=1, members=())
def decided_elsewhere(record: Json, rules: Rules) -> Json:
    """What is decided about a record, and since when, if it was none of the rows that say so themselves."""
    decision = rules.decide(record)
    if decision is None or any(row is decision.row for row in record.get(rules.told_by, ())):
        return None
    since: Json = record if decision.rule.since else None
    for key in decision.rule.since:
        since = since.get(key) if isinstance(since, dict) else None
    found = {"system": rules.system, "code": decision.rule.code, "display": decision.rule.display}
    return [found if since is None else found | {"since": since}]


# ---------------------------------------------------------------- subjects and doses


@named()
def certain_date(text: str) -> str | None:
    """The date in a text of ISO 8601, at the precision that is certain; for copies."""
    return begins_with_date(text)


def ends_too_early(end: str | None, start: str | None) -> str | None:
    """That the end of a period is before its start."""
    if end is None or start is None or begins_with_date(end) is None or certain_end(end, start) is not None:
        return None
    return f"{end!r} is before the start, {start}: no end is copied"


@named(doubt=ends_too_early)
def certain_end(end: str | None, start: str | None) -> str | None:
    """The same for the end of a period, unless it is before the start."""
    last, first = (None if text is None else begins_with_date(text) for text in (end, start))
    if last is None or first is None:
        return last
    shared = min(len(first), len(last))
    return last if first[:shared] <= last[:shared] else None


@named()
def died_undated(flag: str, date: str | None) -> bool | None:
    """Whether a person has died, where no date is said."""
    return True if flag == "Y" and date is None else None


@named()
def count(term: str) -> int | None:
    """How many times at all, where the term of a frequency says that it was once."""
    return 1 if is_once(term) else None


@named()
def times(term: str) -> int | None:
    """How many times in a period, as the term of a frequency says."""
    found = frequency(term)
    return found.times if found else None


@named()
def period(term: str) -> int | None:
    """How long the period is, in ``period_unit``."""
    found = frequency(term)
    return found.period if found else None


@named()
def period_unit(term: str) -> str | None:
    """The unit of the period."""
    found = frequency(term)
    return found.unit if found else None


named()(link_id)
named()(printable)
named()(dosage_text)
named()(dose_text)
named(tables=1, doubt=arm_unknown, doubt_code="unknown-arm")(arm_link)
named(doubt=intervention_unknown, doubt_code="unknown-intervention")(intervention_link)
named(doubt=visit_unknown, doubt_code="unknown-visit")(visit_link)
named(doubt=study_unknown, doubt_code="unknown-study")(subject_study)
