"""What commands that talk to a server have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from fhirtrial.cli.app import say
from fhirtrial.cli.exits import SERVER

if TYPE_CHECKING:
    from fhirtrial.server.client import FhirClient
    from fhirtrial.server.courier import Resend


def client_of(
    server: str, *, release: str | None = None, noticed: Callable[[Resend], object] = lambda _: None
) -> FhirClient:
    """The client for a server, with the credentials of the environment."""
    from fhirtrial.server.auth.environment import from_environment
    from fhirtrial.server.client import FhirClient

    return FhirClient(server, auth=from_environment(), release=release, noticed=noticed)


@contextmanager
def server_errors() -> Iterator[None]:
    """Makes one line and an exit code of its own of what a server does wrong; Ctrl-C says how to go on."""
    from fhirtrial.server.errors import ServerError

    try:
        yield
    except ServerError as error:
        say(f"error: {error}")
        say("what was written is remembered: the same command goes on")
        raise click.exceptions.Exit(SERVER) from error
    except KeyboardInterrupt:
        say("stopped: what was written is remembered; the same command goes on")
        raise click.exceptions.Exit(130) from None
