"""Race and ethnicity as US Core has them: only where asked, only categories that the data name for certain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from fhirtrial.cli import main
from fhirtrial.errors import MappingError, UsageError
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release

from .subjects import subject
from .tables import DATA
from .validator.us_core import CDCREC, NULL_FLAVOR, US_CORE

Json = dict[str, Any]
CSV = DATA / "csv"
ASKED = Mapper(registry="sdtm", asked=["us-core-race"])


def of(what: str, release: str = "R5", **dm: Any) -> Json | None:
    """The extension on the Patient that a subject becomes."""
    data = {"dm": {"STUDYID": "S", "USUBJID": "1"} | dm}
    conversion = ASKED.convert(subject(data), verify=True)
    assert [issue.code for issue in conversion.issues if issue.severity == "error"] == []
    assert ASKED.restore(conversion.resources).data == data
    made = released(conversion, Release(release)).resources
    (patient,) = (each for each in made if each["resourceType"] == "Patient")
    url = f"{US_CORE}StructureDefinition/us-core-{what}"
    return next((each for each in patient.get("extension", ()) if each["url"] == url), None)


def parts(extension: Json | None) -> tuple[list[tuple[str, str]], str]:
    """The categories of an extension, and its text, which is there once and last."""
    assert extension is not None
    *categories, text = extension["extension"]
    assert {each["url"] for each in categories} <= {"ombCategory"} and text["url"] == "text"
    return [(each["valueCoding"]["system"], each["valueCoding"]["code"]) for each in categories], text["valueString"]


def several(*terms: tuple[str, str]) -> list[Json]:
    """Supplemental qualifiers."""
    return [{"QNAM": name, "QVAL": value} for name, value in terms]


@pytest.mark.parametrize(
    ("dm", "codes", "text"),
    [
        ({"RACE": "ASIAN"}, [(CDCREC, "2028-9")], "Asian"),
        ({"RACE": "UNKNOWN"}, [(NULL_FLAVOR, "UNK")], "Unknown"),
        ({"RACE": "OTHER"}, [], "Other"),
        ({"RACE": "NOT REPORTED"}, [], "NOT REPORTED"),
        ({"RACE": "asian"}, [], "asian"),
        ({"RACE": "MULTIPLE"}, [], "Multiple"),
        (
            {"RACE": "MULTIPLE", "supp": several(("RACE10", "HMONG"), ("RACE2", "ASIAN"), ("RACE1", "WHITE"), ("CRACE1", "x"))},
            [(CDCREC, "2106-3"), (CDCREC, "2028-9")],
            "White, Asian, HMONG",
        ),
        ({"RACE": "MULTIPLE", "supp": several(("RACE1", "UNKNOWN"), ("RACE2", "WHITE"))}, [(CDCREC, "2106-3")], "Unknown, White"),
        ({"RACE": "WHITE", "supp": several(("RACE1", "ASIAN"))}, [(CDCREC, "2106-3")], "White"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("release", ["R5", "R4", "R4B"])
def test_race(dm: Json, codes: Any, text: str, release: str) -> None:
    """A category where the term is one; unknown alone; words always; of several races those that SUPPDM names."""
    assert parts(of("race", release, **dm)) == (codes, text)
    assert of("ethnicity", release, **dm) is None


@pytest.mark.parametrize(
    ("term", "codes", "text"),
    [
        ("HISPANIC OR LATINO", [(CDCREC, "2135-2")], "Hispanic or Latino"),
        ("NOT HISPANIC OR LATINO", [(CDCREC, "2186-5")], "Not Hispanic or Latino"),
        ("UNKNOWN", [(NULL_FLAVOR, "UNK")], "Unknown"),
        ("NOT REPORTED", [], "Not Reported"),
        ("a\x07b", [], "a b"),
    ],
)
def test_ethnicity(term: str, codes: Any, text: str) -> None:
    """What was not reported was perhaps not asked for: that is words alone."""
    assert parts(of("ethnicity", ETHNIC=term)) == (codes, text)


def test_only_where_asked(tmp_path: Path) -> None:
    """On the command line it is off unless asked for; it cannot be asked for together with --no-race."""
    (plain, asked) = (CliRunner().invoke(main, ["convert", str(CSV), *options]) for options in ([], ["--us-core-race"]))
    assert "us-core" not in plain.stdout
    kinds = {orjson.loads(line)["resourceType"] for line in asked.stdout.splitlines() if "us-core" in line}
    assert kinds == {"Patient"}
    lines = [line for line in asked.stdout.splitlines() if "us-core" not in line]
    assert set(lines) < set(plain.stdout.splitlines())
    folder = tmp_path / "served"
    loaded = CliRunner().invoke(main, ["load", str(CSV), "--us-core-race", "--folder", str(folder)])
    assert loaded.exit_code == 0 and "us-core-race" in (folder / "Patient.ndjson").read_text()
    both = CliRunner().invoke(main, ["convert", str(CSV), "--us-core-race", "--no-race"])
    assert (both.exit_code, both.stderr) == (
        2,
        "error: --us-core-race says what --no-race leaves out: choose one of them\n",
    )
    withheld = Mapper(registry="sdtm", without=["race"], asked=["us-core-race"])
    data = {"dm": {"STUDYID": "S", "USUBJID": "1", "RACE": "ASIAN"}}
    assert all("us-core" not in text.decode() for text in withheld.convert(subject(data)).texts.values())


def test_what_cannot_be_asked_for(tmp_path: Path) -> None:
    """By a user, or in a mapping file, with file, line and the nearest name."""
    with pytest.raises(UsageError, match=r"^'us-core-rase' cannot be asked for; did you mean us-core-race\?$"):
        Mapper(asked=["us-core-rase"])
    text = Path(__file__).parents[1].joinpath("mappings", "sdtm", "patient.yaml").read_text("utf-8")
    (tmp_path / "sdtm").mkdir()
    (tmp_path / "sdtm" / "patient.yaml").write_text(text.replace("asked: us-core-race", "asked: x", 1), "utf-8")
    line = text[: text.index("asked: us-core-race")].count("\n") + 1
    with pytest.raises(MappingError, match=f"^sdtm/patient.yaml:{line}: 'x' cannot be asked for; known: us-core-race$"):
        Mapper(registry="sdtm", mappings=tmp_path)


def test_what_is_asked_for_holds_copies_alone(tmp_path: Path) -> None:
    """A field that is read back only where somebody asked would be lost otherwise: the file is refused."""
    text = Path(__file__).parents[1].joinpath("mappings", "sdtm", "patient.yaml").read_text("utf-8")
    (tmp_path / "sdtm").mkdir()
    changed = text.replace("  birthDate: $.dm.BRTHDTC\n", "")
    changed += "    - {asked: us-core-race, url: 'sd:patient-birthTime', valueDateTime: $.dm.BRTHDTC}\n"
    (tmp_path / "sdtm" / "patient.yaml").write_text(changed, "utf-8")
    with pytest.raises(MappingError, match=r"no line reads dm\.BRTHDTC back"):
        Mapper(registry="sdtm", mappings=tmp_path)
