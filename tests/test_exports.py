"""What `import fhirtrial` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import fhirtrial

STUDY = {"protocolSection": {"identificationModule": {"nctId": "NCT00000102", "briefTitle": "A title"}}}
HEAVY = {"pydantic", "fhir", "yaml", "rich", "click", "lxml", "requests", "orjson", "sqlite3", "multiprocessing"}


def imported(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after running code."""
    script = f"{code}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root)
    return set(done.stdout.split())


def test_names_are_sorted_and_there() -> None:
    """Each public name can be had, and the list of them is sorted."""
    assert fhirtrial.__all__ == sorted(fhirtrial.__all__)
    assert len(set(fhirtrial.__all__)) == len(fhirtrial.__all__)
    for name in fhirtrial.__all__:
        assert getattr(fhirtrial, name) is not None
        assert name in dir(fhirtrial)


def test_names_stay_what_they_are() -> None:
    """No module of the package hides a public name once it is imported."""
    code = "import fhirtrial, fhirtrial.cli, fhirtrial.pipelines.convert, fhirtrial.pipelines.restore\n"
    code += (
        "import types\nassert not [n for n in fhirtrial.__all__ if isinstance(getattr(fhirtrial, n), types.ModuleType)]"
    )
    assert "fhirtrial" in imported(code)


def test_star_import_gives_the_public_names() -> None:
    """`from fhirtrial import *` gives what the list says."""
    names: dict[str, object] = {}
    exec("from fhirtrial import *", names)
    assert set(fhirtrial.__all__) <= set(names)


def test_unknown_name() -> None:
    """A name that is none says so like any module does."""
    with pytest.raises(AttributeError, match=r"^module 'fhirtrial' has no attribute 'red'$"):
        _ = fhirtrial.red


def test_import_brings_nothing_heavy() -> None:
    """Importing the package imports none of what it depends on; using it does."""
    assert not imported("import fhirtrial") & HEAVY
    assert "orjson" in imported("import fhirtrial\nfhirtrial.read")


def test_help_brings_nothing_heavy() -> None:
    """The command line answers --help with click alone."""
    code = "import fhirtrial.cli\ntry: fhirtrial.cli.main(['convert', '--help'])\nexcept SystemExit: pass"
    assert imported(code) & HEAVY == {"click"}


def test_default_mapper_there_and_back() -> None:
    """The functions work over a mapper that is made once."""
    record = next(fhirtrial.read(STUDY))
    resources = fhirtrial.convert(record, verify=True).resources
    assert fhirtrial.restore(resources, verify=True) == record
    assert list(fhirtrial.restore_all(resources)) == [record]
    assert fhirtrial._default() is fhirtrial._default()
