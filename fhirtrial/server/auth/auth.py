"""What every way to say who asks has in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from fhirtrial.server.address import Address
from fhirtrial.server.courier import Courier


class Auth(Protocol):
    """Credentials for one server. They may be used by several threads at once."""

    @property
    def is_secret(self) -> bool:
        """Whether anything is sent that nobody on the way may read."""
        ...

    def header(self, courier: Courier, base: Address) -> str | None:
        """The value of ``Authorization`` for the next request to the server at ``base``. Raises AuthError."""
        ...

    def renewed(self, rejected: str) -> bool:
        """Whether it is worth asking again with another header than the one that was answered with 401."""
        ...

    def secrets(self) -> Iterable[str]:
        """What must not stand in any text, as far as it was used."""
        ...
