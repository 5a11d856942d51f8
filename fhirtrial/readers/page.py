"""
The text of a study's page, read into the registry's tree: the shape of the ClinicalTrials.gov API v2.

A page is a portrait of a record for people: a title, then blocks of lines. What each title stands for is said in
``mappings/ctgov/page.yaml``; here is only how lines of each kind are read. What a page shows is less than the record
has, and what cannot be read for certain is an issue with its line, not a value.

Records: https://clinicaltrials.gov/data-api/about-api/study-data-structure
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fhirtrial.files import MappingFiles
from fhirtrial.issue import Issue
from fhirtrial.readers.page_entries import read_entries
from fhirtrial.readers.page_groups import read_groups, read_interventions
from fhirtrial.readers.page_lines import Line, Part, lines_of, short, split_blocks, text_of
from fhirtrial.readers.page_mapping import Block, Value, load_page_mapping, own_files
from fhirtrial.readers.page_values import Page
from fhirtrial.record import Origin


def read_page(text: str, origin: Origin, files: MappingFiles | None = None) -> tuple[dict[str, Any], list[Issue]]:
    """
    The record that a page's text shows, as far as it shows it, and everything that is odd about the text.

    ``origin`` is the file that the issues name; ``files`` holds ``ctgov/page.yaml``. No text raises an error: a block
    that is missing is absent from the record, one that is not known is an issue. A text without a registry number gives
    a record without one. Raises MappingError if the mapping file is wrong.

    >>> data, issues = read_page("A Study\\nNCT ID: NCT00000102\\n\\nConditions\\n\\nSee the medical conditions and "
    ...     "disease areas that this research is targeting or investigating.\\n\\nAsthma\\n", Origin(file="page.txt"))
    >>> data["protocolSection"]["conditionsModule"], issues
    ({'conditions': ['Asthma']}, [])
    """
    page = Page(load_page_mapping(files or own_files()), origin)
    preamble, parts = split_blocks(lines_of(text), page.mapping, page.report)
    _read_preamble(page, preamble)
    first: dict[str, Part] = {}
    for part in parts:
        if part.block is None:
            count = len(part.filled)
            message = f"the block {short(part.heading.text)} is not known; its {count} lines are left out"
            page.report(part.heading, "unknown-block", message)
        elif first.setdefault(part.block.title, part) is not part:
            message = f"the block {part.block.title!r} stands here again; its {len(part.filled)} lines are left out"
            page.report(part.heading, "repeated-block", message, part.block)
    for part in first.values():
        if part.block is not None and part.block.kind == "countries":
            page.countries = frozenset(line.text for line in part.filled)
    for title, block in page.mapping.blocks.items():
        if title in first:
            if not first[title].filled:
                page.report(first[title].heading, "missing-value", f"nothing stands below {title!r}", block)
            _KINDS[block.kind](page, first[title], block)
    record = page.get(".".join(page.mapping.schema.id.path)) or ""
    ordered = sorted(page.issues, key=lambda found: found[0])
    return page.tree, [dataclasses.replace(issue, record=record) for _, issue in ordered]


def _read_preamble(page: Page, lines: Sequence[Line]) -> None:
    """The lines above the first block: the study's title, and labelled ones."""
    titled = False
    for line in lines:
        label = next((label for label in page.mapping.labels if line.text.startswith(label)), "")
        if label:
            spec = page.mapping.labels[label]
            _put(page, spec, line, line.text.removeprefix(label).strip())
        elif line.text and not titled:
            titled = True
            _put(page, page.mapping.title, line, line.text)
        elif line.text:
            page.unread(line, None)


def _put(page: Page, spec: Value, line: Line, text: str) -> None:
    """Read one value and set it; each one of a list."""
    value = page.value(spec, line, text)
    for one in value if isinstance(value, list) else [value]:
        if one is not None:
            page.put(spec.path, one, line, spec)


def _read_statement(page: Page, part: Part, block: Block) -> None:
    """Known lines that stand for a value, each with its own sentence below it."""
    sentence = ""
    for line in part.filled:
        if line.key in block.parts:
            spec = block.parts[line.key]
            page.put(spec.path, spec.value, line, spec)
            sentence = spec.sentence
        elif line.key == sentence:
            sentence = ""
        else:
            page.unread(line, block)


def _read_text(page: Page, part: Part, block: Block) -> None:
    """One text, as it is."""
    _put_text(page, block, part.body)


def _put_text(page: Page, block: Block, lines: Sequence[Line]) -> None:
    spec = block.parts[""]
    for line in lines:
        if page.is_masked(line.text):
            message = f"the page hides something here; carried as it stands: {short(line.text)}"
            page.report(line, "masked-value", message, spec, path=spec.path)
    if text := text_of(lines):
        page.put(spec.path, text, next(line for line in lines if line.text), spec)


def _read_list(page: Page, part: Part, block: Block) -> None:
    """One value per line."""
    for line in part.filled:
        _put(page, block.parts[""], line, line.text)


def _read_fields(page: Page, part: Part, block: Block) -> None:
    """Titles with one value below each."""
    for line, spec in _fields(page, part.filled, block, block.parts):
        if spec is None:
            page.unread(line, block)


def _fields(
    page: Page, lines: Sequence[Line], block: Block, fields: Mapping[str, Value]
) -> Iterator[tuple[Line, Value | None]]:
    """Read the fields among the lines, and give all lines back; those that belong to none, with None."""
    title: Line | None = None
    for line in lines:
        spec = fields.get(line.key) if line.key else None
        if spec is not None:
            if title is not None:
                page.report(title, "missing-value", f"nothing stands below {title.text!r}", block)
            title = line
            yield line, spec
        elif title is not None and line.text:
            spec = fields[title.key]
            title = None
            _put(page, spec, line, line.text)
            yield line, spec
        else:
            yield line, None
    if title is not None:
        page.report(title, "missing-value", f"nothing stands below {title.text!r}", block)


def _read_criteria(page: Page, part: Part, block: Block) -> None:
    """One text, its section titles as the registry writes them, and the fields below it."""
    sections: Mapping[str, str] = block.words["sections"]
    fields = {name: spec for name, spec in block.parts.items() if name}
    text: list[Line] = []
    ended = False
    for line, spec in _fields(page, part.body, block, fields):
        if spec is not None:
            ended = True
        elif line.key in sections:
            ended = False
            blank = Line(line.number, "", "")
            while text and not text[-1].text:
                text.pop()
            text += [*([blank] if text else []), Line(line.number, line.text, sections[line.key]), blank]
        elif not ended and (line.text or not text or text[-1].text):
            text.append(line)
        elif ended and line.text:
            page.unread(line, block)
    _put_text(page, block, text)


def _read_countries(page: Page, part: Part, block: Block) -> None:
    """The countries, which the sites say too: compared."""
    holder, _, name = block.words["of"].rpartition("[].")
    sites = {site[name] for site in page.get(holder) or () if name in site}
    listed = {line.text: line for line in part.filled if line.text not in page.mapping.absent}
    for country, line in listed.items():
        if country not in sites:
            message = f"{short(country)} is the country of no site, and is left out"
            page.report(line, "contradiction", message, block, path=block.words["of"])
    if missing := sorted(sites - listed.keys()):
        message = f"{', '.join(missing)}: the country of a site, but not listed here"
        page.report(part.heading, "contradiction", message, block, path=block.words["of"])


_KINDS: dict[str, Callable[[Page, Part, Block], None]] = {
    "statement": _read_statement,
    "text": _read_text,
    "list": _read_list,
    "fields": _read_fields,
    "criteria": _read_criteria,
    "entries": read_entries,
    "interventions": read_interventions,
    "groups": read_groups,
    "countries": _read_countries,
}
