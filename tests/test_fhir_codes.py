"""The FHIR codes that code tables lead to exist and are called so; where FHIR has none, nothing is guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .code_tables import TABLES, shared, targets


class TestTruth:
    """The FHIR codes exist and are called so."""

    def test_definitions(self) -> None:
        """Every code of a FHIR R5 code system is in its definition, and has its display."""
        known: dict[str, dict[str, str]] = {}

        def collect(system: str, concepts: list[dict[str, Any]]) -> None:
            for concept in concepts:
                known.setdefault(system, {})[concept["code"]] = concept["display"].strip()
                collect(system, concept.get("concept", []))

        for file in shared("fhir", "r5").glob("CodeSystem-*.json"):
            definition = json.loads(file.read_bytes())
            collect(definition["url"], definition["concept"])

        not_at_hand = set()
        for table in TABLES.values():
            for system in table.systems - known.keys():
                not_at_hand.add(system)
            for code, target in targets(table):
                (system,) = table.systems
                if system in known:
                    assert target["display"] == known[system][target["code"]], (table.name, code)
        assert not_at_hand == {
            "http://hl7.org/fhir/administrative-gender",
            "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl",
            "urn:iso:std:iso:3166",
        }

    @pytest.mark.parametrize(
        ("table", "code", "system", "fhir"),
        [
            ("status", "SUSPENDED", "http://hl7.org/fhir/research-study-status", "temporarily-closed-to-accrual"),
            ("phase-combination", "PHASE1+PHASE2", "http://hl7.org/fhir/research-study-phase", "phase-1-phase-2"),
            ("who-masked", "OUTCOMES_ASSESSOR", "http://hl7.org/fhir/study-design", "SEVCO:01062"),
            ("class", "INDUSTRY", "http://hl7.org/fhir/research-study-party-organization-type", "industry"),
            ("sex", "FEMALE", "http://hl7.org/fhir/administrative-gender", "female"),
            ("secondary-id", "CTIS", "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl", "C218684"),
        ],
    )
    def test_some_rows(self, table: str, code: str, system: str, fhir: str) -> None:
        """Rows that were decided stay decided, and lead back."""
        assert TABLES[table].outside[code] == (system, fhir)
        assert TABLES[table].unique[system, fhir] == code

    @pytest.mark.parametrize(
        ("table", "code"),
        [("status", "UNKNOWN"), ("site-status", "AVAILABLE"), ("purpose", "ECT"), ("phase", "PHASE1"), ("sex", "ALL")],
    )
    def test_no_guess(self, table: str, code: str) -> None:
        """What no FHIR code says goes with the registry's own code alone."""
        assert [coding.system for coding in TABLES[table].forth[code]] == [TABLES[table].own]

    def test_two_classes_one_code(self) -> None:
        """FED and OTHER_GOV are both government, so government does not lead back."""
        table = TABLES["class"]

        assert table.outside["FED"] == table.outside["OTHER_GOV"]
        assert table.outside["FED"] not in table.unique
