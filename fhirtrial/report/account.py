"""A short account of one conversion, there and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any

from fhirtrial.conversion import Conversion
from fhirtrial.mapping.difference import differences
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.record import Record

RESOURCES_SHOWN = 4
"""How many resources of a type are named one by one."""
ISSUES_SHOWN = 20
DIFFERENCES_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """
    What a record became, what was noticed, and whether it came back the same; as text a few lines.

    ``left_out`` holds the parts of the record that the mapping leaves out, with the reason; ``differences`` the paths
    at which the restored record is another than the original without them.
    """

    conversion: Conversion
    left_out: dict[str, str]
    differences: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Whether the record came back as it was."""
        return not self.differences

    def __str__(self) -> str:
        """The account, line by line."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        names: dict[str, list[str]] = {}
        for reference in self.conversion.texts:
            kind, _, name = reference.partition("/")
            names.setdefault(kind, []).append(name)
        width = max(map(len, names))
        yield f"{self.conversion.record.id} became {_count(self.conversion.texts, 'FHIR resource')}:"
        for kind, found in names.items():
            yield f"  {len(found):3} {kind:{width}}  {_some(found, RESOURCES_SHOWN)}"
        issues = self.conversion.issues
        yield f"{_count(issues, 'issue')}{':' if issues else '.'}"
        for issue in issues[:ISSUES_SHOWN]:
            yield f"  {issue}"
        if len(issues) > ISSUES_SHOWN:
            yield f"  … {len(issues) - ISSUES_SHOWN} more"
        for path, reason in self.left_out.items():
            yield f"Left out: {path}: {reason}."
        if self.is_same:
            yield f"The restored record equals the original{' but for that' if self.left_out else ''}."
        else:
            where = _some(self.differences, DIFFERENCES_SHOWN)
            yield f"The restored record DIFFERS from the original in {_count(self.differences, 'place')}: {where}."


def account(mapper: Mapper, conversion: Conversion, restored: Record) -> Account:
    """The account of a record that was converted, and restored from what it became."""
    schema, data = mapper.mapping.schema, conversion.record.data
    found = differences(schema.wanted(data), restored.data)
    return Account(
        conversion=conversion,
        left_out={path: reason for path, reason in schema.left_out.items() if _holds(data, path)},
        differences=tuple(difference.path for difference in found),
    )


def _holds(data: dict[str, Any], path: str) -> bool:
    """Whether there is something at a path of a record."""
    here: Any = data
    for key in path.split("."):
        here = here.get(key) if isinstance(here, dict) else None
    return here is not None


def _some(texts: Sequence[str], shown: int) -> str:
    """
    The first few texts and the number of the others.

    >>> _some(["a", "b", "c"], 2)
    'a, b, … 1 more'
    """
    more = [f"… {len(texts) - shown} more"] if len(texts) > shown else []
    return ", ".join([*texts[:shown], *more])


def _count(things: Sized, name: str) -> str:
    """
    A number of things.

    >>> _count([1], "issue"), _count([], "issue")
    ('1 issue', '0 issues')
    """
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
