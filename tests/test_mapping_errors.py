# ruff: noqa: ISC004 (exact texts, as they are read)
"""What can be wrong in a mapping file is found when it is loaded, and said with file, line and what would be right."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhirtrial.errors import MappingError
from fhirtrial.mapping.mapper import Mapper

MAPPINGS = Path(__file__).resolve().parents[1] / "mappings"
STUDY, ORGANIZATION, ROLE, PLAN, GROUP = (
    f"ctgov/{name}.yaml" for name in ("study", "organization", "role", "plan", "eligibility")
)
TITLE = "  title: $.protocolSection.identificationModule.briefTitle\n"
NAME = "  name: $.name"
HEAD = "resource: Organization\n"
CODE = "code: [{text: $.title}]"
CONDITIONS = "    - each: $.protocolSection.conditionsModule.conditions\n      make: {text: $}\n"
ELIGIBILITY = "eligibility: {ref: eligibility}"
FACT = "{when: {$.hasResults: true},"
OLD = "party: {ref: organization, with: {name: $.oldOrganization}}"
PMID = "document: {url: {from: $.pmid, call: pubmed_url}}"
STATUS = "{coded: $.overallStatus, by: status}"


def changed(folder: Path, file: str, old: str, new: str) -> int:
    """Puts a file into a folder of one's own with one place changed; the line of that place, from 1."""
    text = (MAPPINGS / file).read_text("utf-8")
    assert text.count(old) >= 1, f"{file} no longer holds {old!r}"
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return text[: text.index(old)].count("\n") + 1


def error_of(folder: Path) -> MappingError:
    """The error that loading the folder gives."""
    with pytest.raises(MappingError) as caught:
        Mapper(mappings=folder)
    return caught.value


# Each: what is tried, the file, the old text, the new text, how many lines further the error is, the message.
CASES: dict[str, tuple[str, str, str, int | None, str]] = {
    # ---- words
    "unknown word": (
        STUDY,
        CONDITIONS,
        CONDITIONS.replace("make", "makes"),
        1,
        "`makes` means nothing in a node with `each`; did you mean make?",
    ),
    "unknown word of a function": (
        PLAN,
        "call: arms_with_interventions",
        "calls: arms_with_interventions",
        0,
        "`calls` means nothing in a node with `also`; did you mean call?",
    ),
    "unknown word in the head": (
        ORGANIZATION,
        HEAD,
        HEAD + "shard: true\n",
        1,
        "`shard` means nothing in a mapping file; known: body, canonical, identity, resource",
    ),
    "unknown word in identity": (
        ORGANIZATION,
        "shared: true",
        "shard: true",
        0,
        "`shard` means nothing in identity; did you mean shared?",
    ),
    "no flag": (ORGANIZATION, "shared: true", "shared: maybe", 0, "`shared` is true or false"),
    "identity without kind": (ORGANIZATION, "kind: organization, ", "", 0, "`identity` lacks `kind`"),
    "each without make": (STUDY, CONDITIONS, CONDITIONS.split("\n")[0] + "\n", 0, "`each` needs `make`"),
    "each over a constant": (
        STUDY,
        "each: {also: $.protocolSection.armsInterventionsModule.interventions}",
        "each: {x: y}",
        0,
        "`each` takes a path, `also` or `from`",
    ),
    "from without call": (STUDY, PMID, PMID.replace(", call: pubmed_url", ""), 0, "`from` needs `call`"),
    "from that begins at the root": (
        STUDY,
        "from: [$.filename, $$.protocolSection.identificationModule.nctId]",
        "from: [$$.protocolSection.identificationModule.nctId, $.filename]",
        0,
        "the first path of `from` is set on the way back: it cannot begin with `$$`",
    ),
    "also with two paths": (
        STUDY,
        "date: {also: $.protocolSection.statusModule.lastUpdateSubmitDate}",
        "date: {also: [$.protocolSection.statusModule.lastUpdateSubmitDate, $.hasResults]}",
        0,
        "`also` with several paths needs `call`",
    ),
    "with without ref": (
        STUDY,
        "  whyStopped: {",
        "  whyStopped: {with: {a: $.hasResults}, ",
        0,
        "`with` goes with `ref`",
    ),
    # ---- elements
    "unknown resource": (
        ORGANIZATION,
        HEAD,
        "resource: Organisation\n",
        0,
        "Organisation is no resource that R5's definitions here know",
    ),
    "unknown element": (
        ORGANIZATION,
        NAME,
        "  nam: $.name",
        0,
        "'nam' is no element of Organization; did you mean name?",
    ),
    "list where one is wanted": (
        ORGANIZATION,
        NAME,
        "  name: [$.name]",
        0,
        "Organization.name takes one value, not a list",
    ),
    "one where a list is wanted": (
        ROLE,
        CODE,
        "code: {text: $.title}",
        0,
        "PractitionerRole.code repeats: write a list",
    ),
    "empty list": (ROLE, CODE, "code: []", 0, "PractitionerRole.code must not be empty"),
    "object for a primitive": (
        ORGANIZATION,
        NAME,
        "  name: {text: $.name}",
        0,
        "Organization.name is a string, not an object",
    ),
    "plain value for an object": (
        ROLE,
        CODE,
        "code: [title]",
        0,
        "PractitionerRole.code is a CodeableConcept, not the plain value 'title'",
    ),
    "path for an object": (
        ROLE,
        CODE,
        "code: [$.title]",
        0,
        "PractitionerRole.code is a CodeableConcept, not the text $.title",
    ),
    "value of the wrong format": (
        GROUP,
        "exclude: false",
        "exclude: nope",
        0,
        "'nope' is no boolean, which Group.characteristic.exclude must be",
    ),
    "value outside a required binding": (
        "ctgov/location.yaml",
        "mode: instance",
        "mode: instanc",
        0,
        "'instanc' is not in the required binding of Location.mode; did you mean instance?",
    ),
    "required element": (
        STUDY,
        "body:\n  resourceType: ResearchStudy\n  status: active ",
        "body:\n  resourceType: ResearchStudy\n  # status: active ",
        1,
        "ResearchStudy.status is required by FHIR and has no line here",
    ),
    "required element further in": (
        GROUP,
        "healthy-volunteers, display: Accepts healthy volunteers}]}\n      exclude: false\n",
        "healthy-volunteers, display: Accepts healthy volunteers}]}\n",
        0,
        "Group.characteristic.exclude is required by FHIR and has no line here",
    ),
    "resourceType missing": (
        ORGANIZATION,
        "body:\n  resourceType: Organization\n",
        "body:\n",
        1,
        "`body` must begin with `resourceType: Organization`",
    ),
    "id written": (
        ORGANIZATION,
        "  resourceType: Organization\n",
        "  resourceType: Organization\n  id: x\n",
        0,
        "id: made from `identity`, not written here",
    ),
    "unknown prefix": (
        STUDY,
        "'hl7:title-type', code: official",
        "'hl6:title-type', code: official",
        0,
        "'hl6:title-type' begins with no known prefix; did you mean hl7?",
    ),
    # ---- paths
    "unknown field": (
        STUDY,
        TITLE,
        TITLE.replace("briefTitle", "brieftitle"),
        0,
        "$.protocolSection.identificationModule.brieftitle: 'brieftitle' is no field of "
        "$.protocolSection.identificationModule; did you mean briefTitle?",
    ),
    "no path": (
        STUDY,
        TITLE,
        "  title: $protocolSection\n",
        0,
        "'$protocolSection' is no path: paths begin with `$.` or `$$.`",
    ),
    "path through a list": (
        STUDY,
        TITLE,
        TITLE + "  version: {also: $.protocolSection.outcomesModule.primaryOutcomes.measure}\n",
        1,
        "$.protocolSection.outcomesModule.primaryOutcomes.measure: 'primaryOutcomes' is a list: use `each`",
    ),
    "a list as value": (
        STUDY,
        TITLE,
        TITLE + "  version: {also: $.protocolSection.conditionsModule.conditions}\n",
        1,
        "$.protocolSection.conditionsModule.conditions is a list: use `each`",
    ),
    "an object as value": (
        STUDY,
        TITLE,
        TITLE + "  version: {also: $.protocolSection.conditionsModule}\n",
        1,
        "$.protocolSection.conditionsModule is an object: ResearchStudy.version is a string",
    ),
    "yes or no as text": (
        STUDY,
        TITLE,
        TITLE + "  version: {also: $.hasResults}\n",
        1,
        "$.hasResults is true or false: ResearchStudy.version is a string",
    ),
    "each over no list": (
        STUDY,
        CONDITIONS,
        CONDITIONS.replace(".conditions\n", "\n"),
        0,
        "$.protocolSection.conditionsModule is no list",
    ),
    "at of an unknown field": (
        STUDY,
        "    - at: $.protocolSection.statusModule.startDateStruct\n",
        "    - at: $.protocolSection.statusModule.startDatStruct\n",
        0,
        "$.protocolSection.statusModule.startDatStruct: 'startDatStruct' is no field of $.protocolSection.statusModule; "
        "did you mean startDateStruct?",
    ),
    "a fact that the shared file does not have": (
        ORGANIZATION,
        NAME,
        NAME + "\n  description: $.class",
        1,
        "$.class: 'class' is no field of $; the record has none like it",
    ),
    "a shared file that looks at the record": (
        ORGANIZATION,
        NAME,
        "  name: {also: $$.protocolSection.identificationModule.nctId}",
        0,
        "a shared file may use nothing but the facts of its identity: `$$` is none",
    ),
    # ---- places
    "two places": (
        STUDY,
        TITLE,
        TITLE + "  version: $.protocolSection.descriptionModule.briefSummary\n",
        4,
        "protocolSection.descriptionModule.briefSummary is read back here and in line {first} (ctgov/study.yaml:{first}): "
        "one of them must be `also`",
    ),
    "entries that nothing tells apart": (
        STUDY,
        "code: acronym, display: Acronym",
        "code: official, display: Acronym",
        0,
        "nothing tells this entry from the one in line {before} (ctgov/study.yaml:{before}): give one of them a constant "
        "that the other does not have (a code of its own, a `use`, a `url`), not beside a value that may be missing",
    ),
    "a value that only some entries of a kind have": (
        STUDY,
        "our:CodeSystem/artifact', code: available-data",
        "our:CodeSystem/artifact', code: see-also",
        -1,
        "nothing tells this entry from the one in line {seealso} (ctgov/study.yaml:{seealso}): give one of them a constant "
        "that the other does not have (a code of its own, a `use`, a `url`), not beside a value that may be missing",
    ),
    "when without otherwise": (
        GROUP,
        "    - otherwise: $.protocolSection.eligibilityModule.sex\n"
        "      make: {url: 'our:StructureDefinition/sex', valueCoding: "
        "{coded: $.protocolSection.eligibilityModule.sex, by: sex}}\n",
        "",
        -14,
        "protocolSection.eligibilityModule.sex is read under `when` only: a value that none of them names would be lost; "
        "add an `otherwise`",
    ),
    "otherwise without when": (
        STUDY,
        "    - otherwise: $.protocolSection.designModule.enrollmentInfo.type ",
        "    - otherwise: $.protocolSection.statusModule.overallStatus ",
        0,
        "`otherwise` needs a `when` of the same path in the same file",
    ),
    "when with two paths": (
        STUDY,
        FACT,
        "{when: {$.hasResults: true, $.documentSection.largeDocumentModule.noSap: true},",
        0,
        "`when` takes one path and one constant",
    ),
    "when with a list": (STUDY, FACT, "{when: {$.hasResults: [true]},", 0, "`when` compares with one plain value"),
    "when without an object": (STUDY, FACT, "{when: $.hasResults,", 0, "`when` must be an object"),
    "when with a value that the field cannot have": (
        STUDY,
        "when: {$.type: PRINCIPAL_INVESTIGATOR}",
        "when: {$.type: PRINCIPAL_INVESTIGATR}",
        0,
        "'PRINCIPAL_INVESTIGATR' is no ResponsiblePartyType; did you mean PRINCIPAL_INVESTIGATOR?",
    ),
    # ---- functions, tables, files
    "unknown function": (
        STUDY,
        PMID,
        PMID.replace("_url", "_ur"),
        0,
        "no function 'pubmed_ur'; did you mean pubmed_url?",
    ),
    "no inverse": (STUDY, PMID, PMID.replace("pubmed_url", "study_url"), 0, "`study_url` has no inverse: use `also`"),
    "unknown table": (
        STUDY,
        STATUS,
        STATUS.replace("by: status", "by: statuss"),
        0,
        "no code table 'statuss'; did you mean status?",
    ),
    "no table": (STUDY, STATUS, "{coded: $.overallStatus}", 0, "`coded` needs `by`"),
    "no code table": (
        STUDY,
        STATUS,
        STATUS.replace("by: status", "by: identifier-systems"),
        0,
        "identifier-systems is no code table",
    ),
    "too few tables": (
        STUDY,
        "by: [phase-combination, phase]",
        "by: phase",
        0,
        "`phase_codings` takes 2 tables (`by`), not 1",
    ),
    "too many tables": (
        STUDY,
        "lastUpdateSubmitDate}",
        "lastUpdateSubmitDate, call: day, by: status}",
        0,
        "`day` takes 0 tables (`by`), not 1",
    ),
    "too many paths": (
        STUDY,
        "{also: $.protocolSection.statusModule.lastUpdateSubmitDate}",
        "{also: [$.protocolSection.statusModule.lastUpdateSubmitDate, $.hasResults], call: day}",
        0,
        "`day` takes 1 path, not 2",
    ),
    "unknown file": (
        STUDY,
        ELIGIBILITY,
        "eligibility: {ref: eligiblity}",
        0,
        "no mapping file 'eligiblity'; did you mean eligibility?",
    ),
    "coded outside a Coding": (
        STUDY,
        TITLE,
        "  title: {coded: $.protocolSection.identificationModule.briefTitle, by: status}\n",
        0,
        "`coded` makes Codings; ResearchStudy.title is a string",
    ),
    "canonical outside a canonical": (
        ORGANIZATION,
        NAME,
        "  name: {canonical: plan}",
        0,
        "`canonical` makes a canonical; Organization.name is a string",
    ),
    "canonical of a file without URL": (
        "ctgov/intervention.yaml",
        "canonical: true\n",
        "",
        0,
        "intervention has no URL of its own: its head lacks `canonical: true`",
    ),
    "ref outside a Reference": (
        STUDY,
        "  whyStopped: {",
        "  whyStopped: {ref: eligibility, ",
        0,
        "`ref` makes a Reference; ResearchStudy.whyStopped is a CodeableConcept",
    ),
    "reference to the wrong resource": (
        STUDY,
        "party: {ref: role, with: {name: {also: $.name}, organization: $.affiliation}}",
        "party: {ref: location, with: {facility: {also: $.name}, city: $.affiliation}}",
        0,
        "location makes a Location; here FHIR wants a Practitioner or PractitionerRole or Organization",
    ),
    "with for a file that is not shared": (
        STUDY,
        ELIGIBILITY,
        "eligibility: {ref: eligibility, with: {a: $.hasResults}}",
        0,
        "`with` hands facts to a shared file; eligibility is none",
    ),
    "an unknown fact": (STUDY, OLD, OLD.replace("name:", "nam:"), 0, "organization takes no 'nam'; did you mean name?"),
    "a shared file without facts": (
        STUDY,
        "party: {ref: organization, with: {name: {also: $.fullName}}}",
        "party: {ref: organization}",
        0,
        "organization is a shared file: hand it its facts by `with`",
    ),
    "a file in two places": (
        PLAN,
        "  title: {also: $$",
        "  subjectReference: {ref: eligibility}\n  title: {also: $$",
        0,
        "eligibility is used for protocolSection.armsInterventionsModule here and for the record elsewhere: "
        "only a shared file may be used twice",
    ),
    "unknown main file": (
        "ctgov/mapping.yaml",
        "main: study",
        "main: studdy",
        None,
        "no mapping file 'studdy'; did you mean study?",
    ),
    # ---- YAML
    "a key twice": (
        ORGANIZATION,
        NAME,
        NAME + "\n" + NAME,
        1,
        "'name' stands twice in one object, first in line {line}",
    ),
    "an alias": (
        ROLE,
        CODE,
        "code: &x [{text: $.title}]\n  specialty: *x",
        0,
        "aliases are not part of the mapping language",
    ),
    "an alias of a plain value": (
        ROLE,
        CODE,
        "code: [{text: &x $.title}, {text: *x}]",
        0,
        "aliases are not part of the mapping language",
    ),
    "a tag": (ORGANIZATION, NAME, "  name: !x $.name", 0, "tags are not part of the mapping language: !x"),
    "no YAML": (ORGANIZATION, NAME, "  name: [", 1, "not YAML: did not find expected node content"),
    "a key that is no text": (ORGANIZATION, NAME, "  ? [a]\n  : b", 0, "a key must be plain text"),
    "a prefix without address": (
        "prefixes.yaml",
        "hl7: 'http://hl7.org/fhir/'",
        "hl7: nothing",
        0,
        "the prefix hl7 needs an address",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_line(tmp_path: Path, name: str) -> None:
    """One line changed for the worse: the error names the file and the line, and says what is wrong and what is right."""
    file, old, new, further, message = CASES[name]
    line = changed(tmp_path, file, old, new)
    error = error_of(tmp_path)
    text = (tmp_path / file).read_text("utf-8")
    first = (
        text[: text.index("$.protocolSection.descriptionModule.briefSummary")].count("\n") + 1 if file == STUDY else 0
    )
    seealso = line_of_entry(text, "referencesModule.seeAlsoLinks") if file == STUDY else 0
    wanted = message.format(line=line, before=line - 1, first=first, seealso=seealso) if "{" in message else message
    assert error.message == wanted
    if further is None:
        assert error.file == file
        return
    other = {"canonical of a file without URL": PLAN}.get(name, file)
    assert error.file == other
    if other == file and name not in (
        "two places",
        "a value that only some entries of a kind have",
        "when without otherwise",
    ):
        assert error.line == line + further
    assert str(error) == f"{error.file}:{error.line}: {wanted}"


def line_of_entry(text: str, part: str) -> int:
    """The line, from 1, that holds a part of the text."""
    return text[: text.index(part)].count("\n") + 1


def test_a_field_without_a_place(tmp_path: Path) -> None:
    """A field that no line reads back is named; the error points at the head of the mapping, not at a file by chance."""
    changed(tmp_path, STUDY, "  whyStopped: {text: $.protocolSection.statusModule.whyStopped}\n", "")
    error = error_of(tmp_path)
    assert error.message == (
        "no line reads protocolSection.statusModule.whyStopped back: map it, or say in left-out.yaml why not"
    )
    assert error.file in (STUDY, "ctgov/left-out.yaml", "ctgov/mapping.yaml")


def test_two_places_name_both_lines(tmp_path: Path) -> None:
    """The error of a field with two places stands at the second and names the first."""
    line = changed(tmp_path, STUDY, TITLE, TITLE + "  version: $.protocolSection.descriptionModule.briefSummary\n")
    error = error_of(tmp_path)
    found = re.search(r"ctgov/study\.yaml:(\d+)\)", error.message)
    assert found is not None
    assert {error.line, int(found[1])} == {
        line + 1,
        line_of_entry((tmp_path / STUDY).read_text(), "descriptionSummary:"),
    }


def test_a_file_that_nothing_uses(tmp_path: Path) -> None:
    """A file that no other reaches is named."""
    changed(tmp_path, ORGANIZATION, NAME, NAME)
    (tmp_path / "ctgov" / "extra.yaml").write_bytes((tmp_path / ORGANIZATION).read_bytes())
    assert str(error_of(tmp_path)) == "ctgov/extra.yaml: no other file uses this one; reach it from study"


def test_an_empty_file(tmp_path: Path) -> None:
    """An empty file is named."""
    (tmp_path / "ctgov").mkdir()
    (tmp_path / ORGANIZATION).write_text("# nothing\n")
    assert str(error_of(tmp_path)) == "ctgov/organization.yaml: the file is empty"


def test_no_such_folder(tmp_path: Path) -> None:
    """A folder that is not there is named."""
    assert str(error_of(tmp_path / "none")) == f"{tmp_path / 'none'}: no such folder of mapping files"


@pytest.mark.parametrize("text", ["- a\n", "registry: ctgov\n", "main: [study]\n", "main: study\nbeside: provenance\n"])
def test_a_wrong_head_of_the_mapping(tmp_path: Path, text: str) -> None:
    """mapping.yaml without what it must say is a mapping error, not a crash."""
    (tmp_path / "ctgov").mkdir()
    (tmp_path / "ctgov" / "mapping.yaml").write_text(text)
    error = error_of(tmp_path)
    assert error.file == "ctgov/mapping.yaml"
    assert "'p'" not in error.message


def test_contacts_that_do_not_exist(tmp_path: Path) -> None:
    """A path of contacts.yaml that the registry does not have is an error: otherwise what it means is handed on."""
    line = changed(tmp_path, "ctgov/contacts.yaml", "locations.contacts.email", "locations.contacts.mail")
    with pytest.raises(MappingError) as caught:
        Mapper(mappings=tmp_path, contacts=False)
    assert (caught.value.file, caught.value.line) == ("ctgov/contacts.yaml", line)
    assert "'mail'" in caught.value.message
    assert "did you mean email?" in caught.value.message


def test_left_out_and_mapped(tmp_path: Path) -> None:
    """A field that is mapped cannot be declared left out as well."""
    path = "ctgov/left-out.yaml"
    changed(tmp_path, path, "resultsSection:", "protocolSection.outcomesModule: not wanted\nresultsSection:")
    assert "protocolSection.outcomesModule" in str(error_of(tmp_path))


def damages() -> Iterator[tuple[str, str, str]]:
    """Every line of the small mapping files, damaged in simple ways: the file, what was done, the text."""
    for name in ("organization", "role", "location", "practitioner", "provenance", "plan", "intervention"):
        file = f"ctgov/{name}.yaml"
        lines = (MAPPINGS / file).read_text("utf-8").splitlines()
        for place, line in enumerate(lines):
            head, colon, rest = line.partition(": ")
            for damaged in (
                [],
                [f"{line} x"],
                [line.replace("$.", "$", 1)],
                [line.replace("{", "[", 1)],
                [f"- {line}"],
                [f"{head}{colon}[{rest}]"],
                [f"{head}:"],
                [line.replace("$", "", 1)],
            ):
                text = "\n".join([*lines[:place], *damaged, *lines[place + 1 :]]) + "\n"
                yield file, f"{file}:{place + 1}: {damaged}", text


def test_all_errors_are_ours(tmp_path: Path) -> None:
    """A damaged line gives a mapping error or a mapping, never a crash (all of them with FHIRTRIAL_LONG=1)."""
    found = list(damages())
    if not os.environ.get("FHIRTRIAL_LONG"):
        found = random.Random(3).sample(found, 40)
    (tmp_path / "ctgov").mkdir()
    crashes: list[str] = []
    for file, what, text in found:
        (tmp_path / file).write_text(text, "utf-8")
        try:
            Mapper(mappings=tmp_path)
        except MappingError:
            pass
        except Exception as error:
            crashes.append(f"{what}: {type(error).__name__}: {error}")
        (tmp_path / file).unlink()
    assert crashes == []
