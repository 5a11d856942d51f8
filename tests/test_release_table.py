"""The table of what is not the same in R4: it says what HL7's definitions say, and what is wrong in one is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from fhirtrial.errors import MappingError, UsageError
from fhirtrial.files import MappingFiles
from fhirtrial.releases.release import Release
from fhirtrial.releases.table import load_table

from .conformance.earlier import EXTENSIONS, OFFICIAL, facts
from .releases import SHARED

MAPPINGS = Path(__file__).resolve().parents[1] / "mappings"
FILE = "releases/r4.yaml"
TEXT = (MAPPINGS / FILE).read_text("utf-8")
TABLE = load_table(MappingFiles())
hl7 = pytest.mark.skipif(not SHARED.is_dir(), reason="HL7's definitions are not beside the checkout")


def with_text(folder: Path, text: str, file: str = FILE) -> Path:
    """A folder of mapping files of one's own with another table in it."""
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text, encoding="utf-8")
    return folder


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
    "unknown pair": ("call: dosage", "call: dosages", 0,
        "no pair of functions is called 'dosages'; did you mean dosage?"),
    "unknown rule": ("rule: narrative", "rule: narratives", 0,
        "no rule is called 'narratives'; did you mean narrative?"),
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
    "no types": ("types:\n", "nearest:\n", 0, "'nearest' stands twice in one object, first in line 41"),
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


def test_addresses_are_hl7s() -> None:
    """Every official address of the table is one that HL7 defines, and stands where HL7 says."""
    for rows in TABLE.rows.values():
        for row in rows.values():
            if row.extension.startswith(OFFICIAL):
                assert row.extension in EXTENSIONS, row
                place = EXTENSIONS[row.extension]["context"]
                owners = {row.type, f"{row.type}.{row.native.removesuffix('[x]')}", "Element"}
                if row.type == "ResearchStudy.recruitment":
                    owners.add("ResearchStudy")
                if row.type == "ResearchStudy.comparisonGroup":
                    owners.add("ResearchStudy.arm")
                assert owners & set(place), (row.line, place)


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
    """HL7's extensions for R5 elements."""
    for file in sorted((SHARED / "xver-r5.r4").glob("StructureDefinition-ext-R5-*.json")):
        definition = json.loads(file.read_bytes())
        yield definition["url"], definition


@hl7
def test_extensions_are_what_hl7_publishes() -> None:
    """Value types, parts, cardinalities and contexts of `cross-version.json` are those of HL7's StructureDefinitions."""
    found = dict(definitions())
    assert found.keys() == EXTENSIONS.keys()
    for url, definition in found.items():
        ours = EXTENSIONS[url]
        assert ours["context"] == [each["expression"] for each in definition["context"]]
        elements = {element["id"]: element for element in definition["differential"]["element"]}
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


def test_the_status_map_is_total() -> None:
    """Every state of R5, and every status of the registry, has a code that R4 knows; none is guessed twice."""
    found = json.loads((MAPPINGS / "releases" / "study-status.json").read_bytes())
    codes = facts("R4").value_sets["http://hl7.org/fhir/ValueSet/research-study-status"]
    known = {code for each in codes.values() for code in each}
    seen = [(group["source"], element["code"]) for group in found["group"] for element in group["element"]]
    assert len(set(seen)) == len(seen)
    for group in found["group"]:
        for element in group["element"]:
            assert len(element["target"]) == 1
            assert element["target"][0]["code"] in known
    for own in [source for source, _ in seen if source.endswith("/ctgov-Status")][:1]:
        enumerated = set(yaml.safe_load((MAPPINGS / "ctgov" / "schema.json").read_text("utf-8"))["enums"]["Status"])
        mapped = {code for source, code in seen if source == own}
        assert mapped <= enumerated
