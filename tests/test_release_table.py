"""The table of what is not the same in R4: it says what HL7's definitions say, and what is wrong in one is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from fhirtrial.codes import load_tables
from fhirtrial.definitions import Definitions
from fhirtrial.errors import MappingError, UsageError
from fhirtrial.files import MappingFiles
from fhirtrial.releases.copies.study_status import nearest_codes
from fhirtrial.releases.release import Release
from fhirtrial.releases.table import load_table

from .conformance.earlier import EXTENSIONS, OFFICIAL, facts
from .conformance.scope import CODE_SYSTEMS
from .hl7_extensions import rendered
from .releases import R4, SHARED

MAPPINGS = Path(__file__).resolve().parents[1] / "mappings"
FILE = "releases/r4.yaml"
TEXT = (MAPPINGS / FILE).read_text("utf-8")
TABLE = load_table(MappingFiles())
SD = "http://hl7.org/fhir/StructureDefinition/"
EARLIER = OFFICIAL.replace("5.0", "4.0")
R5 = Definitions.load(MappingFiles())
hl7 = pytest.mark.skipif(not SHARED.is_dir(), reason="HL7's definitions are not beside the checkout")


def with_text(folder: Path, text: str, file: str = FILE) -> Path:
    """A folder of mapping files of one's own with another table in it."""
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text, encoding="utf-8")
    return folder


def misplaced(path: str, url: str, place: str, right: str) -> str:
    """What is said of an extension that may not stand where a row puts it."""
    return f"{path}: HL7's extension {url} may not stand on {place}, but on {right}"


# Each: the old text, the new text, how many lines further the error is (None: no line), the message.
CASES: dict[str, tuple[str, str, int | None, str]] = {
    "unknown word": ("region: {to: location}", "region: {two: location}", 0,
        "`two` means nothing in ResearchStudy.region; did you mean to?"),
    "unknown word at the top": ("required:\n", "requires:\n", 0,
        "`requires` means nothing in the table; did you mean required?"),
    "wrong type of a value": ("recruitment: {dissolve: true}", "recruitment: {dissolve: 1}", 0,
        "ResearchStudy.recruitment: `dissolve` cannot be '1'"),
    "no object": ("region: {to: location}", "region: location", 0, "ResearchStudy.region must be an object"),
    "unknown type": ("  Location:\n", "  Locations:\n", 1, "there is no type Locations; did you mean Location?"),
    "type that nothing holds": ("  Quantity:\n", "  Bundle.link:\n    url: {to: x}\n  Quantity:\n", 1,
        "no resource holds a Bundle.link"),
    "unknown element": ("region: {to: location}", "regoin: {to: location}", 0,
        "ResearchStudy has no regoin; did you mean region?"),
    "element that the other release lacks": ("region: {to: location}", "region: {to: nowhere}", 0,
        "the other release has no ResearchStudy.nowhere: ResearchStudy.region needs a row"),
    "element of another type there": ("region: {to: location}", "region: {to: period}", 0,
        "ResearchStudy.region is a list; the other release takes one"),
    "value of another type there": ("form: {to: physicalType}", "form: {to: position}", 0,
        "Location.form is a CodeableConcept, in the other release a Location.position"),
    "missing row": ("    region: {to: location}\n", "", None,
        "the other release has no ResearchStudy.region: ResearchStudy.region needs a row"),
    "missing row of codes": ("    comparator: {nearest: {}}", "    unit: {nearest: {}}", None,
        "Quantity.comparator: the other release has no code ad"),
    "missing copy": ("    actual: {rule: actual}\n", "", None,
        "the other release requires Group.actual: it needs a copy"),
    "address that HL7 has not": ("label: {extension: hl7}", "partOf: {extension: hl7}\n    label: {extension: hl7}", 0,
        f"ResearchStudy.partOf: HL7 defines no extension {OFFICIAL}ResearchStudy.partOf; did you mean {OFFICIAL}ResearchStudy.date?"),
    "address with another value": ("label: {extension: hl7}",
        "label: {extension: 'http://hl7.org/fhir/5.0/StructureDefinition/extension-ResearchStudy.date'}", 0,
        "ResearchStudy.label: HL7's extension has no part type"),
    "value of another type": ("descriptionSummary: {extension: hl7}",
        "descriptionSummary: {extension: 'http://hl7.org/fhir/5.0/StructureDefinition/extension-ResearchStudy.date'}",
        0, "ResearchStudy.descriptionSummary: HL7's extension holds valueDateTime, not valueMarkdown"),
    "address of the pack that HL7 has not": ("'sd:artifact-description'", "'sd:artifact-describtion'", 0,
        f"Group.description: HL7 defines no extension {SD}artifact-describtion; did you mean {SD}artifact-description?"),
    "address of the pack with another value": ("'sd:artifact-description'", "'sd:artifact-date'", 0,
        "Group.description: HL7's extension holds valueDateTime, not valueMarkdown"),
    "address of the pack at another place": ("'our:StructureDefinition/computable-name'", "'sd:characteristicExpression'",
        0, misplaced("ResearchStudy.name", f"{SD}characteristicExpression", "ResearchStudy", "Group")),
    "address at another place": ("descriptionSummary: {extension: hl7}",
        f"descriptionSummary: {{extension: '{OFFICIAL}Organization.description'}}", 0,
        misplaced("ResearchStudy.descriptionSummary", f"{OFFICIAL}Organization.description", "ResearchStudy", "Organization")),
    "address on another element": ("role: {extension: hl7, beside: true",
        f"role: {{extension: '{OFFICIAL}Group.type', beside: true", 0,
        misplaced("Provenance.entity.role", f"{OFFICIAL}Group.type", "Provenance.entity.role", "Group.type")),
    "address of a first one at another place": ("consent: {extension: hl7",
        f"consent: {{extension: '{OFFICIAL}Provenance.patient'", 0,
        misplaced("ResearchSubject.consent", f"{OFFICIAL}Provenance.patient", "ResearchSubject", "Provenance")),
    "address of a split one without parts": ("reason: {extension: hl7",
        f"reason: {{extension: '{OFFICIAL}MedicationAdministration.recorded'", 0,
        "MedicationAdministration.reason: HL7's extension has not both parts of a CodeableReference"),
    "address of a plain choice with another value": ("strength[x]: {extension: hl7",
        f"strength[x]: {{extension: '{OFFICIAL}Medication.totalVolume'", 0,
        misplaced("Medication.ingredient.strength[x]", f"{OFFICIAL}Medication.totalVolume", "Medication.ingredient.strength", "Medication.amount")),
    "address of R5's elements": (f"official: {OFFICIAL}", f"official: {OFFICIAL.replace('5.0', '5.1')}", 0,
        f"`official` is {OFFICIAL}, HL7's address for elements of FHIR 5.0.0, not {OFFICIAL.replace('5.0', '5.1')!r}"),
    "address of R4's elements": (f"earlier: {EARLIER}", f"earlier: {OFFICIAL}", 0,
        f"`earlier` is {EARLIER}, HL7's address for elements of FHIR 4.0.1, not {OFFICIAL!r}"),
    "unknown pair": ("call: dosage", "call: dosages", 0,
        "no pair of functions is called 'dosages'; did you mean dosage?"),
    "unknown rule": ("rule: narrative", "rule: narratives", 0,
        "no rule is called 'narratives'; did you mean narrative?"),
    "copies of no type": ("  Group:\n    actual: {rule: actual}", "  Groups:\n    actual: {rule: actual}", None,
        "the other release requires Group.actual: it needs a copy"),
    "copies of a type that is not there": ("copies:\n", "copies:\n  Grup:\n    actual: {rule: actual}\n", 2,
        "copies: no resource holds a Grup; did you mean Group?"),
    "copy of no element": ("    text: {rule: narrative}", "    txt: {rule: narrative}", 0,
        "copies: the other release has no Group.txt; did you mean text?"),
    "required by nobody": ("  - Signature.who\n", "  - Signature.who\n  - Signature.whom\n", 1,
        "required: Signature.whom is none of the elements that the other release requires; did you mean Signature.who?"),
    "required that is no list": (TEXT[TEXT.index("required:\n") : TEXT.index("copies:\n")], "required: x\n", 0,
        "`required` is a list of elements"),
    "read of no element": ("read: [Group.description]", "read: [Group.descriptoin]", 0,
        "read: R5 has no element Group.descriptoin; did you mean Group.description?"),
    "read of no type": ("read: [Group.description]", "read: [Herd.description]", 0,
        "read: R5 has no element Herd.description; HL7's addresses are those of R5's elements"),
    "read twice": ("read: [Group.description]", "read: [Group.description, Group.description]", 0,
        "Group.description is read already"),
    "members of no element": ("members: {telecom: telecom}}", "members: {telcom: telecom}}", 0,
        "members: ExtendedContactDetail has no telcom; did you mean telecom?"),
    "members in no element": ("members: {telecom: telecom}}", "members: {telecom: code}}", 0,
        "members: the other release has no list PractitionerRole.code of ContactPoint"),
    "nothing that keeps apart": ("apart: purpose, ", "", 0,
        "apart: ExtendedContactDetail has no such element; name an element"),
    "two lists": ("address: address}", "address: address, purpose: type}", 0,
        "Organization.contact: only one member may be a list in the other release alone"),
    "first of another type": ("to: asNeededCodeableConcept, unless", "to: text, unless", 0,
        "first: the other release has no CodeableConcept Dosage.text"),
    "unless of no element": ("unless: asNeeded}", "unless: asNeded}", 0,
        "unless: Dosage has no asNeded; did you mean asNeeded?"),
    "no rule": ("actual: {rule: actual}", "actual: {}", 0, "Group.actual needs a `rule`"),
    "unknown list": ("nearest: artifact-type", "nearest: artefact-type", 0,
        "RelatedArtifact.type: no list of nearest codes is called 'artefact-type'; did you mean artifact-type?"),
    "wrong nearest code": ("nearest: {instantiates: derivation}", "nearest: {instantiates: derivative}", 0,
        "Provenance.entity.role: the other release has no code derivative"),
    "system without an address": ("{to: http://terminology.hl7.org/CodeSystem/research-study-phase}", "{only: [a]}",
        0, "hl7:research-study-phase needs `to`"),
    "codes that are no list": ("{to: http://terminology.hl7.org/CodeSystem/research-study-phase}",
        "{to: http://terminology.hl7.org/CodeSystem/research-study-phase, only: a}",
        0, "hl7:research-study-phase: `only` is a list of codes, not 'a'"),
    "option that a rule has not": ("{rule: actual}", "{rule: actual, roles: [a]}", 0,
        "actual does not know `roles`; known: nothing"),
    "no types": ("types:\n", "nearest:\n", 0, f"'nearest' stands twice in one object, first in line {TEXT[: TEXT.index('nearest:' + chr(10))].count(chr(10)) + 1}"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_said(case: str, tmp_path: Path) -> None:
    """Each kind of mistake is found when the table is loaded, and said with file, line and what would be right."""
    old, new, further, message = CASES[case]
    assert old in TEXT
    with pytest.raises(MappingError) as caught:
        Release("R4", mappings=with_text(tmp_path, TEXT.replace(old, new, 1)))
    line = None if further is None else TEXT[: TEXT.index(old)].count("\n") + 1 + further
    assert (caught.value.message, caught.value.file, caught.value.line) == (message, FILE, line)


def test_an_empty_table(tmp_path: Path) -> None:
    """A table needs its types and the base of HL7's addresses."""
    for text, needed in (
        ("official: x\nearlier: x\n", "types"),
        ("official: x\n", "earlier"),
        ("types: {}\n", "official"),
    ):
        with pytest.raises(MappingError, match=f"^{FILE}:1: the table needs `{needed}`$"):
            Release("R4", mappings=with_text(tmp_path / needed, text))


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("releases/study-status.json", "{", r"releases/study-status.json:1: not JSON: .*"),
        ("releases/study-status.json", "{}", r"releases/study-status.json: no ConceptMap"),
        (
            "releases/study-status.json",
            (MAPPINGS / "releases/study-status.json").read_text().replace(', "relationship": "equivalent"', "", 1),
            r"releases/study-status.json:15: the target of active: no relationship; it is one of equivalent, .*",
        ),
        ("fhir/cross-version.json", '{"a": 1}', r"fhir/cross-version.json: must be an object of extensions by address"),
        ("fhir/cross-version.json", "[\n,", r"fhir/cross-version.json:2: not JSON: .*"),
    ],
)
def test_other_files(file: str, text: str, message: str, tmp_path: Path) -> None:
    """The files beside the table are refused with their name and line, too."""
    with pytest.raises(MappingError, match=f"^{message}$"):
        Release("R4", mappings=with_text(tmp_path, text, file))


def test_an_unknown_release() -> None:
    """There are three releases."""
    with pytest.raises(UsageError, match=r"^'R3' is no release; did you mean R4\?$|^'R3' is no release; .*"):
        Release("R3")
    with pytest.raises(UsageError, match=r"^'STU' is no release; known: R4, R4B, R5$"):
        Release("STU")


WITHOUT = {
    "ResearchStudy.primaryPurposeType": "the address of its code system would stay",
    "ResearchStudy.phase": "the address of its code system would stay",
    "ResearchStudy.site": "the address in its extensions would stay",
    "ResearchStudy.objective": "only the parts of it change, which have rows of their own",
    "ResearchStudy.objective.type": "the address of its code system would stay",
    "MedicationAdministration.statusReason": "the address of its code system would stay",
    "MedicationAdministration.dosage": "it is the same but for R4's rule mad-1",
    "ResearchStudy.period.start": "it is the same but for R4's rule per-1",
    "ResearchStudy.period.end": "it is the same but for R4's rule per-1",
    "ResearchSubject.period.start": "it is the same but for R4's rule per-1",
    "ResearchSubject.period.end": "it is the same but for R4's rule per-1",
    "Encounter.actualPeriod.start": "it is the same but for R4's rule per-1",
    "Encounter.actualPeriod.end": "it is the same but for R4's rule per-1",
    "Timing.repeat.boundsPeriod.start": "it is the same but for R4's rule per-1",
    "Timing.repeat.boundsPeriod.end": "it is the same but for R4's rule per-1",
}
"""Rows that FHIR's definitions do not ask for, and what would be wrong without them."""


def without_row(kind: str, name: str) -> str:
    """The table without one row."""
    lines = TEXT.splitlines(keepends=True)
    line = int(TABLE.rows[kind][name].line.rpartition(":")[2]) - 1
    assert lines[line].strip().startswith(f"{name}:")
    rest = lines[:line] + lines[line + 1 :]
    if not any(text.startswith("    ") for text in rest[line - 1 : line + 1]) or len(TABLE.rows[kind]) == 1:
        rest = [text for text in rest if text.strip().partition(" ")[0] != f"{kind}:"]
    return "".join(rest)


def test_no_row_can_be_left_out(tmp_path: Path) -> None:
    """Every R5 element is the same in R4 or has a row: without any single one loading fails, but for those named."""
    loaded = set()
    for kind, rows in TABLE.rows.items():
        for name in rows:
            folder = with_text(tmp_path / f"{kind}.{name}", without_row(kind, name))
            try:
                Release("R4", mappings=folder)
                loaded.add(f"{kind}.{name}")
            except MappingError:
                continue
    assert loaded == WITHOUT.keys()


# ---------------------------------------------------------------- HL7's facts


def test_r4b_allows_what_r4_does() -> None:
    """R4B has every element, type, code and target of R4's, and asks for no more; so one table serves both."""
    r4, r4b = facts("R4"), facts("R4B")
    for name in r4.types:
        for element, line in r4.elements(name).items():
            other = r4b.elements(name)[element]
            # Meta as the value of an extension is R4's alone: left out there. Resource.id is written the same.
            assert set(line["type"]) - set(other["type"]) <= ({"Meta"} if name == "Extension" else {"string"})
            assert (other["min"], line["max"] == "*") == (line["min"], other["max"] == "*"), (name, element)
            for kind, targets in line.get("target", {}).items():
                allowed = other.get("target", {}).get(kind, targets)
                assert set(targets) <= {*allowed, *targets * ("Resource" in allowed)}, (name, element)
    for address, systems in r4.value_sets.items():
        if systems and not address.endswith("/all-types"):
            ours, theirs = (
                {code for codes in each.values() for code in codes} for each in (systems, r4b.value_sets[address])
            )
            assert ours <= theirs, address


def structure(folder: str, name: str) -> Any:
    """One of HL7's files."""
    return json.loads((SHARED / folder / f"StructureDefinition-{name}.json").read_bytes())


@hl7
@pytest.mark.parametrize(
    "file", sorted((SHARED / "r4").glob("StructureDefinition-*.json")), ids=lambda file: file.stem[20:]
)
def test_r4_is_what_hl7_publishes(file: Path) -> None:
    """Names, cardinalities, types and targets of `mappings/fhir/r4.json` are those of HL7's StructureDefinition."""
    definition = orjson.loads(file.read_bytes())
    r4 = facts("R4")
    if definition["id"] not in r4.types:
        pytest.skip("not one of the types that have another form")
    elements = definition["snapshot"]["element"]
    parents = {element["path"].rpartition(".")[0] for element in elements}
    for element in elements:
        owner, _, name = element["path"].rpartition(".")
        if not owner:
            continue
        line = r4.elements(owner)[name]
        assert (line["min"], line["max"]) == (element["min"], element["max"]), element["path"]
        if element["path"] in parents or "contentReference" in element or name == "id":
            continue
        assert line["type"] == [each["code"] for each in element["type"]], element["path"]
        targets = [target.rpartition("/")[2] for each in element["type"] for target in each.get("targetProfile", ())]
        assert [each for kind in line.get("target", {}).values() for each in kind if kind] == targets or not targets


def definitions() -> Iterator[tuple[str, Any]]:
    """HL7's extensions for R5 elements, and those of its pack that hold a value."""
    for file in sorted((SHARED / "xver-r5.r4").glob("StructureDefinition-ext-R5-*.json")):
        definition = json.loads(file.read_bytes())
        yield definition["url"], definition
    for file in sorted((SHARED / "extensions").glob("StructureDefinition-*.json")):
        definition = json.loads(file.read_bytes())
        value = next(each for each in definition["snapshot"]["element"] if each["id"] == "Extension.value[x]")
        if value["max"] != "0":
            yield definition["url"], definition


@hl7
def test_extensions_are_what_hl7_publishes() -> None:
    """Value types, parts, cardinalities and contexts of `cross-version.json` are those of HL7's StructureDefinitions."""
    found = dict(definitions())
    assert found.keys() | rendered().keys() == EXTENSIONS.keys()
    assert {url: EXTENSIONS[url] for url in rendered()} == rendered()
    for url, definition in found.items():
        ours = EXTENSIONS[url]
        assert set(ours["context"]) == {each["expression"] for each in definition["context"]}
        of_pack = url.startswith(SD)
        elements = {each["id"]: each for each in definition["snapshot" if of_pack else "differential"]["element"]}
        if of_pack:
            assert set(ours["type"]) == {each["code"] for each in elements["Extension.value[x]"]["type"]}, url
            continue
        assert ours.get("max", "1") == elements["Extension"].get("max", "1"), url
        compared(ours, elements, "Extension")


def compared(ours: Any, elements: Any, at: str) -> None:
    """An extension, or a part of one, as the file has it and as HL7 does."""
    value = elements.get(f"{at}.value[x]", {"max": "0"})
    if "parts" not in ours:
        assert ours["type"] == [each["code"] for each in value.get("type", ())], at
        return
    # HL7's own exception: the address of a virtual service is a value or parts.
    assert value["max"] == "0" or at == "Extension.extension:address", at
    stem = f"{at}.extension:"
    slices = {name[len(stem) :] for name in elements if name.startswith(stem) and "." not in name[len(stem) :]}
    assert slices == ours["parts"].keys(), at
    for name, part in ours["parts"].items():
        assert part.get("max", "1") == elements[stem + name].get("max", "1"), stem + name
        compared(part, elements, stem + name)


STATUS = "http://hl7.org/fhir/research-study-status"
NO_STATE = {"overall-study": "the period of the whole study: it says nothing of how it stands"}
"""The codes of R5's list that no status of R4 follows from, and why."""


def test_the_status_map_is_total() -> None:
    """Every state of R5 and every status of the registry has a row, whose code R4 knows, or a reason for having none."""
    rows = nearest_codes(MappingFiles())
    assert {code for system, code in rows if system == STATUS} == CODE_SYSTEMS[STATUS].keys() - NO_STATE.keys()
    registry = load_tables(MappingFiles())["status"]
    enumerated = set(yaml.safe_load((MAPPINGS / "ctgov" / "schema.json").read_text("utf-8"))["enums"]["Status"])
    assert registry.labels.keys() == enumerated
    own = {code for system, code in rows if system == registry.own}
    assert own == enumerated - {code for code, pair in registry.outside.items() if pair in rows}
    assert {system for system, _ in rows} == {STATUS, registry.own}


def test_every_status_of_r4_is_reached() -> None:
    """R4's eleven codes are all made, and none besides; what R4 and R5 call the same is the same, and exact."""
    codes = facts("R4").value_sets["http://hl7.org/fhir/ValueSet/research-study-status"]
    known = {code for each in codes.values() for code in each}
    rows = nearest_codes(MappingFiles())
    assert {code for code, _ in rows.values()} == known
    assert len(known) == 11
    assert {code: rows[STATUS, code] for code in known} == {code: (code, True) for code in known}


@pytest.mark.parametrize("publication", sorted(R5.element("ResearchStudy", "status").codes or ()))
def test_status_and_state_are_two_things(publication: str) -> None:
    """Whatever the publication's status is, the study's follows from its state alone, and both come back."""
    rows = nearest_codes(MappingFiles())
    for state in CODE_SYSTEMS[STATUS]:
        coding = {"system": STATUS, "code": state}
        study = {
            "resourceType": "ResearchStudy",
            "status": publication,
            "progressStatus": [{"state": {"coding": [coding]}}],
        }
        made = R4.down(study).resource
        code, exact = rows.get((STATUS, state), ("approved", False))
        marks = {each["url"].rpartition("/")[2] for each in made["_status"]["extension"]}
        assert made["status"] == code
        assert marks == {"extension-ResearchStudy.status"} | ({"status-inexact"} if not exact else set())
        assert R4.up(made).resource == study
