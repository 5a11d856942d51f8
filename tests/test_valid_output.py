"""Everything that real records become is valid R5, by a checker that shares no code with the library."""

from __future__ import annotations

from fhirtrial.mapping.mapper import Mapper

from .conformance import problems
from .properties import by_reference, canonicals, identified_wrongly
from .records import at_hand

MAPPER = Mapper()
MODELS = 60
"""How many records are also parsed by `fhir.resources`, which takes most of the time; spread over all."""


def test_real_records() -> None:
    """Definitions, cardinalities, bindings, targets, invariants, formats: nothing wrong in any resource."""
    records = at_hand()
    step = max(1, len(records) // MODELS)
    wrong: list[str] = []
    seen: set[str] = set()
    for number, record in enumerate(records):
        conversion = MAPPER.convert(record)
        resources = conversion.resources
        refs = by_reference(resources) | canonicals(resources)
        wrong += identified_wrongly(conversion)
        for name, found in by_reference(resources).items():
            if name in seen:  # the same bytes: see test_determinism.py
                continue
            seen.add(name)
            wrong += [f"{name}: {problem}" for problem in problems(found, refs, model=number % step == 0)]
    assert wrong == []
    assert len({name.partition("/")[0] for name in seen}) == 9


def test_search_values_are_there() -> None:
    """What servers search a study by is where R5's search parameters look, in one record or another."""
    study_elements = {key for record in at_hand()[:300] for key in MAPPER.convert(record).resources[0]}
    assert study_elements >= {
        "identifier",
        "title",
        "label",
        "progressStatus",
        "phase",
        "studyDesign",
        "condition",
        "keyword",
        "focus",
        "region",
        "classifier",
        "associatedParty",
        "recruitment",
        "site",
        "protocol",
        "period",
        "date",
        "url",
        "outcomeMeasure",
        "comparisonGroup",
        "relatedArtifact",
        "primaryPurposeType",
        "whyStopped",
        "description",
        "descriptionSummary",
    }
