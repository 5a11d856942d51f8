"""Our own extensions: each is defined, and every use in the output obeys its definition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.structuredefinition import StructureDefinition
from fhir.resources.valueset import ValueSet

from fhirtrial.code_systems import code_systems, value_sets
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.mapping.extensions import structure_definitions, uses
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.readers import read

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "corpus" / "ctgov" / "studies.jsonl.gz"

Json = dict[str, Any]


@pytest.fixture(scope="module")
def mapper() -> Mapper:
    return Mapper()


@pytest.fixture(scope="module")
def definitions(mapper: Mapper) -> dict[str, Json]:
    made = structure_definitions(mapper.mapping, MappingFiles(), version="1.2.3")
    return {definition["url"]: definition for definition in made}


def test_definitions_are_valid_resources(definitions: dict[str, Json]) -> None:
    """Each definition is a StructureDefinition of R5, with the contexts in which the extension may stand."""
    for definition in definitions.values():
        StructureDefinition.model_validate(definition)

        assert definition["context"]
        assert definition["version"] == "1.2.3"
    assert len(definitions) > 30


def test_value_sets_are_valid_and_bound(definitions: dict[str, Json]) -> None:
    """Each code system has a ValueSet, and each binding of an extension leads to one."""
    sets = {found["url"]: found for found in value_sets(MappingFiles())}
    bound = {
        element["binding"]["valueSet"]
        for definition in definitions.values()
        for element in definition["differential"]["element"]
        if "binding" in element
    }

    for found in sets.values():
        ValueSet.model_validate(found)
    assert bound
    assert bound <= sets.keys()
    assert len(sets) == len(code_systems(MappingFiles()))


def elements(resource: Any, path: str) -> Iterator[tuple[str, Json]]:
    """All objects of a resource with their paths, without list places."""
    if isinstance(resource, dict):
        yield path, resource
        for key, value in resource.items():
            yield from elements(value, f"{path}.{key}" if not key.startswith("_") else f"{path}.{key[1:]}")
    elif isinstance(resource, list):
        for item in resource:
            yield from elements(item, path)


def faults(resource: Json, definitions: dict[str, Json], base: str) -> Iterator[str]:
    """How a resource breaks the definitions of our extensions."""
    for path, node in elements(resource, resource["resourceType"]):
        urls = Counter(found["url"] for found in node.get("extension", ()))
        for found in node.get("extension", ()):
            url = found["url"]
            if not url.startswith(base):
                continue
            definition = definitions.get(url)
            if definition is None:
                yield f"{path}: {url} is not defined"
                continue
            contexts = [context["expression"] for context in definition["context"]]
            if path not in contexts and contexts != ["Element"]:
                yield f"{path}: {url} may stand on {contexts}"
            yield from shape(found, definition["differential"]["element"], "Extension", f"{path}.{url}")
            if urls[url] > 1 and definition["differential"]["element"][0]["max"] == "1":
                yield f"{path}: {url} stands {urls[url]} times"


def shape(found: Json, declared: list[Json], at: str, path: str) -> Iterator[str]:
    """How an extension, or a part of one, breaks its definition."""
    by_id = {element["id"]: element for element in declared}
    value = by_id[f"{at}.value[x]"]
    held = [key for key in found if key.startswith("value")]
    parts = [part for part in found.get("extension", ()) if not part["url"].startswith("http")]
    if value.get("max") == "0":
        if held:
            yield f"{path} holds a value"
    elif held:
        (key,) = held
        code = value["type"][0]["code"]
        if key != f"value{code[0].upper()}{code[1:]}":
            yield f"{path} holds {key}, not a {code}"
    elif not found.get("extension"):
        yield f"{path} holds nothing"
    count = Counter(part["url"] for part in parts)
    for part in parts:
        name = f"{at}.extension:{part['url']}"
        if name not in by_id:
            yield f"{path} has no part {part['url']}"
        else:
            if count[part["url"]] > 1 and by_id[name]["max"] == "1":
                yield f"{path}.{part['url']} stands {count[part['url']]} times"
            yield from shape(part, declared, name, f"{path}.{part['url']}")


def sources() -> list[Path]:
    """The records at hand: the examples, and the shared ones where they are."""
    return [ROOT / "examples" / "studies.jsonl", *([SHARED] if SHARED.exists() else [])]


def test_output_obeys_the_definitions(mapper: Mapper, definitions: dict[str, Json]) -> None:
    """In the output of all records at hand every extension of ours is defined, and used as its definition says."""
    base, used = mapper.mapping.base, set()
    for source in sources():
        for record in read(source):
            for resource in mapper.convert(record).resources:
                assert list(faults(resource, definitions, base)) == []
                used |= {
                    found["url"]
                    for _, node in elements(resource, "")
                    for found in node.get("extension", ())
                    if found["url"].startswith(base)
                }

    assert used <= definitions.keys()


@pytest.mark.parametrize(
    ("extension", "fault"),
    [
        ({"url": "other-name", "valueString": "x"}, "may stand on"),
        ({"url": "study-populations", "valueMarkdown": "x"}, "is not defined"),
        ({"url": "last-known-status", "valueString": "x"}, "holds valueString"),
        ({"url": "ipd-sharing", "valueString": "x"}, "holds a value"),
        ({"url": "ipd-sharing", "extension": [{"url": "plans", "valueString": "x"}]}, "has no part plans"),
        ({"url": "last-known-status"}, "holds nothing"),
    ],
)
def test_the_check_itself_finds_faults(
    extension: Json, fault: str, mapper: Mapper, definitions: dict[str, Json]
) -> None:
    """A wrong place, name, type or part is found: the test above can fail."""
    extension = {**extension, "url": f"{mapper.mapping.base}StructureDefinition/{extension['url']}"}
    study = {"resourceType": "ResearchStudy", "extension": [extension]}

    found = list(faults(study, definitions, mapper.mapping.base))

    assert len(found) == 1
    assert fault in found[0]


def test_repetition_follows_from_the_mapping(mapper: Mapper) -> None:
    """What `each` makes may repeat, and so may what several lines write; the rest stands once."""
    found = uses(mapper.mapping)

    assert found["other-name"].many
    assert found["document-lacks"].many
    assert not found["last-known-status"].many
    assert found["ipd-sharing"].parts["information"].many


def test_what_is_not_described_is_an_error(tmp_path: Path, mapper: Mapper) -> None:
    """An extension that a mapping uses and nobody describes is named; so is one described and not used."""
    text = (ROOT / "mappings" / "extensions.yaml").read_text("utf-8")
    (tmp_path / "extensions.yaml").write_text(text.replace("\nsex: ", "\nsexes: "), "utf-8")

    with pytest.raises(MappingError) as error:
        structure_definitions(mapper.mapping, MappingFiles(tmp_path), version="1")

    assert str(error.value) == "extensions.yaml: sex is used, not described"
