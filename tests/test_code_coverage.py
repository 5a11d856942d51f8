"""The code tables are total: every code of the registry has a row, and no row has a code that it does not know."""

from __future__ import annotations

import json

import yaml

from fhirtrial.codes import Table
from fhirtrial.files import MappingFiles
from fhirtrial.prefixes import load_prefixes
from tests.make_codes import CODES

from .code_tables import TABLES, records, shared

OF_RESULTS = {
    "AgreementRestrictionType",
    "AnalysisDispersionType",
    "ConfidenceIntervalNumSides",
    "EventAssessment",
    "MeasureDispersionType",
    "MeasureParam",
    "NonInferiorityType",
    "ReportingStatus",
}
"""Enumerations of the results section, which the mapping leaves out."""
NOT_OF_RECORDS = {
    "BrowseLeafRelevance": "of the browse trees, which the mapping leaves out: they follow from MeSH",
    "FieldStatsType": "of the API's statistics, in no record",
}
NO_ENUMERATIONS = {
    "Country": "the registry publishes no list",
    "phase-combination": "made of Phase",
}


def enumeration(table: Table) -> str:
    """The registry's name of the enumeration that a table starts from."""
    return table.own.removeprefix(load_prefixes(MappingFiles())["ct"])


class TestCoverage:
    """Every code of the registry has a row, and no row has a code that the registry does not know."""

    def compare(self, enumerations: dict[str, dict[str, str]]) -> None:
        """Codes and labels of all tables against those of the registry, in both directions."""
        ours = {enumeration(table): table for table in TABLES.values()}
        needed = enumerations.keys() - OF_RESULTS - NOT_OF_RECORDS.keys()
        assert ours.keys() - NO_ENUMERATIONS.keys() == needed
        for name in needed:
            assert dict(ours[name].labels) == enumerations[name], name

    def test_schema(self) -> None:
        """Against the schema of the registry's records that the mapping is checked with."""
        schema = json.loads((CODES.parent / "schema.json").read_bytes())
        self.compare(schema["enums"])

    def test_published(self) -> None:
        """Against the list of enumerations that the registry publishes."""
        published = json.loads(shared("corpus", "ctgov", "studies_enums.json").read_bytes())
        self.compare({e["type"]: {v["value"]: v["legacyValue"] for v in e["values"]} for e in published})

    def test_open_api(self) -> None:
        """Against the enumerations of the registry's OpenAPI file: they are the same, and no other ones."""
        schemas = yaml.load(shared("corpus", "ctgov", "ctg-oas-v2.yaml").read_bytes(), yaml.CSafeLoader)["components"]
        enums = {name: set(schema["enum"]) for name, schema in schemas["schemas"].items() if "enum" in schema}
        ours = {enumeration(table): set(table.labels) for table in TABLES.values()}

        for name, values in enums.items():
            if name not in OF_RESULTS | NOT_OF_RECORDS.keys():
                assert ours[name] == values, name
        assert ours.keys() - NO_ENUMERATIONS.keys() <= enums.keys()

    def test_one_table_each(self) -> None:
        """No enumeration has two tables: which one would a mapping file mean?"""
        assert len({table.own for table in TABLES.values()}) == len(TABLES)

    def test_phase_combinations(self) -> None:
        """A combination is made of phases, in the registry's order."""
        phases = list(TABLES["phase"].labels)
        for combination in TABLES["phase-combination"].labels:
            places = [phases.index(phase) for phase in combination.split("+")]
            assert places == sorted(places)

    def test_phases_of_records(self) -> None:
        """Every combination that a real record shows has a row."""
        seen = set()
        for record in records():
            phases = record["protocolSection"].get("designModule", {}).get("phases")
            seen |= {"+".join(phases)} if phases else set()

        assert seen <= TABLES["phase-combination"].labels.keys()
