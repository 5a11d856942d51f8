"""Java programs that the tests run: built by Maven, once for each version of their source, in the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

JAVA = 17
KEPT_DAYS = 14
REQUIRED = "FHIRTRIAL_REQUIRE_JAVA"
"""The environment variable that CI sets: what is lacking is an error then, instead of a reason to skip."""


@dataclass(frozen=True)
class Program:
    """
    A program of a few Java files beside a pom, which packs them as ``target/program.jar`` and leaves the path of all
    that they need in ``target/classpath``.

    Args:
        name: what people call it, and the cache.
        sources: the pom and the Java files.

    """

    name: str
    sources: Sequence[Path]

    def lacking(self) -> str:
        """What this machine lacks to build and run it; empty if nothing."""
        for command in ("java", "mvn"):
            if not shutil.which(command):
                return f"the {self.name} needs Java {JAVA} and Maven: there is no {command}"
        said = java_version()
        version = re.search(r'version "(\d+)', said)
        if not version or int(version[1]) < JAVA:
            return f"the {self.name} needs Java {JAVA}: this is {said.splitlines()[0] if said else 'none'}"
        return ""

    def built(self) -> Path:
        """The folder of this version's build, which is made if it is not there yet, or not whole."""
        cache = (
            Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fhirtrial" / self.name.replace(" ", "-")
        )
        text = b"\0".join(source.read_bytes() for source in self.sources)
        folder = cache / hashlib.sha256(text).hexdigest()[:16]
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # whoever else starts it now waits for this build
            if not _whole(folder):
                _forget(cache)
                self._build(folder)
            (folder / "done").touch()
        return folder

    def _build(self, folder: Path) -> None:
        """Builds in a copy, so that nothing is written into the tree."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for source in self.sources:
            shutil.copy(source, folder)
        command = ["mvn", "--quiet", "--batch-mode", "package"]
        made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if made.returncode:
            raise RuntimeError(f"Maven cannot build the {self.name}:\n{made.stdout[-3000:]}{made.stderr[-3000:]}")


def classpath(folder: Path) -> str:
    """What ``java -cp`` takes to run what was built in a folder."""
    libraries = (folder / "target" / "classpath").read_text("utf-8").strip()
    return f"{folder / 'target' / 'program.jar'}{os.pathsep}{libraries}"


def java_version() -> str:
    """What the Java of this machine says of itself."""
    return subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr


def need(reason: str) -> None:
    """Skips a test for a reason, if there is one; where it must run, the test fails instead."""
    if reason and os.environ.get(REQUIRED):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


def _forget(cache: Path) -> None:
    """Removes the builds of versions that nobody has used for a while: they are large."""
    for done in cache.glob("*/done"):
        if time.time() - done.stat().st_mtime > KEPT_DAYS * 86_400:
            shutil.rmtree(done.parent)


def _whole(folder: Path) -> bool:
    """Whether a build came to its end, and Maven's own cache still has all that it names."""
    return (folder / "done").exists() and all(Path(jar).exists() for jar in classpath(folder).split(os.pathsep))
