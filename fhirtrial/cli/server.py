"""What commands that talk to a server have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fhirtrial.errors import UsageError

if TYPE_CHECKING:
    from fhirtrial.server.client import FhirClient


def client_of(server: str, *, release: str | None = None, **settings: Any) -> FhirClient:
    """The client for a server: settings by options, the rest of them and the credentials by the environment."""
    from fhirtrial.server.settings import Settings

    return Settings.read(**settings).client(server, release=release)


def check_places(verb: str, sources: Sequence[str], server: str | None, *, all_: bool) -> None:
    """Raises UsageError unless it is said what to read: sources, or a server with numbers of studies or with --all."""
    if server is None and (all_ or not sources):
        raise UsageError(f"say what to {verb}: SOURCE..., or --server URL with numbers or --all")
    if server is not None and all_ == bool(sources):
        raise UsageError("with --server say which studies: their numbers, or --all")
