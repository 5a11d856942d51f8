"""
The commands, by name; each is imported when it runs, so that ``--help`` answers at once.

What a command raises becomes one line on standard error and an exit code.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from importlib import import_module
from typing import Any

import click

from fhirtrial.cli.exits import BROKEN_PIPE, INTERRUPTED, REFUSED, SERVER, USAGE
from fhirtrial.errors import FhirtrialError, InputError, MappingError, UsageError
from fhirtrial.version import __version__

COMMANDS = {
    "check": "Read and convert records, and report what there is to say; nothing is written.",
    "convert": "Make FHIR of a registry's records, or of participants' data.",
    "definitions": "Write the definitions of everything of our own in the output: extensions, codes, searches.",
    "duplicates": "List the identifiers that several resources of a server share.",
    "load": "Load a registry's records into a FHIR server, or a folder: each resource once.",
    "coverage": "Print where each field of the registry goes, with file and line, or why it is left out.",
    "release": "Turn FHIR resources into another release.",
    "restore": "Make a registry's records of FHIR, of whatever release.",
    "subjects": "Print figures of participants, arm by arm, from FHIR of whatever release.",
    "show": "Print a study for people: what it says, and what it becomes.",
}
"""Each command with the first line of its help, for the list of all of them."""

PLACES = {"check": "convert", "duplicates": "load"}
"""Where a command is, if not in a file of its own name."""


class Commands(click.Group):
    """The commands, imported one by one, and what they raise."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names, sorted."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of a name."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"fhirtrial.cli.{PLACES.get(cmd_name, cmd_name)}"), cmd_name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(sorted(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a command."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except (MappingError, UsageError) as error:
            say(f"error: {error}")
            ctx.exit(USAGE)
        except InputError as error:
            say(str(error))
            ctx.exit(REFUSED)
        except BrokenPipeError:
            # So that the interpreter does not fail when it flushes at its end.
            # https://docs.python.org/3/library/signal.html#note-on-sigpipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(BROKEN_PIPE)
        except (KeyboardInterrupt, SystemExit) as stop:
            say(": ".join(["stopped", *notes(stop)]))
            ctx.exit(INTERRUPTED if isinstance(stop, KeyboardInterrupt) else int(stop.code or 0))
        except (FhirtrialError, OSError) as error:
            say("\n".join([f"error: {error}", *notes(error)]))
            ctx.exit(SERVER if is_of_server(error) else REFUSED)
        else:
            return result


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="fhirtrial %(version)s")
def main() -> None:
    """
    Carries clinical trials from registries to FHIR and back, without loss.

    A SOURCE is a file, a folder, or - for standard input. Exit codes: 0 all good, 1 some records were refused, 2 the
    command or a mapping file is wrong, 3 a server cannot be reached or does not want us, 130 stopped with Ctrl-C.
    """
    signal.signal(signal.SIGTERM, _stop)
    # Long runs hold much and leave no circles behind: looking for these as often as usual costs a sixth of the time.
    gc.set_threshold(100_000, 50, 100)


def notes(error: BaseException) -> list[str]:
    """What a command has added to an error: how to go on."""
    return getattr(error, "__notes__", [])


def is_of_server(error: BaseException) -> bool:
    """Whether it is a server's, or of the way to it."""
    from fhirtrial.server.errors import ServerError

    return isinstance(error, ServerError)


def _stop(number: int, frame: object) -> None:  # noqa: ARG001
    """Ends the run in order, so that nothing half is left."""
    raise SystemExit(128 + number)


def say(text: str) -> None:
    """Says something on standard error."""
    click.echo(text, err=True)
