"""What setup.cfg says of the package is what is there."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import fhirtrial

ROOT = Path(__file__).resolve().parent.parent


def settings() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


def test_every_package_on_disk_is_listed() -> None:
    """`packages` lists each folder with an __init__.py, and the mapping files: nothing is missing from a wheel."""
    listed = set(settings()["options"]["packages"].split())
    on_disk = {".".join(file.parent.relative_to(ROOT).parts) for file in (ROOT / "fhirtrial").rglob("__init__.py")}

    assert on_disk | {"fhirtrial.mappings"} == listed


def test_every_listed_package_has_its_folder() -> None:
    """`package_dir` says for each package where it lies in the checkout."""
    options = settings()["options"]
    folders = dict(line.split(" = ") for line in options["package_dir"].strip().splitlines())

    assert set(options["packages"].split()) == set(folders)
    assert all((ROOT / folder).is_dir() for folder in folders.values())


def test_each_dependency_says_why_it_is_there() -> None:
    """Beside each dependency in setup.cfg stands a comment with its reason."""
    text = (ROOT / "setup.cfg").read_text("utf-8")
    block = text.split("install_requires =")[1].split("[options.extras_require]")[0]
    lines = [line.strip() for line in block.strip().splitlines()]
    named = [place for place, line in enumerate(lines) if line and not line.startswith("#")]

    assert named
    assert all(lines[place - 1].startswith("# ") for place in named)


def test_version_stands_in_the_changelog() -> None:
    """The newest entry of the changelog is this version."""
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)

    assert newest
    assert fhirtrial.__version__ == newest[1]


def test_top_level_holds_only_what_belongs_there() -> None:
    """Four folders and the usual single files: nothing else is tracked at the top level."""
    folders = {
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and not path.name.startswith(".") and not path.name.endswith(".egg-info")
    }

    assert folders - {"build", "dist", "out"} == {"fhirtrial", "mappings", "examples", "tests"}
