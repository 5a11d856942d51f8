"""What a registry's record of the study tells a subject's mapping: the parts that the subject's schema names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fhirtrial.errors import InputError
from fhirtrial.issue import Issue
from fhirtrial.record import Record

STUDY = "study"
"""Where the study's record stands in a subject's tree."""

_DIGIT = re.compile("[0-9]")


def with_study(data: dict[str, Any], study: Record, fields: Mapping[str, Any]) -> dict[str, Any]:
    """
    A subject's tree with the study's record beside it, of which only what ``fields`` names is taken.

    Raises InputError if the subject has the number of another study of that registry.

    >>> fields = {"study": {"beside": True, "fields": {"id": {"type": "text"}}}}
    >>> with_study({"dm": {}}, Record(registry="x", id="1", data={"id": "1", "title": "A"}), fields)
    {'dm': {}, 'study': {'id': '1'}}
    """
    number: Any = data
    for key in fields[STUDY].get("number", STUDY).split("."):
        number = number.get(key) if isinstance(number, dict) else None
    if isinstance(number, str) and number != study.id and _shape(number) == _shape(study.id):
        message = f"the subject is in the study {number}: it cannot be tied to {study.id}"
        raise InputError(Issue(severity="error", code="other-study", message=message, path=fields[STUDY]["number"]))
    return data | {STUDY: _picked(study.data, fields[STUDY]["fields"])}


def _shape(number: str) -> str:
    """A number without its digits: numbers of one registry have one shape."""
    return _DIGIT.sub("0", number)


def takes_study(fields: Mapping[str, Any]) -> bool:
    """Whether records with these fields are tied to a study."""
    return bool(fields.get(STUDY, {}).get("beside"))


def _picked(value: Any, fields: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_picked(item, fields) for item in value]
    return {
        name: _picked(value[name], field["fields"]) if "fields" in field else value[name]
        for name, field in fields.items()
        if name in value
    }
