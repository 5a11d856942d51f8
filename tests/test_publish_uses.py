"""What the output uses of extensions, code systems and codes: each of ours is published, and HL7 defines its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from fhirtrial.release_names import RELEASES, ReleaseName
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release

from .publications import BASE, MAPPER, Json, of
from .records import SHARED, golden, shared

HL7 = SHARED.parents[2] / "fhir"
PASSED_BY = {"http://hl7.org/fhir/StructureDefinition/contactpoint-extension"}
"""HL7's, and not in that folder: https://hl7.org/fhir/extensions/StructureDefinition-contactpoint-extension.html"""


def output(release: ReleaseName) -> Iterator[Json]:
    """The resources of all golden records in a release."""
    step = Release(release)
    for _, record in golden():
        yield from released(MAPPER.convert(record), step).resources


def nodes(node: Any) -> Iterator[Json]:
    """All objects in a resource."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from nodes(value)
    elif isinstance(node, list):
        for item in node:
            yield from nodes(item)


def undefined(resource: Json, release: str) -> Iterator[str]:
    """What a resource uses of ours that is not defined: extensions, code systems and their codes."""
    systems, extensions = of(release, "CodeSystem"), of(release, "StructureDefinition")
    for node in nodes(resource):
        url, system = node.get("url"), node.get("system")
        if isinstance(url, str) and url.startswith(f"{BASE}StructureDefinition/") and url not in extensions:
            yield url
        if isinstance(system, str) and system.startswith(f"{BASE}CodeSystem/"):
            if system not in systems:
                yield system
            elif systems[system]["content"] == "complete":
                codes = {concept["code"] for concept in systems[system]["concept"]}
                if node["code"] not in codes:
                    yield f"{system}|{node['code']}"


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_in_the_golden_output_is_undefined(release: ReleaseName) -> None:
    """Every extension and code of ours in the output has its definition, and every code system of ours is used."""
    used = set()
    for resource in output(release):
        assert list(undefined(resource, release)) == []
        used |= {node["system"] for node in nodes(resource) if isinstance(node.get("system"), str)}

    assert {url for url in used if url.startswith(f"{BASE}CodeSystem/")} <= of(release, "CodeSystem").keys()
    assert len(used & of(release, "CodeSystem").keys()) > 30


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared records is not beside the checkout")
@pytest.mark.parametrize("release", ["R4", "R5"])
def test_nothing_in_the_shared_output_is_undefined(release: ReleaseName) -> None:
    """So it is in the output of real records."""
    step = Release(release)
    for number, record in enumerate(shared()):
        if number % 10 == 0:
            for resource in released(MAPPER.convert(record), step).resources:
                assert list(undefined(resource, release)) == [], record.id


def test_the_check_finds_what_is_undefined() -> None:
    """An extension, a code system and a code that are not ours to be are found: the tests above can fail."""
    wrong = {
        "extension": [{"url": f"{BASE}StructureDefinition/sexes"}],
        "code": {"coding": [{"system": f"{BASE}CodeSystem/party", "code": "x"}, {"system": f"{BASE}CodeSystem/y"}]},
    }

    assert list(undefined(wrong, "R4")) == [
        f"{BASE}StructureDefinition/sexes",
        f"{BASE}CodeSystem/party|x",
        f"{BASE}CodeSystem/y",
    ]


@pytest.mark.skipif(not HL7.exists(), reason="HL7's definitions are not beside the checkout")
@pytest.mark.parametrize("release", RELEASES)
def test_extensions_of_hl7_exist(release: ReleaseName) -> None:
    """Every extension under HL7's address in the output is defined by HL7."""
    files = [orjson.loads(file.read_bytes()) for file in HL7.rglob("StructureDefinition-*.json")]
    known = {each["url"] for each in files} | PASSED_BY
    urls = {node["url"] for each in output(release) for node in nodes(each) if isinstance(node.get("url"), str)}
    theirs = {url for url in urls if "hl7.org/fhir/" in url and "/StructureDefinition/" in url}

    assert theirs
    assert theirs - known == set()
