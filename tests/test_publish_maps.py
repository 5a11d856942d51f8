"""The concept maps that are published: every row in every release, in the words and code systems of that release."""

from __future__ import annotations

import pytest

from fhirtrial.release_names import RELEASES

from .publications import BASE, Json, of


def rows(release: str, name: str) -> list[tuple[str, str, str, Json]]:
    """The rows of a concept map: code, both systems, and the target."""
    found = of(release, "ConceptMap")[f"{BASE}ConceptMap/{name}"]
    return [
        (row["code"], group["source"], group.get("target", ""), target)
        for group in found["group"]
        for row in group["element"]
        for target in row.get("target", ({},))
    ]


def test_words_of_r4_are_the_other_way_round() -> None:
    """R5 says how the source relates to the target, R4 how the target relates to the source."""
    r5 = {code: target.get("relationship") for code, _, _, target in rows("R5", "ctgov-status")}
    r4 = {code: target["equivalence"] for code, _, _, target in rows("R4", "ctgov-status")}

    assert r5["WITHDRAWN"] == "source-is-narrower-than-target" and r4["WITHDRAWN"] == "wider"
    assert r5["SUSPENDED"] == "source-is-broader-than-target" and r4["SUSPENDED"] == "narrower"
    assert r5["COMPLETED"] == r4["COMPLETED"] == "equivalent"
    assert r5["UNKNOWN"] is None and r4["UNKNOWN"] == "unmatched"
    assert {target["equivalence"] for _, _, _, target in rows("R4", "ctgov-sex")} >= {"relatedto"}


@pytest.mark.parametrize("release", ["R4", "R4B"])
def test_maps_of_r4_have_all_rows(release: str) -> None:
    """Every row of every table is there in R4 too, once, with the same target; narrower ones have a comment (cmd-1)."""
    for url in of("R5", "ConceptMap"):
        name = url.rpartition("/")[2]
        r5 = sorted((code, target.get("code", "")) for code, _, _, target in rows("R5", name))
        r4 = sorted((code, target.get("code", "")) for code, _, _, target in rows(release, name))
        assert r4 == r5, name
        for _, _, _, target in rows(release, name):
            assert target["equivalence"] != "narrower" or target["comment"]


@pytest.mark.parametrize("release", RELEASES)
def test_only_what_leads_somewhere_is_a_map(release: str) -> None:
    """A table without any FHIR code is not published as a map, but its codes are; every group of a map has a target."""
    maps, systems = of(release, "ConceptMap"), of(release, "CodeSystem")

    assert f"{BASE}ConceptMap/ctgov-bio-spec-retention" not in maps
    assert f"{BASE}CodeSystem/ctgov-BioSpecRetention" in systems
    assert len(maps) > 18
    assert all(group["target"] for found in maps.values() for group in found["group"])


def test_maps_of_r4_name_code_systems_as_r4_does() -> None:
    """Code systems have the address that R4 knows; of a divided one each code has its own."""
    thought = "http://terminology.hl7.org/CodeSystem/research-study-status"
    status = {code: system for code, _, system, _ in rows("R4", "ctgov-status")}
    (phase,) = {system for _, _, system, target in rows("R4", "ctgov-phase-combination") if target.get("code")}

    assert (status["RECRUITING"], status["COMPLETED"]) == (thought, "http://hl7.org/fhir/research-study-status")
    assert phase == "http://terminology.hl7.org/CodeSystem/research-study-phase"
    pairs = {(source, target) for _, source, target, _ in rows("R4", "study-status-r4") if "hl7" in source}
    assert {source for source, _ in pairs} == {thought, "http://hl7.org/fhir/research-study-status"}
    assert {target for _, target in pairs} == {"http://hl7.org/fhir/research-study-status"}
