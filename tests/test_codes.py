"""Reading code tables: what a ConceptMap says, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirtrial.codes import Coding, load_tables, parse_table
from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from tests.make_codes import as_text, refresh

TABLES = load_tables(MappingFiles())


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
        assert tables["sex"].resource == TABLES["sex"].resource

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
            ((A, '{"code": "B", "noMap": true, "c\\u006fde": "E"}', "}"), 4, "code stands twice"),
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
            ('{"resourceType": "ConceptMap"}'.encode("utf-16"), "not UTF-8"),
            (b"\xef\xbb\xbf{}", "not JSON"),
            (b"[]", "no ConceptMap"),
            (b'{"resourceType": "CodeSystem"}', "no ConceptMap"),
            (b'{"resourceType": "ConceptMap"}', "one group"),
            (b'{"resourceType": "ConceptMap", "group": [{}, {}]}', "one group"),
            (b'{"resourceType": "ConceptMap", "groups": []}', r"groups has no meaning .*did you mean group\?"),
            (table_text(A, source=""), "code system of its codes: source"),
            (table_text(A, target=""), "A has a target, but the group names no code system"),
            (table_text(A, target='"target": 1, '), "target of a group is text"),
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
