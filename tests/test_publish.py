"""Everything of our own, as an outsider gets it: complete, valid, the same every time, as files, Bundle and package."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result
from fhir.resources import get_fhir_model_class
from fhir.resources.R4B import get_fhir_model_class as get_r4b_model_class

import fhirtrial
from fhirtrial.cli import main
from fhirtrial.errors import UsageError
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.publish.publication import Publication, definitions_for
from fhirtrial.release_names import RELEASES, ReleaseName
from fhirtrial.releases.conversion import released
from fhirtrial.releases.release import Release

from .records import SHARED, golden, shared

Json = dict[str, Any]

MAPPER = Mapper()
BASE = MAPPER.mapping.base
VERSIONS = {"R4": "4.0.1", "R4B": "4.3.0", "R5": "5.0.0"}
HL7 = SHARED.parents[2] / "fhir"
PASSED_BY = {"http://hl7.org/fhir/StructureDefinition/contactpoint-extension"}
"""HL7's, and not in that folder: https://hl7.org/fhir/extensions/StructureDefinition-contactpoint-extension.html"""


@cache
def made(release: str) -> Publication:
    return definitions_for(release)


def of(release: str, kind: str) -> dict[str, Json]:
    """The definitions of a type by url."""
    return {each["url"]: each for each in made(release).resources if each["resourceType"] == kind}


def output(release: ReleaseName) -> Iterator[Json]:
    """The resources of all golden records in a release."""
    step = Release(release)
    for _, record in golden():
        yield from released(MAPPER.convert(record), step).resources


def nodes(node: Any) -> Iterator[Json]:
    """All objects in a resource."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from nodes(value)
    elif isinstance(node, list):
        for item in node:
            yield from nodes(item)


# ------------------------------------------------------------------------------- nothing in the output is undefined


def undefined(resource: Json, release: str) -> Iterator[str]:
    """What a resource uses of ours that is not defined: extensions, code systems and their codes."""
    systems, extensions = of(release, "CodeSystem"), of(release, "StructureDefinition")
    for node in nodes(resource):
        url, system = node.get("url"), node.get("system")
        if isinstance(url, str) and url.startswith(f"{BASE}StructureDefinition/") and url not in extensions:
            yield url
        if isinstance(system, str) and system.startswith(f"{BASE}CodeSystem/"):
            if system not in systems:
                yield system
            elif systems[system]["content"] == "complete":
                codes = {concept["code"] for concept in systems[system]["concept"]}
                if node["code"] not in codes:
                    yield f"{system}|{node['code']}"


@pytest.mark.parametrize("release", RELEASES)
def test_nothing_in_the_golden_output_is_undefined(release: ReleaseName) -> None:
    """Every extension and code of ours in the output has its definition, and every code system of ours is used."""
    used = set()
    for resource in output(release):
        assert list(undefined(resource, release)) == []
        used |= {node["system"] for node in nodes(resource) if isinstance(node.get("system"), str)}

    assert {url for url in used if url.startswith(f"{BASE}CodeSystem/")} <= of(release, "CodeSystem").keys()
    assert len(used & of(release, "CodeSystem").keys()) > 30


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared records is not beside the checkout")
@pytest.mark.parametrize("release", ["R4", "R5"])
def test_nothing_in_the_shared_output_is_undefined(release: ReleaseName) -> None:
    """So it is in the output of real records."""
    step = Release(release)
    for number, record in enumerate(shared()):
        if number % 10 == 0:
            for resource in released(MAPPER.convert(record), step).resources:
                assert list(undefined(resource, release)) == [], record.id


def test_the_check_finds_what_is_undefined() -> None:
    """An extension, a code system and a code that are not ours to be are found: the tests above can fail."""
    wrong = {
        "extension": [{"url": f"{BASE}StructureDefinition/sexes"}],
        "code": {"coding": [{"system": f"{BASE}CodeSystem/party", "code": "x"}, {"system": f"{BASE}CodeSystem/y"}]},
    }

    assert list(undefined(wrong, "R4")) == [
        f"{BASE}StructureDefinition/sexes",
        f"{BASE}CodeSystem/party|x",
        f"{BASE}CodeSystem/y",
    ]


@pytest.mark.skipif(not HL7.exists(), reason="HL7's definitions are not beside the checkout")
@pytest.mark.parametrize("release", RELEASES)
def test_extensions_of_hl7_exist(release: ReleaseName) -> None:
    """Every extension under HL7's address in the output is defined by HL7."""
    files = [orjson.loads(file.read_bytes()) for file in HL7.rglob("StructureDefinition-*.json")]
    known = {each["url"] for each in files} | PASSED_BY
    urls = {node["url"] for each in output(release) for node in nodes(each) if isinstance(node.get("url"), str)}
    theirs = {url for url in urls if "hl7.org/fhir/" in url and "/StructureDefinition/" in url}

    assert theirs
    assert theirs - known == set()


# -------------------------------------------------------------------------------------------------- the definitions


@pytest.mark.parametrize("release", RELEASES)
def test_each_is_valid_and_says_what_it_is(release: str) -> None:
    """Each is valid in the release, and has url, version, status, publisher and description."""
    model_of = get_fhir_model_class if release == "R5" else get_r4b_model_class
    for resource in made(release).resources:
        kind = resource["resourceType"]
        model_of(kind).model_validate(resource)
        assert resource["url"] == f"{BASE}{kind}/{resource['id']}"
        assert (resource["version"], resource["status"]) == (fhirtrial.__version__, "active")
        assert (resource["experimental"], resource["publisher"]) == (False, "fhirtrial")
        assert resource["description"] if kind != "CodeSystem" or "title" in resource else True
        assert ("date" in resource) == (kind == "CapabilityStatement")


@pytest.mark.parametrize("release", RELEASES)
def test_all_types_are_there_once(release: str) -> None:
    """A release has definitions of six types, each address once, and each file name once."""
    resources = made(release).resources

    assert set(Counter(each["resourceType"] for each in resources)) == {
        "CapabilityStatement",
        "CodeSystem",
        "ConceptMap",
        "SearchParameter",
        "StructureDefinition",
        "ValueSet",
    }
    assert len({each["url"] for each in resources}) == len(resources) == len(made(release).files())


@pytest.mark.parametrize("release", RELEASES)
def test_requirements(release: str) -> None:
    """What a server needs: the types that the mapping makes, transactions, updates by identifier, our searches."""
    (statement,) = of(release, "CapabilityStatement").values()
    (rest,) = statement["rest"]
    by_type = {each["type"]: each for each in rest["resource"]}
    searches = {search.get("definition") for each in rest["resource"] for search in each["searchParam"]}

    assert (statement["kind"], statement["fhirVersion"]) == ("requirements", VERSIONS[release])
    assert by_type.keys() >= {file.resource for file in MAPPER.mapping.files.values()}
    assert rest["interaction"] == [{"code": "transaction"}]
    assert by_type["ResearchStudy"]["conditionalUpdate"] is True
    assert by_type["Provenance"]["conditionalUpdate"] is False
    assert {"name": "target", "type": "reference"} in by_type["Provenance"]["searchParam"]
    assert {"name": "url", "type": "uri"} in by_type["PlanDefinition"]["searchParam"]
    assert searches - {None} == of(release, "SearchParameter").keys()
    for each in rest["resource"]:
        names = [search["name"] for search in each["searchParam"]]
        assert len(set(names)) == len(names)


# ----------------------------------------------------------------------------------------------------- concept maps


def rows(release: str, name: str) -> list[tuple[str, str, str, Json]]:
    """The rows of a concept map: code, both systems, and the target."""
    found = of(release, "ConceptMap")[f"{BASE}ConceptMap/{name}"]
    return [
        (row["code"], group["source"], group.get("target", ""), target)
        for group in found["group"]
        for row in group["element"]
        for target in row.get("target", ({},))
    ]


def test_words_of_r4_are_the_other_way_round() -> None:
    """R5 says how the source relates to the target, R4 how the target relates to the source."""
    r5 = {code: target.get("relationship") for code, _, _, target in rows("R5", "ctgov-status")}
    r4 = {code: target["equivalence"] for code, _, _, target in rows("R4", "ctgov-status")}

    assert r5["WITHDRAWN"] == "source-is-narrower-than-target" and r4["WITHDRAWN"] == "wider"
    assert r5["SUSPENDED"] == "source-is-broader-than-target" and r4["SUSPENDED"] == "narrower"
    assert r5["COMPLETED"] == r4["COMPLETED"] == "equivalent"
    assert r5["UNKNOWN"] is None and r4["UNKNOWN"] == "unmatched"
    assert {target["equivalence"] for _, _, _, target in rows("R4", "ctgov-sex")} >= {"relatedto"}


@pytest.mark.parametrize("release", ["R4", "R4B"])
def test_maps_of_r4_have_all_rows(release: str) -> None:
    """Every row of every table is there in R4 too, once, with the same target; narrower ones have a comment (cmd-1)."""
    for url in of("R5", "ConceptMap"):
        name = url.rpartition("/")[2]
        r5 = sorted((code, target.get("code", "")) for code, _, _, target in rows("R5", name))
        r4 = sorted((code, target.get("code", "")) for code, _, _, target in rows(release, name))
        assert r4 == r5, name
        for _, _, _, target in rows(release, name):
            assert target["equivalence"] != "narrower" or target["comment"]


@pytest.mark.parametrize("release", RELEASES)
def test_only_what_leads_somewhere_is_a_map(release: str) -> None:
    """A table without any FHIR code is not published as a map, but its codes are; every group of a map has a target."""
    maps, systems = of(release, "ConceptMap"), of(release, "CodeSystem")

    assert f"{BASE}ConceptMap/ctgov-bio-spec-retention" not in maps
    assert f"{BASE}CodeSystem/ctgov-BioSpecRetention" in systems
    assert len(maps) > 18
    assert all(group["target"] for found in maps.values() for group in found["group"])


def test_maps_of_r4_name_code_systems_as_r4_does() -> None:
    """Code systems have the address that R4 knows; of a divided one each code has its own."""
    thought = "http://terminology.hl7.org/CodeSystem/research-study-status"
    status = {code: system for code, _, system, _ in rows("R4", "ctgov-status")}
    (phase,) = {system for _, _, system, target in rows("R4", "ctgov-phase-combination") if target.get("code")}

    assert (status["RECRUITING"], status["COMPLETED"]) == (thought, "http://hl7.org/fhir/research-study-status")
    assert phase == "http://terminology.hl7.org/CodeSystem/research-study-phase"
    pairs = {(source, target) for _, source, target, _ in rows("R4", "study-status-r4") if "hl7" in source}
    assert {source for source, _ in pairs} == {thought, "http://hl7.org/fhir/research-study-status"}
    assert {target for _, target in pairs} == {"http://hl7.org/fhir/research-study-status"}


# ------------------------------------------------------------------------------------------------ Bundle and package


@pytest.mark.parametrize("release", RELEASES)
def test_bundle_is_a_transaction_by_url(release: str) -> None:
    """Each definition is updated by its url, once; where the server has none it is created under its id."""
    bundle = made(release).bundle()
    (get_fhir_model_class if release == "R5" else get_r4b_model_class)("Bundle").model_validate(bundle)

    assert bundle["type"] == "transaction"
    assert [entry["resource"] for entry in bundle["entry"]] == list(made(release).resources)
    for entry in bundle["entry"]:
        resource = entry["resource"]
        assert entry["request"] == {"method": "PUT", "url": f"{resource['resourceType']}?url={resource['url']}"}


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files of a package by name."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        found = {}
        for member in archive.getmembers():
            assert (member.mtime, member.uid, member.gid, member.uname, member.mode) == (0, 0, 0, "", 0o644)
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


@pytest.mark.parametrize("release", RELEASES)
def test_package(release: str) -> None:
    """A package has package.json, an index, and a file for each definition, in the places where tools look."""
    files = unpacked(made(release).package())
    manifest = orjson.loads(files.pop("package/package.json"))
    index = orjson.loads(files.pop("package/.index.json"))

    assert (manifest["name"], manifest["version"]) == (f"fhirtrial.{release.lower()}", fhirtrial.__version__)
    assert manifest["fhirVersions"] == [VERSIONS[release]]
    cross_version = {} if release == "R5" else {f"hl7.fhir.uv.xver-r5.{release.lower()}": "0.1.x"}
    assert manifest["dependencies"] == {f"hl7.fhir.{release.lower()}.core": VERSIONS[release], **cross_version}
    stands_on = {
        context["expression"].rpartition("/StructureDefinition/")[0]
        for resource in made(release).resources
        for context in resource.get("context", ())
        if context["type"] == "extension"
    } - {"https://fhirtrial.org"}
    assert stands_on == (set() if release == "R5" else {"http://hl7.org/fhir/5.0"})
    assert (manifest["type"], manifest["canonical"]) == ("Conformance", BASE.rstrip("/"))
    assert index["index-version"] == 2
    assert [f"package/{entry['filename']}" for entry in index["files"]] == list(files) == sorted(files)
    for entry in index["files"]:
        resource = orjson.loads(files[f"package/{entry['filename']}"])
        assert all(resource[key] == value for key, value in entry.items() if key != "filename")
        assert {"resourceType", "id", "url", "version"} <= entry.keys()
        assert resource["resourceType"] != "StructureDefinition" or entry["type"] == "Extension"
    assert [orjson.loads(text) for text in files.values()] == sorted(
        made(release).resources, key=lambda each: f"{each['resourceType']}-{each['id']}.json"
    )


@pytest.mark.parametrize("release", RELEASES)
def test_the_same_bytes_every_time(release: str) -> None:
    """Made again, a package has the same bytes: no time, no owner, no order by chance."""
    first, again = made(release).package(), definitions_for(release).package()

    assert first == again
    assert gzip.decompress(first)
    assert first[4:8] == b"\0\0\0\0"


def test_own_mapping_files(tmp_path: Path) -> None:
    """Who has mapping files of their own gets the definitions of these."""
    text = (Path(__file__).resolve().parent.parent / "mappings" / "search-parameters.yaml").read_text("utf-8")
    (tmp_path / "search-parameters.yaml").write_text(text.replace("\noutcome:", "\nmeasured:"), "utf-8")

    found = {each["url"] for each in definitions_for("R4", mappings=tmp_path).resources}

    ours = {each["url"] for each in made("R4").resources}
    assert found - ours == {f"{BASE}SearchParameter/ResearchStudy-measured"}
    assert ours - found == {f"{BASE}SearchParameter/ResearchStudy-outcome"}


def test_another_release() -> None:
    """A release that definitions are not made for is an error that names the known ones."""
    with pytest.raises(UsageError, match=r"^'R6' is no release; did you mean R5\?$|^'R6' is no release; known: R4"):
        definitions_for("R6")
    with pytest.raises(UsageError, match=r"^'STU3' is no release; known: R4, R4B, R5$"):
        definitions_for("STU3")


# ---------------------------------------------------------------------------------------------------- the command


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["definitions", *map(str, arguments)])


def test_command_prints_a_transaction() -> None:
    """Without an option the definitions of R5 are one Bundle on standard output, counted on standard error."""
    done = run()

    assert done.exit_code == 0
    assert orjson.loads(done.stdout_bytes) == made("R5").bundle()
    assert done.stderr.startswith(f"{len(made('R5').resources)} definitions for FHIR R5: 1 CapabilityStatement, ")


def test_command_writes_a_folder(tmp_path: Path) -> None:
    """A folder gets a file for each definition; what else is in it stays."""
    folder = tmp_path / "new" / "folder"
    done = run("--to", "R4", "-o", f"{folder}/")
    (folder / "mine.txt").write_text("x")
    again = run("--to", "R4", "-o", folder)

    assert (done.exit_code, again.exit_code, done.stdout_bytes) == (0, 0, b"")
    written = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert written.pop("mine.txt") == b"x"
    assert written == made("R4").files()


def test_command_writes_a_package_or_a_bundle(tmp_path: Path) -> None:
    """A file gets the package, or the Bundle, and no half one is left."""
    package, bundle = tmp_path / "a.tgz", tmp_path / "b.json"

    assert run("--to", "R4B", "--package", package).exit_code == 0
    assert run("--to", "R4B", "-o", bundle).exit_code == 0
    assert package.read_bytes() == made("R4B").package()
    assert orjson.loads(bundle.read_bytes()) == made("R4B").bundle()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.tgz", "b.json"]


def test_command_follows_links_and_writes_to_devices(tmp_path: Path) -> None:
    """A symbolic link stays one, and what is no regular file is written to."""
    (tmp_path / "link.tgz").symlink_to(tmp_path / "real.tgz")

    assert run("--package", tmp_path / "link.tgz").exit_code == 0
    assert run("-o", os.devnull).exit_code == 0
    assert (tmp_path / "link.tgz").is_symlink()
    assert (tmp_path / "real.tgz").is_file()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("releases/own.json", '{"resourceType": 1,\n}', "releases/own.json:2: not JSON: "),
        ("releases/own.json", '{"resourceType": "ConceptMap"}', "releases/own.json: a ConceptMap needs groups, "),
        (
            "releases/own.json",
            '{"resourceType": "ConceptMap", "group": [{"source": "urn:x:y", "element": [\n{"code": "A"}]}]}',
            "releases/own.json:2: A needs a target, or noMap: true if no code says the same",
        ),
        ("releases/study-status.json", "[]", "releases/study-status.json: no ConceptMap"),
        ("ctgov/schema.json", "{", "ctgov/schema.json:1: not JSON: "),
        ("fhir/r4.json", "{", "fhir/r4.json:1: not JSON: "),
    ],
)
def test_own_file_that_is_broken(file: str, text: str, message: str, tmp_path: Path) -> None:
    """A file in a folder of one's own that cannot be read is one error, with its name and, where known, its line."""
    (tmp_path / file).parent.mkdir()
    (tmp_path / file).write_text(text)
    done = run("--to", "R4", "--mappings", str(tmp_path))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1


def test_command_says_what_is_wrong(tmp_path: Path) -> None:
    """What cannot be meant, or cannot be written, is one line and exit code 2."""
    (tmp_path / "file").write_text("")
    wrong = {
        ("--package", "a.tgz", "-o", "b/"): "-o and --package: the definitions are written one way at a time",
        ("--package", str(tmp_path)): f"--package {tmp_path}: this is a folder; a package is one file",
        (
            "--package",
            "no/such/a.tgz",
        ): "no/such/a.tgz: cannot be written: No such file or directory",
        ("-o", f"{tmp_path}/file/x/"): f"{tmp_path}/file/x: no such folder can be made: Not a directory",
    }
    for arguments, message in wrong.items():
        done = run(*arguments)
        assert (done.exit_code, done.stderr) == (2, f"error: {message}\n")


def test_python_name() -> None:
    """`fhirtrial.definitions_for` is the function, and the module of FHIR's own definitions stays beside it."""
    assert fhirtrial.definitions_for is definitions_for
    assert fhirtrial.definitions_for("R4").resources == made("R4").resources
