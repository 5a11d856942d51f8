"""The descriptions of our own extensions fit the mapping files that use them; what does not is said with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.mapping.language.mapping import load_mappings
from fhirtrial.publish.extensions import structure_definitions
from fhirtrial.publish.uses import uses

from .defined_extensions import BASE, MAPPINGS, R5, TARGETS

ROOT = Path(__file__).resolve().parent.parent

USED, UNUSED = "is used, and not described in extensions.yaml", "extensions.yaml:LINE: no mapping file uses the"
SET = f"{BASE}ValueSet/document-part"
WRONG = [
    ("\nsex: ", "\nsexes: ", f"ctgov/eligibility.yaml:LINE: the extension sex {USED}"),
    ("\nverbatim: ", "\nvebatim: ", f"ctgov/mapping.yaml:LINE: the extension verbatim {USED}"),
    ("minimum: ", "minimal: ", f"ctgov/eligibility.yaml:LINE: the part minimum of the extension bmi-limits {USED}"),
    ("sex: {title: ", "sex: {titel: ", "extensions.yaml:LINE: titel has no meaning in sex; did you mean title?"),
    ("sex: {title: Sex of participants, ", "sex: {", "extensions.yaml:LINE: sex needs a title"),
    ("{title: Sex of participants,", "{title: '',", "extensions.yaml:LINE: text is needed here"),
    (
        "our:ValueSet/document-part",
        "our:ValueSet/document-parts",
        f"extensions.yaml:LINE: document-lacks: there is no value set {SET}s; did you mean {SET}?",
    ),
    ("\nverbatim: ", "\nfoo: {title: a, text: b}\nverbatim: ", f"{UNUSED} extension foo"),
    (
        "parts: {minimum: ",
        "parts: {minimun: x, minimum: ",
        f"{UNUSED} part minimun of the extension bmi-limits; did you mean minimum?",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG)
def test_descriptions_fit_the_use(tmp_path: Path, old: str, new: str, message: str) -> None:
    """What is used and not described, described and not used, or misspelt, is an error that names file and line."""
    text = (ROOT / "mappings" / "extensions.yaml").read_text("utf-8")
    assert text.count(old) == 1
    (tmp_path / "extensions.yaml").write_text(text.replace(old, new), "utf-8")

    with pytest.raises(MappingError) as error:
        structure_definitions(MAPPINGS, MappingFiles(tmp_path), version="1", target=R5)

    assert error.value.line
    assert str(error.value).replace(f":{error.value.line}:", ":LINE:") == message


OF_RELEASES = [
    ("  type: id\n", "", "comparison-group has either a type or parts"),
    (
        "  type: id\n",
        "  type: id\n  parts: {a: {type: string, text: b}}\n",
        "comparison-group has either a type or parts",
    ),
    ("type: id", "type: Identifer", "an extension holds no Identifer; did you mean Identifier?"),
    ("type: uri", "type: urii", "an extension holds no urii; did you mean uri?"),
    ("type: uri, ", "", "system needs a type"),
    ("context: [Element]", "context: Element", "the context of copy-of is a list"),
    ("  context: [Element]\n", "", "copy-of needs a context"),
    ("in: R5", "in: R6", "earlier-difference is in R4 or in R5, not in R6"),
    ("title: Copy", "titel: Copy", "titel has no meaning in copy-of; did you mean title?"),
    ("copy-of:", "sex:", "sex is described in extensions.yaml as well"),
]


@pytest.mark.parametrize(("old", "new", "message"), OF_RELEASES)
def test_descriptions_of_the_release_step(tmp_path: Path, old: str, new: str, message: str) -> None:
    """What is wrong with an extension of the release step is an error that names file and line."""
    text = (ROOT / "mappings" / "releases" / "extensions.yaml").read_text("utf-8")
    assert text.count(old) == 1
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "extensions.yaml").write_text(text.replace(old, new), "utf-8")

    with pytest.raises(MappingError) as error:
        structure_definitions(MAPPINGS, MappingFiles(tmp_path), version="1", target=TARGETS["R4"])

    assert error.value.line
    assert str(error.value) == f"releases/extensions.yaml:{error.value.line}: {message}"


def test_an_extension_needs_a_type_of_the_release(tmp_path: Path) -> None:
    """A value that R4 has no type for is an error in R4 that names the line which writes it; R5 and R4B take it."""
    (tmp_path / "ctgov").mkdir()
    text = (ROOT / "mappings" / "ctgov" / "intervention.yaml").read_text("utf-8")
    changed = text.replace(
        "valueString: $}\n    - each: $.armGroupLabels",
        "valueCodeableReference: {concept: {text: $}}}\n    - each: $.armGroupLabels",
    )
    assert changed != text
    (tmp_path / "ctgov" / "intervention.yaml").write_text(changed, "utf-8")
    files = MappingFiles(tmp_path)
    mapping = load_mappings(files)

    with pytest.raises(MappingError) as error:
        structure_definitions(mapping, files, version="1", target=TARGETS["R4"])

    assert str(error.value).startswith("ctgov/intervention.yaml:")
    assert error.value.message == "other-name holds CodeableReference, which an extension in R4 cannot"
    assert structure_definitions(mapping, files, version="1", target=R5)


def test_one_extension_has_one_type(tmp_path: Path) -> None:
    """Two lines that give one extension values of two types are an error that names both."""
    (tmp_path / "ctgov").mkdir()
    text = (ROOT / "mappings" / "ctgov" / "eligibility.yaml").read_text("utf-8")
    changed = text.replace("StructureDefinition/gender-based'", "StructureDefinition/masking-description'")
    assert changed != text
    (tmp_path / "ctgov" / "eligibility.yaml").write_text(changed, "utf-8")

    with pytest.raises(MappingError) as error:
        uses(load_mappings(MappingFiles(tmp_path)))

    assert "masking-description has " in str(error.value)
    assert all(found in str(error.value) for found in ("markdown", "boolean", "eligibility.yaml:", "study.yaml:"))


def test_an_extension_of_two_elements_may_stand_on_both(tmp_path: Path) -> None:
    """Two lines that use one extension on different elements give it both contexts."""
    (tmp_path / "ctgov").mkdir()
    text = (ROOT / "mappings" / "ctgov" / "study.yaml").read_text("utf-8")
    changed = text.replace("StructureDefinition/upload-time'", "StructureDefinition/time-frame'")
    assert changed != text
    (tmp_path / "ctgov" / "study.yaml").write_text(changed, "utf-8")

    found = uses(load_mappings(MappingFiles(tmp_path)))["time-frame"]

    assert found.contexts == {"ResearchStudy.outcomeMeasure", "ResearchStudy.relatedArtifact"}
    assert found.type == "string"
