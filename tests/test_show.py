"""The readable view of a study shows what its resources say."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from fhirtrial.mapping.mapper import Mapper
from fhirtrial.readers import read
from fhirtrial.record import Record
from fhirtrial.report.show import show_record

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "corpus" / "ctgov" / "studies.jsonl.gz"


@pytest.fixture(scope="module")
def mapper() -> Mapper:
    return Mapper()


def shown(mapper: Mapper, record: Record, width: int = 200) -> str:
    console = Console(file=StringIO(), width=width)
    show_record(mapper.convert(record), console)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_example_shows_the_facts_of_its_page(mapper: Mapper) -> None:
    """The study that the project started from: number, title, phase, people, ages, site and issues are there."""
    text = shown(mapper, next(read(ROOT / "examples" / "NCT05143125.page.txt")))

    for fact in (
        "NCT05143125",
        "Treatment of Malignant Tumors With NK Cell",
        "Phase 1/Phase 2",
        "60 (not said whether planned or actual)",
        "Shenzhen University General Hospital",
        "18 Years to 70 Years",
        "China (1: 1 recruiting)",
        "[masked-value]",
    ):
        assert fact in text


def test_markup_in_a_record_is_text(mapper: Mapper) -> None:
    """Brackets in a record are shown as they are: nothing in it is taken for an instruction."""
    study = {
        "protocolSection": {
            "identificationModule": {"nctId": "NCT00000102", "briefTitle": "A [bold]study[/bold] [/]"},
            "descriptionModule": {"briefSummary": "See [link=file:///etc/passwd]here[/link]"},
        }
    }
    text = shown(mapper, next(read(study)))

    assert "A [bold]study[/bold] [/]" in text
    assert "[link=file:///etc/passwd]here[/link]" in text


def test_a_record_of_a_number_alone_is_shown(mapper: Mapper) -> None:
    """What is absent is not invented: a record without anything else shows its number."""
    text = shown(mapper, next(read({"protocolSection": {"identificationModule": {"nctId": "NCT00000102"}}})))

    assert "NCT00000102  (no title)" in text
    assert "Status" not in text


@pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared records is not beside the checkout")
def test_every_shared_record_is_shown(mapper: Mapper) -> None:
    """Each real record can be shown, with its title, its conditions and every arm."""
    for record in read(SHARED):
        text = " ".join(shown(mapper, record, 400).split())
        protocol = record.data["protocolSection"]

        assert record.id in text
        for condition in protocol.get("conditionsModule", {}).get("conditions", ())[:3]:
            assert " ".join(condition.split()) in text
        for arm in protocol.get("armsInterventionsModule", {}).get("armGroups", ()):
            assert arm["label"].split()[0] in text
