"""The code tables: that each is an honest ConceptMap, total over its enumeration, and is read exactly."""

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
from hypothesis import given
from hypothesis import strategies as st

from fhirtrial.codes import RELATIONSHIPS, Coding, Table, load_tables, parse_table
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.prefixes import load_prefixes
from tests.make_codes import CODES, as_text, refresh

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"
FILES = sorted(CODES.glob("*.json"))
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

ISO_3166 = set(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO
    JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR
    MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO
    RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV
    TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()
)
"""The officially assigned two-letter codes of ISO 3166-1: https://www.iso.org/iso-3166-country-codes.html"""


def shared(*names: str) -> Path:
    """A file of the folder beside the checkout; skips the test where it is not at hand."""
    file = SHARED.joinpath(*names)
    if not file.exists():
        pytest.skip(f"{'/'.join(names)} is not at hand")
    return file


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


def table_text(
    *elements: str, source: str = '"source": "urn:own", ', target: str = '"target": "urn:theirs", '
) -> bytes:
    """A ConceptMap with these rows, the first one in line 3."""
    head = f'{{"resourceType": "ConceptMap", "status": "active",\n"group": [{{{source}{target}"element": [\n'
    return (head + ",\n".join(elements) + "\n]}]}").encode()


A = '{"code": "A", "display": "a", "target": [{"code": "x", "display": "X", "relationship": "equivalent"}]}'
B = '{"code": "B", "display": "b", "target": [{"code": "y", "relationship": "equivalent"}]}'
C = '{"code": "C", "display": "c", "noMap": true}'
D = '{"code": "D", "target": [{"code": "x", "relationship": "source-is-narrower-than-target"}]}'


class TestReading:
    """What `parse_table` and `load_tables` make of a ConceptMap."""

    def test_rows(self) -> None:
        """A row gives the FHIR coding and the registry's own; without target only the latter."""
        table = parse_table(table_text(A, B, C), file="ctgov/codes/letters.json")

        assert (table.name, table.file, table.own) == ("letters", "ctgov/codes/letters.json", "urn:own")
        assert table.forth["A"] == (Coding("urn:theirs", "x", "X"), Coding("urn:own", "A", "a"))
        assert table.forth["B"] == (Coding("urn:theirs", "y", ""), Coding("urn:own", "B", "b"))
        assert table.forth["C"] == (Coding("urn:own", "C", "c"),)
        assert table.outside == {"A": ("urn:theirs", "x"), "B": ("urn:theirs", "y")}
        assert table.labels == {"A": "a", "B": "b", "C": "c"}
        assert table.systems == {"urn:theirs"}

    def test_unique_needs_one_row(self) -> None:
        """A FHIR code leads back only if exactly one row leads to it."""
        table = parse_table(table_text(A, B, D), file="f.json")

        assert table.unique == {("urn:theirs", "y"): "B"}

    def test_label_is_the_code_without_display(self) -> None:
        """A row without display calls its code by the code."""
        assert parse_table(table_text(D), file="f.json").labels == {"D": "D"}

    def test_table_without_targets(self) -> None:
        """A table that leads nowhere needs no target system and names none."""
        table = parse_table(table_text(C, target=""), file="f.json")

        assert (table.systems, table.outside, table.unique) == (frozenset(), {}, {})

    @given(
        st.lists(st.text(max_size=9).filter(bool), unique=True, min_size=1, max_size=9), st.booleans(), st.booleans()
    )
    def test_lines(self, codes: list[str], ascii_only: bool, one_line_each: bool) -> None:
        """The line of a row is right for any codes, in our form and in any other form of the same JSON."""
        elements = [{"target": [{"relationship": "equivalent", "code": "code"}], "code": code} for code in codes]
        resource = {"resourceType": "ConceptMap", "group": [{"source": "s", "target": "t", "element": elements}]}
        indented = json.dumps(resource, ensure_ascii=ascii_only, indent=1)
        text = as_text(resource) if one_line_each else indented

        table = parse_table(text.encode(), file="f.json")

        lines = [number for number, line in enumerate(text.split("\n"), 1) if '"relationship"' in line]
        offset = 0 if one_line_each else -3
        assert table.lines == {code: line + offset for code, line in zip(codes, lines, strict=True)}

    def test_lazy(self, tmp_path: Path) -> None:
        """A table is read when it is asked for: a broken one does no harm to the others."""
        (tmp_path / "t").mkdir()
        (tmp_path / "t" / "good.json").write_bytes(table_text(A))
        (tmp_path / "t" / "bad.json").write_bytes(b"{")

        tables = load_tables(MappingFiles(tmp_path), "t")

        assert list(tables) == ["bad", "good"]
        assert "bad" in tables and "other" not in tables and len(tables) == 2
        assert tables["good"] is tables["good"]
        with pytest.raises(MappingError, match=r"^t/bad.json:1: not JSON"):
            tables["bad"]
        with pytest.raises(KeyError):
            tables["other"]

    def test_own_folder_first(self, tmp_path: Path) -> None:
        """A user's own file replaces the table of the same name; the others stay."""
        folder = tmp_path / "ctgov" / "codes"
        folder.mkdir(parents=True)
        (folder / "status.json").write_bytes(table_text(A))

        tables = load_tables(MappingFiles(tmp_path))

        assert set(tables["status"].labels) == {"A"}
        assert set(tables) == set(TABLES)
        assert tables["sex"] == TABLES["sex"]

    @pytest.mark.parametrize(
        ("elements", "line", "message"),
        [
            ((A, B, A), 5, "A has two rows"),
            ((A, '{"display": "b", "noMap": true}'), 4, "a row needs a code"),
            ((A, '{"code": 7, "noMap": true}'), 4, "code of a row is text"),
            ((A, '{"code": "B"}'), 4, "B needs a target, or noMap"),
            ((A, '{"code": "B", "noMap": false}'), 4, "B needs a target, or noMap"),
            ((A, '{"code": "B", "noMap": "yes"}'), 4, "noMap of B is true or false"),
            ((A, '{"code": "B", "target": []}'), 4, "B needs a target, or noMap"),
            ((A, '{"code": "B", "target": ["x"]}'), 4, "the target of B is an object"),
            ((A, B.replace('"code": "y", ', "")), 4, "the target of B needs a code"),
            ((A, B.replace(', "relationship": "equivalent"', "")), 4, "the target of B: no relationship"),
            ((A, B.replace('"equivalent"', '"equal"')), 4, "the target of B: 'equal' is no relationship"),
            ((A, B.replace('"equivalent"', '"not-related-to"')), 4, "'not-related-to' is no relationship"),
            ((A, B.replace('"equivalent"', '"related-to"')), 4, "how, has to be said in comment"),
            ((A, B.replace('"target"', '"noMap": true, "target"')), 4, "B has noMap and a target"),
            ((A, B.replace("}]", '}, {"code": "z", "relationship": "equivalent"}]')), 4, "B has 2 targets"),
            (
                (A, B.replace('"display"', '"dispaly"')),
                4,
                r"dispaly has no meaning in a row \(did you mean display\?\)",
            ),
            ((A, B.replace('"code": "y"', '"code": "y", "valueSet": "v"')), 4, "valueSet has no meaning in the target"),
            (
                (A, B.replace('"code": "y"', '"code": "y", "dependsOn": []')),
                4,
                "dependsOn has no meaning in the target",
            ),
            ((A, '{"code": "B", "noMap": true, "code": "E"}'), 4, "code stands twice"),
            ((A, B.replace('"code": "y"', '"code": "y",\n"code": "z"')), 5, "code stands twice"),
        ],
    )
    def test_wrong_row(self, elements: tuple[str, ...], line: int, message: str) -> None:
        """A row that is not honest is an error with its line."""
        with pytest.raises(MappingError, match=message) as caught:
            parse_table(table_text(*elements), file="f.json")

        assert (caught.value.file, caught.value.line) == ("f.json", line)

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (b"\xff", "not UTF-8"),
            (b"[]", "no ConceptMap"),
            (b'{"resourceType": "CodeSystem"}', "no ConceptMap"),
            (b'{"resourceType": "ConceptMap"}', "one group"),
            (b'{"resourceType": "ConceptMap", "group": [{}, {}]}', "one group"),
            (b'{"resourceType": "ConceptMap", "groups": []}', r"groups has no meaning .*did you mean group\?"),
            (table_text(A, source=""), "code system of its codes: source"),
            (table_text(A, target=""), "A has a target, but the group names no code system"),
            (table_text(A, target='"target": 1, '), "the target of a group is the address"),
            (table_text(), "a table needs rows"),
            (table_text(A, "7"), "a table needs rows, each an object"),
            (
                table_text(A, source='"source": "s", "unmapped": {"mode": "use-source-code"}, '),
                "unmapped has no meaning",
            ),
        ],
    )
    def test_wrong_file(self, source: bytes, message: str) -> None:
        """A file that is no table, or has a catch-all, is an error."""
        with pytest.raises(MappingError, match=message):
            parse_table(source, file="f.json")


@pytest.mark.parametrize("name", list(TABLES))
class TestEveryTable:
    """What holds for each table that comes with fhirtrial."""

    def test_model(self, name: str) -> None:
        """It is a valid FHIR R5 ConceptMap with everything a server asks for."""
        resource = dict(TABLES[name].resource)

        model = ConceptMap.model_validate(resource)

        assert (model.id, model.status, model.experimental) == (f"ctgov-{name}", "active", False)
        assert re.fullmatch(r"[A-Z][A-Za-z0-9_]{1,254}", model.name)
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
        for line in gzip.open(shared("corpus", "ctgov", "studies.jsonl.gz")):
            phases = json.loads(line)["protocolSection"].get("designModule", {}).get("phases")
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
        for line in gzip.open(shared("corpus", "ctgov", "studies.jsonl.gz")):
            record = json.loads(line)
            locations = record["protocolSection"].get("contactsLocationsModule", {}).get("locations", [])
            seen |= {location["country"] for location in locations if "country" in location}
            seen |= set(record.get("derivedSection", {}).get("miscInfoModule", {}).get("removedCountries", []))
        with tarfile.open(shared("corpus", "ctgov_xml", "records.tar.gz")) as archive:
            for member in archive:
                if (file := archive.extractfile(member)) is not None:
                    seen |= set(re.findall(r"<country>([^<]*)</country>", file.read().decode()))

        assert len(seen) > 90
        assert seen - TABLES["country"].labels.keys() == set()


class TestRefresh:
    """The script that follows the registry."""

    def test_new_code(self) -> None:
        """A new code gets a row without target, a changed label is taken over, an old code keeps its row."""
        table = json.loads(table_text(A, B))
        values = [{"value": "A", "legacyValue": "Aleph"}, {"value": "Z", "legacyValue": "zed"}]

        assert refresh(table, values) == ["label: A", "new: Z"]

        parsed = parse_table(as_text(table).encode(), file="f.json")
        assert parsed.labels == {"A": "Aleph", "B": "b", "Z": "zed"}
        assert parsed.outside.keys() == {"A", "B"}
