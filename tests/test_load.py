"""Loading, against a server in memory: each resource once, a repeat nothing, and nobody's edits lost."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhirtrial.issue import Issue
from fhirtrial.loading.loader import Options
from fhirtrial.loading.run import load_all
from fhirtrial.loading.summary import LoadSummary
from fhirtrial.loading.target import RefusedBundleError, Write
from fhirtrial.readers.meter import Meter
from tests.load_target import MemoryTarget

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parent
STUDIES = [orjson.loads(line) for line in (ROOT / "data" / "read" / "studies.jsonl").read_bytes().splitlines()]
GOLDEN = [orjson.loads(file.read_bytes()) for file in sorted((ROOT / "golden").glob("*/input.json"))]


class Load:
    """A folder to load from, a state, and a target: what a nightly script has."""

    def __init__(self, folder: Path, release: str = "R5") -> None:
        self.source = folder / "studies.jsonl"
        self.state = folder / "state.sqlite"
        self.target = MemoryTarget(release)
        self.issues: list[Issue] = []

    def run(self, studies: Sequence[Json], *, state: bool = True, **options: Any) -> LoadSummary:
        self.source.write_bytes(b"\n".join(map(orjson.dumps, studies)))
        self.issues = []
        self.target.log.clear()
        return load_all(
            [str(self.source)],
            self.target,
            state=self.state if state else None,
            options=Options(**options),
            noticed=self.issues.append,
        )

    def codes(self) -> list[str]:
        return [issue.code for issue in self.issues if issue.severity != "information"]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return Load(tmp_path)


def edited(study: Json, title: str = "Another title") -> Json:
    """The study with another title."""
    copy: Json = orjson.loads(orjson.dumps(study))
    copy["protocolSection"]["identificationModule"]["briefTitle"] = title
    return copy


def test_everything_is_created_once_and_refers_to_what_is_there(load: Load) -> None:
    """A first load creates each identity once; the server, which refuses dangling references, refuses nothing."""
    summary = load.run(GOLDEN)

    assert summary.total("created") == len(load.target.now())
    assert summary.total("failed", "updated", "edited", "unchanged") == 0
    assert set(load.target.versions().values()) == {1}
    assert summary.studies == len(GOLDEN)


def test_a_repeat_asks_and_writes_nothing(load: Load) -> None:
    """What is remembered as written is neither looked up nor sent."""
    load.run(GOLDEN)
    summary = load.run(GOLDEN)

    assert load.target.log["find"] == load.target.log["write"] == 0
    assert summary.total("unchanged") == len(load.target.now())


def test_a_repeat_without_memory_writes_nothing(load: Load) -> None:
    """Without the state the server is read, found the same, and not written to; and the state is made anew."""
    load.run(GOLDEN)
    load.state.unlink()
    summary = load.run(GOLDEN)
    assert load.target.log["write"] == 0
    assert summary.total("unchanged") == len(load.target.now())

    load.run(GOLDEN)
    assert load.target.log["find"] == 0


def test_one_changed_field_writes_what_changed(load: Load) -> None:
    """Exactly the resources that hold the field get a second version, and the Provenance that speaks of the study."""
    load.run(STUDIES)
    summary = load.run([edited(STUDIES[0]), *STUDIES[1:]])

    second = {name.partition("/")[0] for name, versions in load.target.versions().items() if versions == 2}
    assert second == {"ResearchStudy", "PlanDefinition"}
    assert summary.total("updated") == 2


def test_a_provenance_alone_is_no_reason_to_write(load: Load) -> None:
    """A new date of the registry's data, which every night brings, writes nothing; with a change it goes along."""
    load.run(STUDIES)
    later = [orjson.loads(orjson.dumps(study)) for study in STUDIES]
    for study in later:
        study["derivedSection"]["miscInfoModule"]["versionHolder"] = "2031-01-01"
    summary = load.run(later)
    assert (summary.written, load.target.log["write"]) == (0, 0)

    later[0] = edited(later[0])
    summary = load.run(later)
    assert summary.outcomes["Provenance"] == {"updated": 1, "unchanged": len(STUDIES) - 1}


def test_a_study_that_lives_under_another_id_is_adopted(load: Load) -> None:
    """A hospital's own ResearchStudy with the number is updated, never doubled, and references follow it."""
    number = STUDIES[0]["protocolSection"]["identificationModule"]["nctId"]
    own = {"system": "https://clinicaltrials.gov/nctid", "value": number}
    load.target.put({"resourceType": "ResearchStudy", "id": "4711", "status": "active", "identifier": [own]})

    summary = load.run(STUDIES)

    now = load.target.now()
    assert f"ResearchStudy/{number}" not in now
    assert now["ResearchStudy/4711"]["title"]
    assert now[f"Provenance/{number}-provenance"]["target"] == [{"reference": "ResearchStudy/4711"}]
    assert summary.outcomes["ResearchStudy"] == {"created": len(STUDIES) - 1, "updated": 1}
    (issue,) = (issue for issue in load.issues if issue.code == "adopted")
    assert str(issue) == (
        f"information: {load.source}:1: {number}: ResearchStudy/{number}: adopted: it was there as ResearchStudy/4711"
        " [adopted]"
    )

    assert load.run([edited(STUDIES[0])]).total("updated") == 2
    assert len(load.target.history["ResearchStudy/4711"]) == 3


def test_two_with_one_identifier_put_the_study_into_quarantine(load: Load) -> None:
    """Where the server has two, neither is touched, nothing of the study is written, and both are named."""
    number = STUDIES[0]["protocolSection"]["identificationModule"]["nctId"]
    own = {"system": "https://clinicaltrials.gov/nctid", "value": number}
    for identity in ("a", "b"):
        load.target.put({"resourceType": "ResearchStudy", "id": identity, "status": "active", "identifier": [own]})

    summary = load.run(STUDIES)

    assert summary.refused == 1
    assert load.target.versions()["ResearchStudy/a"] == load.target.versions()["ResearchStudy/b"] == 1
    assert not any(number in name for name in load.target.now())
    assert load.codes() == ["several-matches", "study-not-loaded"]
    assert "ResearchStudy/a, ResearchStudy/b" in load.issues[0].message


def test_what_somebody_edited_on_the_server_is_left(load: Load) -> None:
    """An edit since our last write is reported and survives; with ``force`` it is overwritten."""
    load.run(STUDIES)
    number = STUDIES[0]["protocolSection"]["identificationModule"]["nctId"]
    theirs = {**load.target.now()[f"ResearchStudy/{number}"], "title": "Theirs"}
    load.target.put(theirs)

    assert load.run(STUDIES).total("edited") == 0  # ours has not changed: nothing to write
    summary = load.run([edited(STUDIES[0])])
    assert load.target.now()[f"ResearchStudy/{number}"]["title"] == "Theirs"
    assert summary.outcomes["ResearchStudy"] == {"edited": 1}
    assert load.codes() == ["edited"]
    assert load.issues[0].message == "it was edited since: version 2, we wrote 1: left as it is"

    summary = load.run([edited(STUDIES[0])], force=True)
    assert load.target.now()[f"ResearchStudy/{number}"]["title"] == "Another title"
    assert summary.outcomes["ResearchStudy"] == {"updated": 1}


def test_verify_finds_what_a_restored_server_has_lost(load: Load) -> None:
    """With ``verify`` the server is read whatever the state says: what is missing or older there is written again."""
    load.run(STUDIES)
    load.run([edited(STUDIES[0]), *STUDIES[1:]])
    number = STUDIES[0]["protocolSection"]["identificationModule"]["nctId"]
    load.target.history[f"ResearchStudy/{number}"].pop()  # restored from a backup of yesterday
    lost = next(name for name in load.target.now() if name.startswith("Location/"))
    del load.target.history[lost]

    assert load.run([edited(STUDIES[0]), *STUDIES[1:]]).written == 0  # the state is trusted
    summary = load.run([edited(STUDIES[0]), *STUDIES[1:]], verify=True)

    assert lost in load.target.now()
    assert load.target.now()[f"ResearchStudy/{number}"]["title"] == "Another title"
    assert summary.total("edited", "failed") == 0


def test_a_failing_entry_is_found_and_the_rest_goes_through(load: Load) -> None:
    """A bundle with one entry that the server does not take is halved until that is alone; others are written."""
    bad = next(study for study in GOLDEN if study["protocolSection"].get("armsInterventionsModule"))
    number = bad["protocolSection"]["identificationModule"]["nctId"]

    def refuse(writes: Sequence[Write]) -> None:
        if any(write.item.kind == "Group" and number in write.id for write in writes):
            raise RefusedBundleError("HAPI-0001: no")

    load.target.before_write = refuse
    summary = load.run(GOLDEN)

    assert summary.refused == 1
    assert f"ResearchStudy/{number}" not in load.target.now()
    assert summary.outcomes["ResearchStudy"]["created"] == len(GOLDEN) - 1
    assert "not-loaded" in load.codes()

    load.target.before_write = lambda _: None
    again = load.run(GOLDEN)
    assert again.refused == 0
    assert again.outcomes["ResearchStudy"] == {"unchanged": len(GOLDEN) - 1, "created": 1}


def test_bundles_shrink_where_the_server_takes_less(load: Load) -> None:
    """Bundles that are too large are halved, and later ones are smaller from the beginning."""
    load.target.limits = type(load.target.limits)(entries=7, size=1 << 20)
    taken = load.target.write

    def write(writes: Sequence[Write]) -> Any:
        if len(writes) > 3:
            raise RefusedBundleError("HAPI-0528: too many", too_large=True)
        return taken(writes)

    load.target.write = write  # type: ignore[method-assign]
    summary = load.run(GOLDEN)

    assert summary.total("created") == len(load.target.now())
    assert max(map(len, load.target.bundles)) <= 3


@pytest.mark.parametrize("seed", range(12))
def test_a_load_that_stops_anywhere_is_finished_by_the_next(seed: int, tmp_path: Path) -> None:
    """Wherever a load is broken off, before or after the server has taken a bundle, the next ends as an undisturbed."""
    undisturbed = Load(tmp_path)
    undisturbed.run(GOLDEN)
    whole = {name: versions[-1] for name, versions in undisturbed.target.history.items()}
    (tmp_path / "disturbed").mkdir()
    load = Load(tmp_path / "disturbed")
    chance = random.Random(seed)
    stops = 0

    class StoppedError(Exception):
        pass

    def stop(_: Sequence[Write]) -> None:
        nonlocal stops
        if stops < 6 and chance.random() < 0.3:
            stops += 1
            raise StoppedError

    load.target.before_write = load.target.after_write = stop
    for _ in range(20):
        try:
            load.run(GOLDEN)
        except StoppedError:
            continue
        break

    assert stops
    assert load.target.now() == whole
    assert set(load.target.versions().values()) == {1}
    assert load.run(GOLDEN).written == 0


def test_a_dry_run_counts_and_writes_nothing(load: Load) -> None:
    """A dry run says what a run would do, leaves server and state as they are, and the run then does that."""
    load.run(STUDIES)
    before = dict(load.target.versions())
    changed = [edited(STUDIES[0]), *STUDIES[1:]]
    dry = load.run(changed, dry=True)
    assert load.target.versions() == before

    done = load.run(changed)
    assert dry.outcomes == done.outcomes
    assert str(dry).startswith("3 studies, 0 refused; would be 2 updated, ")


def test_pruning_deletes_what_the_record_has_no_longer(load: Load) -> None:
    """An intervention that left the record is deleted, if this tool has made it; what others refer to is kept."""
    study = next(
        each
        for each in GOLDEN
        if len(each["protocolSection"].get("armsInterventionsModule", {}).get("interventions", ())) > 1
    )
    load.run([study])
    fewer: Json = orjson.loads(orjson.dumps(study))
    gone = fewer["protocolSection"]["armsInterventionsModule"]["interventions"].pop()
    before = {name for name in load.target.now() if name.startswith("ActivityDefinition/")}

    load.run([fewer])
    assert {name for name in load.target.now() if name.startswith("ActivityDefinition/")} == before
    summary = load.run([fewer], prune=True)

    left = [each["title"] for name, each in load.target.now().items() if name.startswith("ActivityDefinition/")]
    assert summary.total("deleted") == 1
    assert gone["name"] not in left
    assert len(left) == len(before) - 1


def test_records_that_cannot_be_read_stop_nothing(load: Load) -> None:
    """A record that is none is reported with its line; the others are loaded."""
    summary = load.run([STUDIES[0], {"no": "study"}, STUDIES[1]])
    assert (summary.studies, summary.refused) == (2, 1)


@pytest.mark.parametrize("release", ["R4", "R5"])
def test_fhir_that_is_made_already_is_loaded_as_well(release: str, tmp_path: Path) -> None:
    """NDJSON of FHIR resources, in any order, makes the same server as the records that it was made of."""
    from fhirtrial.pipelines.convert import convert_all

    load = Load(tmp_path, release)
    load.run(STUDIES)
    out = tmp_path / "fhir"
    convert_all([load.source], f"{out}/", to=release)
    other = MemoryTarget(release)
    load_all([str(out)], other)

    assert other.now() == load.target.now()


def test_how_much_was_read_is_known_from_the_files(tmp_path: Path) -> None:
    """The share of the sources that was read grows to 1, over several files; little, or what is no file, has none."""
    first, second = tmp_path / "a" / "1.jsonl", tmp_path / "2.jsonl"
    first.parent.mkdir()
    for path, size in ((first, 6 << 20), (second, 18 << 20)):
        path.write_bytes(b" " * size)
    meter = Meter([str(first.parent), second])
    assert meter.share is None
    with first.open("rb") as file:
        meter.opened(file)
        file.seek(3 << 20)
        assert meter.share == 0.125
    assert meter.share == 0.25
    with second.open("rb") as file:
        meter.opened(file)
        file.seek(9 << 20)
        assert meter.share == 0.625
    assert meter.share == 1.0
    for sources in ([str(first)], ["-", str(second)], [{}], [str(tmp_path / "none")]):
        meter = Meter(sources)
        with second.open("rb") as file:
            meter.opened(file)
            assert meter.share is None


def test_a_load_knows_how_much_of_its_sources_it_has_read(tmp_path: Path) -> None:
    """What is told while a load goes on has the share of the sources that was read; it grows, and ends with all."""
    source = tmp_path / "many.jsonl"
    study = orjson.loads(orjson.dumps(STUDIES[0]))
    padding = "word " * 4_000
    with source.open("wb") as file:
        for number in range(500):
            study["protocolSection"]["identificationModule"]["nctId"] = f"NCT{number:08}"
            study["protocolSection"]["descriptionModule"] = {"briefSummary": padding}
            file.write(orjson.dumps(study) + b"\n")
    shares: list[float | None] = []
    load_all([str(source)], MemoryTarget(), progress=lambda summary: shares.append(summary.share))
    known = [share for share in shares if share is not None]
    assert len(known) == len(shares) > 3
    assert known == sorted(known)
    assert 0 < known[0] < known[-1] == 1.0
