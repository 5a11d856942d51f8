"""The code tables that come with fhirtrial: honest ConceptMaps, total over their enumerations."""

from __future__ import annotations

import gzip
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fhir.resources.conceptmap import ConceptMap

from fhirtrial.codes import Table, load_tables
from fhirtrial.concept_map import RELATIONSHIPS
from fhirtrial.files import MappingFiles
from fhirtrial.prefixes import load_prefixes
from tests.make_codes import CODES, as_text

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"
TABLES = load_tables(MappingFiles())

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

ISO_3166 = {
    "AD",
    "AE",
    "AF",
    "AG",
    "AI",
    "AL",
    "AM",
    "AO",
    "AQ",
    "AR",
    "AS",
    "AT",
    "AU",
    "AW",
    "AX",
    "AZ",
    "BA",
    "BB",
    "BD",
    "BE",
    "BF",
    "BG",
    "BH",
    "BI",
    "BJ",
    "BL",
    "BM",
    "BN",
    "BO",
    "BQ",
    "BR",
    "BS",
    "BT",
    "BV",
    "BW",
    "BY",
    "BZ",
    "CA",
    "CC",
    "CD",
    "CF",
    "CG",
    "CH",
    "CI",
    "CK",
    "CL",
    "CM",
    "CN",
    "CO",
    "CR",
    "CU",
    "CV",
    "CW",
    "CX",
    "CY",
    "CZ",
    "DE",
    "DJ",
    "DK",
    "DM",
    "DO",
    "DZ",
    "EC",
    "EE",
    "EG",
    "EH",
    "ER",
    "ES",
    "ET",
    "FI",
    "FJ",
    "FK",
    "FM",
    "FO",
    "FR",
    "GA",
    "GB",
    "GD",
    "GE",
    "GF",
    "GG",
    "GH",
    "GI",
    "GL",
    "GM",
    "GN",
    "GP",
    "GQ",
    "GR",
    "GS",
    "GT",
    "GU",
    "GW",
    "GY",
    "HK",
    "HM",
    "HN",
    "HR",
    "HT",
    "HU",
    "ID",
    "IE",
    "IL",
    "IM",
    "IN",
    "IO",
    "IQ",
    "IR",
    "IS",
    "IT",
    "JE",
    "JM",
    "JO",
    "JP",
    "KE",
    "KG",
    "KH",
    "KI",
    "KM",
    "KN",
    "KP",
    "KR",
    "KW",
    "KY",
    "KZ",
    "LA",
    "LB",
    "LC",
    "LI",
    "LK",
    "LR",
    "LS",
    "LT",
    "LU",
    "LV",
    "LY",
    "MA",
    "MC",
    "MD",
    "ME",
    "MF",
    "MG",
    "MH",
    "MK",
    "ML",
    "MM",
    "MN",
    "MO",
    "MP",
    "MQ",
    "MR",
    "MS",
    "MT",
    "MU",
    "MV",
    "MW",
    "MX",
    "MY",
    "MZ",
    "NA",
    "NC",
    "NE",
    "NF",
    "NG",
    "NI",
    "NL",
    "NO",
    "NP",
    "NR",
    "NU",
    "NZ",
    "OM",
    "PA",
    "PE",
    "PF",
    "PG",
    "PH",
    "PK",
    "PL",
    "PM",
    "PN",
    "PR",
    "PS",
    "PT",
    "PW",
    "PY",
    "QA",
    "RE",
    "RO",
    "RS",
    "RU",
    "RW",
    "SA",
    "SB",
    "SC",
    "SD",
    "SE",
    "SG",
    "SH",
    "SI",
    "SJ",
    "SK",
    "SL",
    "SM",
    "SN",
    "SO",
    "SR",
    "SS",
    "ST",
    "SV",
    "SX",
    "SY",
    "SZ",
    "TC",
    "TD",
    "TF",
    "TG",
    "TH",
    "TJ",
    "TK",
    "TL",
    "TM",
    "TN",
    "TO",
    "TR",
    "TT",
    "TV",
    "TW",
    "TZ",
    "UA",
    "UG",
    "UM",
    "US",
    "UY",
    "UZ",
    "VA",
    "VC",
    "VE",
    "VG",
    "VI",
    "VN",
    "VU",
    "WF",
    "WS",
    "YE",
    "YT",
    "ZA",
    "ZM",
    "ZW",
}
"""The officially assigned two-letter codes of ISO 3166-1: https://www.iso.org/iso-3166-country-codes.html"""


def shared(*names: str) -> Path:
    """A file of the folder beside the checkout; skips the test where it is not at hand."""
    file = SHARED.joinpath(*names)
    if not file.exists():
        pytest.skip(f"{'/'.join(names)} is not at hand")
    return file


def records() -> Iterator[dict[str, Any]]:
    """The real records beside the checkout."""
    with gzip.open(shared("corpus", "ctgov", "studies.jsonl.gz")) as lines:
        yield from map(json.loads, lines)


def rows(table: Table) -> list[dict[str, Any]]:
    """The rows of a table as they stand in the file."""
    (group,) = table.resource["group"]
    return list(group["element"])


def targets(table: Table) -> Iterator[tuple[str, dict[str, Any]]]:
    """The registry's code and the target of every row that has one."""
    for row in rows(table):
        for target in row.get("target", ()):
            yield row["code"], target


def enumeration(table: Table) -> str:
    """The registry's name of the enumeration that a table starts from."""
    return table.own.removeprefix(load_prefixes(MappingFiles())["ct"])


@pytest.mark.parametrize("name", list(TABLES))
class TestEveryTable:
    """What holds for each table that comes with fhirtrial."""

    def test_model(self, name: str) -> None:
        """It is a valid FHIR R5 ConceptMap with everything a server asks for."""
        resource = dict(TABLES[name].resource)

        model = ConceptMap.model_validate(resource)

        assert (model.id, model.status, model.experimental) == (f"ctgov-{name}", "active", False)
        assert re.fullmatch(r"[A-Z][A-Za-z0-9_]{1,254}", str(model.name))
        assert model.description and model.title

    def test_form(self, name: str) -> None:
        """It stands in the file one row per line, so that a change of a code is a change of one line."""
        text = (CODES / f"{name}.json").read_text(encoding="utf-8")

        assert text == as_text(json.loads(text))

    def test_address(self, name: str) -> None:
        """Its addresses begin with the one of prefixes.yaml."""
        prefixes = load_prefixes(MappingFiles())

        assert TABLES[name].resource["url"] == f"{prefixes['our']}ConceptMap/ctgov-{name}"
        assert TABLES[name].own.startswith(prefixes["ct"])

    def test_comments(self, name: str) -> None:
        """Where the codes do not say the same, it says what differs; where they do, it adds nothing."""
        for code, target in targets(TABLES[name]):
            assert target["relationship"] in RELATIONSHIPS
            assert ("comment" in target) == (target["relationship"] != "equivalent"), code

    def test_labels(self, name: str) -> None:
        """Every code has the registry's label."""
        assert all(row["display"] for row in rows(TABLES[name]))

    def test_spelling_of_codes(self, name: str) -> None:
        """Every code is a FHIR code: no blank at the ends, single blanks between."""
        for row in rows(TABLES[name]):
            assert re.fullmatch(r"\S+( \S+)*", row["code"])

    def test_lines(self, name: str) -> None:
        """The line of a row is the line in the file that holds the code."""
        text = (CODES / f"{name}.json").read_text(encoding="utf-8").split("\n")

        for code, line in TABLES[name].lines.items():
            assert f'{{"code": {json.dumps(code, ensure_ascii=False)}, ' in text[line - 1]


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


class TestCountries:
    """The names of countries."""

    def test_codes_exist(self) -> None:
        """Every code is one of the 249 of ISO 3166-1, and every one of them has a name."""
        assert len(ISO_3166) == 249
        assert {code for _, code in TABLES["country"].outside.values()} == ISO_3166

    @pytest.mark.parametrize(
        ("code", "names"),
        [
            ("TR", ["Turkey", "Turkey (Türkiye)", "Türkiye"]),
            ("KR", ["South Korea", "Korea, Republic of"]),
            ("KP", ["North Korea", "Korea, Democratic People's Republic of"]),
            ("RU", ["Russia", "Russian Federation"]),
            ("CD", ["Congo, The Democratic Republic of the", "Democratic Republic of the Congo"]),
            ("CG", ["Congo"]),
            ("MK", ["North Macedonia", "Macedonia, The Former Yugoslav Republic of"]),
            ("CI", ["Côte D'Ivoire", "Côte d'Ivoire"]),
            ("CZ", ["Czechia", "Czech Republic"]),
            ("VI", ["Virgin Islands (U.S.)"]),
            ("NE", ["Niger"]),
            ("NG", ["Nigeria"]),
            ("DM", ["Dominica"]),
            ("DO", ["Dominican Republic"]),
            ("AT", ["Austria"]),
            ("AU", ["Australia"]),
        ],
    )
    def test_spellings(self, code: str, names: list[str]) -> None:
        """Old and new names of a country lead to its code."""
        assert {TABLES["country"].outside[name] for name in names} == {("urn:iso:std:iso:3166", code)}

    @pytest.mark.parametrize("name", ["Former Yugoslavia", "Former Serbia and Montenegro", "Netherlands Antilles"])
    def test_former(self, name: str) -> None:
        """A country that is no more, and whose code is withdrawn, has no code."""
        assert name in TABLES["country"].labels and name not in TABLES["country"].outside

    def test_records(self) -> None:
        """Every name that a real record shows has a row."""
        seen = set()
        for record in records():
            locations = record["protocolSection"].get("contactsLocationsModule", {}).get("locations", [])
            seen |= {location["country"] for location in locations if "country" in location}
            seen |= set(record.get("derivedSection", {}).get("miscInfoModule", {}).get("removedCountries", []))
        with tarfile.open(shared("corpus", "ctgov_xml", "records.tar.gz")) as archive:
            for member in archive:
                if (file := archive.extractfile(member)) is not None:
                    seen |= set(re.findall(r"<country>([^<]*)</country>", file.read().decode()))

        assert len(seen) > 90
        assert seen - TABLES["country"].labels.keys() == set()
