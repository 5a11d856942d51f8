"""What is not in a record makes no resource."""

from __future__ import annotations

from fhirtrial import Mapper, read


def kinds(*modules: dict[str, object]) -> set[str]:
    """The types of resources that a record of a title and these modules becomes."""
    protocol: dict[str, object] = {"identificationModule": {"nctId": "NCT00000102", "briefTitle": "A study"}}
    for module in modules:
        protocol |= module
    conversion = Mapper().convert(next(read({"protocolSection": protocol})))
    return {reference.partition("/")[0] for reference in conversion.texts}


def test_a_title_alone_makes_no_plan() -> None:
    """A plan copies the study's title; without arms and interventions there is no plan all the same."""
    assert kinds() == {"ResearchStudy", "Provenance"}


def test_an_intervention_makes_a_plan() -> None:
    """With an intervention there is a plan, and the activity that it names."""
    found = kinds({"armsInterventionsModule": {"interventions": [{"type": "DRUG", "name": "X"}]}})

    assert found == {"ResearchStudy", "Provenance", "PlanDefinition", "ActivityDefinition"}
