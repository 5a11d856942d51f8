"""Where the mapping files are: a user's own folder first, then the package, or beside it in a checkout."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import orjson

from fhirtrial.errors import MappingError


def mappings_root() -> Traversable:
    """
    The folder of the mapping files that come with fhirtrial.

    Raises MappingError if neither the package nor the checkout holds one (a broken installation).
    """
    inside = files("fhirtrial") / "mappings"
    beside = Path(__file__).resolve().parent.parent / "mappings"
    for folder in (inside, beside):
        if (folder / "prefixes.yaml").is_file():
            return folder
    raise MappingError(f"no mapping files, neither in {inside} nor in {beside}", file="prefixes.yaml")


class MappingFiles:
    """
    The mapping files by name (``ctgov/study.yaml``): a user's own folder is searched first, then those of fhirtrial.

    >>> "prefixes.yaml" in list(MappingFiles().names(""))
    True
    """

    def __init__(self, own: Path | None = None) -> None:
        if own is not None and not own.is_dir():
            raise MappingError("no such folder of mapping files", file=str(own))
        self.folders: tuple[Traversable, ...] = ((own,) if own else ()) + (mappings_root(),)

    def find(self, name: str) -> Traversable | None:
        """The file of that name in the first folder that has it."""
        for folder in self.folders:
            file = folder.joinpath(*name.split("/"))
            if file.is_file():
                return file
        return None

    def read_bytes(self, name: str) -> bytes:
        """The bytes of the file of that name. Raises MappingError if there is none."""
        file = self.find(name)
        if file is None:
            raise MappingError(f"no such mapping file in {', '.join(map(str, self.folders))}", file=name)
        return file.read_bytes()

    def registries(self) -> list[str]:
        """
        The names of all folders that hold a registry's mapping, that of ClinicalTrials.gov first, the others sorted.

        >>> MappingFiles().registries()[:2]
        ['ctgov', 'roster']
        """
        found = {
            folder.name
            for root in self.folders
            for folder in root.iterdir()
            if folder.is_dir() and folder.joinpath("mapping.yaml").is_file()
        }
        return sorted(found, key=lambda name: (name != "ctgov", name))

    def read_json(self, name: str) -> Any:
        """What the JSON file of that name says. Raises MappingError if there is none, or if it is not JSON."""
        try:
            return orjson.loads(self.read_bytes(name))
        except orjson.JSONDecodeError as error:
            raise MappingError(f"not JSON: {error.msg}", file=name, line=error.lineno) from error

    def names(self, folder: str, ending: str = ".yaml") -> Iterator[str]:
        """The names of all files of a folder, each once, sorted."""
        found: set[str] = set()
        for root in self.folders:
            place = root.joinpath(*folder.split("/")) if folder else root
            if place.is_dir():
                found |= {file.name for file in place.iterdir() if file.is_file() and file.name.endswith(ending)}
        prefix = f"{folder}/" if folder else ""
        yield from (prefix + name for name in sorted(found))
