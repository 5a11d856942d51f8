"""OAuth2 client credentials: https://www.rfc-editor.org/rfc/rfc6749#section-4.4"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote_plus

from fhirtrial.errors import UsageError
from fhirtrial.server.address import Address
from fhirtrial.server.auth.token import TokenKeeper, TokenRequest, checked_endpoint
from fhirtrial.server.courier import Courier
from fhirtrial.server.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """
    A client with a secret, which gets a token for some time.

    Args:
        token_url: the token endpoint.
        client_id: the name by which the authorization server knows the client.
        client_secret: its secret.
        scope: what the token shall be good for; empty: what the server gives.
        audience: for servers that want to be told which API the token is for; empty: not sent.
        secret_in: ``header`` (what the specification prefers) or ``body``.
        plain_http: whether the endpoint may be one without encryption.

    Raises UsageError if one of them cannot be meant.

    """

    token_url: str
    client_id: str
    client_secret: Secret
    scope: str = ""
    audience: str = ""
    secret_in: Literal["header", "body"] = "header"  # noqa: S105 - where it stands, not what it is
    plain_http: bool = False
    _keeper: TokenKeeper = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checked_endpoint(self.token_url, plain_http=self.plain_http)
        if not self.client_id:
            raise UsageError("the client has no id")
        if self.secret_in not in ("header", "body"):
            raise UsageError(f"a client's secret stands in the 'header' or the 'body', not in {self.secret_in!r}")
        object.__setattr__(self, "_keeper", TokenKeeper(lambda: (self.client_secret.reveal(), self._pair())))

    @property
    def is_secret(self) -> bool:
        """Whoever reads the token can use it."""
        return True

    def header(self, courier: Courier, base: Address) -> str | None:  # noqa: ARG002
        """The token in use. Raises AuthError."""
        return self._keeper.header(courier, self._request, f"token from {self.token_url}")

    def renewed(self, rejected: str) -> bool:
        """A new token is asked for."""
        return self._keeper.renewed(rejected)

    def secrets(self) -> Iterable[str]:
        """The token and the client's secret."""
        return self._keeper.secrets()

    def _request(self) -> TokenRequest:
        fields = {"grant_type": "client_credentials"}
        if self.scope:
            fields["scope"] = self.scope
        if self.audience:
            fields["audience"] = self.audience
        if self.secret_in == "header":  # noqa: S105
            return TokenRequest(url=self.token_url, fields=fields, headers={"Authorization": f"Basic {self._pair()}"})
        fields |= {"client_id": self.client_id, "client_secret": self.client_secret.reveal()}
        return TokenRequest(url=self.token_url, fields=fields)

    def _pair(self) -> str:
        """Both in Base64, each form-encoded first: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1"""
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret.reveal())}"
        return b64encode(pair.encode()).decode("ascii")
