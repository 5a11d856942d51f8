"""A short account of one conversion, there and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fhirtrial.conversion import Conversion
from fhirtrial.record import Record

SHOWN = 4
"""How many resources of a type are named one by one."""


def account(conversion: Conversion, restored: Record, *, wanted: dict[str, object]) -> Iterator[str]:
    """
    What a record became, what was noticed, and whether it came back the same: line by line.

    ``wanted`` is the record without what the mapping leaves out.
    """
    counts = Counter(reference.partition("/")[0] for reference in conversion.texts)
    yield f"{conversion.record.id} became {len(conversion.texts)} FHIR resources:"
    for kind, count in counts.items():
        names = [reference.partition("/")[2] for reference in conversion.texts if reference.startswith(f"{kind}/")]
        more = f", … {count - SHOWN} more" if count > SHOWN else ""
        yield f"  {count:3} {kind:19} {', '.join(names[:SHOWN])}{more}"
    yield f"{len(conversion.issues)} issues:" if conversion.issues else "No issues."
    for issue in conversion.issues:
        yield f"  {issue}"
    same = restored.data == wanted
    yield f"The restored record {'equals' if same else 'DIFFERS FROM'} the original."
