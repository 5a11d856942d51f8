"""
Pseudonyms: subjects' ids replaced by keyed hashes, birth dates cut to the year, ages above 89 taken out.

The pseudonym of an id is the first half of HMAC-SHA-256 over it (https://www.rfc-editor.org/rfc/rfc2104), in
hexadecimal digits: the same key gives the same pseudonyms in every run, and without the key nobody can make them.

Ages above 89, and years that show them, are identifying by HIPAA's safe harbor, 45 CFR 164.514(b)(2)(i)(C):
https://www.hhs.gov/hipaa/for-professionals/special-topics/de-identification/index.html. That rule asks for more than is
done here: other dates of a person have to go as well, for instance.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from fhirtrial.errors import MappingError, UsageError
from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.record import Record
from fhirtrial.strict_yaml import compose, line_of, plain

SHORTEST_KEY = 32
"""How many bytes a key has at least: as many as the hash, https://www.rfc-editor.org/rfc/rfc2104#section-3."""

OLDEST = 89
"""The greatest age, in years, that does not single a person out."""

_LOOKED_FOR = 4
"""Shorter ids are not looked for in texts: they would be found in every one."""

_PER_YEAR = {"YEARS": 1.0, "MONTHS": 12.0, "WEEKS": 52.1786, "DAYS": 365.25, "HOURS": 8766.0}
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_YEAR = re.compile(r"([0-9]{4})(?:-.*)?", re.ASCII)
_NUMBERS = re.compile(r"[0-9]+", re.ASCII)

Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifying:
    """
    What identifies a person in a registry's record of a subject, from ``<registry>/privacy.yaml``.

    ``ids`` are the places of ids, ``births`` those of birth dates, ``ages`` those of an age, its unit, and the text
    that may stand in its place (none: empty).
    """

    ids: tuple[Path_, ...]
    births: tuple[Path_, ...]
    ages: tuple[tuple[Path_, Path_, Path_], ...]

    @classmethod
    def load(cls, files: MappingFiles, registry: str) -> Identifying | None:
        """What the file of a registry says; None if it has none. Raises MappingError where it says something else."""
        name = f"{registry}/privacy.yaml"
        if files.find(name) is None:
            return None
        node = compose(files.read_bytes(name), name)
        said: Any = plain(node)
        if not isinstance(node, yaml.MappingNode) or set(said) != {"ids", "births", "ages"}:
            raise MappingError("an object with ids, births and ages is needed", file=name, line=line_of(node))

        def path(text: str) -> Path_:
            return tuple(text.split(".")) if text else ()

        return cls(
            ids=tuple(map(path, said["ids"])),
            births=tuple(map(path, said["births"])),
            ages=tuple((path(age["value"]), path(age["unit"]), path(age.get("text", ""))) for age in said["ages"]),
        )


class Pseudonyms:
    """
    Makes pseudonyms with a key, and pseudonymous records of records.

    The key is nowhere to be seen: not in texts, not in errors, and it is not pickled.

    >>> pseudonyms = Pseudonyms(b"an example of a key, 32 bytes or more")
    >>> pseudonyms, pseudonyms.of("01-701-1015")
    (Pseudonyms(•••), 'b269f729643782ac5b152b5c6a686f47')
    """

    # No dataclass: those are written out, compared and copied by all sorts of tools.
    __slots__ = ("_file", "_key")

    def __init__(self, key: bytes, *, file: str = "") -> None:
        self._file = file
        self._key = key
        what = file or "the key"
        if len(key) < SHORTEST_KEY:
            problem = f"it has {len(key)} bytes, and {SHORTEST_KEY} are needed"
        elif len(set(key)) < SHORTEST_KEY // 4:
            problem = "the same few bytes again and again are no secret"
        else:
            return
        raise UsageError(f"{what}: this is no key for pseudonyms: {problem} (openssl rand -hex 32 makes one)")

    @classmethod
    def in_file(cls, file: str | os.PathLike[str]) -> Pseudonyms:
        """Pseudonyms with the key in a file, without the line's end. Raises UsageError if there is none to be used."""
        name = os.fspath(file)
        try:
            key = Path(name).read_bytes()
        except OSError as error:
            raise UsageError(f"{name}: the key cannot be read: {error.strerror or error}") from error
        return cls(key.rstrip(b"\r\n"), file=name)

    def __repr__(self) -> str:
        return "Pseudonyms(•••)"

    def __reduce__(self) -> tuple[Any, ...]:
        if not self._file:
            raise TypeError("a key is not pickled: let it be read from a file")
        return Pseudonyms.in_file, (self._file,)

    def of(self, id: str) -> str:
        """The pseudonym of an id."""
        return hmac.new(self._key, id.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]

    def record(self, record: Record, identifying: Identifying) -> Record:
        """
        A record in which nothing of what is known to identify a person is left.

        An id that stands in another text is replaced there too, and is an issue; so is an age that is taken out.
        """
        data = _copied(record.data)
        issues: list[Issue] = [self.issue(issue) for issue in record.issues]
        own = {value: self.of(value) for path in identifying.ids if isinstance(value := _at(data, path), str)}
        found = list(_texts(data, own))
        for path in identifying.ids:
            if (value := _at(data, path)) is not None:
                _set(data, path, own.get(value) or self.of(str(value)))
        ids = {".".join(path) for path in identifying.ids}
        for holder, key, text, place in found:
            if place not in ids:
                holder[key] = text
                message = "a subject's id stood in this text: it is replaced by the pseudonym"
                issues.append(Issue(severity="warning", code="id-in-text", message=message, path=place))
        issues += _aged(data, identifying)
        id = own.get(record.id) or self.of(record.id)
        issues = [replace(issue, record=id) for issue in issues]
        return replace(record, id=id, data=data, issues=tuple(issues), sound=False)

    def issue(self, issue: Issue) -> Issue:
        """An issue about a subject without what it quotes, and with the pseudonym of the subject."""
        id = self.of(issue.record) if issue.record else ""
        return replace(issue, record=id, message=_QUOTED.sub("'…'", issue.message), hint="")


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _texts(data: Any, ids: Mapping[str, str]) -> Iterator[tuple[Any, Any, str, str]]:
    """The texts in which an id stands as a word: what holds each, its key there, what is to be there, its path."""
    long = sorted((id for id in ids if len(id) >= _LOOKED_FOR), key=len, reverse=True)
    if not long:
        return
    pattern = re.compile(rf"(?<![0-9A-Za-z])(?:{'|'.join(map(re.escape, long))})(?![0-9A-Za-z])")
    waiting: list[tuple[Any, Any, str]] = [(data, key, key) for key in data]
    while waiting:
        holder, key, place = waiting.pop(0)
        value = holder[key]
        if isinstance(value, dict):
            waiting += [(value, name, f"{place}.{name}") for name in value]
        elif isinstance(value, list):
            waiting += [(value, number, f"{place}[{number}]") for number in range(len(value))]
        elif isinstance(value, str) and pattern.search(value):
            yield holder, key, pattern.sub(lambda match: ids[match[0]], value), place


def _aged(data: dict[str, Any], identifying: Identifying) -> Iterator[Issue]:
    """Cuts birth dates to the year, and takes out what shows an age above 89."""
    old = False
    for value_at, unit_at, text_at in identifying.ages:
        value, unit = _at(data, value_at), str(_at(data, unit_at) or "YEARS").strip().upper()
        text = _at(data, text_at) if text_at else None
        per_year = _PER_YEAR.get(unit) or _PER_YEAR.get(f"{unit}S") or 1.0
        if isinstance(value, int | float) and value / per_year >= OLDEST + 1:
            old = True
            _set(data, value_at, None)
            message = f"an age above {OLDEST} years is not carried"
            yield Issue(severity="information", code="age-withheld", message=message, path=".".join(value_at))
            text = text or ""
        if text is not None and (old or any(int(number) > OLDEST for number in _NUMBERS.findall(str(text)))):
            old = True
            _set(data, text_at, f">{OLDEST}")
    for path in identifying.births:
        value = _at(data, path)
        if value is None:
            continue
        match = _YEAR.fullmatch(str(value))
        year = match[1] if match else None
        if year is not None and (old or _last_year(data, path) - int(year) > OLDEST):
            message = f"the year of birth shows an age above {OLDEST} years: it is not carried"
            yield Issue(severity="information", code="age-withheld", message=message, path=".".join(path))
            year = None
        _set(data, path, year)


def _last_year(data: Any, but: Path_) -> int:
    """The latest year of a date in a tree; 0 if there is none."""
    if isinstance(data, dict):
        return max((_last_year(item, but[1:]) for key, item in data.items() if (key,) != but), default=0)
    if isinstance(data, list):
        return max((_last_year(item, ()) for item in data), default=0)
    match = _YEAR.fullmatch(data) if isinstance(data, str) else None
    return int(match[1]) if match else 0


def _at(data: Any, path: Path_) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _set(data: dict[str, Any], path: Path_, value: Any) -> None:
    """Sets a value; None takes it out."""
    *parents, last = path
    for key in parents:
        data = data[key]
    if value is None:
        del data[last]
    else:
        data[last] = value
