"""The blocks of a page: each is read on its own, in any order, and one that is unknown or comes again is reported."""

from __future__ import annotations

import random
import re

import pytest

from .page_texts import BLOCKS, HEAD, SEED, TITLES, leaves, odd, read
from .page_writer import SENTENCES

LEAVES_OF_BLOCK = {
    "Study Results": r"hasResults",
    "Basic Information": r".*(overallStatus|phases\[\d\]|enrollmentInfo\.count|studyType|startDateStruct.*|completionDate.*)",
    "Brief Summary": r".*briefSummary",
    "Detailed Description": r".*detailedDescription",
    "Conditions": r".*conditionsModule.*",
    "Study Design": r".*designInfo.*",
    "Study Groups": r".*(armGroups|armGroupLabels).*",
    "Interventions": r"nothing: the groups say the same",
    "Eligibility Criteria": r".*eligibilityModule.*",
    "Sponsors": r".*leadSponsor.*",
    "Responsible Party": r".*responsibleParty.*",
    "Principal Investigators": r".*overallOfficials.*",
    "Locations": r".*locations.*",
    "Countries": r"nothing: the sites say the same",
    "Central Contacts": r".*centralContacts.*",
    "Facility Contacts": r".*locations\[0\]\.contacts.*",
    "Other Identifiers": r".*orgStudyIdInfo.*",
}


@pytest.mark.parametrize("title", TITLES)
def test_a_missing_block_takes_only_its_own_values_away(title: str) -> None:
    """Without one block, exactly its values are missing; only contacts of a site then have no place."""
    whole = dict(leaves(read(SEED)[0]))
    data, issues = read(HEAD + "".join(body for name, body in BLOCKS.items() if name != title))
    gone = {path for path in whole if re.fullmatch(LEAVES_OF_BLOCK[title], path)}
    assert dict(leaves(data)) == {path: value for path, value in whole.items() if path not in gone}
    assert gone or "nothing" in LEAVES_OF_BLOCK[title]
    assert odd(issues) == (["contradiction", "no-place"] if title == "Locations" else [])


@pytest.mark.parametrize("title", TITLES)
def test_a_block_alone_gives_its_values(title: str) -> None:
    """A block on its own gives the values that it gives within the page, without the ones it only completes."""
    whole = dict(leaves(read(SEED)[0]))
    data, _ = read(BLOCKS[title])
    alone = dict(leaves(data))
    assert alone.items() <= whole.items()
    if title not in ("Countries", "Facility Contacts"):
        assert alone


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_the_blocks_means_nothing(seed: int) -> None:
    """Blocks in another order give the same record."""
    bodies = [body.rstrip("\n") + "\n\n" for body in BLOCKS.values()]
    random.Random(seed).shuffle(bodies)
    data, issues = read(HEAD + "".join(bodies))
    assert data == read(SEED)[0]
    assert odd(issues) == []


@pytest.mark.parametrize("after", range(len(BLOCKS) + 1))
def test_an_unknown_block_is_reported_and_nothing_else_changes(after: int) -> None:
    """A block that the mapping file does not name is one issue with its title and line, wherever it stands."""
    bodies = [HEAD, *(body.rstrip("\n") + "\n\n" for body in BLOCKS.values())]
    before = "".join(bodies[: after + 1])
    block = "Outcome Measures\n\nReview the endpoints that this study measures.\n\nOverall survival\n\nTwo years\n\n"
    data, issues = read(before + block + "".join(bodies[after + 1 :]))
    assert data == read(SEED)[0]
    assert odd(issues) == ["unknown-block"]
    issue = next(issue for issue in issues if issue.code == "unknown-block")
    assert issue.place == f"page.txt:{before.count(chr(10)) + 1}"
    assert "'Outcome Measures'" in issue.message
    assert issue.record == "NCT05143125"


@pytest.mark.parametrize("title", ["Conditions", "Study Design", "Sponsors", "Locations", "Basic Information"])
def test_an_unknown_block_with_an_unusual_sentence_is_reported(title: str) -> None:
    """Below short values, any title with a sentence is a block, also one that no page has begun like that before."""
    block = "Funding Sources\n\nWho pays for this trial.\n\nA bank\n\n"
    data, issues = read(SEED.replace(BLOCKS[title], BLOCKS[title].rstrip("\n") + "\n\n" + block))
    assert data == read(SEED)[0]
    assert odd(issues) == ["unknown-block"]


@pytest.mark.parametrize("title", SENTENCES)
def test_a_changed_sentence_is_no_content(title: str) -> None:
    """A sentence in slightly other words is reported, not read; a missing one is reported and the block read."""
    whole = read(SEED)[0]
    data, issues = read(SEED.replace(SENTENCES[title], SENTENCES[title].replace("the", "those", 1).rstrip(".") + "!"))
    assert data == whole
    assert odd(issues) == ["changed-sentence"]
    data, issues = read(SEED.replace(SENTENCES[title] + "\n", ""))
    assert data == whole
    assert odd(issues) == ["missing-sentence"]


def test_a_title_within_a_text_is_text() -> None:
    """A line that only looks like a title stays in the text if the page has that block elsewhere."""
    text = SEED.replace("Natural killer cells", "Interventions\n\nNatural killer cells", 1)
    data, issues = read(text)
    summary = data["protocolSection"]["descriptionModule"]["briefSummary"]
    assert summary.startswith("Interventions\n\nNatural killer cells")
    assert len(data["protocolSection"]["armsInterventionsModule"]["interventions"]) == 1
    assert odd(issues) == []


def test_a_block_or_value_that_comes_again_is_reported() -> None:
    """The first of two equal titles counts; nothing is merged, and the second is reported."""
    data, issues = read(SEED + "\n\n" + BLOCKS["Conditions"].replace("Malignancy", "Asthma"))
    assert data == read(SEED)[0]
    assert odd(issues) == ["repeated-block"]
    _, issues = read(SEED.replace("NCT ID: NCT05143125", "NCT ID: NCT05143125\nNCT ID: NCT00000102"))
    assert odd(issues) == ["second-value"]
