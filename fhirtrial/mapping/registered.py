"""What a study's own tables say, compared with the registry's record of the study: each difference is one issue."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from fhirtrial.dates import begins_with_date
from fhirtrial.design_functions import duration_text, whole_number
from fhirtrial.errors import UsageError
from fhirtrial.issue import Issue, nearest
from fhirtrial.mapping.facts import Arms, Fact, Facts, Keys
from fhirtrial.matching import folded
from fhirtrial.quantities import quantity
from fhirtrial.record import Record

_DIGIT = re.compile("[0-9]")

# Months and minutes: what neither leads to cannot be compared, since months have no fixed length.
_MONTHS = {"a": 12, "mo": 1}
_MINUTES = {"wk": 7 * 24 * 60, "d": 24 * 60, "h": 60, "min": 1}


class Unlike(Exception):  # noqa: N818  # no error: what is told instead of a difference
    """That two values cannot be compared, and why."""


def differences(record: Record, study: Record, facts: Facts) -> tuple[Issue, ...]:
    """
    Where the tables of a study and the registry's record of it differ, and what of them cannot be compared.

    A difference is a warning (``registry-differs``), the rest an information (``not-compared``).

    Args:
        record: the study of its tables, from `read`.
        study: the record of the registry that ``facts`` name.
        facts: what is compared.

    Raises UsageError if ``study`` is no record of that registry.

    """
    if study.registry != facts.registry:
        raise UsageError(f"{record.registry} is compared with a record of {facts.registry}, not of {study.registry}")
    found = [*_facts(record, study, facts), *_arms(record, study, facts.arms)]
    return tuple(found)


def _facts(record: Record, study: Record, facts: Facts) -> Iterator[Issue]:
    rows = facts.rows
    for fact in facts.facts:
        for place, row in enumerate(record.data.get(rows.table, ())):
            if row.get(rows.name) != fact.name:
                continue
            value, why = row.get(rows.value), row.get(rows.missing)
            column = rows.value if value is not None else rows.missing
            told = _compared(fact, value, why, study)
            if told is not None:
                yield _issue(record, *told, f"{rows.table}[{place}].{column}", str(fact.line))


def _compared(fact: Fact, value: str | None, why: str | None, study: Record) -> tuple[str, str] | None:
    """Whether a value differs or cannot be compared, as the code and the text of an issue; None if it is the same."""
    mine = f"{fact.name} is {value!r}" if value is not None else f"{fact.name} is missing ({why})"
    theirs = [found for keys in fact.fields for found in _values(study.data, keys)]
    path = ".".join(fact.fields[0])
    says = f"{path} of {study.id} is {_listed(theirs)}" if theirs else f"{path} of {study.id} is absent"
    for keys, wanted in fact.where.items():
        states = _values(study.data, keys) or [None]
        if not wanted.issuperset(states):
            said = f"{keys[-1]} is {states[0]}" if states[0] is not None else f"there is no {keys[-1]}"
            return "not-compared", f"{mine}; {says}, where {said}"
    try:
        same = _same(value, why, theirs, fact)
    except Unlike as error:
        return "not-compared", f"{mine}; {says}: {error}"
    return None if same else ("registry-differs", f"{mine}; {says}")


def _same(value: str | None, why: str | None, theirs: list[Any], fact: Fact) -> bool:
    """Whether values are the same. Raises Unlike where they cannot be compared."""
    if value is not None and theirs:
        return _SAME[fact.way](value, theirs, fact)
    if not fact.absent or (value is None and why != fact.absent):
        raise Unlike("nothing is said")
    # Of a limit: what says none, or none above nothing, is the same as no word about it.
    if value is None:
        return not theirs
    return bool(_age(value)["value"] == 0)


def _same_code(value: str, theirs: list[Any], fact: Fact) -> bool:
    codes = fact.values.get(" ".join(value.split()).upper())
    if codes is None:
        raise Unlike("no code of the registry is known to mean the term")
    return "+".join(theirs) in codes


def _same_count(value: str, theirs: list[Any], fact: Fact) -> bool:  # noqa: ARG001
    return bool(_whole(value) == theirs[0])


def _same_size(value: str, theirs: list[Any], fact: Fact) -> bool:  # noqa: ARG001
    return _whole(value) == len(theirs)


def _whole(value: str) -> int:
    if (number := whole_number(value)) is None:
        raise Unlike("it is no whole number")
    return int(number)


def _same_age(value: str, theirs: list[Any], fact: Fact) -> bool:  # noqa: ARG001
    ages = [_age(value), quantity(theirs[0])]
    if "code" not in ages[1]:
        raise Unlike("it is no number and unit")
    for unit in (_MONTHS, _MINUTES):
        if all(age["code"] in unit for age in ages):
            mine, registered = (age["value"] * unit[age["code"]] for age in ages)
            return bool(mine == registered)
    raise Unlike("months have no fixed length")


def _age(value: str) -> Any:
    text = duration_text(value)
    if text is None:
        raise Unlike("it is no duration of ISO 8601 in one unit, as P18Y")
    return quantity(text)


def _same_date(value: str, theirs: list[Any], fact: Fact) -> bool:  # noqa: ARG001
    dates = begins_with_date(value), begins_with_date(theirs[0])
    if dates[0] is None or dates[1] is None:
        raise Unlike("one is no date")
    shared = min(map(len, filter(None, dates)))
    return dates[0][:shared] == dates[1][:shared]


def _same_number(value: str, theirs: list[Any], fact: Fact) -> bool:  # noqa: ARG001
    if folded(value) in map(folded, theirs):
        return True
    if _DIGIT.sub("0", value.strip()) != _DIGIT.sub("0", theirs[0]):
        raise Unlike("it is the number of another registry")
    return False


_SAME: dict[str, Callable[[str, list[Any], Fact], bool]] = {
    "code": _same_code,
    "count": _same_count,
    "size": _same_size,
    "age": _same_age,
    "date": _same_date,
    "number": _same_number,
}


def _arms(record: Record, study: Record, arms: Arms) -> Iterator[Issue]:
    rows: list[dict[str, Any]] = record.data.get(arms.table, [])
    if not rows:
        return
    labels = {folded(label): label for label in _values(study.data, arms.field)}
    path = ".".join(arms.field)
    if not labels:
        message = f"the arms of {arms.table}; {path} of {study.id} is absent: nothing is said"
        yield _issue(record, "not-compared", message, arms.table, str(arms.line))
        return
    met: set[str] = set()
    seen: set[tuple[str, ...]] = set()
    for place, row in enumerate(rows):
        names = tuple(row[column] for column in arms.names if column in row)
        if not names or names in seen:
            continue
        seen.add(names)
        found = next((folded(name) for name in names if folded(name) in labels), None)
        if found is not None:
            met.add(found)
            continue
        column = next(column for column in arms.names if column in row)
        hint = nearest(names[0], labels.values())
        message = f"{names[0]!r} is no arm of {study.id}; {path} is {_listed(list(labels.values()))}"
        yield _issue(record, "registry-differs", message, f"{arms.table}[{place}].{column}", str(arms.line), hint)
    for label in (label for key, label in labels.items() if key not in met):
        message = f"{label!r}, an arm of {study.id} ({path}), is not in {arms.table}"
        yield _issue(record, "registry-differs", message, arms.table, str(arms.line))


def _values(data: Any, keys: Keys) -> list[Any]:
    """All values at a path, those of lists one after the other."""
    if isinstance(data, list):
        return [found for item in data for found in _values(item, keys)]
    if not keys:
        return [] if data is None else [data]
    return _values(data.get(keys[0]), keys[1:]) if isinstance(data, dict) else []


def _listed(values: list[Any]) -> str:
    shown = [repr(value) for value in values[:5]]
    return ", ".join([*shown, "…"] if len(values) > len(shown) else shown)


def _issue(record: Record, code: str, message: str, path: str, mapping: str, hint: str = "") -> Issue:
    return Issue(
        severity="warning" if code == "registry-differs" else "information",
        code=code,
        message=message,
        record=record.id,
        place=str(record.origin),
        path=path,
        mapping=mapping,
        hint=hint,
    )
