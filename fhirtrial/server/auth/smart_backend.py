"""SMART backend services: https://hl7.org/fhir/smart-app-launch/backend-services.html"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from fhirtrial.errors import UsageError
from fhirtrial.server.address import Address
from fhirtrial.server.auth.signing import Signer, load_signer
from fhirtrial.server.auth.token import TokenKeeper, TokenRequest, checked_endpoint
from fhirtrial.server.courier import Courier
from fhirtrial.server.errors import AuthError, Facts
from fhirtrial.server.secret import Secret
from fhirtrial.server.wire import Outgoing

_LIFE = 240
"""Seconds that an assertion lives; SMART allows 300, and the clocks of two machines differ."""

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_CONFIGURATION = "/.well-known/smart-configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartBackend:
    """
    A client with a private key, whose public half the authorization server knows; it gets a token for some minutes.

    The key signs with RS384 (RSA) or ES384 (P-384), as SMART wants:
    https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html

    Args:
        client_id: the name by which the authorization server knows the client.
        private_key: PEM, a JWK or a JWK Set in JSON; not encrypted.
        key_id: the ``kid`` of the key; needed with PEM, and to choose from several in a set.
        scope: what the token shall be good for.
        token_url: the token endpoint; empty: as the FHIR server names it in its SMART configuration.
        key_set_url: where the public keys are, if the authorization server shall be told (``jku``).
        plain_http: whether the endpoint may be one without encryption.

    Raises UsageError if one of them cannot be meant, or if the extra ``auth`` is not installed.

    """

    client_id: str
    private_key: Secret
    key_id: str = ""
    scope: str = "system/*.read system/*.write"
    token_url: str = ""
    key_set_url: str = ""
    plain_http: bool = False
    _keeper: TokenKeeper = field(init=False, repr=False, compare=False)
    _signer: Signer = field(init=False, repr=False, compare=False)
    _found: list[str] = field(init=False, repr=False, compare=False, default_factory=list)
    _sent: list[str] = field(init=False, repr=False, compare=False, default_factory=list)

    def __post_init__(self) -> None:
        if self.token_url:
            checked_endpoint(self.token_url, plain_http=self.plain_http)
        if not self.client_id:
            raise UsageError("the client has no id")
        object.__setattr__(self, "_signer", load_signer(self.private_key, self.key_id, self.key_set_url))
        object.__setattr__(self, "_keeper", TokenKeeper(lambda: tuple(self._sent)))

    @property
    def is_secret(self) -> bool:
        """Whoever reads the token can use it."""
        return True

    def header(self, courier: Courier, base: Address) -> str | None:
        """The token in use. Raises AuthError."""
        url = self._endpoint(courier, base)
        return self._keeper.header(courier, self._request(url, courier), f"token from {url}")

    def renewed(self, rejected: str) -> bool:
        """A new token is asked for."""
        return self._keeper.renewed(rejected)

    def secrets(self) -> Iterable[str]:
        """The token, and the assertion it was asked for with; the key itself is never sent."""
        return self._keeper.secrets()

    def _request(self, url: str, courier: Courier) -> Callable[[], TokenRequest]:
        def make() -> TokenRequest:
            claims = {
                "iss": self.client_id,
                "sub": self.client_id,
                "aud": url,
                "exp": int(courier.clock()) + _LIFE,
                "jti": courier.new_id(),
            }
            assertion = self._signer.sign(claims)
            self._sent[:] = [assertion]
            fields = {
                "grant_type": "client_credentials",
                "scope": self.scope,
                "client_assertion_type": _ASSERTION_TYPE,
                "client_assertion": assertion,
            }
            return TokenRequest(url=url, fields=fields)

        return make

    def _endpoint(self, courier: Courier, base: Address) -> str:
        """
        The token endpoint. https://hl7.org/fhir/smart-app-launch/conformance.html

        An assertion names the endpoint that it is for: even a wrong one could not use it elsewhere.
        """
        if self.token_url:
            return self.token_url
        if not self._found:
            url = base.text + _CONFIGURATION
            facts = Facts(what="SMART configuration", server=base.text)
            response = courier.deliver(
                lambda: Outgoing(method="GET", url=url, headers={"Accept": "application/json"}), facts, repeat="always"
            )
            content = response.content if isinstance(response.content, dict) else {}
            named = content.get("token_endpoint")
            if response.status != 200 or not isinstance(named, str):
                raise AuthError(f"{url} names no token endpoint; give it as token_url", facts)
            try:
                self._found.append(checked_endpoint(named, plain_http=self.plain_http))
            except UsageError as problem:
                raise AuthError(str(problem), facts) from None
        return self._found[0]
