"""The code systems and concept maps that are posted to a server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fhir.resources.codesystem import CodeSystem
from fhir.resources.conceptmap import ConceptMap

from fhirtrial.code_systems import code_systems, concept_maps
from fhirtrial.codes import load_tables
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.prefixes import expand, load_prefixes
from fhirtrial.single_doses import KIND
from fhirtrial.strict_yaml import compose, plain

FILES = MappingFiles()
PREFIXES = load_prefixes(FILES)
SYSTEMS = {system["url"]: system for system in code_systems(FILES)}
TABLES = [table for name in FILES.registries() for table in load_tables(FILES, f"{name}/codes").values()]
OF_TABLES = {table.own for table in TABLES}
OWN = """
colour:
  title: Colour
  description: What colour a thing has.
  concept:
    red: {display: Red, definition: 'Like blood, more or less.'}
"""


def own_files(folder: Path, text: str) -> MappingFiles:
    """Mapping files with another codesystems.yaml."""
    (folder / "codesystems.yaml").write_text(text, encoding="utf-8")
    return MappingFiles(folder)


def used_codings(node: object) -> Iterator[tuple[str, str]]:
    """System and code of every constant coding below a node of a mapping file."""
    if isinstance(node, dict):
        system, code = node.get("system"), node.get("code")
        if isinstance(system, str) and isinstance(code, str) and "$" not in code:
            yield expand(system, PREFIXES), code
        for value in node.values():
            yield from used_codings(value)
    elif isinstance(node, list):
        for item in node:
            yield from used_codings(item)


def used_in_mappings() -> set[tuple[str, str]]:
    """All constant codings of our code systems that mapping files write."""
    base = f"{PREFIXES['our']}CodeSystem/"
    used = set()
    for name in (name for registry in FILES.registries() for name in FILES.names(registry)):
        used |= set(used_codings(plain(compose(FILES.read_bytes(name), name))))
    return {(system, code) for system, code in used if system.startswith(base)}


@pytest.mark.parametrize("url", list(SYSTEMS))
class TestEverySystem:
    """What holds for each code system."""

    def test_model(self, url: str) -> None:
        """It is a valid FHIR R5 CodeSystem, found under the end of its address."""
        model = CodeSystem.model_validate(SYSTEMS[url])

        assert url == f"{PREFIXES['our']}CodeSystem/{model.id}"
        assert re.fullmatch(r"[A-Z][A-Za-z0-9_]{1,254}", str(model.name))
        assert model.count == (len(model.concept or ()) if model.content == "complete" else None)

    def test_codes(self, url: str) -> None:
        """Every code stands once and has a display."""
        concepts = SYSTEMS[url]["concept"]

        assert len({concept["code"] for concept in concepts}) == len(concepts)
        assert all(concept["display"] for concept in concepts)


def test_every_used_code_is_defined() -> None:
    """A code of ours that a mapping file writes is defined."""
    defined = {(url, concept["code"]) for url, system in SYSTEMS.items() for concept in system["concept"]}

    used = used_in_mappings()
    assert used
    assert used - defined == set()


def test_every_defined_code_is_used() -> None:
    """A code of ours that is not of a registry's enumeration is written by some mapping file, or says what was derived."""
    defined = {
        (url, concept["code"])
        for url, system in SYSTEMS.items()
        if url not in OF_TABLES
        for concept in system["concept"]
    }

    assert defined - used_in_mappings() == {(f"{PREFIXES['our']}CodeSystem/dose-record", KIND)}


def test_definitions_in_plain_words() -> None:
    """Every code that is our own is defined in one sentence."""
    for url, system in SYSTEMS.items():
        if url not in OF_TABLES:
            assert system["title"] and system["description"].endswith(".")
            for concept in system["concept"]:
                assert re.fullmatch(r"[A-Z][^\n]*\.", concept["definition"]), concept["code"]


def test_one_for_each_table() -> None:
    """Each enumeration of the registry has a code system with the codes and labels of its table."""
    for table in TABLES:
        concepts = {concept["code"]: concept["display"] for concept in SYSTEMS[table.own]["concept"]}
        assert concepts == table.labels


def test_prefixes_lead_to_them() -> None:
    """What a mapping file writes as ct:Status is the address of that code system."""
    assert expand("ct:Status", PREFIXES) in SYSTEMS
    assert PREFIXES["ct"] == f"{PREFIXES['our']}CodeSystem/ctgov-"


def test_deterministic_and_sorted() -> None:
    """The same files give the same bytes, sorted by address."""
    first, second = (json.dumps(code_systems(MappingFiles())) for _ in range(2))

    assert first == second
    assert list(SYSTEMS) == sorted(SYSTEMS)


def test_concept_maps() -> None:
    """The concept maps are the files of the tables, valid and in order."""
    maps = concept_maps(FILES)

    names = [name for registry in FILES.registries() for name in FILES.names(f"{registry}/codes", ".json")]
    assert [json.loads(FILES.read_bytes(name)) for name in names] == maps
    for resource in maps:
        ConceptMap.model_validate(resource)


def test_own_file(tmp_path: Path) -> None:
    """A user's own codesystems.yaml replaces ours; the code systems of the tables stay."""
    systems = {system["id"]: system for system in code_systems(own_files(tmp_path, OWN))}

    assert systems["colour"]["concept"] == [
        {"code": "red", "display": "Red", "definition": "Like blood, more or less."},
    ]
    assert "party" not in systems and "ctgov-Status" in systems


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("description:", "descripton:", 4, r"descripton has no meaning in colour \(did you mean description\?\)"),
        ("  title: Colour\n", "", 3, "colour needs title"),
        ("display: Red, ", "", 6, "red needs display"),
        ("display: Red", "display: null", 6, "text is needed here"),
        ("title: Colour", "title: [Colour]", 3, "text is needed here"),
        ("    red:", "    red: {display: a, definition: b}\n    red:", 7, "stands twice"),
        ("{display: Red, definition: 'Like blood, more or less.'}", "Red", 6, "red needs members"),
    ],
)
def test_wrong_file(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    """What is wrong in codesystems.yaml is an error with its line."""
    assert old in OWN
    with pytest.raises(MappingError, match=message) as caught:
        code_systems(own_files(tmp_path, OWN.replace(old, new, 1)))

    assert (caught.value.file, caught.value.line) == ("codesystems.yaml", line)


def test_two_labels(tmp_path: Path) -> None:
    """Two tables of one enumeration that call a code differently are an error, with file and line."""
    folder = tmp_path / "ctgov" / "codes"
    folder.mkdir(parents=True)
    text = FILES.read_bytes("ctgov/codes/sex.json").decode()
    (folder / "zzz.json").write_text(text.replace('"display": "All"', '"display": "Both"'), encoding="utf-8")

    with pytest.raises(MappingError, match="ALL is called 'Both' here and 'All' in another table") as caught:
        code_systems(MappingFiles(tmp_path))

    line = text.split("\n").index(next(line for line in text.split("\n") if '"ALL"' in line)) + 1
    assert (caught.value.file, caught.value.line) == ("ctgov/codes/zzz.json", line)


@pytest.mark.parametrize("text", ["- a\n", "a: b\n", "a: [b]\n", "a: null\n"])
def test_wrong_prefixes(tmp_path: Path, text: str) -> None:
    """A prefix without address is an error."""
    (tmp_path / "prefixes.yaml").write_text(text, encoding="utf-8")

    with pytest.raises(MappingError, match=r"^prefixes.yaml:1"):
        load_prefixes(MappingFiles(tmp_path))
