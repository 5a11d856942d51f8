"""The same records make the same bytes: whatever the order, the process, the hash seed, the neighbours."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from pathlib import Path

from fhirtrial.mapping.mapper import Mapper
from fhirtrial.record import Record

from .records import at_hand

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = """
import hashlib, sys
from fhirtrial.mapping.mapper import Mapper
from tests.records import golden
mapper, made = Mapper(), hashlib.sha256()
for _, record in golden():
    conversion = mapper.convert(record, verify=True)
    made.update(conversion.ndjson())
    made.update(repr([issue.as_dict() for issue in conversion.issues]).encode())
    made.update(repr(mapper.restore(conversion.resources, verify=True)).encode())
print(made.hexdigest(), hash("a"))
"""


def test_hash_seeds() -> None:
    """Processes with different hash seeds make the same bytes, issues and restored records, to the order of keys."""
    found = []
    for seed in ("0", "1", "4242"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, cwd=ROOT, capture_output=True, check=True)
        found.append(run.stdout.decode().split())
    assert len({hashed for _, hashed in found}) == 3  # the seeds were in force
    assert len({digest for digest, _ in found}) == 1


def test_generated_code() -> None:
    """The code that a mapping is compiled to is the same each time."""
    first, second = Mapper().engine, Mapper().engine
    assert first.back_source == second.back_source
    for sound in (True, False):
        first.prepare(sound=sound)
        second.prepare(sound=sound)
    assert first.forth_sources == second.forth_sources


def digests(mapper: Mapper, records: list[Record]) -> dict[str, str]:
    """Each record's output as one digest."""
    return {record.id: hashlib.sha256(mapper.convert(record).ndjson()).hexdigest() for record in records}


def test_order_and_neighbours() -> None:
    """A fresh mapper, the records in another order, each alone: the same bytes for each record."""
    records = at_hand()[:400]
    expected = digests(Mapper(), records)
    shuffled = records[:]
    random.Random(11).shuffle(shuffled)
    assert digests(Mapper(), shuffled) == expected
    for record in shuffled[:5]:
        assert digests(Mapper(), [record]) == {record.id: expected[record.id]}


def test_shared_resources() -> None:
    """A shared resource has the same bytes whichever study made it."""
    mapper = Mapper()
    seen: dict[str, bytes] = {}
    met = 0
    for record in at_hand():
        for name, text in mapper.convert(record).texts.items():
            if name in seen:
                met += 1
                assert seen[name] == text, (record.id, name)
            seen[name] = text
    assert met > 10


def test_time_does_not_matter() -> None:
    """Nothing in the output is of today: a conversion looks at no clock."""
    code = (ROOT / "fhirtrial" / "mapping").glob("*.py")
    for file in [*code, ROOT / "fhirtrial" / "functions.py", ROOT / "fhirtrial" / "conversion.py"]:
        text = file.read_text("utf-8")
        assert "import random" not in text
        assert "import time" not in text
        assert "datetime" not in text or ".now(" not in text, file
