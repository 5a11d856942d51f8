"""
The examples on a real server: loaded, read back, and loaded again, which writes nothing.

    python -m examples.demo_hapi [R4|R4B|R5]

Builds and starts a HAPI FHIR server (Java 17 and Maven are needed; the first time takes some minutes), loads the
studies of examples/studies.jsonl and the page of NCT05143125 into it, shows that study as the server has it, loads
everything again, and stops the server. The exit status is 1 if anything failed or the repeat wrote something.
"""

from __future__ import annotations

import sys
from pathlib import Path

import fhirtrial
from fhirtrial.loading.fetch import Fetch
from fhirtrial.loading.run import load_all
from fhirtrial.loading.server_target import ServerTarget
from fhirtrial.server.client import FhirClient
from tests.hapi.server import PROGRAM, HapiServer

HERE = Path(__file__).resolve().parent
SOURCES = [str(HERE / "NCT05143125.page.txt"), str(HERE / "studies.jsonl")]


def main(release: str) -> int:
    if reason := PROGRAM.lacking():
        print(reason, file=sys.stderr)
        return 1
    print(f"HAPI {release} is being started, which takes a minute or two …", flush=True)
    with HapiServer(release) as server:
        print(f"It answers at {server.base_url}.")
        return show(server.base_url)


def show(server: str) -> int:
    """Loads, reads back and loads again, on the server at an address; the exit status."""
    with FhirClient(server) as client:
        first = load_all(SOURCES, ServerTarget(client))
        print(f"Loaded: {first}")
        (resources,) = Fetch(client, system="https://clinicaltrials.gov/nctid").studies(["NCT05143125"])
        study = next(each for each in resources if each["resourceType"] == "ResearchStudy")
        print(f"On the server: {study['title']}, status {study['status']}, version {study['meta']['versionId']}")
        restored = fhirtrial.restore(resources)
        print(f"The record from there: {restored.id}, {len(resources)} resources, {len(restored.issues)} issues")
        again = load_all(SOURCES, ServerTarget(client))
        print(f"Loaded again: {again.written} written")
    return 1 if first.refused or again.written else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "R4"))
