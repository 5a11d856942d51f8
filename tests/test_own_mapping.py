"""A site changes the mapping in a folder of its own: what it says changes in the output, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhirtrial.files import MappingFiles
from fhirtrial.mapping.difference import MISSING, differences
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.readers import read
from fhirtrial.schema import Schema

from .properties import by_reference, exact
from .records import SCHEMA, golden

MAPPINGS = Path(__file__).resolve().parents[1] / "mappings"
RECORDS = dict(golden())
MAPPER = Mapper()


def own(folder: Path, file: str, old: str, new: str) -> Path:
    """The folder with a changed copy of one file."""
    text = (MAPPINGS / file).read_text("utf-8")
    assert text.count(old) == 1
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text.replace(old, new), "utf-8")
    return folder


def changes(mapper: Mapper, name: str) -> dict[str, tuple[Any, Any]]:
    """What differs in the output of a golden record, by resource and path."""
    before, after = (by_reference(m.convert(RECORDS[name]).resources) for m in (MAPPER, mapper))
    return {
        path: (None if a is MISSING else a, None if b is MISSING else b) for path, a, b in differences(before, after)
    }


@pytest.mark.parametrize("name", RECORDS)
def test_a_copy_in_one_line(tmp_path: Path, name: str) -> None:
    """One line more in a copy of study.yaml: one element more in every study, and all records still come back."""
    line = "  title: $.protocolSection.identificationModule.briefTitle\n"
    mapper = Mapper(
        mappings=own(
            tmp_path,
            "ctgov/study.yaml",
            line,
            line + "  version: {also: $.protocolSection.statusModule.statusVerifiedDate}\n",
        )
    )
    record = RECORDS[name]
    date = record.data["protocolSection"]["statusModule"].get("statusVerifiedDate")
    assert changes(mapper, name) == ({f"ResearchStudy/{record.id}.version": (None, date)} if date else {})
    assert exact(mapper.restore(mapper.convert(record).resources).data) == exact(SCHEMA.wanted(record.data))


def test_a_shared_file(tmp_path: Path) -> None:
    """An Organization with one more constant: each Organization has it, no id changes, nothing else changes."""
    mapper = Mapper(
        mappings=own(tmp_path, "ctgov/organization.yaml", "  name: $.name", "  active: true\n  name: $.name")
    )
    found = changes(mapper, "drug")
    organizations = [name for name in MAPPER.convert(RECORDS["drug"]).texts if name.startswith("Organization/")]
    assert found == {f"{name}.active": (None, True) for name in organizations}


def test_a_field_at_another_place(tmp_path: Path) -> None:
    """A field that a site wants elsewhere is written there, and read from there."""
    mapper = Mapper(
        mappings=own(
            tmp_path, "ctgov/organization.yaml", "  name: $.name", "  name: {also: $.name}\n  description: $.name"
        )
    )
    conversion = mapper.convert(RECORDS["drug"])
    assert exact(mapper.restore(conversion.resources).data) == exact(SCHEMA.wanted(RECORDS["drug"].data))
    assert all(path.endswith(".description") for path in changes(mapper, "drug"))


def test_another_base_address(tmp_path: Path) -> None:
    """The project's own address stands in one place: with another there, nothing of ours keeps the old one."""
    mapper = Mapper(
        mappings=own(tmp_path, "prefixes.yaml", "our: 'https://fhirtrial.org/'", "our: 'https://site.example/x/'")
    )
    texts = b"".join(mapper.convert(RECORDS["invented-odd-values"]).texts.values())
    assert b"https://site.example/x/StructureDefinition/" in texts
    assert b"https://fhirtrial.org/StructureDefinition" not in texts
    assert b"https://fhirtrial.org/sid" not in texts
    record = RECORDS["invented-odd-values"]
    assert exact(mapper.restore(mapper.convert(record).resources).data) == exact(SCHEMA.wanted(record.data))


def test_a_code_row(tmp_path: Path) -> None:
    """A new code is one row in a table: then it has its FHIR code, and no issue."""
    row = '{"code": "FEMALE"'
    text = (MAPPINGS / "ctgov/codes/sex.json").read_text("utf-8")
    first = next(line for line in text.splitlines() if row in line or '"code":"FEMALE"' in line)
    new = (
        first.replace("FEMALE", "ANY")
        .replace('"Female"', '"Any"', 1)
        .replace('"female"', '"unknown"')
        .replace('"Female"', '"Unknown"')
    )
    mapper = Mapper(mappings=own(tmp_path, "ctgov/codes/sex.json", first, f"{new.rstrip(',')},\n{first}"))
    record = RECORDS["invented-odd-values"]
    told = "'ANY' has no row in ctgov/codes/sex.json"
    before, after = ([issue.message for issue in m.convert(record).issues] for m in (MAPPER, mapper))
    assert told in before
    assert told not in after
    displays = [
        after for path, (_, after) in changes(mapper, "invented-odd-values").items() if path.endswith("display")
    ]
    assert displays == ["Any"]


def test_a_new_field_of_the_registry(tmp_path: Path) -> None:
    """
    A field that the registry adds takes one line in schema.json and one in study.yaml.

    Until it is mapped the mapping says so; then it goes there and back, and records without it stay as they were.
    """
    place = '"phases": {'
    own(tmp_path, "ctgov/schema.json", place, f'"phaseRationale": {{"type": "text"}},\n{place}')
    with pytest.raises(Exception, match=r"no line reads protocolSection\.designModule\.phaseRationale back"):
        Mapper(mappings=tmp_path)
    line = "    - each: $.derivedSection.miscInfoModule.removedCountries\n"
    path = "$.protocolSection.designModule.phaseRationale"
    own(
        tmp_path,
        "ctgov/study.yaml",
        line,
        f"    - {{url: 'our:StructureDefinition/phase-rationale', valueMarkdown: {path}}}\n{line}",
    )
    mapper = Mapper(mappings=tmp_path)
    schema = Schema.load(MappingFiles(tmp_path))
    tree = {**RECORDS["drug"].data}
    tree["protocolSection"] = {**tree["protocolSection"]}
    tree["protocolSection"]["designModule"] = {**tree["protocolSection"]["designModule"], "phaseRationale": "Because."}
    (record,) = read(tree, schema=schema)
    assert record.issues == ()
    conversion = mapper.convert(record, verify=True)
    assert conversion.issues == ()
    address = "https://fhirtrial.org/StructureDefinition/phase-rationale"
    assert {"url": address, "valueMarkdown": "Because."} in conversion.resources[0]["extension"]
    assert exact(mapper.restore(conversion.resources).data) == exact(schema.wanted(record.data))
    assert changes(mapper, "drug") == {}


def test_files_of_ones_own_are_found_first(tmp_path: Path) -> None:
    """A file in the own folder is used, all others come from the library; other files there do not matter."""
    own(tmp_path, "ctgov/organization.yaml", "  name: $.name", "  name: $.name")
    (tmp_path / "notes.txt").write_text("not a mapping")
    assert changes(Mapper(mappings=tmp_path), "drug") == {}
    assert changes(Mapper(mappings=str(tmp_path)), "drug") == {}
