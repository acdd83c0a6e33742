"""The headers in which a request brings its credential.

Everywhere that is `Authorization: Bearer`. What other makers' clients are told to send as `x-api-key`
(Anthropic's) or `api-key` (Azure's) is taken as well, on the paths that are not the gateway's own.
"""

from __future__ import annotations

from starlette.types import Scope

from gateway.errors import AuthenticationFailed
from gateway.http import OWN_API_PREFIX

KEY_HEADERS = frozenset({b"x-api-key", b"api-key"})


def authorization_of(scope: Scope) -> str | None:
    """The value of an Authorization header that says what the request's headers say; None without any.

    Raises AuthenticationFailed where two of them say different things: a proxy or a client that sends both
    would else be somebody whom nobody meant.
    """
    authorization: str | None = None
    keys: list[str] | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if authorization is not None and authorization != str(value, "latin-1"):
                raise _differing()
            authorization = str(value, "latin-1")
        elif name in KEY_HEADERS:
            keys = [*(keys or ()), str(value, "latin-1").strip()]
    if keys is None or scope.get("path", "").startswith(OWN_API_PREFIX):
        return authorization
    tokens = {_token_of(authorization), *keys} - {""}
    if len(tokens) > 1:
        raise _differing()
    return f"Bearer {tokens.pop()}" if tokens else authorization


def _token_of(authorization: str | None) -> str:
    """The token of the header; of another scheme all of it, which is no key."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else authorization or ""


def _differing() -> AuthenticationFailed:
    return AuthenticationFailed(
        "The headers hold two different credentials. Send one of Authorization, x-api-key and api-key."
    )
