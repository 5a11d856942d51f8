"""User and password: https://www.rfc-editor.org/rfc/rfc7617"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from fhirtrial.errors import UsageError
from fhirtrial.server.address import Address
from fhirtrial.server.courier import Courier
from fhirtrial.server.secret import Secret


@dataclass(frozen=True, slots=True)
class Basic:
    """
    A user and a password, sent with each request. Raises UsageError if the user's name holds a colon.

    >>> Basic("loader", Secret.text("open sesame"))
    Basic(user='loader', password=Secret(•••))
    """

    user: str
    password: Secret

    def __post_init__(self) -> None:
        if ":" in self.user or not self.user:
            raise UsageError("the name of a user is not empty and holds no colon")

    @property
    def is_secret(self) -> bool:
        """The password can be read from the header."""
        return True

    def header(self, courier: Courier, base: Address) -> str | None:  # noqa: ARG002
        """User and password in Base64."""
        return f"Basic {self._token()}"

    def renewed(self, rejected: str) -> bool:
        """Whether the password was changed where it is read from."""
        return rejected != f"Basic {self._token()}"

    def secrets(self) -> Iterable[str]:
        """The password, and both in Base64."""
        return (self.password.reveal(), self._token())

    def _token(self) -> str:
        return b64encode(f"{self.user}:{self.password.reveal()}".encode()).decode("ascii")
