"""The code tables that come with fhirtrial: each is an honest ConceptMap, one row per line."""

from __future__ import annotations

import json
import re

import pytest
from fhir.resources.conceptmap import ConceptMap

from fhirtrial.concept_map import RELATIONSHIPS
from fhirtrial.files import MappingFiles
from fhirtrial.prefixes import load_prefixes
from tests.make_codes import CODES, as_text

from .code_tables import TABLES, rows, targets


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
