"""A token that somebody else got: https://www.rfc-editor.org/rfc/rfc6750"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhirtrial.server.address import Address
from fhirtrial.server.courier import Courier
from fhirtrial.server.secret import Secret, one_line


@dataclass(frozen=True, slots=True)
class Bearer:
    """
    A token, sent with each request. A file is read anew each time, so that whoever renews the token writes it there.

    Raises UsageError if the token cannot stand in a header.

    >>> Bearer(Secret.text("abcdefgh"))
    Bearer(token=Secret(•••))
    """

    token: Secret

    def __post_init__(self) -> None:
        one_line(self.token.reveal(), "the token")

    @property
    def is_secret(self) -> bool:
        """Whoever reads the token can use it."""
        return True

    def header(self, courier: Courier, base: Address) -> str | None:  # noqa: ARG002
        """The token."""
        return f"Bearer {one_line(self.token.reveal(), 'the token')}"

    def renewed(self, rejected: str) -> bool:
        """Whether there is another token now where it is read from."""
        return rejected != f"Bearer {self.token.reveal()}"

    def secrets(self) -> Iterable[str]:
        """The token."""
        return (self.token.reveal(),)
