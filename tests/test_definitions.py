"""The R5 definitions say what HL7's files say, and answer what a mapping needs to know."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fhirtrial.definitions import Definitions, Element
from fhirtrial.errors import MappingError, UsageError
from fhirtrial.files import MappingFiles
from tests.conformance.structure import PRIMITIVES
from tests.make_definitions import FOLDER, ROOTS

Json = dict[str, Any]
SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "fhir" / "r5"
SD = "http://hl7.org/fhir/StructureDefinition/"
R5 = Definitions.load(MappingFiles())
PUBLISHED = FOLDER / "r5.json"
FILE: Json = json.loads(PUBLISHED.read_bytes())


def own(folder: Path, content: str) -> MappingFiles:
    """A folder of mapping files with R5 definitions of its own."""
    (folder / "fhir").mkdir()
    (folder / "fhir" / "r5.json").write_text(content, encoding="utf-8")
    return MappingFiles(folder)


# What the definitions answer


def test_a_choice_is_known_by_the_names_of_its_forms() -> None:
    """JSON writes value[x] with its type; each form is an element, the general name is none."""
    assert R5.element("Extension", "valueCodeableConcept") == Element(
        path="Extension.value[x]",
        name="valueCodeableConcept",
        type="CodeableConcept",
        min=0,
        many=False,
        choice="value[x]",
    )
    for type_name, name, kind in (
        ("Group.characteristic", "valueRange", "Range"),
        ("Extension", "valueBase64Binary", "base64Binary"),
        ("Extension", "valueInteger64", "integer64"),
        ("Provenance", "occurredDateTime", "dateTime"),
        ("MedicationAdministration", "occurenceDateTime", "dateTime"),
        ("MedicationAdministration.dosage", "rateQuantity", "SimpleQuantity"),
    ):
        element = R5.element(type_name, name)
        assert element and element.type == kind
    assert R5.element("Extension", "value[x]") is None
    assert R5.element("Extension", "value") is None
    assert R5.element("Group.characteristic", "valueString") is None


def test_a_backbone_has_its_path_as_type() -> None:
    """A backbone is a type named by its path, and one that repeats another is that other."""
    group = R5.element("ResearchStudy", "comparisonGroup")
    assert group and (group.type, group.many, group.min) == ("ResearchStudy.comparisonGroup", True, 0)
    inner = R5.element("PlanDefinition.action", "action")
    assert inner and (inner.path, inner.type) == ("PlanDefinition.action.action", "PlanDefinition.action")
    link = R5.element("Bundle.entry", "link")
    assert link and link.type == "Bundle.link"


def test_inherited_elements_are_known_everywhere() -> None:
    """Types know id and extension, backbones and resources modifierExtension, primitives their extensions."""
    for type_name in ("ResearchStudy", "ResearchStudy.comparisonGroup", "Timing"):
        assert {"id", "extension", "modifierExtension"} <= R5.elements(type_name).keys()
    assert {"id", "extension"} == R5.elements("dateTime").keys()
    assert "modifierExtension" not in R5.elements("Extension")
    assert R5.element("ResearchStudy", "resourceType") is None
    resource_id, element_id = R5.element("ResearchStudy", "id"), R5.element("ResearchStudy.label", "id")
    assert resource_id and element_id and (resource_id.type, element_id.type) == ("id", "string")


def test_required_elements_are_listed_once() -> None:
    """A choice that must be there is listed once, whatever its form; what a resource needs is all there."""
    assert [element.name for element in R5.required("Group.characteristic")] == ["code", "value[x]", "exclude"]
    choice = R5.required("MedicationAdministration")[-1]
    assert (choice.name, choice.choice, choice.type) == ("occurence[x]", "occurence[x]", "dateTime|Period|Timing")
    assert [element.name for element in R5.required("ResearchStudy")] == ["status"]
    assert [element.name for element in R5.required("Provenance")] == ["target", "agent"]
    assert R5.required("Organization") == ()


def test_codes_are_those_of_required_bindings() -> None:
    """Only a required binding limits the codes, and only where HL7 lists them."""
    status, phase, language = (R5.element("ResearchStudy", name) for name in ("status", "phase", "language"))
    assert status and status.codes == frozenset({"draft", "active", "retired", "unknown"})
    assert phase and phase.codes is None
    assert language and language.codes is None
    state = R5.element("ResearchSubject.progress", "subjectState")
    assert state and state.codes and "on-study" in state.codes


def test_targets_are_those_of_references_and_canonicals() -> None:
    """References, their codeable form and canonicals say which resources they may point at."""
    for type_name, name, targets in (
        ("ResearchStudy", "protocol", ("PlanDefinition",)),
        ("ResearchStudy", "site", ("Location", "ResearchStudy", "Organization")),
        ("MedicationAdministration", "medication", ("Medication",)),
        ("PlanDefinition.action", "definitionUri", ()),
        ("Extension", "valueReference", ()),
        ("Meta", "profile", ("StructureDefinition",)),
        ("ResearchStudy", "title", ()),
    ):
        element = R5.element(type_name, name)
        assert element and element.targets == targets


def test_kinds_are_told_apart() -> None:
    """Primitives, datatypes, backbones and resources are told apart; what is no type is none of them."""
    assert [R5.is_primitive(each) for each in ("string", "xhtml", "Range", "Group", "nothing")] == [True, True] + [
        False
    ] * 3
    assert [R5.is_resource(each) for each in ("Group", "Resource", "Range", "Group.member", "nothing")] == [
        True,
        True,
    ] + [False] * 3


def test_a_simple_quantity_has_no_comparator() -> None:
    """Where HL7 forbids a comparator there is no such element."""
    low = R5.element("Range", "low")
    assert low and low.type == "SimpleQuantity"
    assert R5.element("SimpleQuantity", "value")
    assert R5.element("SimpleQuantity", "comparator") is None
    assert R5.element("Quantity", "comparator")


def test_an_unknown_type_is_said() -> None:
    """Asking one element of an unknown type finds none; asking for all is an error that names the type."""
    assert R5.element("EvidenceVariable", "name") is None
    for ask in (R5.elements, R5.required):
        with pytest.raises(UsageError, match="no type 'EvidenceVariable'"):
            ask("EvidenceVariable")
    with pytest.raises(UsageError, match="'Range' is no FHIR primitive"):
        R5.fits("Range", "x")


def test_all_types_that_elements_have_are_defined() -> None:
    """Every element's type is a type of the file, and every primitive can be checked."""
    for name in FILE["types"]:
        for element in R5.elements(name).values():
            assert element.type in FILE["types"], element.path
    for name, each in FILE["types"].items():
        assert (each["kind"] == "primitive-type") == (name in PRIMITIVES)
    assert set(ROOTS) <= FILE["types"].keys()


# The file


def test_definitions_are_read_once_for_each_set_of_folders(tmp_path: Path) -> None:
    """The same folders give the same object; a user's own folder comes first and is its own."""
    assert Definitions.load(MappingFiles()) is R5
    assert Definitions.load(MappingFiles(tmp_path)) is not R5
    (tmp_path / "x").mkdir()
    other = Definitions.load(own(tmp_path / "x", '{"fhirVersion": "x", "types": {}, "valueSets": {}}'))
    assert other.version == "x"
    assert other.element("Group", "type") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"types": {},\n "valueSets" {}}', r"fhir/r5.json:2: not JSON"),
        ("[]", r"fhir/r5.json: must be an object with"),
        ('{"fhirVersion": "5.0.0", "types": {}}', r"fhir/r5.json: must be an object with"),
    ],
)
def test_a_broken_file_is_an_error_with_its_place(tmp_path: Path, content: str, message: str) -> None:
    """A file that is no definitions is refused when it is loaded."""
    with pytest.raises(MappingError, match=message):
        Definitions.load(own(tmp_path, content))


def test_an_incomplete_definition_is_an_error_with_its_type(tmp_path: Path) -> None:
    """A type without what a type needs is refused when it is asked for, not with a bare KeyError."""
    types = {"Group": {"kind": "resource", "base": "", "elements": {"name": {"min": 0}}}}
    content = {"fhirVersion": "5.0.0", "types": types, "valueSets": {}}
    broken = Definitions.load(own(tmp_path, json.dumps(content)))
    with pytest.raises(MappingError, match=r"fhir/r5.json: the definition of Group is not complete: 'max'"):
        broken.element("Group", "name")


def test_an_unknown_release_is_an_error() -> None:
    """There is a file for each release that is known."""
    with pytest.raises(MappingError, match="no such mapping file"):
        Definitions.load(MappingFiles(), "r9")


def test_loading_is_quick() -> None:
    """A fresh process reads the definitions in a few milliseconds (the bound leaves room for a busy machine)."""
    code = (
        "import time; from fhirtrial.definitions import Definitions, MappingFiles; best = 1.0\n"
        "for n in range(5):\n"
        " start = time.perf_counter(); Definitions(MappingFiles().read_json('fhir/r5.json'), file='')\n"
        " best = min(best, time.perf_counter() - start)\n"
        "print(best)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PUBLISHED.parents[2]
    )
    assert float(done.stdout) < 0.015


def test_one_element_a_line() -> None:
    """The file is made for reading: one element, one value set a line, none said twice."""
    lines = PUBLISHED.read_text(encoding="utf-8").splitlines()
    elements = sum(len(each["elements"]) for each in FILE["types"].values())
    assert len(lines) == elements + 2 * len(FILE["types"]) + len(FILE["valueSets"]) + 5
    for name, each in FILE["types"].items():
        parent = FILE["types"].get(each["base"], {"elements": {}})["elements"]
        assert [element for element, line in each["elements"].items() if parent.get(element) == line] == [], name


# Against HL7's own files


def structures() -> list[Path]:
    """HL7's StructureDefinitions of our types, where they are at hand."""
    return [file for file in sorted(SHARED.glob("StructureDefinition-*.json")) if file.stem.partition("-")[2] in ROOTS]


def published(structure: Json) -> Iterator[tuple[str, str, Json]]:
    """Each element of a StructureDefinition: its owner, its name, itself."""
    for element in structure["snapshot"]["element"]:
        owner, _, name = element["path"].rpartition(".")
        if owner:
            yield owner, name, element


def types_of(element: Json, parents: set[str]) -> dict[str, list[str]]:
    """The types that HL7 gives an element, with their targets."""
    if reference := element.get("contentReference"):
        return {reference.removeprefix("#").rpartition("#")[2]: []}
    if element["path"] in parents:
        return {element["path"]: []}
    types = {}
    for each in element["type"]:
        hidden = [
            extension.get("valueUrl") for extension in each.get("extension", ()) if "fhir-type" in extension["url"]
        ]
        name = hidden[0] if hidden else each["code"]
        if any(profile.endswith("/SimpleQuantity") for profile in each.get("profile", ())):
            name = "SimpleQuantity"
        types[name] = [profile.removeprefix(SD) for profile in each.get("targetProfile", ())]
    return types


@pytest.mark.skipif(not SHARED.is_dir(), reason="HL7's StructureDefinitions are not beside the checkout")
@pytest.mark.parametrize("file", structures(), ids=lambda file: file.stem.partition("-")[2])
def test_every_element_is_as_hl7_publishes_it(file: Path) -> None:
    """Names, cardinalities, types, targets and the value sets of HL7's StructureDefinition are those of the file."""
    structure = json.loads(file.read_bytes())
    elements = list(published(structure))
    parents = {owner for owner, _, _ in elements}
    names: dict[str, set[str]] = {owner: set() for owner in parents}
    for owner, name, element in elements:
        forms = {
            (
                name[:-3] + kind.removeprefix("Simple")[:1].upper() + kind.removeprefix("Simple")[1:]
                if "[x]" in name
                else name
            ): kind
            for kind in types_of(element, parents)
        }
        names[owner] |= forms.keys()
        for form, kind in forms.items():
            ours = R5.element(owner, form)
            assert ours, f"{owner}.{form}"
            assert (ours.path, ours.type) == (element["path"], kind)
            assert (ours.min, ours.many) == (element["min"], element["max"] == "*")
            assert list(ours.targets) == types_of(element, parents)[kind]
            assert ours.choice == (name if "[x]" in name else "")
        line = line_of(owner, name)
        binding = element.get("binding")
        assert line.get("binding") == (
            binding
            and {"strength": binding["strength"]}
            | ({"valueSet": binding["valueSet"].split("|")[0]} if "valueSet" in binding else {})
        )
    for owner in parents:
        assert R5.elements(owner).keys() == names[owner]
        required = {name for each, name, element in elements if each == owner and element["min"]}
        assert {element.name for element in R5.required(owner)} == required


def line_of(type_name: str, element: str) -> Json:
    """An element as the file has it, inherited or not."""
    while element not in FILE["types"][type_name]["elements"]:
        type_name = FILE["types"][type_name]["base"]
    return dict(FILE["types"][type_name]["elements"][element])


@pytest.mark.skipif(not SHARED.is_dir(), reason="HL7's ValueSets are not beside the checkout")
def test_required_codes_are_those_of_hl7s_code_systems() -> None:
    """Where HL7's value set and code system are at hand, a required binding lists exactly their codes."""
    compared = set()
    for file in sorted(SHARED.glob("ValueSet-*.json")):
        value_set = json.loads(file.read_bytes())
        ours = FILE["valueSets"].get(value_set["url"])
        for include in value_set["compose"]["include"]:
            system = SHARED / f"CodeSystem-{file.stem.partition('-')[2]}.json"
            if ours is not None and system.is_file():
                concepts = json.loads(system.read_bytes())["concept"]
                assert ours[include["system"]] == [concept["code"] for concept in concepts]
                compared.add(value_set["id"])
    assert compared == {"group-membership-basis", "medication-admin-status", "publication-status", "group-type"}


def test_patterns_are_regular_expressions() -> None:
    """HL7's published patterns compile as Python's; the one with a brace too many is corrected."""
    patterns = {name: each["pattern"] for name, each in FILE["types"].items() if "pattern" in each}
    for pattern in patterns.values():
        re.compile(pattern)
    assert not any("}}" in first + second for first, second in pairwise(patterns["decimal"]))
