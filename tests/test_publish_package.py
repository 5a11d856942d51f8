"""The Bundle and the package of what is published: where servers and tools look, and the same bytes every time."""

from __future__ import annotations

import gzip
import io
import tarfile

import orjson
import pytest
from fhir.resources import get_fhir_model_class
from fhir.resources.R4B import get_fhir_model_class as get_r4b_model_class

import fhirtrial
from fhirtrial.publish.publication import definitions_for
from fhirtrial.release_names import RELEASES

from .publications import BASE, VERSIONS, made


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
