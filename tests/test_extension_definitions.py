"""The definitions of our own extensions: each is valid in its release, and says what follows from the mapping files."""

from __future__ import annotations

import re

import orjson
import pytest
from fhir.resources.R4B.structuredefinition import StructureDefinition as StructureDefinition4
from fhir.resources.structuredefinition import StructureDefinition
from fhir.resources.valueset import ValueSet

from fhirtrial.files import MappingFiles
from fhirtrial.mapping.language.mapping import load_mappings
from fhirtrial.publish.extensions import structure_definitions
from fhirtrial.publish.uses import uses
from fhirtrial.release_names import RELEASES
from fhirtrial.releases.table import load_table

from .defined_extensions import BASE, CODES, DEFINED, DEFINITIONS, FILES, MAPPINGS, R5, TARGETS, VALUE_SETS, Json

VERSIONS = {"R4": "4.0.1", "R4B": "4.3.0", "R5": "5.0.0"}
MODELS = {"R4": StructureDefinition4, "R4B": StructureDefinition4, "R5": StructureDefinition}


def named(name: str, release: str = "R5") -> Json:
    """The definition of an extension."""
    return DEFINED[release][f"{BASE}StructureDefinition/{name}"]


def elements(name: str) -> dict[str, Json]:
    """The elements of a definition by id."""
    return {element["id"]: element for element in named(name)["differential"]["element"]}


@pytest.mark.parametrize(("release", "url"), [(release, url) for release in RELEASES for url in DEFINED[release]])
def test_each_is_a_valid_resource(release: str, url: str) -> None:
    """Each is a StructureDefinition of the release that constrains Extension, found under the end of its address."""
    definition = DEFINED[release][url]
    model = MODELS[release].model_validate(definition)

    assert url == f"{BASE}StructureDefinition/{model.id}"
    assert (model.version, model.fhirVersion, model.type) == ("1.2.3", VERSIONS[release], "Extension")
    assert "date" not in definition
    ids = [element["id"] for element in definition["differential"]["element"]]
    assert len(set(ids)) == len(ids)
    paths = [element["path"] for element in definition["differential"]["element"]]
    assert [re.sub(r":[^.]+", "", id) for id in ids] == paths  # an id is the path with the names of slices in it
    assert next(element for element in definition["differential"]["element"] if element["id"] == "Extension.url") == {
        "id": "Extension.url",
        "path": "Extension.url",
        "fixedUri": url,
    }


@pytest.mark.parametrize("release", RELEASES)
def test_contexts_are_in_the_release(release: str) -> None:
    """Each may stand on elements that the release has, or as a further part of an extension that HL7 defines."""
    definitions = TARGETS[release].definitions
    defined_by_hl7 = orjson.loads(FILES.read_bytes("fhir/cross-version.json"))
    for definition in DEFINED[release].values():
        for context in definition["context"]:
            if context["type"] == "extension":
                assert context["expression"] in defined_by_hl7
                assert release != "R5"
                continue
            first, *names = context["expression"].split(".")
            kind = first
            for name in names:
                element = definitions.element(kind, name)
                assert element is not None, context
                kind = element.type
            assert (
                first in ("Element", "DomainResource") or definitions.is_resource(first) or definitions.elements(first)
            )


def test_contexts_follow_the_step_to_r4() -> None:
    """What stands on an element that R4 has as an extension is a further part of that; the rest stays where it is."""
    outcome = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ResearchStudy.outcomeMeasure"

    for release in ("R4", "R4B"):
        assert named("time-frame", release)["context"] == [{"type": "extension", "expression": outcome}]
        assert named("site-status", release)["context"] == named("site-status")["context"]
        assert named("enrollment-untyped", release)["context"] == [{"type": "element", "expression": "ResearchStudy"}]
        assert named("verbatim", release)["context"] == [{"type": "element", "expression": "Element"}]


def test_the_step_to_r4_has_extensions_of_its_own() -> None:
    """Those are described for R4 and R4B alone, also every one that the table of the step names; one is R5's alone."""
    more = {url.rpartition("/")[2] for url in DEFINED["R4"].keys() - DEFINITIONS.keys()}
    less = {url.rpartition("/")[2] for url in DEFINITIONS.keys() - DEFINED["R4"].keys()}
    rows = [row for rows in load_table(FILES).rows.values() for row in rows.values()]

    own = {"comparison-group", "computable-name", "copy-of", "exact-date", "release-difference", "status-inexact"}
    assert more == own
    assert less == {"earlier-difference"}
    assert DEFINED["R4"].keys() == DEFINED["R4B"].keys()
    assert {row.extension for row in rows if row.extension.startswith(BASE)} <= DEFINED["R4"].keys()
    assert named("comparison-group", "R4")["differential"]["element"][-1]["type"] == [{"code": "id"}]
    assert named("release-difference", "R4")["differential"]["element"][0]["max"] == "*"


def test_value_sets_are_valid_and_bound() -> None:
    """Each code system has a ValueSet, and each binding of an extension leads to one."""
    bound = {
        element["binding"]["valueSet"]
        for definition in DEFINITIONS.values()
        for element in definition["differential"]["element"]
        if "binding" in element
    }

    for found in VALUE_SETS.values():
        ValueSet.model_validate(found)
    assert len(bound) > 9
    assert bound <= VALUE_SETS.keys()
    assert {found["compose"]["include"][0]["system"] for found in VALUE_SETS.values()} == CODES.keys()


def test_a_coded_value_is_bound() -> None:
    """A value with codes of the registry is bound to them, loosely; a choice that mapping files write out, strictly."""
    status = elements("last-known-status")["Extension.value[x]"]["binding"]
    kind = elements("enrollment-type")["Extension.value[x]"]["binding"]
    lacks = elements("document-lacks")["Extension.value[x]"]["binding"]

    assert status == {"strength": "extensible", "valueSet": f"{BASE}ValueSet/ctgov-Status"}
    assert kind == {"strength": "extensible", "valueSet": f"{BASE}ValueSet/ctgov-EnrollmentType"}
    assert lacks == {"strength": "required", "valueSet": f"{BASE}ValueSet/document-part"}
    assert "binding" not in elements("other-name")["Extension.value[x]"]


def test_cardinalities_follow_from_the_mapping() -> None:
    """What `each` makes may repeat, and so may what several lines write; the rest stands once. A value is needed."""
    assert elements("other-name")["Extension"]["max"] == "*"
    assert elements("document-lacks")["Extension"]["max"] == "*"
    assert elements("last-known-status")["Extension"]["max"] == "1"
    assert elements("last-known-status")["Extension.value[x]"]["min"] == 1
    assert elements("last-known-status")["Extension.extension"]["max"] == "0"
    assert elements("other-name")["Extension.extension:verbatim"]["type"][0]["profile"] == [
        f"{BASE}StructureDefinition/verbatim"
    ]
    assert elements("ipd-sharing")["Extension.extension:information"]["max"] == "*"
    assert elements("ipd-sharing")["Extension.extension:plan"]["max"] == "1"
    assert elements("ipd-sharing")["Extension.value[x]"]["max"] == "0"


def test_parts_of_parts_are_slices_in_slices() -> None:
    """A part that has parts itself is a slice with slices, the way HL7 writes them."""
    found = elements("results-tracking")
    released = found["Extension.extension:submission.extension:released"]

    assert (released["path"], released["sliceName"]) == ("Extension.extension.extension", "released")
    assert found["Extension.extension:submission.extension:released.value[x]"]["type"] == [{"code": "date"}]
    assert found["Extension.extension:submission.value[x]"]["max"] == "0"
    assert found["Extension.extension:submission.url"]["fixedUri"] == "submission"


def test_the_same_every_time() -> None:
    """Loaded again, the same files give the same bytes."""
    again = structure_definitions(load_mappings(MappingFiles()), MappingFiles(), version="1.2.3", target=R5)

    assert orjson.dumps(again) == orjson.dumps(list(DEFINITIONS.values()))
    assert [found["url"] for found in again] == sorted(DEFINITIONS)
    assert list(DEFINED["R4"]) == sorted(DEFINED["R4"])


def test_verbatim_may_stand_anywhere() -> None:
    """What carries a value that FHIR cannot hold may stand on any element."""
    assert named("verbatim")["context"] == [{"type": "element", "expression": "Element"}]
    assert uses(MAPPINGS)["verbatim"].type == "base64Binary"
