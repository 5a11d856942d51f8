"""Which system a secondary id belongs to: certain shapes only."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from fhirtrial.errors import MappingError
from fhirtrial.files import MappingFiles
from fhirtrial.identifier_systems import FILE, Rule, load_identifier_systems
from fhirtrial.prefixes import load_prefixes

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"
SYSTEMS = load_identifier_systems(MappingFiles())
OUR = load_prefixes(MappingFiles())["our"]
EUDRACT = "https://www.medizininformatik-initiative.de/fhir/modul-studie/sid/eudract"
CTIS = "https://euclinicaltrials.eu/clinicalTrialId"
OWN = """
- name: letters
  pattern: '[A-Z]+'
  types: [OTHER, null]
  domain: 'us|them'
  system: our:sid/letters
  source: somebody
  examples: [{id: ABC, type: OTHER, domain: Us}]
- name: digits
  pattern: '[0-9]+'
  system: urn:digits
  source: somebody
  examples: ['12']
"""


def own_rules(folder: Path, text: str) -> MappingFiles:
    """Mapping files with other rules."""
    file = folder / FILE
    file.parent.mkdir(parents=True)
    file.write_text(text, encoding="utf-8")
    return MappingFiles(folder)


@pytest.mark.parametrize(
    ("id", "type", "domain", "system"),
    [
        ("2005-001306-87", "EUDRACT_NUMBER", None, EUDRACT),
        ("2009-011008-43", None, None, EUDRACT),
        (" 2018-000201-24 ", "OTHER", "REec", EUDRACT),
        ("2023-508118-40-01", "CTIS", None, CTIS),
        ("2022-503024-27-00", "REGISTRY", "CTIS (EU)", CTIS),
        ("ISRCTN19572887", "OTHER", None, "https://www.isrctn.com/ISRCTN"),
        ("NCT00000102", "REGISTRY", None, "https://clinicaltrials.gov/nctid"),
        ("U1111-1113-9515", "REGISTRY", "WHO", f"{OUR}sid/who-utn"),
        ("ChiCTR2500095990", "OTHER", None, f"{OUR}sid/chictr"),
        ("312432", "OTHER", "IRAS", f"{OUR}sid/iras"),
        ("123456", "OTHER", "US FDA IND", f"{OUR}sid/fda-ind"),
        ("123456", "OTHER", "Investigational New Drug (IND) number", f"{OUR}sid/fda-ind"),
        ("R01CA123456", "NIH", None, f"{OUR}sid/nih-core-project"),
        ("1R01HL131823-01A1", "NIH", None, f"{OUR}sid/nih-project"),
        ("NTR1234", "REGISTRY", None, f"{OUR}sid/ntr"),
    ],
)
def test_certain(id: str, type: str | None, domain: str | None, system: str) -> None:
    """An id of a certain shape has its system."""
    assert SYSTEMS.system(id, type, domain) == system


@pytest.mark.parametrize(
    ("id", "type", "domain"),
    [
        ("2023-508737-13", "EUDRACT_NUMBER", None),  # a number of CTIS without its end
        ("2003-001306-87", "EUDRACT_NUMBER", None),  # EudraCT began in 2004
        ("2005-001306-87", "NIH", None),
        ("2005-001306-87", "OTHER_GRANT", "somebody"),
        ("EudraCT No. 2005-005257-21", None, None),
        ("2005-001306-87\n2005-001306-88", "EUDRACT_NUMBER", None),
        ("2023-506988-34", "OTHER", "European Medical Agency (EMA)"),
        ("2021-508118-40-00", "CTIS", None),  # CTIS began in 2022
        ("2024/ABM/01/00006", "OTHER", None),
        ("ISRCTN1957288", "REGISTRY", None),
        ("isrctn19572887", "REGISTRY", None),
        ("ANZCTR 12608000409370", None, None),
        ("NL1234", "REGISTRY", None),
        ("NTR1234", "OTHER", "Sponsor"),
        ("312432", "OTHER", "Hospital"),
        ("312432", "OTHER", None),
        ("123456", "OTHER", "INDIGO"),
        ("123456", "NIH", "IND"),
        ("R01CA123456", "OTHER", None),  # only where the registry says that it is a grant of NIH
        ("U01HL134679-01", "NIH", None),  # neither the core number nor the whole one
        ("1IK2CX002030-01", "NIH", None),  # of the Department of Veterans Affairs
        ("I21RX004655-01", "NIH", None),
        ("R01HS123456", "NIH", None),  # of AHRQ
        ("ISRCTN1957288\N{ARABIC-INDIC DIGIT SEVEN}", "OTHER", None),  # a digit, but not one of ASCII
        ("", "REGISTRY", None),
        ("1", None, None),
    ],
)
def test_doubtful(id: str, type: str | None, domain: str | None) -> None:
    """An id whose shape leaves a doubt has no system."""
    assert SYSTEMS.system(id, type, domain) is None


@pytest.mark.parametrize("rule", SYSTEMS.rules, ids=lambda rule: str(rule.name))
def test_rules_exclude_each_other(rule: Rule) -> None:
    """No example of a rule fits another one: the order decides nothing by accident."""
    for example in rule.examples:
        fitting = [other.name for other in SYSTEMS.rules if other.fits(example.id, example.type, example.domain)]
        assert fitting == [rule.name]


def test_systems_are_addresses() -> None:
    """Every system is a whole address, no short form is left over."""
    for rule in SYSTEMS.rules:
        assert rule.system.startswith("https://"), rule.name


def test_records() -> None:
    """In real records: every id of CTIS has the system, EudraCT numbers but one, and nothing fits two rules."""
    corpus = SHARED / "corpus" / "ctgov" / "studies.jsonl.gz"
    if not corpus.exists():
        pytest.skip("the records are not at hand")
    missed = []
    with gzip.open(corpus) as lines:
        for line in lines:
            identification = json.loads(line)["protocolSection"]["identificationModule"]
            assert SYSTEMS.system(identification["nctId"]) == "https://clinicaltrials.gov/nctid"
            for info in identification.get("secondaryIdInfos", ()):
                facts = info["id"], info.get("type"), info.get("domain")
                assert len([rule for rule in SYSTEMS.rules if rule.fits(*facts)]) <= 1, facts
                expected = {"EUDRACT_NUMBER": EUDRACT, "CTIS": CTIS}.get(info.get("type"))
                if expected and SYSTEMS.system(*facts) != expected:
                    missed.append(info["id"])

    assert missed == ["2023-508737-13"]


def test_own_rules(tmp_path: Path) -> None:
    """A user's own rules replace ours: types, giver in any case, short forms of addresses."""
    systems = load_identifier_systems(own_rules(tmp_path, OWN))

    assert systems.system("ABC", "OTHER", " THEM ") == f"{OUR}sid/letters"
    assert systems.system("ABC", None, "us") == f"{OUR}sid/letters"
    assert systems.system("ABC", "CTIS", "us") is None
    assert systems.system("ABC", "OTHER", "use") is None
    assert systems.system("ABC", "OTHER") is None
    assert systems.system("77", "CTIS", "anybody") == "urn:digits"
    assert [rule.line for rule in systems.rules] == [2, 9]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("- name: letters", "- naem: letters", 2, r"naem has no meaning in a rule \(did you mean name\?\)"),
        ("- name: letters\n  pattern", "- pattern", 2, "a rule needs name"),
        ("  source: somebody\n", "", 2, "a rule needs source"),
        ("'[A-Z]+'", "'[A-Z+'", 3, "is no regular expression"),
        ("'us|them'", "'(us'", 5, "is no regular expression"),
        ("[OTHER, null]", "OTHER", 4, "a rule needs a list of types"),
        ("[OTHER, null]", "[]", 4, "a rule needs a list of types"),
        ("[OTHER, null]", "[OTHER, [x]]", 4, "text is needed here"),
        ("\n  examples: ['12']", "", 9, "a rule needs a list of examples"),
        ("id: ABC, ", "", 8, "an example is an id"),
        ("id: ABC, ", "id: ABC, x: y, ", 8, "an example is an id"),
        ("id: ABC", "id: abc", 2, "letters: the example abc does not fit"),
        ("domain: Us", "domain: Usa", 2, "letters: the example ABC does not fit"),
        ("'[0-9]+'", "'[A-Z0-9]+'", None, None),
        ("pattern: '[A-Z]+'", "pattern: '[A-Z0-9]+'", None, None),
        ("'12'", "{id: AB, domain: us}", 9, "digits: the example AB is taken by 'letters' .line 2."),
    ],
)
def test_wrong_rules(tmp_path: Path, old: str, new: str, line: int | None, message: str | None) -> None:
    """What is wrong in the rules is an error with its line; overlapping rules are allowed, the first decides."""
    assert old in OWN
    files = own_rules(tmp_path, OWN.replace(old, new, 1))
    if message is None:
        assert load_identifier_systems(files).system("ABC", "OTHER", "us") == f"{OUR}sid/letters"
        return
    with pytest.raises(MappingError, match=message) as caught:
        load_identifier_systems(files)

    assert (caught.value.file, caught.value.line) == (FILE, line)


@pytest.mark.parametrize("text", ["a: b\n", "- a\n"])
def test_no_rules(tmp_path: Path, text: str) -> None:
    """A file that is no list of rules is an error."""
    with pytest.raises(MappingError, match=r"^ctgov/identifier-systems.yaml:1: "):
        load_identifier_systems(own_rules(tmp_path, text))
