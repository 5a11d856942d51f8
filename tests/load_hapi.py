"""What the tests of loads into a real HAPI server share: studies, a load, and what the server holds then."""

from __future__ import annotations

import copy
import gzip
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhirtrial import Mapper
from fhirtrial.loading.fetch import Fetch
from fhirtrial.loading.loader import Options
from fhirtrial.loading.plan import Limits
from fhirtrial.loading.run import load_all
from fhirtrial.loading.server_target import ServerTarget
from fhirtrial.loading.summary import LoadSummary
from fhirtrial.pipelines.participants import Participants
from fhirtrial.releases.release import Release
from fhirtrial.releases.view import as_r5
from fhirtrial.resources import Resources
from fhirtrial.server.client import FhirClient
from fhirtrial.server.retry import Retry
from tests.hapi.server import HapiServer
from tests.load_target import GOLDEN, number_of, references
from tests.records import SHARED

Json = dict[str, Any]
LONG = bool(os.environ.get("FHIRTRIAL_LONG"))
SYSTEM = "https://clinicaltrials.gov/nctid"
KINDS = tuple(
    dict.fromkeys(kind for registry in ("ctgov", "sdtm", "roster") for kind in Mapper(registry=registry).mapping.kinds)
)
"""Every type of resource that a load may write."""
BOTH = pytest.mark.parametrize("hapi", ["R4", "R5"], indirect=True)


def shared_studies() -> list[Json]:
    """All shared records; none where they are not beside the checkout."""
    found = gzip.decompress(SHARED.read_bytes()).splitlines() if SHARED.exists() else []
    return [orjson.loads(line) for line in found]


def renumbered(count: int) -> list[Json]:
    """The golden records, each so many times, under numbers of their own."""
    studies = []
    for number in range(count * len(GOLDEN)):
        study = copy.deepcopy(GOLDEN[number % len(GOLDEN)])
        study["protocolSection"]["identificationModule"]["nctId"] = f"NCT{99_000_000 + number}"
        studies.append(study)
    return studies


def written(folder: Path, studies: list[Json]) -> Path:
    """A file of studies."""
    file = folder / "studies.jsonl"
    file.write_bytes(b"\n".join(map(orjson.dumps, studies)))
    return file


def load(
    url: str,
    source: Path,
    *,
    state: Path | None = None,
    retry: Retry | None = None,
    entries: int = 0,
    issues: list[str] | None = None,
    participants: Participants | None = None,
    **options: Any,
) -> LoadSummary:
    """What a load did, with bundles of at most so many ``entries``; codes of what it noticed go to ``issues``."""
    with FhirClient(url, retry=retry) as client:
        target = ServerTarget(client)
        if entries:
            target.limits = Limits(entries=entries, size=target.limits.size)
        noticed = [] if issues is None else issues
        return load_all(
            [str(source)],
            target,
            state=state,
            options=Options(**options),
            participants=participants,
            noticed=lambda issue: noticed.append(issue.code),
        )


def everything(url: str) -> dict[str, Json]:
    """All that a server holds, by reference."""
    with FhirClient(url) as client:
        found = [each for kind in KINDS for each in client.search(kind, {"_count": "500"})]
    return {f"{each['resourceType']}/{each['id']}": each for each in found}


def versions(held: dict[str, Json]) -> set[str]:
    """All versions that resources are in."""
    return {each["meta"]["versionId"] for each in held.values()}


def history(url: str) -> list[str]:
    """Every version that a server has ever made, as reference and version."""
    with FhirClient(url) as client:
        return sorted(f"{each.reference} {each.version}" for kind in KINDS for each in client.history(kind, count=500))


def dangling(held: dict[str, Json]) -> list[str]:
    """The references and canonicals of resources that lead to none of them, wherever they stand."""
    urls = {each["url"] for each in held.values() if "url" in each}
    missing = [name for each in held.values() for name in references(each) if name not in held]
    return missing + [url for each in held.values() for url in canonicals(each) if url not in urls]


def canonicals(node: Any) -> list[str]:
    """The plans and activities that a resource names by their address."""
    if isinstance(node, dict):
        named = [node[name] for name in ("definitionCanonical", "instantiatesCanonical") if name in node]
        found = [each for name in named for each in ([name] if isinstance(name, str) else name)]
        return found + [each for value in node.values() for each in canonicals(value)]
    return [each for item in node for each in canonicals(item)] if isinstance(node, list) else []


def assert_all_is_there_once(hapi: HapiServer, first: LoadSummary, studies: list[Json]) -> None:
    """
    After a first load: no failure, each identity once and in its first version, by the history as well.

    Every reference resolves, and the records come back equal.
    """
    held = everything(hapi.base_url)
    assert first.total("failed", "edited", "updated") == first.refused == 0
    assert first.total("created") == len(held)
    assert history(hapi.base_url) == sorted(f"{name} 1" for name in held)
    assert dangling(held) == []
    mapper, release = Mapper(), Release(hapi.release)
    restored = {}
    with FhirClient(hapi.base_url) as client:
        for resources in Fetch(client, system=SYSTEM).everything():
            index, _ = as_r5(Resources(resources), release)
            restored |= {record.id: mapper.mapping.schema.wanted(record.data) for record in mapper.restore_all(index)}
    assert restored == {number_of(study): mapper.mapping.schema.wanted(study) for study in studies}
