"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from fhirtrial.pipelines.participants import Participants

RELEASE = click.Choice(["R4", "R4B", "R5"])


def sources(command: Callable[..., None]) -> Callable[..., None]:
    """The sources: at least one."""
    return click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)(command)


mappings = click.option("--mappings", metavar="DIR", help="Your own mapping files: each replaces the one of its name.")
verify = click.option("--verify", is_flag=True, help="Make everything back, and report every difference.")
issues = click.option(
    "--issues", metavar="FILE", help="Write the issues there as JSON Lines (-: standard output), not to standard error."
)
contacts = click.option("--no-contacts", is_flag=True, help="Leave out names, phones and e-mails of contacts.")
server = click.option("--server", metavar="URL", help="The base of a FHIR server, as https://example.org/fhir.")
server_needed = click.option(
    "--server", metavar="URL", required=True, help="The base of a FHIR server, as https://example.org/fhir."
)
source_release = click.option(
    "--from", "source_release", type=RELEASE, help="The release of what is read; else by what stands in it."
)
input_format = click.option(
    "--input-format",
    metavar="NAME",
    help="Read study, page, array, jsonl, text, zip, folder, sdtm or roster; else by the content.",
)


def connection(command: Callable[..., None]) -> Callable[..., None]:
    """How a server is reached: the options of `fhirtrial.server.settings.Settings`, by their names."""
    for option in reversed(_CONNECTION):
        command = option(command)
    return command


_CONNECTION = [
    click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(0, min_open=True),
        help="What the server has for each answer; else FHIRTRIAL_TIMEOUT, or 120.",
    ),
    click.option(
        "--attempts",
        metavar="N",
        type=click.IntRange(1),
        help="How often a request is sent at most; else FHIRTRIAL_ATTEMPTS, or 6.",
    ),
    click.option(
        "--ca-bundle",
        metavar="FILE",
        help="The certificates to trust; else FHIRTRIAL_CA_BUNDLE, SSL_CERT_FILE, or those that come along.",
    ),
    click.option(
        "--client-certificate",
        metavar="FILE",
        help="Our own certificate, where the server wants one; else FHIRTRIAL_CLIENT_CERTIFICATE.",
    ),
    click.option(
        "--client-key",
        metavar="FILE",
        help="The key of that certificate, unless it stands in the same file; else FHIRTRIAL_CLIENT_KEY.",
    ),
    click.option(
        "--gzip", is_flag=True, default=None, help="Pack large requests, if the server takes that; else FHIRTRIAL_GZIP."
    ),
    click.option(
        "--links",
        metavar="same|rewrite|URL",
        help="What links to further pages may name: the server's address, any (rewrite: only their path counts, behind "
        "a proxy), or the URL that the server believes to have; else FHIRTRIAL_LINKS.",
    ),
    click.option(
        "--plain-http",
        is_flag=True,
        default=None,
        help="Send credentials also where they are not encrypted; else FHIRTRIAL_PLAIN_HTTP.",
    ),
]

jobs = click.option("--jobs", metavar="N", default=1, type=click.IntRange(1), help="Processes that convert.")

_PARTICIPANTS = (
    click.option(
        "--study", metavar="RECORD", help="The registry's record that participants are tied to; it is converted too."
    ),
    click.option("--subjects-only", is_flag=True, help="With --study: make nothing of the study itself."),
    click.option(
        "--pseudonymise",
        metavar="KEYFILE",
        help="Replace subjects' ids by hashes with this key, cut birth dates to the year, drop ages above 89.",
    ),
    click.option("--no-sex", is_flag=True, help="Leave out the sex of participants."),
    click.option("--no-race", is_flag=True, help="Leave out race and ethnicity of participants."),
    click.option("--us-core-race", is_flag=True, help="Say race and ethnicity on the Patient too, as US Core does."),
    click.option("--zone", metavar="ZONE", default="", help="The zone of times that say none: Europe/Berlin, +08:00."),
    click.option("--encoding", metavar="NAME", default="", help="The encoding of CSV and SAS files, if not UTF-8."),
    click.option("--decimal-comma", is_flag=True, help="In tables, 1,5 is a number."),
    click.option(
        "--explode",
        is_flag=True,
        help="Make of each interval of dosing its single doses besides, by its frequency; marked as derived.",
    ),
)


def participants(command: Callable[..., None]) -> Callable[..., None]:
    """What is told about participants' data; the command gets it as ``participants``."""

    @wraps(command)
    def told(
        *,
        study: str | None,
        subjects_only: bool,
        pseudonymise: str | None,
        no_sex: bool,
        no_race: bool,
        us_core_race: bool,
        zone: str,
        encoding: str,
        decimal_comma: bool,
        explode: bool,
        **others: Any,
    ) -> None:
        command(
            participants=_told(
                study=study,
                subjects_only=subjects_only,
                pseudonymise=pseudonymise,
                sex=not no_sex,
                race=not no_race,
                us_core_race=us_core_race,
                zone=zone,
                encoding=encoding,
                decimal_comma=decimal_comma,
                explode=explode,
            ),
            **others,
        )

    found: Callable[..., None] = told
    for option in reversed(_PARTICIPANTS):
        found = option(found)
    return found


def _told(
    *,
    study: str | None,
    subjects_only: bool,
    pseudonymise: str | None,
    sex: bool,
    race: bool,
    us_core_race: bool,
    zone: str,
    encoding: str,
    decimal_comma: bool,
    explode: bool,
) -> Participants:
    from fhirtrial.errors import UsageError
    from fhirtrial.pipelines.participants import Participants, Privacy
    from fhirtrial.pseudonyms import Pseudonyms

    if subjects_only and study is None:
        raise UsageError("--subjects-only goes with --study RECORD: without it there is nothing of the study")
    if us_core_race and not race:
        raise UsageError("--us-core-race says what --no-race leaves out: choose one of them")
    pseudonyms = None if pseudonymise is None else Pseudonyms.in_file(pseudonymise)
    return Participants(
        study=study,
        study_too=not subjects_only,
        privacy=Privacy(pseudonyms=pseudonyms, sex=sex, race=race),
        us_core_race=us_core_race,
        zone=zone,
        encoding=encoding,
        decimal_comma=decimal_comma,
        explode=explode,
    )
