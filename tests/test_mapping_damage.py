"""Mapping files whose lines are damaged give a mapping error or a mapping, never a crash."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

from fhirtrial.errors import MappingError
from fhirtrial.mapping.mapper import Mapper

from .changed_mapping import MAPPINGS


def damages() -> Iterator[tuple[str, str, str]]:
    """Every line of the small mapping files, damaged in simple ways: the file, what was done, the text."""
    for name in ("organization", "role", "location", "practitioner", "provenance", "plan", "intervention"):
        file = f"ctgov/{name}.yaml"
        lines = (MAPPINGS / file).read_text("utf-8").splitlines()
        for place, line in enumerate(lines):
            head, colon, rest = line.partition(": ")
            for damaged in (
                [],
                [f"{line} x"],
                [line.replace("$.", "$", 1)],
                [line.replace("{", "[", 1)],
                [f"- {line}"],
                [f"{head}{colon}[{rest}]"],
                [f"{head}:"],
                [line.replace("$", "", 1)],
            ):
                text = "\n".join([*lines[:place], *damaged, *lines[place + 1 :]]) + "\n"
                yield file, f"{file}:{place + 1}: {damaged}", text


def test_all_errors_are_ours(tmp_path: Path) -> None:
    """A damaged line gives a mapping error or a mapping, never a crash (all of them with FHIRTRIAL_LONG=1)."""
    found = list(damages())
    if not os.environ.get("FHIRTRIAL_LONG"):
        found = random.Random(3).sample(found, 40)
    (tmp_path / "ctgov").mkdir()
    crashes: list[str] = []
    for file, what, text in found:
        (tmp_path / file).write_text(text, "utf-8")
        try:
            Mapper(mappings=tmp_path)
        except MappingError:
            pass
        except Exception as error:
            crashes.append(f"{what}: {type(error).__name__}: {error}")
        (tmp_path / file).unlink()
    assert crashes == []
