"""Our own extensions: each is defined, and every use in the output obeys its definition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from fhir.resources.R4B.structuredefinition import StructureDefinition as StructureDefinition4
from fhir.resources.structuredefinition import StructureDefinition
from fhir.resources.valueset import ValueSet
from hypothesis import HealthCheck, given, settings

from fhirtrial.code_systems import code_systems, value_sets
from fhirtrial.definitions import Definitions
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.mapping.language.mapping import load_mappings
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.publish.extensions import structure_definitions
from fhirtrial.publish.target import load_target
from fhirtrial.publish.uses import uses
from fhirtrial.release_names import RELEASES, ReleaseName
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release
from fhirtrial.releases.table import load_table

from .golden_update import mapper_of
from .records import SHARED, golden, golden_subjects, record_of, shared, trees

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent
FILES = MappingFiles()
MAPPER = Mapper()
MAPPINGS = load_mappings(FILES)
BASE = MAPPER.mapping.base
VERSIONS = {"R4": "4.0.1", "R4B": "4.3.0", "R5": "5.0.0"}
MODELS = {"R4": StructureDefinition4, "R4B": StructureDefinition4, "R5": StructureDefinition}
TARGETS = {name: load_target(name, FILES) for name in RELEASES}
R5 = TARGETS["R5"]
TYPES = [Definitions.load(FILES), Definitions.load(FILES, "r4")]
DEFINED: dict[str, dict[str, Json]] = {
    name: {
        definition["url"]: definition
        for definition in structure_definitions(MAPPINGS, FILES, version="1.2.3", target=target)
    }
    for name, target in TARGETS.items()
}
DEFINITIONS = DEFINED["R5"]
VALUE_SETS: dict[str, Json] = {value_set["url"]: value_set for value_set in value_sets(FILES)}
CODES = {system["url"]: {concept["code"] for concept in system["concept"]} for system in code_systems(FILES)}


def named(name: str, release: str = "R5") -> Json:
    """The definition of an extension."""
    return DEFINED[release][f"{BASE}StructureDefinition/{name}"]


def elements(name: str) -> dict[str, Json]:
    """The elements of a definition by id."""
    return {element["id"]: element for element in named(name)["differential"]["element"]}


# ------------------------------------------------------------------------------- does the output obey the definitions?


def objects(node: Any, path: str) -> Iterator[tuple[str, Json]]:
    """All objects of a resource with their element paths; the parts of an extension are its own matter."""
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            inner = f"{path}.{key.removeprefix('_')}"
            if key == "extension":
                for found in value:
                    # What stands inside the value of an extension is named from the value's type on.
                    for name, member in found.items():
                        if name.startswith(("value", "_value")):
                            yield from objects(member, name.removeprefix("_").removeprefix("value"))
                    yield from parts_of(found)
            else:
                yield from objects(value, inner)
    elif isinstance(node, list):
        for item in node:
            yield from objects(item, path)


def parts_of(extension: Json) -> Iterator[tuple[str, Json]]:
    """The objects in the values of the parts of an extension, and the extension itself where others stand on it."""
    yield extension["url"], {"extension": [part for part in extension.get("extension", ()) if ":" in part["url"]]}
    for part in extension.get("extension", ()):
        if ":" not in part["url"]:
            for name, member in part.items():
                if name.startswith(("value", "_value")):
                    yield from objects(member, name.removeprefix("_").removeprefix("value"))
            yield from parts_of(part)


def in_types(path: str) -> Iterator[str]:
    """The last element of a path as one of the datatype that holds it, in R5 and in R4: ``Period.end``."""
    kinds, last = path.split(".")[:-1], path.rpartition(".")[2]
    for release in TYPES if kinds else ():
        kind, names = kinds[0], kinds[1:]
        for name in names:
            element = release.element(kind, name) if kind in release.types else None
            kind = element.type if element else ""
        yield f"{kind}.{last}"


def faults(resource: Json, definitions: dict[str, Json] = DEFINITIONS) -> Iterator[str]:
    """How a resource breaks the definitions of our extensions."""
    for path, node in objects(resource, resource["resourceType"]):
        urls = Counter(found["url"] for found in node.get("extension", ()))
        for url, count in urls.items():
            if not url.startswith(BASE):
                continue
            if url not in definitions:
                yield f"{path}: {url} is not defined"
                continue
            definition = definitions[url]
            contexts = [context["expression"] for context in definition["context"]]
            anywhere = contexts == ["Element"] or (contexts == ["DomainResource"] and "." not in path)
            if {path, *in_types(path)}.isdisjoint(contexts) and not anywhere:
                yield f"{path}: {url} may stand on {contexts}"
            declared = {element["id"]: element for element in definition["differential"]["element"]}
            if count > 1 and declared["Extension"]["max"] == "1":
                yield f"{path}: {url} stands {count} times"
            for found in node["extension"]:
                if found["url"] == url:
                    yield from shape(found, declared, "Extension", f"{path}.{url}")


def shape(found: Json, declared: dict[str, Json], at: str, path: str) -> Iterator[str]:
    """How an extension, or a part of one, breaks its definition."""
    if found["url"] != declared[f"{at}.url"]["fixedUri"]:
        yield f"{path} has another url"
    value, parts = declared[f"{at}.value[x]"], found.get("extension", [])
    held = {key.removeprefix("_") for key in found if key.startswith(("value", "_value"))}
    if not held and (value.get("min") or not parts):
        yield f"{path} holds nothing"
    if held and value.get("max") == "0":
        yield f"{path} holds a value"
    elif held:
        (key,) = held
        yield from fitting(found.get(key), key, value, path)
    if parts and declared.get(f"{at}.extension", {}).get("max") == "0":
        yield f"{path} has parts"
        return
    elif held and parts:
        yield f"{path} has a value and parts"
    count = Counter(part["url"].rpartition("/")[2] for part in parts)
    for name, times in count.items():
        if times > 1 and declared.get(f"{at}.extension:{name}", {}).get("max") == "1":
            yield f"{path}.{name} stands {times} times"
    for part in parts:
        slice = declared.get(f"{at}.extension:{part['url'].rpartition('/')[2]}")
        if slice is None:
            yield f"{path} has no part {part['url']}"
        elif "profile" in slice["type"][0]:
            if slice["type"][0]["profile"] != [part["url"]]:
                yield f"{path} has another part {part['url']}"
        else:
            yield from shape(part, declared, slice["id"], f"{path}.{part['url']}")


def fitting(found: Any, key: str, declared: Json, path: str) -> Iterator[str]:
    """How a value breaks what is said of its type, its codes and what it refers to."""
    (kind,) = declared["type"]
    if key != f"value{kind['code'][0].upper()}{kind['code'][1:]}":
        yield f"{path} holds {key}, not a {kind['code']}"
    elif "targetProfile" in kind:
        if f"http://hl7.org/fhir/StructureDefinition/{found['type']}" not in kind["targetProfile"]:
            yield f"{path} refers to a {found['type']}"
    elif "binding" in declared:
        (include,) = VALUE_SETS[declared["binding"]["valueSet"]]["compose"]["include"]
        codings = (
            [{"system": include["system"], "code": found}] if isinstance(found, str) else found.get("coding", [found])
        )
        ours = [coding.get("code") for coding in codings if coding["system"] == include["system"]]
        if not ours:
            yield f"{path} has no code of {include['system']}"
        elif declared["binding"]["strength"] == "required" and ours[0] not in CODES[include["system"]]:
            yield f"{path}: {ours[0]} is no code of {include['system']}"


def used(resource: Json) -> set[str]:
    """The extensions of ours that a resource uses."""
    return {
        found["url"]
        for _, node in objects(resource, resource["resourceType"])
        for found in node.get("extension", ())
        if found["url"].startswith(BASE)
    }


@pytest.mark.parametrize("release", RELEASES)
def test_golden_output_obeys_the_definitions(release: ReleaseName) -> None:
    """In the output of the golden records every extension is used as defined, and every defined one is used."""
    seen: set[str] = set()
    step = Release(release)
    lone_type = {
        "designModule": {"enrollmentInfo": {"type": "ACTUAL"}},
        "identificationModule": {"nctId": "NCT00000102"},
    }
    cases = [*golden(), *golden_subjects(), ("a type without a count", record_of({"protocolSection": lone_type}))]
    for name, record in cases:
        for resource in released(mapper_of(record.registry).convert(record), step).resources:
            assert list(faults(resource, DEFINED[release])) == [], name
            seen |= used(resource)

    # Only resources that others made have these.
    names = ("release-difference", "earlier-difference")
    elsewhere = DEFINED[release].keys() & {f"{BASE}StructureDefinition/{name}" for name in names}
    assert seen == DEFINED[release].keys() - elsewhere


@pytest.mark.parametrize("release", ["R4", "R4B"])
def test_what_only_the_release_step_writes_obeys_its_definition(release: ReleaseName) -> None:
    """The arm of a subject, its status, and what R4 or R5 has no place for, are as their definitions say."""
    step = Release(release)
    study = {"resourceType": "ResearchStudy", "status": "active", "comparisonGroup": [{"linkId": "a", "name": "Arm"}]}
    subject = {
        "resourceType": "ResearchSubject",
        "status": "active",
        "study": {"reference": "ResearchStudy/1"},
        "subject": {"reference": "Patient/1"},
        "assignedComparisonGroup": "a",
        "actualComparisonGroup": "a",
    }
    plan = {"resourceType": "PlanDefinition", "status": "active", "actor": [{"title": "A nurse", "option": [{}]}]}
    made = [step.down(subject, find={"ResearchStudy/1": study}.get), step.down(plan, check=True)]

    assert [list(faults(each.resource, DEFINED[release])) for each in made] == [[], []]
    names = {url.rpartition("/")[2] for each in made for url in used(each.resource)}
    assert names == {"comparison-group", "status-inexact", "release-difference"}

    medicine = {"resourceType": "Medication", "amount": {"numerator": {"value": 10}, "denominator": {"value": 2}}}
    raised = step.up(medicine, check=True).resource
    assert list(faults(raised)) == []
    assert {url.rpartition("/")[2] for url in used(raised)} == {"earlier-difference"}


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared records is not beside the checkout")
def test_shared_output_obeys_the_definitions() -> None:
    """So it is in the output of all real records."""
    r4 = Release("R4")
    for record in shared():
        conversion = MAPPER.convert(record)
        for resource in conversion.resources:
            assert list(faults(resource)) == [], record.id
        for resource in released(conversion, r4).resources:
            assert list(faults(resource, DEFINED["R4"])) == [], record.id


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees())
def test_any_output_obeys_the_definitions(tree: Json) -> None:
    """So it is in the output of invented records with odd values: what FHIR cannot hold stands in the value, too."""
    conversion = MAPPER.convert(record_of(tree))
    for release, defined in DEFINED.items():
        for resource in released(conversion, Release(release)).resources:
            assert list(faults(resource, defined)) == []


@pytest.mark.parametrize(
    ("extension", "fault"),
    [
        ({"url": "other-name", "valueString": "x"}, "may stand on"),
        ({"url": "study-populations", "valueMarkdown": "x"}, "is not defined"),
        ({"url": "masking-description", "valueString": "x"}, "holds valueString, not a markdown"),
        ({"url": "masking-description"}, "holds nothing"),
        ({"url": "masking-description", "extension": [{"url": "x", "valueString": "x"}]}, "no part x"),
        ({"url": "last-known-status", "extension": [{"url": "x", "valueString": "x"}]}, "holds nothing"),
        ({"url": "last-known-status", "valueCodeableConcept": {"coding": [{"system": "x"}]}}, "has no code of"),
        ({"url": "ipd-sharing", "valueString": "x"}, "holds a value"),
        ({"url": "ipd-sharing", "extension": [{"url": "plans", "valueString": "x"}]}, "has no part plans"),
        ({"url": "ipd-sharing", "extension": [{"url": "url", "valueString": "x"}] * 2}, "url stands 2 times"),
        ({"url": "ipd-sharing", "extension": [{"url": "url"}]}, "holds nothing"),
        (
            {"url": "expanded-access", "extension": [{"url": "study", "valueReference": {"type": "Group"}}]},
            "refers to a Group",
        ),
    ],
)
def test_the_check_itself_finds_faults(extension: Json, fault: str) -> None:
    """A wrong place, name, type, code, target or number of parts is found: the tests above can fail."""
    extension = {**extension, "url": f"{BASE}StructureDefinition/{extension['url']}"}
    found = list(faults({"resourceType": "ResearchStudy", "extension": [extension]}))

    assert found
    assert fault in found[0]


def test_the_check_counts_and_reads_codes() -> None:
    """The same extension twice is found where it may stand once, and so is a code outside a closed choice."""
    twice = {"url": f"{BASE}StructureDefinition/masking-description", "valueMarkdown": "x"}
    lacks = {"url": f"{BASE}StructureDefinition/document-lacks", "valueCode": "icf"}
    study = {"resourceType": "ResearchStudy"}

    assert len(list(faults({**study, "extension": [twice, twice]}))) == 1
    assert list(faults({**study, "relatedArtifact": [{"extension": [lacks, lacks]}]})) == []
    assert len(list(faults({**study, "relatedArtifact": [{"extension": [{**lacks, "valueCode": "x"}]}]}))) == 1


# ------------------------------------------------------------------------------------------------- the definitions


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
    assert all(id.replace(f":{id.rpartition(':')[2].partition('.')[0]}", "") for id in ids)
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


# ------------------------------------------------------------------------------------------------ wrong descriptions

USED, UNUSED = "is used, and not described in extensions.yaml", "extensions.yaml:LINE: no mapping file uses the"
SET = f"{BASE}ValueSet/document-part"
WRONG = [
    ("\nsex: ", "\nsexes: ", f"ctgov/eligibility.yaml:LINE: the extension sex {USED}"),
    ("\nverbatim: ", "\nvebatim: ", f"ctgov/mapping.yaml:LINE: the extension verbatim {USED}"),
    ("minimum: ", "minimal: ", f"ctgov/eligibility.yaml:LINE: the part minimum of the extension bmi-limits {USED}"),
    ("sex: {title: ", "sex: {titel: ", "extensions.yaml:LINE: titel has no meaning in sex; did you mean title?"),
    ("sex: {title: Sex of participants, ", "sex: {", "extensions.yaml:LINE: sex needs a title"),
    ("{title: Sex of participants,", "{title: '',", "extensions.yaml:LINE: text is needed here"),
    (
        "our:ValueSet/document-part",
        "our:ValueSet/document-parts",
        f"extensions.yaml:LINE: document-lacks: there is no value set {SET}s; did you mean {SET}?",
    ),
    ("\nverbatim: ", "\nfoo: {title: a, text: b}\nverbatim: ", f"{UNUSED} extension foo"),
    (
        "parts: {minimum: ",
        "parts: {minimun: x, minimum: ",
        f"{UNUSED} part minimun of the extension bmi-limits; did you mean minimum?",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_descriptions_fit_the_use(tmp_path: Path, old: str, new: str, message: str) -> None:
    """What is used and not described, described and not used, or misspelt, is an error that names file and line."""
    text = (ROOT / "mappings" / "extensions.yaml").read_text("utf-8")
    assert text.count(old) == 1
    (tmp_path / "extensions.yaml").write_text(text.replace(old, new), "utf-8")

    with pytest.raises(MappingError) as error:
        structure_definitions(MAPPINGS, MappingFiles(tmp_path), version="1", target=R5)

    assert error.value.line
    assert str(error.value).replace(f":{error.value.line}:", ":LINE:") == message


OF_RELEASES = [
    ("  type: id\n", "", "comparison-group has either a type or parts"),
    (
        "  type: id\n",
        "  type: id\n  parts: {a: {type: string, text: b}}\n",
        "comparison-group has either a type or parts",
    ),
    ("type: id", "type: Identifer", "an extension holds no Identifer; did you mean Identifier?"),
    ("type: uri", "type: urii", "an extension holds no urii; did you mean uri?"),
    ("type: uri, ", "", "system needs a type"),
    ("context: [Element]", "context: Element", "the context of copy-of is a list"),
    ("  context: [Element]\n", "", "copy-of needs a context"),
    ("in: R5", "in: R6", "earlier-difference is in R4 or in R5, not in R6"),
    ("title: Copy", "titel: Copy", "titel has no meaning in copy-of; did you mean title?"),
    ("copy-of:", "sex:", "sex is described in extensions.yaml as well"),
]


@pytest.mark.parametrize(("old", "new", "message"), OF_RELEASES)
def test_descriptions_of_the_release_step(tmp_path: Path, old: str, new: str, message: str) -> None:
    """What is wrong with an extension of the release step is an error that names file and line."""
    text = (ROOT / "mappings" / "releases" / "extensions.yaml").read_text("utf-8")
    assert text.count(old) == 1
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "extensions.yaml").write_text(text.replace(old, new), "utf-8")

    with pytest.raises(MappingError) as error:
        structure_definitions(MAPPINGS, MappingFiles(tmp_path), version="1", target=TARGETS["R4"])

    assert error.value.line
    assert str(error.value) == f"releases/extensions.yaml:{error.value.line}: {message}"


def test_an_extension_needs_a_type_of_the_release(tmp_path: Path) -> None:
    """A value that R4 has no type for is an error in R4 that names the line which writes it; R5 and R4B take it."""
    (tmp_path / "ctgov").mkdir()
    text = (ROOT / "mappings" / "ctgov" / "intervention.yaml").read_text("utf-8")
    changed = text.replace(
        "valueString: $}\n    - each: $.armGroupLabels",
        "valueCodeableReference: {concept: {text: $}}}\n    - each: $.armGroupLabels",
    )
    assert changed != text
    (tmp_path / "ctgov" / "intervention.yaml").write_text(changed, "utf-8")
    files = MappingFiles(tmp_path)
    mapping = load_mappings(files)

    with pytest.raises(MappingError) as error:
        structure_definitions(mapping, files, version="1", target=TARGETS["R4"])

    assert str(error.value).startswith("ctgov/intervention.yaml:")
    assert error.value.message == "other-name holds CodeableReference, which an extension in R4 cannot"
    assert structure_definitions(mapping, files, version="1", target=R5)


def test_one_extension_has_one_type(tmp_path: Path) -> None:
    """Two lines that give one extension values of two types are an error that names both."""
    (tmp_path / "ctgov").mkdir()
    text = (ROOT / "mappings" / "ctgov" / "eligibility.yaml").read_text("utf-8")
    changed = text.replace("StructureDefinition/gender-based'", "StructureDefinition/masking-description'")
    assert changed != text
    (tmp_path / "ctgov" / "eligibility.yaml").write_text(changed, "utf-8")

    with pytest.raises(MappingError) as error:
        uses(load_mappings(MappingFiles(tmp_path)))

    assert "masking-description has " in str(error.value)
    assert all(found in str(error.value) for found in ("markdown", "boolean", "eligibility.yaml:", "study.yaml:"))


def test_an_extension_of_two_elements_may_stand_on_both(tmp_path: Path) -> None:
    """Two lines that use one extension on different elements give it both contexts."""
    (tmp_path / "ctgov").mkdir()
    text = (ROOT / "mappings" / "ctgov" / "study.yaml").read_text("utf-8")
    changed = text.replace("StructureDefinition/upload-time'", "StructureDefinition/time-frame'")
    assert changed != text
    (tmp_path / "ctgov" / "study.yaml").write_text(changed, "utf-8")

    found = uses(load_mappings(MappingFiles(tmp_path)))["time-frame"]

    assert found.contexts == {"ResearchStudy.outcomeMeasure", "ResearchStudy.relatedArtifact"}
    assert found.type == "string"
