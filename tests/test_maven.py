"""Java programs of the tests are built once for each version of their source, and not in the tree."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.maven import Program, classpath


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program, and a Maven that writes down where it was called and builds nothing."""
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    library = tmp_path / "library.jar"
    library.touch()
    maven.write_text(
        f"#!/bin/sh\n[ -f broken ] && echo no such artifact && exit 1\npwd >> {tmp_path}/built\n"
        f"mkdir -p target && touch target/program.jar && echo {library} > target/classpath\n"
    )
    maven.chmod(maven.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{maven.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "pom.xml"
    source.write_text("first")
    return Program("test program", [source])


def builds(tmp_path: Path) -> list[str]:
    """The folders that were built in."""
    return (tmp_path / "built").read_text().splitlines()


def test_built_once(tmp_path: Path, program: Program) -> None:
    """The second call finds what the first made, outside the tree; the sources lie beside it."""
    folder = program.built()
    assert program.built() == folder
    assert builds(tmp_path) == [str(folder)]
    assert folder.parent == tmp_path / "cache" / "fhirtrial" / "test-program"
    assert classpath(folder) == f"{folder}/target/program.jar{os.pathsep}{tmp_path}/library.jar"


def test_another_source_is_another_build(tmp_path: Path, program: Program) -> None:
    """Two checkouts of different age can run side by side; the old build stays until nobody wants it any more."""
    first = program.built()
    program.sources[0].write_text("second")
    second = program.built()
    assert first != second
    assert first.exists()
    os.utime(first / "done", (0, 0))
    program.sources[0].write_text("third")
    assert program.built() not in (first, second)
    assert not first.exists()
    assert second.exists()


def test_what_is_not_whole_is_built_again(tmp_path: Path, program: Program) -> None:
    """A build that was cut off, or whose libraries were cleaned away, is no build."""
    folder = program.built()
    (folder / "done").unlink()
    program.built()
    assert len(builds(tmp_path)) == 2
    (tmp_path / "library.jar").unlink()
    program.built()
    assert len(builds(tmp_path)) == 3


def test_a_failed_build_says_why(tmp_path: Path, program: Program) -> None:
    """Maven's own words are in the error, and the next call tries again."""
    broken = tmp_path / "broken"
    broken.touch()
    failing = Program("test program", [*program.sources, broken])
    with pytest.raises(RuntimeError, match="Maven cannot build the test program:\nno such artifact"):
        failing.built()
    with pytest.raises(RuntimeError, match="no such artifact"):
        failing.built()
    assert program.built().exists()
