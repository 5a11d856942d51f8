"""Race and ethnicity as US Core writes them: categories where the data name one for certain, and always in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fhirtrial.codes import Coding, Table, coding_of
from fhirtrial.dosing import printable
from fhirtrial.function import named

Json = Any

_MULTIPLE = "MULTIPLE"
_ONE_OF_SEVERAL = re.compile("RACE([0-9]+)", re.ASCII)
_MEMBERS = ("extension", "url", "valueCoding", "valueString", "system", "code", "display")


@named(tables=2, members=_MEMBERS)
def us_core_category(term: str, categories: Table, unknown: Table) -> list[Json]:
    """
    The parts of US Core's extension for a term: its category, or that it is unknown, and the term in words.

    https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-ethnicity.html
    """
    return _parts([term], categories, unknown)


@named(tables=2, members=_MEMBERS)
def us_core_race(race: str, supplements: list[Json] | None, categories: Table, unknown: Table) -> list[Json]:
    """
    The same for a race; of several races (``MULTIPLE``) those that the supplemental qualifiers RACE1, RACE2 … name.

    https://hl7.org/fhir/us/core/STU7/StructureDefinition-us-core-race.html
    """
    several = _several(supplements or ()) if race == _MULTIPLE else []
    return _parts(several or [race], categories, unknown)


def _several(supplements: Sequence[Json]) -> list[str]:
    found = []
    for row in supplements:
        match = _ONE_OF_SEVERAL.fullmatch(row.get("QNAM", ""))
        if match and row.get("QVAL"):
            found.append((int(match[1]), row["QVAL"]))
    return [term for _, term in sorted(found)]


def _parts(terms: list[str], categories: Table, unknown: Table) -> list[Json]:
    # That it is unknown stands alone (us-core-23): where there are several, some are known.
    table = unknown if len(terms) == 1 and terms[0] in unknown.outside else categories
    codings = list(dict.fromkeys(table.outside[term] for term in terms if term in table.outside))
    displays = {(coding.system, coding.code): coding for each in table.forth.values() for coding in each}
    made = [{"url": "ombCategory", "valueCoding": coding_of(displays.get(pair, Coding(*pair)))} for pair in codings]
    text = ", ".join(printable(categories.labels.get(term, term)) for term in terms)
    return [*made, {"url": "text", "valueString": text}]
