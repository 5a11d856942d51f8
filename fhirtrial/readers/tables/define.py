"""
What a study's define.xml says about its tables: labels of columns, and code lists.

https://www.cdisc.org/standards/data-exchange/define-xml. Versions 2.0 and 2.1 are read alike: what is wanted of them
stands at the same places. The file is parsed without entities, without a DTD and without the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fhirtrial.readers.source import refusal
from fhirtrial.record import Origin

if TYPE_CHECKING:
    from lxml.etree import _Element

MAX_BYTES = 64 << 20
"""The most bytes that such a file may have. CDISC's sample has 0.6 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A value of a code list: what it stands for in words, and its code in the NCI Thesaurus; empty if not said."""

    value: str
    decode: str
    nci_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Define:
    """
    The variables of a study's datasets, both by the names of their files in lower case (``dm``).

    ``labels`` are those of the columns, ``code_lists`` the values that a column may have where it has a list of them.
    """

    study: str
    labels: Mapping[str, Mapping[str, str]]
    code_lists: Mapping[str, Mapping[str, Mapping[str, Term]]]


NOTHING = Define(study="", labels={}, code_lists={})
"""What is known where there is no define.xml."""


def read_define(path: str) -> Define:
    """
    What a define.xml says.

    Raises InputError if it cannot be read, is no XML, declares entities, or describes no datasets.
    """
    from lxml import etree

    origin = Origin(file=path)
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise refusal("unreadable", f"cannot be read: {error.strerror or error}", origin) from error
    if len(raw) > MAX_BYTES:
        raise refusal("record-too-large", f"has more than {MAX_BYTES:,} bytes", origin)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        raise refusal("not-xml", f"not XML: {error.msg}", origin) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise refusal("not-a-define", "it has a document type declaration, which no define.xml has", origin)
    datasets = list(_named(root, "ItemGroupDef"))
    if not datasets:
        raise refusal("not-a-define", "there are no datasets in it (ItemGroupDef)", origin)
    lists = {each.get("OID", ""): _terms(each) for each in _named(root, "CodeList")}
    items = {item.get("OID", ""): item for item in _named(root, "ItemDef")}
    labels: dict[str, dict[str, str]] = {}
    code_lists: dict[str, dict[str, Mapping[str, Term]]] = {}
    for dataset in datasets:
        name = dataset.get("Name", "").lower()
        for reference in _named(dataset, "ItemRef"):
            item = items.get(reference.get("ItemOID", ""))
            if item is None:
                continue
            column = item.get("Name", "")
            labels.setdefault(name, {})[column] = _words(item)
            for used in _named(item, "CodeListRef"):
                if terms := lists.get(used.get("CodeListOID", "")):
                    code_lists.setdefault(name, {})[column] = terms
    study = next((_text(each) for each in _named(root, "StudyName")), "")
    return Define(study=study, labels=labels, code_lists=code_lists)


def _named(node: _Element, name: str) -> Iterator[_Element]:
    """The elements of that name below a node, in whatever version's namespace."""
    return node.iter(f"{{*}}{name}")


def _terms(node: _Element) -> dict[str, Term]:
    terms = {}
    for kind in ("CodeListItem", "EnumeratedItem"):
        for item in _named(node, kind):
            value = item.get("CodedValue", "")
            decode = next((_words(each) for each in _named(item, "Decode")), "")
            codes = (alias.get("Name", "") for alias in _named(item, "Alias") if alias.get("Context") == _NCI)
            terms[value] = Term(value=value, decode=decode, nci_code=next(codes, ""))
    return terms


_NCI = "nci:ExtCodeID"


def _words(node: _Element) -> str:
    return next((_text(each) for each in _named(node, "TranslatedText")), "")


def _text(node: _Element) -> str:
    return " ".join((node.text or "").split())
