"""The validator as Python sees it: one Java process for a release, resources in, findings out."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from tests.maven import Program, classpath

from .finding import Finding
from .further_rules import further

Json = dict[str, Any]

HERE = Path(__file__).parent
PROGRAM = Program("independent validator", [HERE / "pom.xml", *sorted(HERE.glob("*.java"))])

# Measured: with the first of the two compilers alone and 1 GB, start and all shared records take least time.
OPTIONS = ("-Xmx1g", "-XX:+UseParallelGC", "-XX:TieredStopAtLevel=1")


class Validator:
    """
    A running validator of one release (``R4``, ``R4B``, ``R5``), to be used in a ``with``.

    Args:
        release: the release that resources are of.
        definitions: folders of definitions, whose files may be written for another release.
        packages: FHIR packages (``.tgz``, or a folder that holds a folder ``package``), taken as strictly as they come.

    Raises RuntimeError if the process ends, with what it said last.

    """

    def __init__(self, release: str, *, definitions: Sequence[Path] = (), packages: Sequence[Path] = ()) -> None:
        self.release = release
        started = time.monotonic()
        command = ["java", *OPTIONS, "-cp", classpath(PROGRAM.built()), "Validate", release]
        for option, paths in (("--definitions", definitions), ("--package", packages)):
            command += [part for path in paths for part in (option, str(path))]
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, bufsize=1 << 16
        )
        try:
            self.definitions: int = self._line()["definitions"]
        except RuntimeError:
            self.close()
            raise
        self.start_seconds = time.monotonic() - started

    def judge(self, resources: Sequence[Json]) -> Iterator[list[Finding]]:
        """What is wrong with each of the resources, in their order; they are fed while findings are read."""
        feeder = threading.Thread(target=self._feed, args=(resources,), daemon=True)
        feeder.start()
        for resource in resources:
            found = [Finding(**each) for each in self._line()["found"]]
            yield [*found, *further(resource, self.release)]
        feeder.join()

    def _feed(self, resources: Sequence[Json]) -> None:
        assert self._process.stdin
        try:
            for resource in resources:
                self._process.stdin.write(orjson.dumps(resource) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # the reader says what happened

    def _line(self) -> Json:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            self._said.seek(0)
            raise RuntimeError(f"the validator ended with status {status}:\n{self._said.read()[-3000:]}")
        found: Json = orjson.loads(line)
        return found

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
