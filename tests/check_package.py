"""
The package as users get it: built, installed into an environment of its own, and used away from the checkout.

    python tests/check_package.py

Run by `make test`. Exits with 1 and says why if the wheel lacks a mapping file or does not work.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Builds, installs, converts and restores; 0 if all of it works."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        run([*pip, "wheel", "--no-deps", "--wheel-dir", str(place), str(ROOT)])
        (wheel,) = place.glob("fhirtrial-*.whl")
        problems = compare(wheel)
        python = environment(place / "env")
        run([str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", str(wheel)])
        problems += use(python, place)
    for problem in problems:
        print(problem)
    print(f"package: {'works' if not problems else 'does not work'}")
    return 1 if problems else 0


def compare(wheel: Path) -> list[str]:
    """What the wheel lacks of the files that git knows, and what it should not have."""
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if not name.split("/")[0].endswith(".dist-info")}
    tracked = run(["git", "ls-files", "mappings", "fhirtrial"], cwd=ROOT).split()
    wanted = {name if name.startswith("fhirtrial/") else f"fhirtrial/{name}" for name in tracked}
    return [f"not in the wheel: {name}" for name in sorted(wanted - inside)] + [
        f"should not be in the wheel: {name}" for name in sorted(inside - wanted)
    ]


def environment(place: Path) -> Path:
    """A new environment; its python."""
    venv.create(place, with_pip=True)
    return place / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def use(python: Path, place: Path) -> list[str]:
    """Problems met by somebody who has only the package: the example goes there and back."""
    study = json.loads((ROOT / "examples" / "studies.jsonl").read_text("utf-8").splitlines()[0])
    (place / "study.json").write_text(json.dumps(study), "utf-8")
    command = [str(python), "-I", "-m", "fhirtrial"]
    run([*command, "convert", "study.json", "-o", "out/"], cwd=place)
    restored = json.loads(run([*command, "restore", "out/"], cwd=place))
    return [] if restored == wanted(study) else ["the installed package does not restore what it converted"]


def wanted(study: dict[str, object]) -> dict[str, object]:
    """The study without what the mapping leaves out, by the checkout's own schema."""
    sys.path.insert(0, str(ROOT))
    from fhirtrial.files import MappingFiles
    from fhirtrial.schema import Schema

    return Schema.load(MappingFiles()).wanted(study)


def run(command: list[str], cwd: Path | None = None) -> str:
    """What a command prints; its errors are shown and end everything."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
