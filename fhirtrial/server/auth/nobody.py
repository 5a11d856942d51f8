"""No credentials."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhirtrial.server.address import Address
from fhirtrial.server.courier import Courier


@dataclass(frozen=True, slots=True)
class Nobody:
    """Asks without saying who asks."""

    is_secret: bool = False

    def header(self, courier: Courier, base: Address) -> str | None:  # noqa: ARG002
        """No header."""
        return None

    def renewed(self, rejected: str) -> bool:  # noqa: ARG002
        """There is nothing else to try."""
        return False

    def secrets(self) -> Iterable[str]:
        """None."""
        return ()
