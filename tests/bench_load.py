"""
How long a load takes beside a bare loop that posts the same bundles, ready made, to the same server.

    python -m tests.bench_load [--release R4] [--studies 400] [--workers 2] [--rounds 3]

Starts a HAPI FHIR server (Java 17 and Maven are needed), and empties it before each run. The bare loop is the floor: it
sends transactions of conditional updates, made before, with as many workers and entries as the loader uses.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import requests

from fhirtrial.loading.item import Item
from fhirtrial.loading.loader import FIRST, Options
from fhirtrial.loading.plan import Limits, by_level, chains, in_order
from fhirtrial.loading.run import load_all
from fhirtrial.loading.server_target import ServerTarget
from fhirtrial.loading.source import from_records
from fhirtrial.loading.target import Write
from fhirtrial.server.client import FhirClient
from tests.bench import SHARED, SMALL
from tests.hapi.server import PROGRAM, HapiServer


def ready_made(source: Path, target: ServerTarget) -> list[list[bytes]]:
    """All bundles of a load, as bytes, in steps: those of a step need nothing of each other."""
    shared: dict[str, Item] = {}
    own: list[list[Item]] = []
    for group in from_records([str(source)], release=target.release, noticed=lambda _: None):
        shared |= {item.reference: item for item in group.items if not item.study}
        own.append(in_order([item for item in group.items if item.study]))
    limits = Limits(entries=FIRST, size=target.limits.size)
    steps = [list(chains(level, limits)) for level in by_level(shared.values())]
    steps.append(list(chains(own, limits)))
    return [[made(bundle, target) for chain in step for bundle in chain] for step in steps]


def made(bundle: list[Item], target: ServerTarget) -> bytes:
    """One transaction."""
    entries = [target.entry(Write(item=item, way="create", text=item.text, id=item.id)) for item in bundle]
    return orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})


def bare(url: str, steps: list[list[bytes]], workers: int) -> float:
    """Seconds that posting them takes."""
    sessions = [requests.Session() for _ in range(workers)]

    def post(numbered: tuple[int, bytes]) -> None:
        number, body = numbered
        headers = {"Content-Type": "application/fhir+json", "Prefer": "return=minimal"}
        for _ in range(5):  # the database's locks time out now and then
            answer = sessions[number % workers].post(url, data=body, headers=headers, timeout=300)
            if answer.ok:
                break
        answer.raise_for_status()

    begun = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        for step in steps:
            list(pool.map(post, enumerate(step)))
    return time.perf_counter() - begun


def main() -> None:
    """Prints the seconds of each round, and the ratio of the best."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--release", default="R4", choices=["R4", "R4B", "R5"])
    options.add_argument("--studies", type=int, default=400)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    if reason := PROGRAM.lacking():
        raise SystemExit(reason)
    raw = gzip.decompress(SHARED.read_bytes()) if SHARED.exists() else SMALL.read_bytes()
    floors, loads = [], []
    with tempfile.TemporaryDirectory() as folder, HapiServer(given.release, long_lived=True) as server:
        source = Path(folder) / "studies.jsonl"
        source.write_bytes(b"\n".join(raw.splitlines()[: given.studies]))
        with FhirClient(server.base_url) as client:
            steps = ready_made(source, ServerTarget(client))
            count = sum(map(len, steps))
            bare(server.base_url, steps, given.workers)  # warms the server
            for number in range(given.rounds):
                server.clear()
                floors.append(bare(server.base_url, steps, given.workers))
                server.clear()
                begun, used = time.perf_counter(), time.process_time()
                state = Path(folder) / f"state-{number}"
                done = load_all(
                    [str(source)], ServerTarget(client), state=state, options=Options(workers=given.workers)
                )
                loads.append(time.perf_counter() - begun)
                share = (time.process_time() - used) / loads[-1]
                begun = time.perf_counter()
                load_all([str(source)], ServerTarget(client), state=state)
                replay = time.perf_counter() - begun
                print(
                    f"{done.written:,} resources: {count} bundles ready made {floors[-1]:.1f} s; "
                    f"load {loads[-1]:.1f} s (CPU {share:.0%}), replay {replay / loads[-1]:.1%}",
                    flush=True,
                )
    print(f"load ÷ bare loop, best of {given.rounds}: {min(loads) / min(floors):.2f}")


if __name__ == "__main__":
    main()
