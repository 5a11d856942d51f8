"""Participants who are not to be known: pseudonyms, and what is left out of what is handed on."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import Result

from fhirtrial.pseudonyms import Pseudonyms

from .tables import write
from .test_participants import CSV, KEY, run


def private(tmp_path: Path, files: dict[str, str], *options: str) -> tuple[str, list[dict[str, Any]], Result]:
    """What a folder becomes under a key, and what was said about it."""
    (tmp_path / "key").write_bytes(KEY + b"\n")
    issues = tmp_path / "issues.jsonl"
    folder = write(tmp_path / "data", files)
    done = run("convert", folder, "--pseudonymise", tmp_path / "key", "--issues", issues, *options)
    return done.stdout, [orjson.loads(line) for line in issues.read_bytes().splitlines()], done


def test_nothing_shows_an_id(tmp_path: Path) -> None:
    """Ids are gone from resources, texts, issues and restored rows; the same key gives the same pseudonyms."""
    dm = "STUDYID,USUBJID,SUBJID,BRTHDTC,AGE,AGEU\nS,S-0815,0815,1951-03-04,64,YEARS\n"
    ds = "STUDYID,USUBJID,DSSEQ,DSTERM,DSDECOD,DSSTDTC\nS,S-0815,1,Twin of S-0815 (no. 0815x),OTHER,2020-13-45\nS,S-9999,1,x,y,z\n"

    text, issues, done = private(tmp_path, {"dm.csv": dm, "ds.csv": ds})

    pseudonym = Pseudonyms(KEY).of("S-0815")
    assert pseudonym in text
    for place in (text, (tmp_path / "issues.jsonl").read_text(), done.stderr):
        assert "S-0815" not in place and "1951-03" not in place and "S-9999" not in place
        assert KEY.decode() not in place
    assert f"Twin of {pseudonym} (no. 0815x)" in text
    told = [issue for issue in issues if issue["code"] == "id-in-text"]
    assert [(issue["path"], issue["record"], issue["message"]) for issue in told] == [
        ("ds[0].DSTERM", pseudonym, "a subject's id stood in this text: it is replaced by the pseudonym")
    ]
    (tmp_path / "made.ndjson").write_text(text)
    run("restore", tmp_path / "made.ndjson", "--format", "sdtm", "-o", tmp_path / "tables")
    assert f'"S","{pseudonym}","{Pseudonyms(KEY).of("0815")}","1951",64' in (tmp_path / "tables/dm.csv").read_text()


@pytest.mark.parametrize(
    ("row", "kept", "said"),
    [
        ("89,YEARS,,1930-05", ("89", "1930"), ()),
        ("90,YEARS,,1930-05", (), ("dm.AGE", "dm.BRTHDTC")),
        ("1080,MONTHS,,", (), ("dm.AGE",)),
        ("1079,MONTHS,,", ("1079",), ()),
        (",,90-95,1930", (), ("dm.BRTHDTC",)),
        (",,,1929-05", (), ("dm.BRTHDTC",)),
        (",,,1930-05", ("1930",), ()),
    ],
)
def test_ages_above_89_are_taken_out(tmp_path: Path, row: str, kept: tuple[str, ...], said: tuple[str, ...]) -> None:
    """HIPAA's safe harbor: neither the age nor a year of birth shows one above 89; what is taken out is said."""
    dm = f"STUDYID,USUBJID,DMDTC,AGE,AGEU,AGETXT,BRTHDTC\nS,S-0815,2019-06-01,{row}\n"

    text, issues, _ = private(tmp_path, {"dm.csv": dm})

    assert tuple(issue["path"] for issue in issues if issue["code"] == "age-withheld") == said
    for value in ("89", "90", "1080", "1079", "95", "1930", "1929"):
        shown = any(f"{mark}{value}{end}" in text for mark in ('"', ":") for end in ('"', ",", "}"))
        assert shown == (value in kept), (value, text)
    assert ('"valueString":">89"' in text) == ("dm.AGE" in said or "90-95" in row)


def test_sex_and_race_can_be_left_out(tmp_path: Path) -> None:
    """With --no-sex and --no-race nothing says them, and an issue says that."""
    issues = tmp_path / "issues.jsonl"

    done = run("convert", CSV, "--no-sex", "--no-race", "--issues", issues)

    assert done.exit_code == 0, done.output
    assert '"gender"' not in done.stdout and "Hispanic" not in done.stdout and "Asian" not in done.stdout
    assert '"SEX"' not in done.stdout and "RACE1" not in done.stdout
    told = [orjson.loads(line) for line in issues.read_bytes().splitlines()]
    messages = [issue["message"] for issue in told if issue["code"] == "withheld" and issue["record"] == "SYN-01-002"]
    assert messages == [
        "1 values of sex were left out, as asked",
        "3 values of race and ethnicity were left out, as asked",
    ]
    assert '"gender"' in run("convert", CSV).stdout


def test_keys_that_are_none_are_refused_and_never_shown(tmp_path: Path) -> None:
    """A short key, a monotonous one, none: one line that names the file and shows nothing of it."""
    for content, problem in (
        (b"secret-but-short\n", "it has 16 bytes, and 32 are needed"),
        (b"ab" * 20, "the same few bytes again and again are no secret"),
    ):
        (tmp_path / "key").write_bytes(content)
        done = run("convert", CSV, "--pseudonymise", tmp_path / "key")
        assert done.exit_code == 2 and done.stdout == ""
        assert (
            done.stderr
            == f"error: {tmp_path}/key: this is no key for pseudonyms: {problem} (openssl rand -hex 32 makes one)\n"
        )
    done = run("convert", CSV, "--pseudonymise", tmp_path / "none")
    assert (done.exit_code, done.stderr) == (
        2,
        f"error: {tmp_path}/none: the key cannot be read: No such file or directory\n",
    )
    assert "0f1e" not in repr(Pseudonyms(KEY))
    with pytest.raises(TypeError, match="a key is not pickled"):
        pickle.dumps(Pseudonyms(KEY))
