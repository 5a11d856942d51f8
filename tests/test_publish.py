"""Everything of our own that is published, as an outsider gets it: complete, and valid in each release."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from fhir.resources import get_fhir_model_class
from fhir.resources.R4B import get_fhir_model_class as get_r4b_model_class

import fhirtrial
from fhirtrial.errors import UsageError
from fhirtrial.publish.publication import definitions_for
from fhirtrial.release_names import RELEASES

from .publications import BASE, MAPPER, VERSIONS, made, of


@pytest.mark.parametrize("release", RELEASES)
def test_each_is_valid_and_says_what_it_is(release: str) -> None:
    """Each is valid in the release, and has url, version, status, publisher and description."""
    model_of = get_fhir_model_class if release == "R5" else get_r4b_model_class
    for resource in made(release).resources:
        kind = resource["resourceType"]
        model_of(kind).model_validate(resource)
        assert resource["url"] == f"{BASE}{kind}/{resource['id']}"
        assert (resource["version"], resource["status"]) == (fhirtrial.__version__, "active")
        assert (resource["experimental"], resource["publisher"]) == (False, "fhirtrial")
        assert resource["description"] if kind != "CodeSystem" or "title" in resource else True
        assert ("date" in resource) == (kind == "CapabilityStatement")


@pytest.mark.parametrize("release", RELEASES)
def test_all_types_are_there_once(release: str) -> None:
    """A release has definitions of six types, each address once, and each file name once."""
    resources = made(release).resources

    assert set(Counter(each["resourceType"] for each in resources)) == {
        "CapabilityStatement",
        "CodeSystem",
        "ConceptMap",
        "SearchParameter",
        "StructureDefinition",
        "ValueSet",
    }
    assert len({each["url"] for each in resources}) == len(resources) == len(made(release).files())


@pytest.mark.parametrize("release", RELEASES)
def test_requirements(release: str) -> None:
    """What a server needs: the types that the mapping makes, transactions, updates by identifier, our searches."""
    (statement,) = of(release, "CapabilityStatement").values()
    (rest,) = statement["rest"]
    by_type = {each["type"]: each for each in rest["resource"]}
    searches = {search.get("definition") for each in rest["resource"] for search in each["searchParam"]}

    assert (statement["kind"], statement["fhirVersion"]) == ("requirements", VERSIONS[release])
    assert by_type.keys() >= {file.resource for file in MAPPER.mapping.files.values()}
    assert rest["interaction"] == [{"code": "transaction"}]
    assert by_type["ResearchStudy"]["conditionalUpdate"] is True
    assert by_type["Provenance"]["conditionalUpdate"] is False
    assert {"name": "target", "type": "reference"} in by_type["Provenance"]["searchParam"]
    assert {"name": "url", "type": "uri"} in by_type["PlanDefinition"]["searchParam"]
    assert searches - {None} == of(release, "SearchParameter").keys()
    for each in rest["resource"]:
        names = [search["name"] for search in each["searchParam"]]
        assert len(set(names)) == len(names)


def test_own_mapping_files(tmp_path: Path) -> None:
    """Who has mapping files of their own gets the definitions of these."""
    text = (Path(__file__).resolve().parent.parent / "mappings" / "search-parameters.yaml").read_text("utf-8")
    (tmp_path / "search-parameters.yaml").write_text(text.replace("\noutcome:", "\nmeasured:"), "utf-8")

    found = {each["url"] for each in definitions_for("R4", mappings=tmp_path).resources}

    ours = {each["url"] for each in made("R4").resources}
    assert found - ours == {f"{BASE}SearchParameter/ResearchStudy-measured"}
    assert ours - found == {f"{BASE}SearchParameter/ResearchStudy-outcome"}


def test_another_release() -> None:
    """A release that definitions are not made for is an error that names the known ones."""
    with pytest.raises(UsageError, match=r"^'R6' is no release; did you mean R5\?$|^'R6' is no release; known: R4"):
        definitions_for("R6")
    with pytest.raises(UsageError, match=r"^'STU3' is no release; known: R4, R4B, R5$"):
        definitions_for("STU3")


def test_python_name() -> None:
    """`fhirtrial.definitions_for` is the function, and the module of FHIR's own definitions stays beside it."""
    assert fhirtrial.definitions_for is definitions_for
    assert fhirtrial.definitions_for("R4").resources == made("R4").resources
