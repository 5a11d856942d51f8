"""Searches of our own: each is valid, finds something in the output, and what is wrong in their file is said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from fhir.resources.R4B.searchparameter import SearchParameter as SearchParameter4
from fhir.resources.searchparameter import SearchParameter
from fhirpathpy import compile as compiled
from fhirpathpy.models import models

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.mapping.language.mapping import load_mappings
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.publish.extensions import structure_definitions
from fhirtrial.publish.search_parameters import search_parameters
from fhirtrial.publish.target import load_target
from fhirtrial.release_names import RELEASES
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release

from .golden_update import cases, source

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent
FILES = MappingFiles()
MAPPER = Mapper()
MAPPINGS = load_mappings(FILES)
BASE = MAPPER.mapping.base
TARGETS = {name: load_target(name, FILES) for name in RELEASES}
FOUND = {
    name: {one["code"]: one for one in search_parameters(target, FILES, version="1.2.3")}
    for name, target in TARGETS.items()
}
ALL = [(release, code) for release, found in FOUND.items() for code in found]

VALUES = {
    "reference": ("Reference",),
    "token": ("CodeableConcept", "Coding", "code", "boolean", "Identifier"),
    "string": ("string",),
    "date": ("date", "dateTime", "Period"),
    "number": ("unsignedInt", "integer", "decimal"),
}


@cache
def output(release: str) -> list[Json]:
    """The resources of all golden records in a release."""
    step = Release(release)
    return [each for case in cases() for each in released(MAPPER.convert(source(case)), step).resources]


def values(release: str, expression: str, within: list[Any]) -> list[Any]:
    """What an expression finds. The engine has no $this outside of functions; there it is what one starts from."""
    if expression == "$this":
        return within
    found = compiled(expression, models["r5" if release == "R5" else "r4"])
    return [value for each in within for value in found(each)]


def matches(release: str, code: str) -> list[Any]:
    """What a parameter finds in the output."""
    parameter = FOUND[release][code]
    resources = [each for each in output(release) if each["resourceType"] in parameter["base"]]
    return values(release, parameter["expression"], resources)


@pytest.mark.parametrize(("release", "code"), ALL)
class TestEveryParameter:
    """What holds for each parameter in each release."""

    def test_valid(self, release: str, code: str) -> None:
        """It is a valid SearchParameter of the release, found under the end of its address."""
        parameter = FOUND[release][code]
        model = (SearchParameter if release == "R5" else SearchParameter4).model_validate(parameter)

        assert model.url == f"{BASE}SearchParameter/{model.id}"
        assert model.id == f"{model.base[0]}-{code}"
        assert re.fullmatch(r"[A-Z][A-Za-z0-9]{1,254}", str(model.name))
        assert ("processingMode" in parameter) == (release == "R5")

    def test_finds_something(self, release: str, code: str) -> None:
        """It finds values in the output of the golden records, and so does each part of a composite in its matches."""
        found = matches(release, code)

        assert found
        for part in FOUND[release][code].get("component", ()):
            assert values(release, part["expression"], found), part

    def test_finds_what_it_says(self, release: str, code: str) -> None:
        """What it finds is of a type that a search of its type can compare, to the types of resource that it names."""
        parameter = FOUND[release][code]
        kinds = {kind for value in matches(release, code) for kind in kinds_of(value)}

        if parameter["type"] != "composite":
            assert kinds <= set(VALUES[parameter["type"]])
        if "target" in parameter:
            names = {value["reference"].partition("/")[0] for value in matches(release, code) if "reference" in value}
            assert names
            assert names <= set(parameter["target"])

    def test_extensions_are_defined(self, release: str, code: str) -> None:
        """Each extension that its expression names is defined: by us, or by HL7."""
        parameter = FOUND[release][code]
        ours = {one["url"] for one in structure_definitions(MAPPINGS, FILES, version="1", target=TARGETS[release])}
        theirs = orjson.loads(FILES.read_bytes("fhir/cross-version.json"))
        for expression in expressions(parameter):
            for url in re.findall(r"extension\.where\(url='([^']*:[^']*)'", expression):
                known = url in ours if url.startswith(BASE) else url in theirs or "/5.0/" not in url
                assert known, url


def expressions(parameter: Json) -> Iterator[str]:
    """All expressions of a parameter."""
    yield parameter["expression"]
    for part in parameter.get("component", ()):
        yield part["expression"]


def kinds_of(value: Any) -> list[str]:
    """Types that a value may have, by what is in it: one is enough."""
    if isinstance(value, dict):
        if "coding" in value or value.keys() <= {"text", "extension"}:
            return ["CodeableConcept"]
        if "start" in value or "end" in value:
            return ["Period"]
        return ["Coding"] if "code" in value else ["Reference"]
    if isinstance(value, bool):
        return ["boolean"]
    if isinstance(value, int):
        return ["integer"]
    if re.fullmatch(r"\d{4}(-\d\d){0,2}.*", str(value)):
        return ["dateTime"]
    return ["code"] if re.fullmatch(r"[A-Z]{2}", str(value)) else ["string"]


def test_a_party_by_its_role() -> None:
    """Who has which part is found by role and name together, and sponsors and collaborators by what they are."""
    for release in RELEASES:
        pairs = set()
        for party in matches(release, "role-party-name"):
            role, name = (
                values(release, part["expression"], [party]) for part in FOUND[release]["role-party-name"]["component"]
            )
            pairs |= {(coding["code"], who) for each in role for coding in each["coding"] for who in name}
        names = {
            role: {
                each["name"]
                for each in output(release)
                if each["resourceType"] == "Organization"
                and {"reference": f"Organization/{each['id']}"} in by_reference(release, code)
            }
            for role, code in (("lead-sponsor", "sponsor"), ("collaborator", "collaborator"))
        }
        for role, found in names.items():
            assert found and found == {name for part, name in pairs if part == role}, (release, role)


def by_reference(release: str, code: str) -> list[Any]:
    """What a parameter finds; the sponsor of R4 is HL7's own."""
    if code not in FOUND[release]:
        found = [each[code] for each in output(release) if each["resourceType"] == "ResearchStudy" and code in each]
    else:
        found = matches(release, code)
    return [{"reference": each["reference"]} for each in found if "reference" in each]


def test_a_site_by_its_status() -> None:
    """Only the sites that recruit are found as such."""
    recruiting, all_sites = matches("R5", "recruiting-site"), matches("R5", "site-status")

    assert 0 < len(recruiting) < len(all_sites)
    assert all("RECRUITING" in str(site["extension"]) for site in recruiting)


def test_r4_finds_what_r5_finds() -> None:
    """A parameter that both releases have finds as much in each."""
    both = FOUND["R4"].keys() & FOUND["R5"].keys()

    assert len(both) > 14
    for code in both:
        assert len(matches("R4", code)) == len(matches("R5", code)) == len(matches("R4B", code)), code


def test_r4_adds_what_r5_has_by_itself() -> None:
    """What R5 finds by HL7's own parameters, and R4 keeps elsewhere, has a parameter in R4; the reverse in R5."""
    assert FOUND["R4"].keys() - FOUND["R5"].keys() == {
        "classifier",
        "condition",
        "eligibility",
        "phase",
        "recruitment-actual",
        "recruitment-target",
    }
    assert FOUND["R5"].keys() - FOUND["R4"].keys() == {"principalinvestigator", "sponsor"}
    assert FOUND["R4"] == FOUND["R4B"]


def test_parts_of_composites_are_parameters() -> None:
    """A part of a composite is a parameter of the same release, or one of HL7's."""
    for release, found in FOUND.items():
        urls = {one["url"] for one in found.values()}
        parts = {part["definition"] for one in found.values() for part in one.get("component", ())}
        assert parts, release
        assert parts <= urls


def test_composites_are_such_as_hapi_takes() -> None:
    """Each part of a composite is a token, text, date or quantity: HAPI refuses others, and with them all the rest."""
    kinds = {one["url"]: one["type"] for found in FOUND.values() for one in found.values()}
    parts = [
        part["definition"] for found in FOUND.values() for one in found.values() for part in one.get("component", ())
    ]

    assert parts
    assert {kinds[url] for url in parts} <= {"token", "string", "date", "quantity"}


def test_sorted_and_the_same_every_time() -> None:
    """The same file gives the same bytes, sorted by address."""
    again = search_parameters(TARGETS["R4"], MappingFiles(), version="1.2.3")

    assert orjson.dumps(again) == orjson.dumps(list(FOUND["R4"].values()))
    assert [one["url"] for one in again] == sorted(one["url"] for one in again)


OWN = """
title-of:
  base: ResearchStudy
  type: string
  text: A further title.
  expression: ResearchStudy.label.value
both:
  base: ResearchStudy
  type: composite
  text: Two things.
  expression: ResearchStudy.label
  components: {title-of: value}
who:
  base: ResearchStudy
  type: reference
  targets: [Organization]
  text: Somebody.
  expression: ResearchStudy.associatedParty.party
"""
WRONG = [
    ("  type: string\n", "", 3, "title-of needs a type"),
    ("type: string", "type: strings", 4, "strings is no type of a search; did you mean string?"),
    ("type: string", "type: special", 4, "special is no type of a search; known: composite, date, number, quantity, "),
    ("text: A further title.", "txt: x", 5, "txt has no meaning in title-of; did you mean text?"),
    (
        "expression: ResearchStudy.label.value",
        "expression: Group.name",
        2,
        "title-of: the expression begins with Group",
    ),
    ("base: ResearchStudy\n  type: string", "base: Study\n  type: string", 2, "title-of: the expression begins with"),
    (
        "ResearchStudy.label.value",
        "ResearchStudy.labl.value",
        2,
        "title-of: ResearchStudy has no labl; did you mean label?",
    ),
    ("label.value", "label.valu", 2, "title-of: ResearchStudy.label has no valu; did you mean value?"),
    ("{title-of: value}", "{titel-of: value}", 12, "titel-of is no search of this file; did you mean title-of?"),
    ("  components: {title-of: value}\n", "", 7, "both: a composite has components, a reference has targets"),
    ("  targets: [Organization]\n", "", 13, "who: a composite has components, a reference has targets"),
    ("targets: [Organization]", "targets: Organization", 16, "targets is a list"),
    (
        "  text: A further title.\n",
        "  text: A further title.\n  only: R6\n",
        6,
        "R6 is no only of a search; known: R4, R5",
    ),
    ("text: Somebody.", "text: ''", 17, "text is needed here"),
    (
        "label.value",
        "label.where(x).value",
        2,
        "title-of: ResearchStudy.label.where(x).value looks into what is an extension in R4: it needs an expression of",
    ),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), WRONG)
def test_wrong_file(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    """What is wrong in search-parameters.yaml is an error with its line."""
    file = tmp_path / "search-parameters.yaml"
    file.write_text(OWN, "utf-8")
    assert [one["code"] for one in search_parameters(TARGETS["R4"], MappingFiles(tmp_path), version="1")]
    assert OWN.count(old) == 1
    file.write_text(OWN.replace(old, new), "utf-8")

    with pytest.raises(MappingError) as error:
        search_parameters(TARGETS["R4"], MappingFiles(tmp_path), version="1")

    assert str(error.value).startswith(f"search-parameters.yaml:{line}: {message}")


def test_an_expression_of_r4_is_written_beside(tmp_path: Path) -> None:
    """Where the expression does not follow for R4, the written one counts, with addresses written short."""
    text = OWN.replace(
        "label.value\n", "label.where(true).value\n  r4: \"ResearchStudy.where(url='hl7:x').title\"\n", 1
    )
    (tmp_path / "search-parameters.yaml").write_text(text, "utf-8")

    found = {one["code"]: one for one in search_parameters(TARGETS["R4"], MappingFiles(tmp_path), version="1")}

    assert found["title-of"]["expression"] == "ResearchStudy.where(url='http://hl7.org/fhir/x').title"
