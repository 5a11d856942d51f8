"""Signs assertions with a private key: https://www.rfc-editor.org/rfc/rfc7523"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from fhirtrial.errors import UsageError
from fhirtrial.server.secret import Secret

_FOR_PEOPLE = "RSA of at least 2,048 bits (RS384) or EC on P-384 (ES384)"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs claims; ``algorithm`` is ``RS384`` or ``ES384``."""

    algorithm: str
    headers: Mapping[str, str]
    _sign: Callable[[Mapping[str, Any]], str] = field(repr=False)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The claims as signed JSON Web Token."""
        return self._sign(claims)


def load_signer(private_key: Secret, key_id: str = "", key_set_url: str = "") -> Signer:
    """
    What signs with a private key: PEM, a JWK, or a JWK Set, from which ``key_id`` chooses.

    Raises UsageError if it is no such key, or if the extra ``auth`` is not installed. No text of an error holds any of
    the key.
    """
    try:
        import jwt
        from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    except ImportError:
        raise UsageError("SMART backend services need the extra 'auth': pip install 'fhirtrial[auth]'") from None

    text = private_key.reveal()
    key, kid = _from_json(text, key_id) if text.lstrip().startswith("{") else (_from_pem(text), key_id)
    if not kid:
        raise UsageError(f"{private_key}: the key has no id; give the one under which its public half is known")
    if isinstance(key, RSAPrivateKey) and key.key_size >= 2048:
        algorithm = "RS384"
    elif isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP384R1):
        algorithm = "ES384"
    else:
        raise UsageError(f"{private_key}: SMART wants a private key of {_FOR_PEOPLE}")
    headers = {"kid": kid, **({"jku": key_set_url} if key_set_url else {})}

    def sign(claims: Mapping[str, Any]) -> str:
        return jwt.encode(dict(claims), key, algorithm=algorithm, headers=headers)

    return Signer(algorithm, headers, sign)


def _from_pem(text: str) -> object:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(text.encode(), password=None)
    except TypeError:
        problem = "it is encrypted"
    except Exception:  # noqa: BLE001 - the library has no base for what a key can do wrong
        problem = "it is no PEM of a private key"
    raise UsageError(f"the private key cannot be read: {problem}")


def _from_json(text: str, key_id: str) -> tuple[object, str]:
    """The key of a JWK or JWK Set, and its id. https://www.rfc-editor.org/rfc/rfc7517"""
    import jwt

    try:
        content = orjson.loads(text)
        found = content.get("keys", [content])
        private = [each for each in found if "d" in each and (not key_id or each.get("kid", key_id) == key_id)]
        chosen = private[0] if len(private) == 1 else None
        key = None if chosen is None else jwt.PyJWK.from_dict(chosen).key
    except Exception:  # noqa: BLE001 - whatever is wrong with it: its text could show the key
        chosen, key = None, None
    if chosen is None or key is None:
        raise UsageError("the private key cannot be read: it is no JWK or JWK Set with one private key of that id")
    return key, key_id or str(chosen.get("kid", ""))
