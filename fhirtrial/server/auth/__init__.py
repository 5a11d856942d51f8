"""
Ways to say who asks: none, user and password, a token, OAuth2 client credentials, SMART backend services.

Secrets come from files, from the environment, or from the program that uses the library; `from_environment` takes
whichever is there.
"""

from __future__ import annotations

from fhirtrial.server.auth.auth import Auth
from fhirtrial.server.auth.basic import Basic
from fhirtrial.server.auth.bearer import Bearer
from fhirtrial.server.auth.client_credentials import ClientCredentials
from fhirtrial.server.auth.environment import from_environment
from fhirtrial.server.auth.nobody import Nobody
from fhirtrial.server.auth.smart_backend import SmartBackend

__all__ = ["Auth", "Basic", "Bearer", "ClientCredentials", "Nobody", "SmartBackend", "from_environment"]
