"""The validator, built by Maven: once for each version of its source, in the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

SOURCES = [Path(__file__).with_name(name) for name in ("pom.xml", "Validate.java")]
JAVA = 17


def lacking() -> str:
    """What this machine lacks to build and run the validator; empty if nothing."""
    for program in ("java", "mvn"):
        if not shutil.which(program):
            return f"the independent validator needs Java {JAVA} and Maven: there is no {program}"
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if not version or int(version[1]) < JAVA:
        return f"the independent validator needs Java {JAVA}: this is {said.splitlines()[0] if said else 'none'}"
    return ""


def classpath() -> str:
    """What ``java -cp`` takes to run the validator, which is built if this version of it is not there yet."""
    text = b"".join(source.read_bytes() for source in SOURCES)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fhirtrial-validator"
    folder = cache / hashlib.sha256(text).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever else starts it now waits for this build
        if not _complete(folder):
            _build(folder)
    return f"{folder / 'target' / 'classes'}{os.pathsep}{_jars(folder)}"


def _jars(folder: Path) -> str:
    """The classpath that Maven found."""
    return (folder / "target" / "classpath").read_text("utf-8").strip()


def _complete(folder: Path) -> bool:
    """Whether a build came to its end, and Maven's own cache still has all that it names."""
    return (folder / "done").exists() and all(Path(jar).exists() for jar in _jars(folder).split(os.pathsep))


def _build(folder: Path) -> None:
    """Builds in a copy, so that nothing is written into the tree."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for source in SOURCES:
        shutil.copy(source, folder)
    command = ["mvn", "--quiet", "--batch-mode", "process-classes"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode:
        raise RuntimeError(f"Maven cannot build the validator:\n{made.stdout[-3000:]}{made.stderr[-3000:]}")
    (folder / "done").touch()
