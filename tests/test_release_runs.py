"""Runs and commands in other releases: what is written where, in which order, with which words and exit code."""

from __future__ import annotations

import re
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhirtrial import restore_all as restore_records
from fhirtrial.errors import MappingError
from fhirtrial.pipelines.convert import convert_all
from fhirtrial.pipelines.release import release_all
from fhirtrial.pipelines.restore import restore_all
from fhirtrial.releases.release import Release
from fhirtrial.releases.view import as_r5
from fhirtrial.resources import Resources

from .conformance.earlier import earlier_problems
from .releases import FOLDER, Json, examples
from .test_cli import run
from .test_convert import STUDIES, lines, many, study


def converted(source: bytes | Path, **options: Any) -> bytes:
    """The NDJSON of a run."""
    out = BytesIO()
    convert_all([source], out, **options)
    return out.getvalue()


def heap(*resources: Json) -> bytes:
    """Resources as NDJSON."""
    return b"".join(orjson.dumps(each) + b"\n" for each in resources)


def test_every_issue_of_the_release_step_arrives_once() -> None:
    """What is noticed when R5 is made of resources stands with the study it names; of shared ones, with the first."""
    found = [orjson.loads(line) for line in converted(STUDIES, to="R4").splitlines()]
    studies = [each["id"] for each in found if each["resourceType"] == "ResearchStudy"]
    for each in found:
        if each["resourceType"] == "Location" or each["id"] == studies[1]:
            part = {"allDay": True, "modifierExtension": [{"url": "https://x.example/not", "valueBoolean": True}]}
            each["hoursOfOperation" if each["resourceType"] == "Location" else "fruit"] = [part]
    found.append({"resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"}})
    _, said = as_r5(Resources(found), Release("R4"))
    records = list(restore_records(found))
    steps = {(issue.code, issue.path) for issue in said}
    arrived = [
        [(each.code, each.path) for each in record.issues if (each.code, each.path) in steps] for record in records
    ]
    assert sorted(chain.from_iterable(arrived)) == sorted((issue.code, issue.path) for issue in said)
    assert all(("ResearchStudy" in path) == (place == 1) for place, issues in enumerate(arrived) for _, path in issues)
    assert ("type-not-covered", "Observation") in {(code, path.partition("/")[0]) for code, path in arrived[0]}
    assert {path.partition("/")[0] for _, path in arrived[0]} >= {"Location", "Observation"}


def test_own_tables_of_a_release_serve_both_ways(tmp_path: Path) -> None:
    """A table in a folder of one's own is used on the way back too: a wrong one is refused there as on the way there."""
    there = converted(STUDIES, to="R4")
    (tmp_path / "own" / "releases").mkdir(parents=True)
    (tmp_path / "own" / "releases" / "r4.yaml").write_text("nonsense: 1\n")
    said = []
    for step in (partial(convert_all, [STUDIES], to="R4"), partial(restore_all, [there])):
        with pytest.raises(MappingError) as caught:
            step(BytesIO(), mappings=str(tmp_path / "own"))
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert "releases/r4.yaml:1" in said[0]


@pytest.mark.parametrize("format", ["ndjson", "bundle", "collection"])
def test_jobs_change_nothing(format: str) -> None:
    """One process or four write the same bytes in R4, shared resources once; people that contacts need are found."""
    one = converted(many(), to="R4", format=format)
    assert one == converted(many(), to="R4", format=format, jobs=2) == converted(many(), to="R4", format=format, jobs=4)
    assert b'"progressStatus":' not in one


def test_contacts_are_found_again() -> None:
    """A person who is written once is at hand for each later study that shows the phone."""
    contact = {"name": "Ann", "role": "CONTACT", "phone": "1"}
    studies = []
    for number in range(1, 41):
        each = study(number)
        each["protocolSection"]["contactsLocationsModule"] = {"centralContacts": [contact]}
        studies.append(each)
    for jobs in (1, 2):
        found = [orjson.loads(line) for line in converted(lines(*studies), to="R4", jobs=jobs).splitlines()]
        shown = [each["contact"] for each in found if each["resourceType"] == "ResearchStudy"]
        assert shown == [[{"name": "Ann", "telecom": [{"system": "phone", "value": "1"}]}]] * 40
        assert sum(each["resourceType"] == "Practitioner" for each in found) == 1


def test_verified_run_in_r4(tmp_path: Path) -> None:
    """`convert --to R4 --verify` refuses nothing of real studies; the folder has R4's forms and restores in silence."""
    done = run("convert", STUDIES, "--to", "R4", "--verify", "-o", f"{tmp_path}/out/")
    assert done.exit_code == 0
    files = sorted(tmp_path.glob("out/*.ndjson"))
    for file in files:
        for line in file.read_bytes().splitlines():
            assert earlier_problems(orjson.loads(line)) == []
    back = run("restore", tmp_path / "out", "-o", tmp_path / "back.jsonl", "--verify")
    assert (back.exit_code, back.stderr) == (0, f"{back.stderr.splitlines()[-1]}\n")
    plain = converted(STUDIES)
    restore_all([plain], tmp_path / "wanted.jsonl")
    assert (tmp_path / "back.jsonl").read_bytes() == (tmp_path / "wanted.jsonl").read_bytes()


def test_release_command_there_and_back(tmp_path: Path) -> None:
    """`release --to R4 --check` and `release --to R5` give anybody's resources again; those R4 refuses are not written."""
    there = run("release", FOLDER / "r5.ndjson", "--to", "R4", "--check", "-o", tmp_path / "r4.ndjson")
    refused = re.findall(r"^error: .*? ([A-Z]\w+/[\w-]+)[.:]", there.stderr, re.MULTILINE)
    assert there.exit_code == 1
    assert sorted(set(refused)) == ["Group/no-code-in-r4", "PlanDefinition/every-row"]
    back = run("release", tmp_path / "r4.ndjson", "--to", "R5", "--from", "R4", "-o", tmp_path / "r5.ndjson")
    assert back.exit_code == 0
    wanted = [found for name, found in examples("R5").items() if name not in refused]
    assert [orjson.loads(line) for line in (tmp_path / "r5.ndjson").read_bytes().splitlines()] == wanted


def test_release_command_finds_the_release(tmp_path: Path) -> None:
    """Without `--from` each resource is what it shows, the others what most show; so a mixed heap comes out as one."""
    study5 = {"resourceType": "ResearchStudy", "id": "a", "status": "active", "region": [{"text": "Chad"}]}
    study4 = {"resourceType": "ResearchStudy", "id": "b", "status": "completed", "location": [{"text": "Chad"}]}
    place4 = {"resourceType": "Location", "id": "c", "physicalType": {"text": "room"}}
    silent = {"resourceType": "Practitioner", "id": "d", "photo": [{"size": 5}]}
    (tmp_path / "heap.ndjson").write_bytes(heap(study5, study4, place4, silent))
    done = run("release", tmp_path / "heap.ndjson", "--to", "R5")
    found = [orjson.loads(line) for line in done.stdout_bytes.splitlines()]
    assert found[0] == study5
    assert found[1]["region"] == [{"text": "Chad"}]
    assert found[2]["form"] == {"text": "room"}
    assert found[3]["photo"] == [{"size": "5"}]
    assert done.exit_code == 0


def test_restore_of_a_server_with_both_releases(tmp_path: Path) -> None:
    """A study that shows no release is restored as most of the others are."""
    both = converted(lines(study(1), study(2)), to="R4")
    out = BytesIO()
    restore_all([both], out)
    ids = [
        orjson.loads(line)["protocolSection"]["identificationModule"]["nctId"] for line in out.getvalue().splitlines()
    ]
    assert ids == ["NCT00000001", "NCT00000002"]


def test_bad_resources_stop_nothing() -> None:
    """What is not FHIR-shaped is refused with its place; whoever only looks at it goes on without it."""
    role = {"coding": [{"system": "http://hl7.org/fhir/research-study-party-role", "code": "general-contact"}]}
    good = {"resourceType": "ResearchStudy", "id": "a", "status": "active", "associatedParty": [{"name": "C", "role": role, "party": {"reference": "Practitioner/p"}}]}  # fmt: skip
    bad = {"resourceType": "Practitioner", "id": "p", "communication": "x", "deceasedBoolean": True}
    issues: list[str] = []
    out = BytesIO()
    summary = release_all(
        [heap(good, bad)], out, to="R4", source_release="R5", noticed=lambda issue: issues.append(str(issue))
    )
    assert (summary.records, summary.refused) == (1, 1)
    assert [orjson.loads(line)["id"] for line in out.getvalue().splitlines()] == ["a"]
    (refused,) = [text for text in issues if text.startswith("error")]
    assert refused.startswith("error: <bytes>:2: Practitioner/p: the resource is not FHIR-shaped: ")
    assert refused.endswith("[not-fhir-shaped]")
    issues.clear()
    r4 = converted(lines(study(1), study(2)), to="R4").splitlines()
    spoilt = orjson.loads(r4[0])
    spoilt["extension"] = "x"
    summary = restore_all([heap(spoilt) + b"\n".join(r4[1:])], BytesIO(), source_release="R4", noticed=lambda issue: issues.append(str(issue)))  # fmt: skip
    assert (summary.records, summary.refused) == (1, 1)
    assert any("not FHIR-shaped" in text for text in issues)


def test_a_resource_that_points_at_itself() -> None:
    """References in a circle are followed once."""
    circle = [
        {"resourceType": "PractitionerRole", "id": "a", "practitioner": {"reference": "PractitionerRole/a"}},
        {"resourceType": "ResearchSubject", "id": "s", "status": "active", "study": {"reference": "ResearchSubject/s"}, "subject": {"reference": "Patient/p"}, "assignedComparisonGroup": "x"},
    ]  # fmt: skip
    out = BytesIO()
    assert release_all([heap(*circle)], out, to="R4").records == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["release", STUDIES], "Error: Missing option '--to'. Choose from:"),
        (["release", STUDIES, "--to", "R3"], "Error: Invalid value for '--to': 'R3' is not one of 'R4', 'R4B', 'R5'."),
        (["convert", STUDIES, "--to", "r4"], "Error: Invalid value for '--to': 'r4' is not one of 'R4', 'R4B', 'R5'."),
        (["restore", STUDIES, "--from", "DSTU2"], "Error: Invalid value for '--from': 'DSTU2' is not one of"),
        (["release", "-", "--to", "R4", "--issues", "-"], "error: --issues -: standard output is taken by the result"),
        (["release", "nowhere.json", "--to", "R4"], "error: nowhere.json: "),
    ],
)
def test_wrong_use(arguments: list[Any], text: str) -> None:
    """Wrong use is told in one line, with exit code 2 (1 where only the input misses), and nothing is written."""
    done = run(*arguments)
    assert text in done.stderr
    assert done.exit_code == (1 if "nowhere" in text else 2)
    assert done.stdout == ""


def test_a_wrong_table_is_wrong_use(tmp_path: Path) -> None:
    """A table of one's own that says what FHIR does not is told with file and line, with exit code 2."""
    text = (Path(__file__).parents[1] / "mappings" / "releases" / "r4.yaml").read_text("utf-8")
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "r4.yaml").write_text(text.replace("region: {to: location}", "region: {to: place}"))
    line = text[: text.index("region: {to: location}")].count("\n") + 1
    for command in ("release", "convert"):
        done = run(command, STUDIES, "--to", "R4", "--mappings", tmp_path)
        message = "the other release has no ResearchStudy.place: ResearchStudy.region needs a row"
        assert (done.exit_code, done.stderr) == (2, f"error: releases/r4.yaml:{line}: {message}\n")


def test_r5_is_the_default() -> None:
    """`--to R5` is what is made without the option, byte for byte."""
    assert converted(STUDIES, to="R5") == converted(STUDIES)


def released(*resources: Json, to: str = "R5", **options: Any) -> tuple[list[Json], list[str]]:
    """What a run makes of resources, and what it says."""
    out, said = BytesIO(), []
    release_all([heap(*resources)], out, to=to, noticed=lambda issue: said.append(str(issue)), **options)
    return [orjson.loads(line) for line in out.getvalue().splitlines()], said


def test_a_circle_of_references_is_followed_once() -> None:
    """A study whose contact refers back to it goes up from the disk as from memory."""
    study_ = {"resourceType": "ResearchStudy", "id": "s", "status": "completed", "contact": [{"name": "A"}]}
    party = {"party": {"reference": "ResearchStudy/s"}, "role": {"text": "x"}}
    circle = orjson.loads(orjson.dumps(study_))
    circle["extension"] = [
        {
            "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-ResearchStudy.associatedParty",
            "extension": [
                {"url": "party", "valueReference": party["party"]},
                {
                    "url": "role",
                    "valueCodeableConcept": {
                        "coding": [
                            {"system": "http://hl7.org/fhir/research-study-party-role", "code": "general-contact"}
                        ]
                    },
                },
            ],
        }
    ]
    held, said = released(circle)
    assert held[0]["associatedParty"]
    assert released(circle, memory=0) == (held, said)


def test_what_is_noticed_of_a_resource_is_said_once() -> None:
    """What is said of a study is said at the study, however many subjects refer to it."""
    study_ = {"resourceType": "ResearchStudy", "id": "s", "status": "completed", "enrollment": [{"display": "A"}] * 2}
    subject = {"resourceType": "ResearchSubject", "status": "on-study", "study": {"reference": "ResearchStudy/s"}}
    alone = released(study_)[1]
    subjects = [{**subject, "id": f"p{number}", "individual": {"reference": "Patient/p"}} for number in range(3)]
    together = released(study_, *subjects)[1]
    assert alone
    assert [said for said in together if "ResearchStudy/s" in said] == alone


def test_a_release_that_is_guessed_is_said() -> None:
    """Where nothing shows a release and it matters, a run says what it took it for; where it is given, it does not."""
    plain = {"resourceType": "ResearchStudy", "id": "s", "status": "active", "title": "A"}
    made, said = released(plain)
    assert made == [plain]
    guessed = "nothing shows whether it is R4 or R5, which differ here: taken as R5 (--from says which it is)"
    assert said == [f"warning: <bytes>:1: ResearchStudy/s: {guessed} [release-not-shown]"]
    assert released(plain, source_release="R5") == ([plain], [])
    made, said = released(plain, source_release="R4")
    assert made != [plain]
    assert not [each for each in said if "release-not-shown" in each]
    assert released({"resourceType": "Location", "id": "l", "name": "A"})[1] == []


def test_r4_is_r4b_as_it_is() -> None:
    """R4B takes R4's resources as they are: nothing is left out on a way around by R5."""
    study_ = {"resourceType": "ResearchStudy", "id": "s", "status": "completed", "enrollment": [{"display": "A"}] * 2}
    for to in ("R4", "R4B"):
        assert released(study_, to=to, source_release="R4") == ([study_], [])


def test_an_extension_with_another_value_is_not_lost_in_silence() -> None:
    """HL7's extension, or a part of it, that holds no value of its type is said to be left out."""
    url = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ResearchStudy."
    wrong: Json = {
        "resourceType": "ResearchStudy",
        "id": "s",
        "status": "completed",
        "extension": [
            {"url": f"{url}date", "valueString": "today"},
            {"url": f"{url}associatedParty", "extension": [{"url": "role", "valueString": "x"}]},
        ],
    }
    assert [said for said in released(wrong)[1] if "not-carried" in said] == [
        f"warning: <bytes>:1: ResearchStudy/s.{path}: the extension for it has no {member}: left out [not-carried]"
        for path, member in (("date", "valueDateTime"), ("associatedParty.role", "valueCodeableConcept"))
    ]
    strange, known = {"url": "odd", "valueString": "x"}, {"url": "https://x.example/y", "valueString": "y"}
    wrong["extension"] = [{"url": f"{url}label", "extension": [{"url": "value", "valueString": "L"}, strange, known]}]
    made, said = released(wrong)
    assert made[0]["label"] == [{"value": "L", "extension": [known]}]
    message = "ResearchStudy/s.label: the extension for it has no part 'odd': left out [not-carried]"
    assert [each for each in said if "not-carried" in each] == [f"warning: <bytes>:1: {message}"]


ORGANIZATION, PERSON = "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7", "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"


def bundle(kind: str, *, ids: bool) -> Json:
    """A study of R5 that refers to the other entries by the addresses that they have in the Bundle."""

    def role(code: str) -> Json:
        return {"coding": [{"system": "http://hl7.org/fhir/research-study-party-role", "code": code}]}

    study_ = {
        "resourceType": "ResearchStudy",
        "id": "s",
        "status": "active",
        "site": [{"reference": ORGANIZATION}],
        "associatedParty": [
            {"role": role("lead-sponsor"), "name": "Org", "party": {"reference": ORGANIZATION}},
            {"role": role("general-contact"), "name": "Ann", "party": {"reference": PERSON}},
        ],
    }
    organization = {"resourceType": "Organization", "name": "Org"} | ({"id": "o"} if ids else {})
    phone = {"resourceType": "Practitioner", "telecom": [{"value": "1"}]} | ({"id": "p"} if ids else {})
    list_ = {"resourceType": "List", "id": "l", "status": "current", "entry": [{"item": {"reference": PERSON}}]}
    found = {"urn:uuid:11111111-1111-1111-1111-111111111111": study_, ORGANIZATION: organization, PERSON: phone}
    entries: list[Json] = [{"fullUrl": url, "resource": each} for url, each in found.items()]
    entries.append({"fullUrl": "https://server.example/fhir/List/l", "resource": list_})
    if kind == "transaction":
        entries = [each | {"request": {"method": "POST", "url": each["resource"]["resourceType"]}} for each in entries]
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


@pytest.mark.parametrize("kind", ["transaction", "collection", "searchset"])
@pytest.mark.parametrize("ids", [True, False])
@pytest.mark.parametrize("memory", [1 << 20, 0])
def test_links_in_a_bundle_are_kept(kind: str, ids: bool, memory: int) -> None:
    """What refers to another entry by its address in the Bundle refers to it by type and id; there and back it stays so."""
    made, said = released(bundle(kind, ids=ids), to="R4", memory=memory)
    organization, person = ("o", "p") if ids else (ORGANIZATION[9:], PERSON[9:])
    study_, *others, list_ = made
    assert [each["id"] for each in others] == [organization, person]
    assert study_["sponsor"] == {"reference": f"Organization/{organization}", "display": "Org"}
    assert study_["contact"] == [{"name": "Ann", "telecom": [{"value": "1"}]}]
    # Its type is known now, and R4 allows none but a Location there.
    held = study_["site"][0]["extension"][0]["valueReference"]
    assert held == {"reference": f"Organization/{organization}"}
    assert list_["entry"][0]["item"] == {"reference": f"Practitioner/{person}"}
    assert sum("[id-given]" in each for each in said) == (0 if ids else 2)
    assert b"urn:uuid" not in heap(*made)
    back, _ = released(*made, to="R5")
    assert back[0]["associatedParty"][0]["party"] == {"reference": f"Organization/{organization}"}


def test_types_that_are_not_covered_pass_untouched() -> None:
    """Other types are not looked into, with or without `check`, whatever stands in them; also contained ones."""
    odd = {
        "resourceType": "Parameters",
        "id": "x",
        "parameter": [],
        "extension": [{"url": "https://x.example", "valueCodeableReference": {"concept": {"text": "a"}}}, {}],
    }
    holder = {"resourceType": "Location", "id": "l", "contained": [{**odd, "id": "c"}]}
    for check in (False, True):
        for to, source in (("R4", "R5"), ("R5", "R4")):
            made, said = released(odd, holder, to=to, source_release=source, check=check)
            assert made == [odd, holder]
            assert list(made[0]) == list(odd)
            assert [re.search(r"\[(.*)]$", each)[1] for each in said] == ["type-not-covered"] * 2  # type: ignore[index]


def test_a_code_that_r5_lacks_stops_its_resource() -> None:
    """A code of a required list that R5 has not is an error: the resource is not written, and the exit code says so."""
    group = {"resourceType": "Group", "id": "g", "type": "medication", "actual": True}
    made, said = released(group, source_release="R4")
    message = "R5 has no code 'medication': kept as it is, and R5 servers refuse the resource"
    assert made == []
    assert [each.partition(" at ")[0] for each in said] == [f"error: <bytes>:1: Group/g.type: {message}"]
    needs = {"type": "medication", "codeFilter": [{"path": "code"}]}
    trigger = {"type": "data-added", "data": [{**needs, "type": "Media"}]}
    plan = {"resourceType": "PlanDefinition", "id": "p", "status": "draft", "action": [{"trigger": [trigger]}]}
    assert [each for each in released(plan, source_release="R4")[1] if "R5 has no code 'Media'" in each]
