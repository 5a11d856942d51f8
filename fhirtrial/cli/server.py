"""The client of commands that talk to a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fhirtrial.server.client import FhirClient


def client_of(server: str, *, release: str | None = None, **settings: Any) -> FhirClient:
    """The client for a server: settings by options, the rest of them and the credentials by the environment."""
    from fhirtrial.server.settings import Settings

    return Settings.read(**settings).client(server, release=release)
