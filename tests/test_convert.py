"""Runs from records to FHIR: what is written where, and that it depends on the records alone."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhirtrial.errors import MappingError, UsageError
from fhirtrial.issue import Issue
from fhirtrial.mapping.mapper import Mapper
from fhirtrial.pipelines.convert import convert_all
from fhirtrial.pipelines.converter import CHUNK_RECORDS
from fhirtrial.readers import read

DATA = Path(__file__).resolve().parent / "data"
STUDIES = DATA / "read" / "studies.jsonl"
BAD = DATA / "cli" / "bad.jsonl"
SHARED = Path(__file__).resolve().parents[1] / ".." / "shared" / "corpus" / "ctgov" / "studies.jsonl.gz"


def study(number: int, *names: str, facility: str = "") -> dict[str, Any]:
    """An invented study with collaborators, which are shared resources, and a site."""
    protocol: dict[str, Any] = {
        "identificationModule": {"nctId": f"NCT{number:08}", "briefTitle": f"Study {number}"},
        "sponsorCollaboratorsModule": {"collaborators": [{"name": name, "class": "OTHER"} for name in names]},
    }
    if facility:
        protocol["contactsLocationsModule"] = {
            "locations": [{"facility": facility, "city": "Ulm", "country": "Germany"}]
        }
    return {"protocolSection": protocol}


def lines(*studies: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(item) + b"\n" for item in studies)


def many(count: int = 5 * CHUNK_RECORDS) -> bytes:
    """Studies in several chunks, which share most of what they refer to."""
    return lines(
        *(study(n, f"Sponsor {n % 7}", f"Sponsor {n % 11}", facility=f"Clinic {n % 5}") for n in range(1, count))
    )


def ndjson(source: Any, **options: Any) -> list[dict[str, Any]]:
    out = BytesIO()
    convert_all([source], out, **options)
    return [orjson.loads(line) for line in out.getvalue().splitlines()]


def test_ndjson_has_each_resource_once() -> None:
    """What several records share is written where it comes first, and only there."""
    found = ndjson(lines(study(1, "A", "B"), study(2, "B", "C")))
    names = [resource["name"] for resource in found if resource["resourceType"] == "Organization"]
    assert sorted(names) == ["A", "B", "C"]
    references = [f"{resource['resourceType']}/{resource['id']}" for resource in found]
    assert len(set(references)) == len(references)


def test_every_line_is_what_the_mapper_makes() -> None:
    """A run writes the texts of `Mapper.convert`, in its order."""
    mapper = Mapper()
    wanted = {text: None for record in read(STUDIES) for text in mapper.convert(record).texts.values()}
    out = BytesIO()
    summary = convert_all([STUDIES], out)
    assert out.getvalue().splitlines() == list(wanted)
    assert (summary.records, summary.refused) == (3, 0)
    assert summary.resources == Counter(orjson.loads(text)["resourceType"] for text in wanted)


def test_bundles_hold_all_that_a_record_needs() -> None:
    """One Bundle per line; a shared resource is in each that needs it."""
    source = lines(study(1, "A"), study(2, "A"))
    records = list(read(source))
    for format, type_ in (("bundle", "transaction"), ("collection", "collection")):
        assert ndjson(source, format=format) == [Mapper().convert(record).bundle(type_) for record in records]  # type: ignore[arg-type]


def test_bundle_counts_what_is_in_it() -> None:
    """The summary counts resources, not Bundles."""
    out = BytesIO()
    summary = convert_all([lines(study(1, "A"))], out, format="bundle")
    assert summary.resources == Counter(
        entry["resource"]["resourceType"] for entry in orjson.loads(out.getvalue())["entry"]
    )


def test_folder_has_a_file_for_each_type(tmp_path: Path) -> None:
    """The layout of bulk data; together the files hold what NDJSON holds."""
    convert_all([STUDIES], f"{tmp_path}/out/")
    found = {path.name: path.read_bytes().splitlines() for path in (tmp_path / "out").iterdir()}
    for name, texts in found.items():
        assert {orjson.loads(text)["resourceType"] for text in texts} == {name.removesuffix(".ndjson")}
    out = BytesIO()
    convert_all([STUDIES], out)
    assert sorted(text for texts in found.values() for text in texts) == sorted(out.getvalue().splitlines())


def test_folder_of_bundles(tmp_path: Path) -> None:
    """Bundles are a type like others."""
    convert_all([STUDIES], tmp_path, format="bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["Bundle.ndjson"]


def test_folder_holds_this_run_and_no_older_one(tmp_path: Path) -> None:
    """A type that this run did not make leaves no file of an earlier run; other files stay."""
    convert_all([lines(study(1, "A", facility="Clinic"))], tmp_path)
    (tmp_path / "Patient.ndjson").write_bytes(b"mine\n")
    assert (tmp_path / "Location.ndjson").exists()
    convert_all([lines(study(2))], tmp_path)
    assert not (tmp_path / "Location.ndjson").exists()
    assert (tmp_path / "Patient.ndjson").read_bytes() == b"mine\n"
    assert b"NCT00000002" in (tmp_path / "ResearchStudy.ndjson").read_bytes()


def test_packed_file_has_no_time(tmp_path: Path) -> None:
    """A name with .gz is packed, the same bytes each time."""
    out = BytesIO()
    convert_all([STUDIES], out)
    first, second = tmp_path / "a.ndjson.gz", tmp_path / "b.ndjson.gz"
    convert_all([STUDIES], first)
    convert_all([STUDIES], second)
    assert gzip.decompress(first.read_bytes()) == out.getvalue()
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[4:8] == b"\0\0\0\0"


def failing(count: int) -> Any:
    """A source that breaks after some records with an error that is not ours."""
    for number in range(1, count + 1):
        yield study(number)
    raise RuntimeError("the source broke")


@pytest.mark.parametrize("name", ["out/", "out.ndjson", "out.ndjson.gz"])
def test_a_run_that_stops_leaves_nothing(tmp_path: Path, name: str) -> None:
    """Neither half files nor temporary ones; a file of an earlier run stays as it was."""
    before = tmp_path / name
    if name == "out/":
        before.mkdir()
        (before / "ResearchStudy.ndjson").write_bytes(b"before\n")
    else:
        before.write_bytes(b"before\n")
    with pytest.raises(RuntimeError, match="the source broke"):
        convert_all([failing(3 * CHUNK_RECORDS)], f"{tmp_path}/{name}")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in files] == [b"before\n"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """What a symbolic link points at is replaced, not the link."""
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "real").write_bytes(b"before\n")
    convert_all([lines(study(1))], tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert b"NCT00000001" in (tmp_path / "real").read_bytes()


def test_what_is_no_regular_file_is_written_to() -> None:
    """/dev/null stays what it is."""
    convert_all([lines(study(1))], "/dev/null")
    assert Path("/dev/null").is_char_device()


def test_one_bad_record_stops_nothing() -> None:
    """Each refused record is reported with place and path, in order; the others are written."""
    noticed: list[Issue] = []
    out = BytesIO()
    summary = convert_all([BAD, BAD.with_name("missing.jsonl")], out, noticed=noticed.append)
    written = [orjson.loads(line) for line in out.getvalue().splitlines()]
    studies = [resource["id"] for resource in written if resource["resourceType"] == "ResearchStudy"]
    assert studies == ["NCT00000011", "NCT00000012", "NCT00000014"]
    errors = [str(issue).replace(str(BAD.parent), "…") for issue in noticed if issue.severity == "error"]
    assert errors == [
        (
            "error: …/bad.jsonl:3: NCT00000013: protocolSection.identificationModule.briefTitle: expected text, "
            "found a list [wrong-type]"
        ),
        "error: …/bad.jsonl:4: the JSON ends in the middle of a value (line 4, column 22) [truncated]",
        "error: …/bad.jsonl:5: NCT00000011: the record was read before, at …/bad.jsonl:1 [duplicate-record]",
        "error: …/missing.jsonl: there is no such file or folder [no-such-file]",
    ]
    assert (summary.records, summary.refused) == (3, 4)
    assert summary.issues == Counter(issue.code for issue in noticed)
    assert "unknown-value" in summary.issues


def test_the_refusals_are_those_of_read() -> None:
    """The same records are refused with the same words as `read` refuses them."""
    refused: list[Issue] = []
    list(read(BAD, refused=refused.append))
    noticed: list[Issue] = []
    convert_all([BAD], None, noticed=noticed.append)
    assert [issue for issue in noticed if issue.severity == "error"] == refused


def test_duplicates_are_found_over_sources() -> None:
    """A record that stood in an earlier source is refused."""
    noticed: list[Issue] = []
    summary = convert_all([[study(1)], [study(1), study(2)]], None, noticed=noticed.append)
    assert (summary.records, summary.refused) == (2, 1)
    assert [issue.code for issue in noticed if issue.severity == "error"] == ["duplicate-record"]


def with_duplicates() -> bytes:
    """Records that are refused because they were read before, and were the first to name what later ones share."""
    made = []
    for number in range(1, 4 * CHUNK_RECORDS):
        made.append(study(number, f"Sponsor {number // 3}"))
        if number % 10 == 0:
            made.append(study(number // 2, f"New {number}", facility=f"Site {number}"))
            made.append(study(number + 1000, f"New {number}", facility=f"Site {number}"))
        if number % 25 == 0:
            made.append(study(number + 2000, "New 10", f"New {number - 5}", facility="Site 10"))
    return lines(*made)


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_refused_record_named_first_is_still_written(jobs: int) -> None:
    """Nothing that a written record refers to is missing, and each resource is there once."""
    found = ndjson(with_duplicates(), jobs=jobs)
    have = [f"{resource['resourceType']}/{resource['id']}" for resource in found]
    assert len(set(have)) == len(have)
    wanted = set(targets(found))
    assert wanted
    assert wanted <= set(have)
    assert {f"New {n}" for n in range(10, 120, 10)} <= {resource.get("name") for resource in found}


def targets(node: Any) -> Any:
    """All relative references in resources."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "reference" and isinstance(value, str):
                yield value
            else:
                yield from targets(value)
    elif isinstance(node, list):
        for item in node:
            yield from targets(item)


def test_per_resource_bytes_do_not_depend_on_order_or_company() -> None:
    """Shuffled, or alone: the same resources, byte for byte."""
    source = many(100).splitlines(keepends=True)
    together = BytesIO()
    convert_all([b"".join(source)], together)
    shuffled = source[:]
    random.Random(1).shuffle(shuffled)
    assert shuffled != source
    other = BytesIO()
    convert_all([b"".join(shuffled)], other)
    alone: set[bytes] = set()
    for line in source:
        one = BytesIO()
        convert_all([line], one)
        alone.update(one.getvalue().splitlines())
    assert sorted(together.getvalue().splitlines()) == sorted(other.getvalue().splitlines()) == sorted(alone)


def test_issues_of_a_record_do_not_depend_on_what_was_converted_before() -> None:
    """A shared resource that says something says it for each record, not only where it is made first."""
    odd = [study(number, "A\x00B", facility="C\x01D") for number in range(1, 4)]
    together: list[Issue] = []
    convert_all([odd], None, noticed=together.append)
    alone: list[Issue] = []
    for item in odd:
        convert_all([[item]], None, noticed=alone.append)
    assert together
    assert [(issue.record, issue.code, issue.path) for issue in together] == [
        (issue.record, issue.code, issue.path) for issue in alone
    ]


def test_verification_finds_nothing() -> None:
    """What was made comes back the same; shared resources of earlier records do not count as missing."""
    noticed: list[Issue] = []
    summary = convert_all([many(80), STUDIES], None, verify=True, noticed=noticed.append)
    assert summary.refused == 0
    assert not [issue for issue in noticed if issue.code == "not-restored"]


def test_contacts_are_left_out() -> None:
    """Without contacts no phone and no mail of one is written."""
    source = study(1)
    contact = {"name": "Anna Example", "phone": "555-0100", "email": "anna@example.org"}
    source["protocolSection"]["contactsLocationsModule"] = {"centralContacts": [contact]}
    out = BytesIO()
    convert_all([[source]], out)
    assert b"anna@example.org" in out.getvalue()
    out = BytesIO()
    convert_all([[source]], out, contacts=False)
    assert b"anna@example.org" not in out.getvalue()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"format": "xml"}, "'xml' is no format of output; known: ndjson, bundle, collection"),
        ({"jobs": 0}, "jobs is 0; it must be at least 1"),
        ({"input_format": "jsnol"}, "'jsnol' is no format; did you mean jsonl?"),
    ],
)
def test_wrong_use(options: dict[str, Any], text: str) -> None:
    """An argument that cannot be meant is told in one text that names what can."""
    with pytest.raises(UsageError) as caught:
        convert_all([lines(study(1))], None, **options)
    assert str(caught.value) == text


def test_target_that_cannot_be_written(tmp_path: Path) -> None:
    """It is told before anything is read."""
    with pytest.raises(UsageError, match=r"no/out\.ndjson: cannot be written: No such file or directory$"):
        convert_all([failing(0)], tmp_path / "no" / "out.ndjson")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=r"file/out: no such folder can be made: Not a directory$"):
        convert_all([failing(0)], f"{tmp_path}/file/out/")


def test_wrong_mapping_is_told_first(tmp_path: Path) -> None:
    """A mapping that is wrong is an error before anything is read or written."""
    with pytest.raises(MappingError, match="no such folder of mapping files"):
        convert_all([failing(0)], tmp_path / "out.ndjson", mappings=str(tmp_path / "none"))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared records is not beside the checkout")
def test_shared_records(tmp_path: Path) -> None:
    """All real records are written, verified, with nothing refused."""
    summary = convert_all([SHARED], tmp_path / "all.ndjson")
    assert (summary.records, summary.refused) == (1278, 0)
