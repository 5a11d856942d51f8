"""What is loaded: a registry's records, converted, or FHIR resources that somebody has made already."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import orjson

from fhirtrial.errors import UsageError
from fhirtrial.identity import Identity, identity_of
from fhirtrial.issue import Issue
from fhirtrial.loading.item import Item, item_of
from fhirtrial.loading.loader import Group
from fhirtrial.loading.plan import in_order
from fhirtrial.pipelines.convert import begun, prepared
from fhirtrial.pipelines.converter import STUDIES, Converted, Options, chunks
from fhirtrial.pipelines.jobs import Jobs
from fhirtrial.pipelines.participants import Participants
from fhirtrial.pipelines.repeats import Repeats
from fhirtrial.readers import Seen, Source
from fhirtrial.readers.fhir import read_resources
from fhirtrial.readers.source import Piece
from fhirtrial.references import placeholders_in, with_references
from fhirtrial.releases.detect import release_of

_PEEKED = 1 << 16
_TOGETHER = 500
"""How many resources that belong to no record are loaded together."""

Refused = Callable[[Issue], object]


def from_records(
    sources: Iterable[Source],
    *,
    release: str,
    mappings: str | None = None,
    contacts: bool = True,
    input_format: str | None = None,
    jobs: int = 1,
    participants: Participants | None = None,
    noticed: Refused,
    opened: Callable[[BinaryIO], object] = lambda _: None,
) -> Iterator[Group]:
    """
    The studies and subjects that a registry's records become, one after the other.

    Issues, refusals among them, are ``noticed``.
    ``opened`` is called with each file that is opened.

    Raises MappingError and UsageError as `convert_all` does.
    """
    told = participants or Participants()
    options = Options(mappings=mappings, contacts=contacts, release=release, repeat=True)
    work, found = begun(sources, told, options, input_format, opened)
    seen, repeats = Seen(work.schema), Repeats()
    found = prepared(work, found)
    with Jobs(work, jobs) as pool:
        for chunk, results in pool.run(chunks(found)):
            for piece, result in zip(chunk.found, results, strict=True):
                issues = result.issues
                if result.id and isinstance(piece, Piece) and (again := seen.repeated(result.key, piece.origin)):
                    issues = (again,)
                for issue in repeats.left(issues):
                    noticed(issue)
                if result.id and not any(issue.severity == "error" for issue in issues):
                    place = str(piece.origin) if isinstance(piece, Piece) else ""
                    is_subject = isinstance(piece, Piece) and work.way(piece.registry or STUDIES).takes_study
                    items = list(_items(result, place))
                    yield Group(study=result.key, items=items, place=place, is_subject=is_subject)
    for issue in repeats.rest():
        noticed(issue)


def _items(result: Converted, place: str) -> Iterator[Item]:
    start = 0
    for _, shared, size in result.lines:
        text = result.text[start : start + size - 1]
        start += size
        yield item_of(text, study="" if shared else result.key, place=place)


def from_resources(sources: Iterable[str], *, release: str, noticed: Refused) -> Iterator[Group]:
    """
    Resources that are FHIR already, in the order of their references; all of them are held in memory.

    Raises UsageError if one of them is for another release than the target takes.
    """
    items = list(_made(sources, release, noticed))
    first: dict[Identity, Item] = {}
    for item in items:
        other = first.setdefault(item.identity, item)
        if other.reference != item.reference:
            message = f"{item.reference} has the identifier of {other.reference}: {item.identity}; it is not loaded"
            noticed(Issue(severity="error", code="same-identifier", message=message, place=item.place))
    items = [item for item in items if first[item.identity].reference == item.reference]
    ordered = in_order({item.reference: item for item in items}.values())
    for start in range(0, len(ordered), _TOGETHER):
        yield Group(study="", items=ordered[start : start + _TOGETHER])


def _made(sources: Iterable[str], release: str, noticed: Refused) -> Iterator[Item]:
    """The resources of all sources, each with an id, and with literal references where it has those of a Bundle."""
    found = [each for source in sources for each in read_resources(source, refused=noticed)]
    names: dict[str, dict[str, str]] = {}
    for each in found:
        kind, place = each.resource["resourceType"], str(each.origin)
        shown = release_of(each.resource)
        if shown is not None and (shown == "R5") != (release == "R5"):
            name = f"{kind}/{each.resource.get('id', '?')}"
            hint = f"fhirtrial release … --to {release} makes {release} of it"
            raise UsageError(f"{place}: {name} is {shown}, the target takes {release}; {hint}")
        identity = identity_of(each.resource)
        if not each.resource.get("id") and identity.system:
            # As entries that are to be created have none: one that is the same in each run.
            each.resource["id"] = sha256(f"{identity.system}|{identity.value}".encode()).hexdigest()[:32]
        if each.full_url is not None:
            names.setdefault(place, {})[each.full_url] = f"{kind}/{each.resource.get('id')}"
    for each in found:
        place = str(each.origin)
        if not each.resource.get("id"):
            message = f"a {each.resource['resourceType']} without id and identifier could not be found again"
            noticed(Issue(severity="error", code="no-identifier", message=f"{message}; it is not loaded", place=place))
            continue
        item = item_of(with_references(orjson.dumps(each.resource), names.get(place, {})), place=place)
        if lost := placeholders_in(item.text):
            message = f"{item.reference} refers to {lost[0]}, which is no entry of its Bundle; it is not loaded"
            noticed(Issue(severity="error", code="unresolved", message=message, place=place))
        else:
            yield item


def holds_resources(source: str) -> bool:
    """Whether a source holds FHIR resources, not a registry's records: by the first bytes of its first file."""
    if source == "-":
        peek = getattr(sys.stdin.buffer, "peek", None)
        return peek is not None and b'"resourceType"' in peek(_PEEKED)
    path = Path(source)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if not file.is_file() or file.name.startswith("."):
            continue
        try:
            with file.open("rb") as opened:
                start = opened.read(2)
            with gzip.open(file) if start == b"\x1f\x8b" else file.open("rb") as readable:
                return b'"resourceType"' in readable.read(_PEEKED)
        except OSError as error:
            raise UsageError(f"{os.fspath(file)}: cannot be read: {error.strerror or error}") from error
    return False
